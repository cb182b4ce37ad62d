//! Asks the API server about the canary (S15): a made-up user whom the chart's RBAC allows exactly what the webhook always
//! refuses. The answer tells which of the two the API server asks first.

use breakglass_agent_core::authorize::{CANARY_POD, CANARY_USER};
use breakglass_agent_core::plan::outcome::ApiFailure;
use breakglass_protocol::wire::report::WebhookOrder;
use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::{Cluster, Target, parse, with_body};

#[derive(Deserialize)]
struct Review {
    status: Status,
}

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    allowed: bool,
    #[serde(default)]
    denied: bool,
}

impl Cluster {
    /// `None` if the canary is neither denied nor allowed: its RBAC is missing, so the answer proves nothing.
    ///
    /// # Errors
    /// If the API server cannot be asked.
    pub async fn webhook_order(&self, namespace: &str) -> Result<Option<WebhookOrder>, ApiFailure> {
        let target = Target::new("authorization.k8s.io/v1", "SubjectAccessReview", None, "");
        let body = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": CANARY_USER,
                "resourceAttributes": {
                    "namespace": namespace, "verb": "create", "version": "v1",
                    "resource": "pods", "subresource": "exec", "name": CANARY_POD,
                },
            },
        });
        let uri = target.collection()?;
        let request = with_body(Method::POST, uri, "application/json", &body)?;
        let text = self.call("create", &target, request).await?;
        let Status { allowed, denied } = parse::<Review>("create", &target, &text)?.status;
        Ok(match (allowed, denied) {
            (true, _) => Some(WebhookOrder::BehindRbac),
            (false, true) => Some(WebhookOrder::BeforeRbac),
            (false, false) => None,
        })
    }
}
