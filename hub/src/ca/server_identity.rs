//! A listener's certificate that never grows old: issued at start and again at half of its life.

use std::sync::{Arc, PoisonError, RwLock};

use breakglass_hub_core::clock::{between, later};
use jiff::Timestamp;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::{Authority, CaError};
use crate::clock::Clock;

/// See the module. Shared by all handshakes of a listener.
pub struct ServerIdentity {
    authority: Arc<Authority>,
    hosts: Vec<String>,
    clock: Arc<dyn Clock>,
    provider: Arc<CryptoProvider>,
    current: RwLock<Current>,
}

#[derive(Clone)]
struct Current {
    key: Arc<CertifiedKey>,
    renew_at: Timestamp,
}

impl ServerIdentity {
    /// Issues the first certificate.
    ///
    /// # Errors
    /// If a host is no name for a certificate, or signing fails.
    pub fn new(
        authority: Arc<Authority>,
        hosts: Vec<String>,
        clock: Arc<dyn Clock>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, CaError> {
        let first = issue(&authority, &hosts, clock.now().wall, &provider)?;
        Ok(Self {
            authority,
            hosts,
            clock,
            provider,
            current: RwLock::new(first),
        })
    }

    fn current(&self) -> Arc<CertifiedKey> {
        let now = self.clock.now().wall;
        let current = self
            .current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if now < current.renew_at {
            return current.key;
        }
        match issue(&self.authority, &self.hosts, now, &self.provider) {
            Ok(next) => {
                let key = next.key.clone();
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = next;
                key
            }
            Err(error) => {
                // The old one is good for as long again; the next handshake tries again.
                tracing::error!(%error, "cannot renew a listener's certificate");
                current.key
            }
        }
    }
}

fn issue(
    authority: &Authority,
    hosts: &[String],
    now: Timestamp,
    provider: &CryptoProvider,
) -> Result<Current, CaError> {
    let certificate = authority.issue_server(hosts, now)?;
    let half = between(certificate.issued_at, certificate.expires_at) / 2;
    let key = CertifiedKey::from_der(certificate.chain, certificate.key, provider)
        .map_err(|e| CaError::Issue(e.to_string()))?;
    Ok(Current {
        key: Arc::new(key),
        renew_at: later(certificate.issued_at, half),
    })
}

impl std::fmt::Debug for ServerIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerIdentity")
            .field("hosts", &self.hosts)
            .finish_non_exhaustive()
    }
}

impl ResolvesServerCert for ServerIdentity {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}
