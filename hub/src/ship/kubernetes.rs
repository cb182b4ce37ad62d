//! Events in the hub's own namespace (`kubectl get events`), where the hub runs in a cluster. For people who look there:
//! the API server forgets Events after an hour, the record is the store.

use std::path::Path;
use std::time::Duration;

use breakglass_hub_core::audit::{Actor, Outcome};
use breakglass_hub_core::notice::legible;
use http::StatusCode;
use serde_json::{Value, json};

use crate::app::App;
use crate::outward::SendError;
use crate::store::AuditRecord;

/// Where Kubernetes puts a pod's own account.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// The API server answers an Event within milliseconds.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Longest note that the API server takes is 1,024 bytes.
const MAX_NOTE: usize = 800;

/// The API server of the cluster that the hub runs in.
#[derive(Clone, Debug)]
pub struct InCluster {
    url: String,
    namespace: String,
    client: reqwest::Client,
}

/// Why there are no Events.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotInCluster {
    #[error("the hub does not run in a cluster: {0} is not set")]
    NoAddress(&'static str),
    #[error("the hub's account in its cluster cannot be read: {0}")]
    Account(String),
}

impl InCluster {
    /// Finds the cluster that this process runs in.
    ///
    /// # Errors
    /// What of it is missing.
    pub fn find() -> Result<Self, NotInCluster> {
        let variable =
            |name: &'static str| std::env::var(name).map_err(|_| NotInCluster::NoAddress(name));
        let host = variable("KUBERNETES_SERVICE_HOST")?;
        let port = variable("KUBERNETES_SERVICE_PORT")?;
        let file = |name: &str| {
            std::fs::read(Path::new(ACCOUNT).join(name))
                .map_err(|error| NotInCluster::Account(format!("{name}: {error}")))
        };
        let account = |message: String| NotInCluster::Account(message);
        let roots = reqwest::Certificate::from_pem_bundle(&file("ca.crt")?)
            .map_err(|error| account(error.to_string()))?;
        let namespace = String::from_utf8(file("namespace")?)
            .map_err(|_| account("namespace is not UTF-8".to_owned()))?;
        // An IPv6 address stands in brackets.
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host
        };
        let client = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .https_only(true)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .tls_certs_only(roots)
            .build()
            .map_err(|error| account(error.to_string()))?;
        Ok(Self {
            url: format!(
                "https://{host}:{port}/api/v1/namespaces/{}/events",
                namespace.trim()
            ),
            namespace: namespace.trim().to_owned(),
            client,
        })
    }

    async fn create(&self, event: &Value) -> Result<(), SendError> {
        let temporary = |message: String| SendError::Temporary(message);
        // Read anew: the kubelet replaces it every hour.
        let token = tokio::fs::read_to_string(Path::new(ACCOUNT).join("token"))
            .await
            .map_err(|error| temporary(format!("the account's token: {error}")))?;
        let answer = self
            .client
            .post(&self.url)
            .bearer_auth(token.trim())
            .json(event)
            .send()
            .await
            .map_err(|error| temporary(error.without_url().to_string()))?;
        match answer.status() {
            // Made before a crash: the name is the event's own.
            StatusCode::CONFLICT => Ok(()),
            status if status.is_success() => Ok(()),
            status => Err(temporary(format!(
                "the API server answered {}; the hub's account needs `create` on events in its namespace",
                status.as_u16()
            ))),
        }
    }
}

pub(super) async fn send(app: &App, records: &[AuditRecord]) -> Result<(), SendError> {
    let Some(cluster) = &app.in_cluster else {
        return Err(SendError::Temporary(
            "the hub does not run in a cluster".to_owned(),
        ));
    };
    for record in records {
        cluster
            .create(&event_of(record, &cluster.namespace))
            .await?;
    }
    Ok(())
}

/// A record as a core/v1 Event. Its object is named, not referred to by UID: it lives in the hub, not in this cluster.
fn event_of(record: &AuditRecord, namespace: &str) -> Value {
    let event = &record.event;
    let who = match &event.actor {
        Actor::Person(identity) => legible(&identity.name),
        Actor::Agent { cluster } => format!("agent of {cluster}"),
        Actor::Hub { job } => format!("hub ({job})"),
        Actor::Unknown => "unknown".to_owned(),
    };
    let type_ = match event.outcome {
        Outcome::Done => "Normal",
        Outcome::Refused | Outcome::Failed => "Warning",
    };
    let action = serde_json::to_value(event.action).unwrap_or_default();
    let action = action.as_str().unwrap_or_default().to_owned();
    let mut reason = action.clone();
    if let Some(first) = reason.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    let note = format!(
        "{action} by {who}: {} {}",
        event.object.kind,
        legible(&event.object.name)
    );
    json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            // One per record, however often it is sent.
            "name": format!("breakglass-audit-{}-{}", record.sequence, &record.hash.to_string()[..12]),
            "namespace": namespace,
        },
        "involvedObject": {
            "apiVersion": "breakglass.t-caas.telekom.com/v1alpha1",
            "kind": event.object.kind,
            "name": event.object.name,
            "namespace": namespace,
        },
        "type": type_,
        "reason": reason,
        "message": note.chars().take(MAX_NOTE).collect::<String>(),
        "source": {"component": "breakglass-hub"},
        "firstTimestamp": breakglass_hub_core::clock::whole_second(event.at).to_string(),
        "lastTimestamp": breakglass_hub_core::clock::whole_second(event.at).to_string(),
        "count": 1,
    })
}

#[cfg(test)]
mod tests {
    use breakglass_hub_core::audit::chain::ChainHash;
    use breakglass_hub_core::audit::{Action, AuditEvent, ObjectRef};
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn an_event_names_its_object_and_its_record() {
        let actor = Actor::Hub {
            job: "deadlines".to_owned(),
        };
        let object = ObjectRef::new("DebugSession", Some("breakglass"), "debug-session-abc123");
        let event = AuditEvent::new(
            Timestamp::UNIX_EPOCH,
            actor,
            Action::Expired,
            object,
            Outcome::Done,
        );
        let record = AuditRecord {
            sequence: 7,
            hash: ChainHash::GENESIS,
            event,
        };
        let made = event_of(&record, "hub");
        assert_eq!(made["metadata"]["name"], "breakglass-audit-7-000000000000");
        assert_eq!(made["reason"], "Expired");
        assert_eq!(
            made["message"],
            "expired by hub (deadlines): DebugSession debug-session-abc123"
        );
    }
}
