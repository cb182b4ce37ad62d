//! Making and changing objects (D5, S8): the first write is a create that never takes over what somebody else made; every
//! later one carries the recorded UID.

use breakglass_agent_core::plan::outcome::{ApiFailure, Outcome};
use breakglass_agent_core::plan::{Deployer, PodRef};
use breakglass_protocol::labels::FIELD_MANAGER;
use http::Method;
use serde_json::{Value, json};

use super::{Cluster, Target, parse, with_body};

/// Unknown fields are refused by the API server, not dropped: a restriction that is dropped would fail open.
const STRICT: &str = "fieldValidation=Strict";

impl Cluster {
    /// Creates the object. If the name is taken, tells what is there: whether that is this session's own, made just
    /// before a crash, is judged from its marks by the core.
    pub async fn create_first(&self, manifest: &Value, deployer: &Deployer) -> Outcome {
        match self.try_create(manifest, deployer).await {
            Ok(object) => Outcome::Object(object),
            Err(failure) if failure.code == 409 && failure.reason == "AlreadyExists" => {
                let found = self.find(manifest).await;
                if found == Outcome::Gone {
                    // Gone again in between: the next plan creates anew.
                    return Outcome::Failed(ApiFailure { code: 0, ..failure });
                }
                found
            }
            Err(failure) => Outcome::Failed(failure),
        }
    }

    async fn try_create(&self, manifest: &Value, deployer: &Deployer) -> Result<Value, ApiFailure> {
        let target = self.locate(Target::of_manifest(manifest)?).await?;
        let uri = format!(
            "{}?fieldManager={FIELD_MANAGER}&{STRICT}",
            target.collection()?
        );
        let request = with_body(Method::POST, uri, "application/json", manifest)?;
        let text = self.call_as(deployer, "create", &target, request).await?;
        parse("create", &target, &text)
    }

    /// Reads what is under a manifest's name.
    pub async fn find(&self, manifest: &Value) -> Outcome {
        match Target::of_manifest(manifest) {
            Ok(target) => self.look(target).await,
            Err(failure) => Outcome::Failed(failure),
        }
    }

    /// Reads an object.
    pub async fn look(&self, target: Target) -> Outcome {
        let found = match self.locate(target).await {
            Ok(target) => self.get::<Value>(&target).await,
            Err(failure) => Err(failure),
        };
        match found {
            Ok(Some(object)) => Outcome::Object(object),
            Ok(None) => Outcome::Gone,
            Err(failure) => Outcome::Failed(failure),
        }
    }

    /// Server-side apply of the same manifest onto the object with this UID; another object under the name is a
    /// conflict, and told as gone.
    pub async fn apply(&self, manifest: &Value, uid: &str, deployer: &Deployer) -> Outcome {
        match self.try_apply(manifest, uid, deployer).await {
            Ok(object) => Outcome::Object(object),
            Err(failure) => gone_or_failed(failure),
        }
    }

    async fn try_apply(
        &self,
        manifest: &Value,
        uid: &str,
        deployer: &Deployer,
    ) -> Result<Value, ApiFailure> {
        let target = Target::of_manifest(manifest)?;
        let mut body = manifest.clone();
        if let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("uid".to_owned(), Value::from(uid));
        }
        let uri = format!(
            "{}?fieldManager={FIELD_MANAGER}&force=true&{STRICT}",
            target.path()?
        );
        let request = with_body(Method::PATCH, uri, "application/apply-patch+yaml", &body)?;
        let text = self.call_as(deployer, "patch", &target, request).await?;
        parse("patch", &target, &text)
    }

    /// Sets the pod's `activeDeadlineSeconds` (D2). Kubernetes lets it only be set or shortened.
    pub async fn cap_deadline(&self, pod: &PodRef, seconds: i64) -> Outcome {
        match self.try_cap_deadline(pod, seconds).await {
            Ok(()) => Outcome::Accepted,
            Err(failure) => gone_or_failed(failure),
        }
    }

    async fn try_cap_deadline(&self, pod: &PodRef, seconds: i64) -> Result<(), ApiFailure> {
        let target = Target::new("v1", "Pod", Some(&pod.namespace), &pod.name);
        let body = json!({
            "metadata": { "uid": pod.uid },
            "spec": { "activeDeadlineSeconds": seconds },
        });
        let uri = format!("{}?fieldManager={FIELD_MANAGER}", target.path()?);
        let request = with_body(Method::PATCH, uri, "application/merge-patch+json", &body)?;
        self.call("patch", &target, request).await.map(drop)
    }
}

/// 404, a conflict on a precondition's UID, and (for patches) the refusal to change `metadata.uid` all mean that this very
/// object is not there.
pub(super) fn gone_or_failed(failure: ApiFailure) -> Outcome {
    let is_another = match failure.code {
        404 => true,
        409 => failure.reason == "Conflict",
        422 => failure.message.contains("metadata.uid: Invalid value"),
        _ => false,
    };
    if is_another {
        Outcome::Gone
    } else {
        Outcome::Failed(failure)
    }
}
