//! Where API servers reach the webhook: they resolve no cluster DNS, so it is the Service's ClusterIP (D20), or an
//! address that the cluster's owner sets. The Service is read again each minute; a new address is a new certificate.

use std::time::Duration;

use k8s_openapi::api::core::v1::Service;
use kube::Api;
use tokio::time::sleep;
use tracing::{error, info, warn};

use super::WebhookHandle;
use super::certs::{CertError, Refreshed, ServerNames};

use crate::clock::Clock;
use crate::link::connect::HostPort;

/// A ClusterIP changes only when somebody makes the Service anew; a minute without the webhook is short for that.
const REREAD: Duration = Duration::from_secs(60);
/// While it could not be read, an administrator may be waiting for the webhook's two files.
const TRY_AGAIN: Duration = Duration::from_secs(2);

/// Which Service, and the address that overrides it.
pub struct WebhookAddress {
    pub services: Api<Service>,
    pub service: String,
    /// `host:port` from chart value `webhook.address`.
    pub address: Option<String>,
    pub clock: Clock,
}

/// Why the webhook's address is not known.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    #[error("chart value webhook.address {0:?} is not host:port")]
    Override(String),
    #[error("reading Service {service} failed: {source}")]
    Read {
        service: String,
        source: Box<kube::Error>,
    },
    #[error(
        "Service {0} has no ClusterIP or no port; set chart value webhook.address if API servers reach the webhook otherwise"
    )]
    Headless(String),
    #[error(transparent)]
    Names(#[from] CertError),
}

impl WebhookAddress {
    /// Keeps the webhook's certificate true to its address, for ever.
    pub async fn keep(self, handle: WebhookHandle) {
        loop {
            let (names, pause) = match self.read().await {
                Ok(names) => (names, REREAD),
                Err(error) => {
                    warn!(%error, "the webhook's address is not known; its certificate keeps the names it has");
                    (handle.names(), TRY_AGAIN)
                }
            };
            match handle.set_names(names, self.clock.now().wall) {
                Ok(Refreshed::Unchanged) => {}
                Ok(Refreshed::Reissued) => {
                    info!(url = ?handle.names().url().ok(), "new server certificate for the webhook");
                }
                Err(error) => error!(%error, "no new server certificate for the webhook"),
            }
            sleep(pause).await;
        }
    }

    /// The names as they should be now.
    ///
    /// # Errors
    /// See [`AddressError`].
    pub async fn read(&self) -> Result<ServerNames, AddressError> {
        if let Some(address) = &self.address {
            let parsed =
                HostPort::parse(address).map_err(|_| AddressError::Override(address.clone()))?;
            return Ok(ServerNames::new([parsed.host], parsed.port)?);
        }
        let service =
            self.services
                .get(&self.service)
                .await
                .map_err(|source| AddressError::Read {
                    service: self.service.clone(),
                    source: Box::new(source),
                })?;
        names_of(&service).ok_or_else(|| AddressError::Headless(self.service.clone()))?
    }
}

/// ClusterIPs and the port of the Service; `None` without either.
fn names_of(service: &Service) -> Option<Result<ServerNames, AddressError>> {
    let spec = service.spec.as_ref()?;
    let ports = spec.ports.as_deref().unwrap_or_default();
    let port = ports
        .iter()
        .find(|port| port.name.as_deref() == Some("webhook"))
        .or(ports.first())?;
    let port = u16::try_from(port.port).ok()?;
    let addresses: Vec<String> = spec
        .cluster_ips
        .iter()
        .flatten()
        .chain(&spec.cluster_ip)
        .filter(|address| !address.is_empty() && *address != "None")
        .cloned()
        .collect();
    if addresses.is_empty() {
        return None;
    }
    Some(ServerNames::new(addresses, port).map_err(AddressError::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(spec: serde_json::Value) -> Service {
        serde_json::from_value(serde_json::json!({"metadata": {"name": "s"}, "spec": spec}))
            .unwrap()
    }

    #[test]
    fn the_address_is_the_first_cluster_ip() {
        let both = service(serde_json::json!({
            "clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.7", "fd00::7"],
            "ports": [{"name": "metrics", "port": 8080}, {"name": "webhook", "port": 9443}]
        }));
        let names = names_of(&both).unwrap().unwrap();
        assert_eq!(names.url().unwrap(), "https://10.96.0.7:9443/authorize");
        let six = service(serde_json::json!({"clusterIP": "fd00::7", "ports": [{"port": 443}]}));
        let names = names_of(&six).unwrap().unwrap();
        assert_eq!(names.url().unwrap(), "https://[fd00::7]:443/authorize");
        for spec in [
            serde_json::json!({"clusterIP": "None", "ports": [{"port": 443}]}),
            serde_json::json!({"clusterIP": "10.0.0.1"}),
            serde_json::json!({"clusterIP": "", "ports": [{"port": 443}]}),
        ] {
            assert!(names_of(&service(spec)).is_none());
        }
    }
}
