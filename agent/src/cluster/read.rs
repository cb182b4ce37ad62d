//! Single reads: what no watch covers.

use breakglass_agent_core::observed::{
    DeployerSeen, NamespaceFacts, NamespaceSeen, ServiceFacts, Unreadable,
};
use breakglass_agent_core::plan::outcome::ApiFailure;
use breakglass_protocol::wire::grant::ServiceAccountName;
use http::Method;
use k8s_openapi::api::core::v1::{Event, Namespace, Service, ServiceAccount};
use kube::core::ObjectList;

use super::prune::form;
use super::{Cluster, Target, bodyless, parse};

/// Services of a namespace that are looked at. A namespace with more is refused rather than half checked.
const MAX_SERVICES: &str = "5000";
/// Events that are looked at for one owner; the newest one is told.
const MAX_EVENTS: &str = "50";

impl Cluster {
    /// The live namespace and the Services in it, for S17 and S9. One that the agent may not read is told so.
    ///
    /// # Errors
    /// If the API server cannot be reached, or refuses to list the Services.
    pub async fn read_namespace(&self, name: &str) -> Result<NamespaceSeen, ApiFailure> {
        let target = Target::new("v1", "Namespace", None, name);
        let namespace = match self.get::<Namespace>(&target).await {
            Ok(Some(namespace)) => namespace,
            Ok(None) => return Ok(NamespaceSeen::Missing),
            Err(failure) if failure.code == 403 => {
                return Ok(NamespaceSeen::Unreadable(Unreadable {
                    message: failure.message,
                    services: self.list_services(name).await?,
                    ..Unreadable::default()
                }));
            }
            Err(failure) => return Err(failure),
        };
        if namespace.metadata.deletion_timestamp.is_some() {
            return Ok(NamespaceSeen::Terminating);
        }
        Ok(NamespaceSeen::Active(NamespaceFacts {
            labels: namespace.metadata.labels.unwrap_or_default(),
            services: self.list_services(name).await?,
        }))
    }

    /// Whether the ServiceAccount is there.
    ///
    /// # Errors
    /// If the API server refuses or cannot be reached.
    pub async fn read_deployer(
        &self,
        account: &ServiceAccountName,
    ) -> Result<DeployerSeen, ApiFailure> {
        let target = Target::new(
            "v1",
            "ServiceAccount",
            Some(&account.namespace),
            &account.name,
        );
        let found = self.get::<ServiceAccount>(&target).await?;
        Ok(
            match found.map(|account| account.metadata.deletion_timestamp) {
                Some(None) => DeployerSeen::Present,
                Some(Some(_)) | None => DeployerSeen::Missing,
            },
        )
    }

    async fn list_services(&self, namespace: &str) -> Result<Vec<ServiceFacts>, ApiFailure> {
        let target = Target::new("v1", "Service", Some(namespace), "");
        let uri = format!("{}?limit={MAX_SERVICES}", target.collection()?);
        let text = self
            .call("list", &target, bodyless(Method::GET, uri)?)
            .await?;
        let services: ObjectList<Service> = parse("list", &target, &text)?;
        if services
            .metadata
            .continue_
            .is_some_and(|token| !token.is_empty())
        {
            return Err(ApiFailure {
                code: 422,
                reason: "TooManyServices".to_owned(),
                message: format!(
                    "namespace {namespace} has more than {MAX_SERVICES} Services, so it cannot be checked that none selects the session's pods; use another namespace"
                ),
                remedy: None,
            });
        }
        Ok(services.items.iter().filter_map(ServiceFacts::of).collect())
    }

    /// The newest warning about one object, by its UID: a DaemonSet tells of a quota only so.
    ///
    /// # Errors
    /// If the API server refuses or cannot be reached.
    pub async fn newest_warning(
        &self,
        namespace: &str,
        uid: &str,
    ) -> Result<Option<String>, ApiFailure> {
        let target = Target::new("v1", "Event", Some(namespace), "");
        let selector = form(&[
            (
                "fieldSelector",
                &format!("involvedObject.uid={uid},type=Warning"),
            ),
            ("limit", MAX_EVENTS),
        ]);
        let uri = format!("{}?{selector}", target.collection()?);
        let text = self
            .call("list", &target, bodyless(Method::GET, uri)?)
            .await?;
        let events: ObjectList<Event> = parse("list", &target, &text)?;
        Ok(events
            .items
            .into_iter()
            .max_by_key(|event| {
                let last = event.last_timestamp.as_ref().map(|time| time.0);
                last.or(event.event_time.as_ref().map(|time| time.0))
            })
            .and_then(|event| event.message))
    }

    /// The API server's version, such as `v1.34.4`.
    ///
    /// # Errors
    /// If it cannot be reached.
    pub async fn version(&self) -> Result<String, ApiFailure> {
        let target = Target::new("v1", "Version", None, "version");
        let request = bodyless(Method::GET, "/version".to_owned())?;
        let text = self.call("get", &target, request).await?;
        let version: serde_json::Value = parse("get", &target, &text)?;
        Ok(version
            .get("gitVersion")
            .and_then(serde_json::Value::as_str)
            .unwrap_or("unknown")
            .to_owned())
    }
}
