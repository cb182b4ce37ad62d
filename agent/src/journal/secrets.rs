//! Records as Secrets of the agent's namespace.

use http::Method;
use kube::core::ObjectList;
use serde_json::{Value, json};

use super::Secret;
use crate::cluster::{Cluster, Target, bodyless, parse, prune, with_body};
use breakglass_agent_core::plan::outcome::ApiFailure;

/// The label by which records are found, with what kind of record it is.
const RECORD_LABEL: &str = "breakglass.t-caas.telekom.com/journal";
const FIELD_MANAGER: &str = breakglass_protocol::labels::FIELD_MANAGER;
/// Records read at once: they are up to 900 KiB each.
const PAGE: &str = "20";

impl Cluster {
    pub(super) async fn get_secret(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Secret>, ApiFailure> {
        let target = Target::new("v1", "Secret", Some(namespace), name);
        self.get(&target).await
    }

    pub(super) async fn put_secret(
        &self,
        namespace: &str,
        name: &str,
        label: &str,
        data: &Value,
    ) -> Result<(), ApiFailure> {
        let target = Target::new("v1", "Secret", Some(namespace), name);
        let body = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "Opaque",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "labels": {
                    RECORD_LABEL: label,
                    "app.kubernetes.io/name": "breakglass-agent",
                },
            },
            "data": data,
        });
        let uri = format!("{}?fieldManager={FIELD_MANAGER}&force=true", target.path()?);
        let request = with_body(Method::PATCH, uri, "application/apply-patch+yaml", &body)?;
        self.call("patch", &target, request).await.map(drop)
    }

    pub(super) async fn delete_secret(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<(), ApiFailure> {
        let target = Target::new("v1", "Secret", Some(namespace), name);
        let request = bodyless(Method::DELETE, target.path()?)?;
        match self.call("delete", &target, request).await {
            Ok(_) => Ok(()),
            Err(failure) if failure.code == 404 => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    pub(super) async fn list_records(
        &self,
        namespace: &str,
        next: &str,
    ) -> Result<ObjectList<Secret>, ApiFailure> {
        let target = Target::new("v1", "Secret", Some(namespace), "");
        let mut query = vec![("limit", PAGE)];
        let selector = format!("{RECORD_LABEL}=grant");
        query.push(("labelSelector", &selector));
        if !next.is_empty() {
            query.push(("continue", next));
        }
        let uri = format!("{}?{}", target.collection()?, prune::form(&query));
        let request = bodyless(Method::GET, uri)?;
        let text = self.call("list", &target, request).await?;
        parse("list", &target, &text)
    }
}
