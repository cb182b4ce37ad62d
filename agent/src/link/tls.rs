//! TLS towards the hub: 1.3 only, the hub's CA as the only root, and what a failed handshake means for people.

use std::error::Error as StdError;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError,
    PeerIncompatible, RootCertStore, SignatureScheme,
};
use rustls_pki_types::pem::PemObject;
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::identity::Identity;

/// Certificates in the hub's CA bundle: today's and a coming one, with room for an organisation's own habits.
const MAX_BUNDLE: usize = 8;

/// What is wrong with key, certificate or bundle on this side.
#[derive(Debug, thiserror::Error)]
pub enum TlsSetupError {
    #[error(
        "the {what} cannot be read ({why}); delete the agent's identity Secret and enrol again with `bgctl cluster register {cluster}`"
    )]
    Identity {
        what: &'static str,
        why: String,
        cluster: String,
    },
    #[error(
        "{0:?} is not a CA pin: 64 hexadecimal digits, as `bgctl cluster register NAME` puts into the join token"
    )]
    Pin(String),
    #[error("TLS cannot be set up: {0}")]
    Rustls(#[from] TlsError),
}

/// TLS for the link: the identity's CA bundle is the only root, its certificate the client's.
///
/// # Errors
/// If a part of the identity cannot be read.
pub fn link_config(identity: &Identity) -> Result<ClientConfig, TlsSetupError> {
    let bad = |what: &'static str, why: String| TlsSetupError::Identity {
        what,
        why,
        cluster: identity.cluster.to_string(),
    };
    let roots =
        read_bundle(&identity.hub_ca_pem).map_err(|why| bad("hub's CA certificate", why))?;
    let chain = CertificateDer::pem_slice_iter(identity.certificate_pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| bad("agent's certificate", e.to_string()))?;
    let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes())
        .map_err(|e| bad("agent's key", e.to_string()))?;
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .map_err(|e| bad("agent's certificate", e.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// TLS for enrolment: the hub shows its CA in the chain, and exactly the CA with this pin counts as root.
///
/// # Errors
/// If the pin is not a SHA-256 in hex.
pub fn enrol_config(pin_hex: &str) -> Result<ClientConfig, TlsSetupError> {
    let provider = provider();
    let verifier = PinnedVerifier {
        pin: parse_pin(pin_hex)?,
        algorithms: provider.signature_verification_algorithms,
        provider: Arc::clone(&provider),
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Certificates of a bundle as roots.
///
/// # Errors
/// Why it is no bundle, worded to follow its name.
pub fn read_bundle(pem: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|e| e.to_string())?;
        roots.add(certificate).map_err(|e| e.to_string())?;
        if roots.len() > MAX_BUNDLE {
            return Err(format!("it holds more than {MAX_BUNDLE} certificates"));
        }
    }
    if roots.is_empty() {
        return Err("it holds no certificate".into());
    }
    Ok(roots)
}

/// Whether a bundle holds the CA of this pin.
#[must_use]
pub fn bundle_has_pin(pem: &str, pin_hex: &str) -> bool {
    parse_pin(pin_hex).is_ok_and(|pin| {
        CertificateDer::pem_slice_iter(pem.as_bytes())
            .flatten()
            .any(|certificate| spki_digest(&certificate) == Some(pin))
    })
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn parse_pin(text: &str) -> Result<[u8; 32], TlsSetupError> {
    hex::decode(text)
        .ok()
        .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
        .ok_or_else(|| TlsSetupError::Pin(text.to_owned()))
}

fn spki_digest(certificate: &CertificateDer<'_>) -> Option<[u8; 32]> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    Some(Sha256::digest(parsed.public_key().raw).into())
}

/// Finds the CA with the right key among the certificates that the hub showed, then verifies the hub's certificate the
/// usual way with that CA as the only root: signature, time, usage and host name all count.
#[derive(Debug)]
struct PinnedVerifier {
    pin: [u8; 32],
    algorithms: WebPkiSupportedAlgorithms,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinnedVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let root = intermediates
            .iter()
            .find(|certificate| spki_digest(certificate) == Some(self.pin))
            .ok_or(TlsError::InvalidCertificate(
                CertificateError::UnknownIssuer,
            ))?;
        let mut roots = RootCertStore::empty();
        roots.add(root.clone().into_owned())?;
        let verifier = WebPkiServerVerifier::builder_with_provider(
            Arc::new(roots),
            Arc::clone(&self.provider),
        )
        .build()
        .map_err(|e| TlsError::General(e.to_string()))?;
        verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        Err(TlsError::PeerIncompatible(
            PeerIncompatible::Tls12NotOffered,
        ))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// What a TLS failure means, in words that say what to do; `None` where `error` is not about TLS. With TLS 1.3 the hub's
/// refusal of a client certificate arrives only at the first read, wrapped by whoever was reading.
#[must_use]
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "rustls's errors, not an enum of ours: the rest is told as it is"
)]
pub fn explain(error: &(dyn StdError + 'static), cluster: &str) -> Option<Explained> {
    let tls = find_tls_error(error)?;
    Some(match tls {
        TlsError::AlertReceived(alert) => explain_alert(*alert, cluster),
        TlsError::InvalidCertificate(certificate) => {
            Explained::Person(explain_certificate(certificate))
        }
        other => Explained::Passing(format!("TLS with the hub failed: {other}")),
    })
}

/// Who can mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Explained {
    /// Only a person: the message says how.
    Person(String),
    /// It may pass by itself.
    Passing(String),
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "rustls's alerts, not an enum of ours: most of them mean nothing to an operator beyond their name"
)]
fn explain_alert(alert: AlertDescription, cluster: &str) -> Explained {
    let register = format!("`bgctl cluster register {cluster}`");
    let why = match alert {
        AlertDescription::CertificateRequired => "it asks for a client certificate and got none",
        AlertDescription::CertificateRevoked => "this agent's certificate was revoked",
        AlertDescription::CertificateExpired => "this agent's certificate has expired",
        // A hub that was set up anew has a CA of the old one's name but another key: the signature is wrong.
        AlertDescription::UnknownCA | AlertDescription::DecryptError => {
            "this agent's certificate is not from its CA"
        }
        AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::AccessDenied => "it does not accept this agent's certificate",
        AlertDescription::ProtocolVersion => {
            return Explained::Person(
                "the hub does not speak TLS 1.3: is a proxy in between opening the connection?"
                    .into(),
            );
        }
        other => return Explained::Passing(format!("the hub ended TLS with alert {other:?}")),
    };
    Explained::Person(format!(
        "the hub refused the connection: {why}; if the cluster is to stay, enrol again: {register}, then apply the new join token"
    ))
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "rustls's reasons, not an enum of ours: the rest is told as it is"
)]
fn explain_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "the hub's certificate is not from the CA that this agent was enrolled with: either this is not the hub \
             (a proxy that opens TLS?), or the hub has a new CA; if so, enrol again with `bgctl cluster register`"
                .into()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the hub's certificate does not name the address that this agent dials; start the hub with \
             `--agent-address HOST:PORT` for that address"
                .into()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the hub's certificate has expired by this node's clock; check both clocks".into()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the hub's certificate is not valid yet by this node's clock; check both clocks".into()
        }
        other => format!("the hub's certificate is not acceptable: {other:?}"),
    }
}

fn find_tls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a TlsError> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<TlsError>() {
            return Some(tls);
        }
        // An io::Error shows the source of what it wraps, not what it wraps.
        next = match error.downcast_ref::<std::io::Error>() {
            Some(io) => io.get_ref().map(|inner| inner as &(dyn StdError + 'static)),
            None => error.source(),
        };
    }
    None
}
