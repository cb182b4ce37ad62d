//! Removing objects and proving that they are gone (S8, S11): every delete carries the recorded UID, and "gone" is only
//! what the API server itself said.

use breakglass_agent_core::observed::PodFacts;
use breakglass_agent_core::plan::PodRef;
use breakglass_agent_core::plan::outcome::{ApiFailure, Outcome};
use breakglass_protocol::limits::POD_GRACE_SECONDS;
use breakglass_protocol::wire::report::ObjectRecord;
use http::Method;
use k8s_openapi::api::core::v1::Pod;
use kube::core::ObjectList;
use serde::Deserialize;
use serde_json::{Value, json};

use super::apply::gone_or_failed;
use super::{Cluster, Target, bodyless, parse, with_body};

/// Pods read at once when all of a session are looked for.
const PAGE: usize = 500;
/// Pages at most: 50,000 pods, ten times the nodes that Kubernetes supports for one DaemonSet.
const MAX_PAGES: usize = 100;

/// As much of an object as tells whether it is the recorded one.
#[derive(Deserialize)]
struct Identified {
    metadata: IdentifiedMeta,
}

#[derive(Deserialize)]
struct IdentifiedMeta {
    #[serde(default)]
    uid: String,
}

impl Cluster {
    /// Deletes the recorded object; what it owns is left to the garbage collector.
    pub async fn delete(&self, record: &ObjectRecord) -> Outcome {
        let body = json!({
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": { "uid": record.uid },
            "propagationPolicy": "Background",
        });
        match self.locate(target_of(record)).await {
            Ok(target) => self.delete_with(&target, &body).await,
            Err(failure) => gone_or_failed(failure),
        }
    }

    /// Deletes one very pod, with the shortest grace that the kubelet keeps (D1).
    pub async fn delete_pod(&self, pod: &PodRef) -> Outcome {
        let body = json!({
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": { "uid": pod.uid },
            "gracePeriodSeconds": POD_GRACE_SECONDS,
        });
        let target = Target::new("v1", "Pod", Some(&pod.namespace), &pod.name);
        self.delete_with(&target, &body).await
    }

    async fn delete_with(&self, target: &Target, options: &Value) -> Outcome {
        let request = match target
            .path()
            .and_then(|path| with_body(Method::DELETE, path, "application/json", options))
        {
            Ok(request) => request,
            Err(failure) => return Outcome::Failed(failure),
        };
        match self.call("delete", target, request).await {
            Ok(_) => Outcome::Accepted,
            Err(failure) => gone_or_failed(failure),
        }
    }

    /// Asks the API server whether the recorded object is still there.
    pub async fn confirm_gone(&self, record: &ObjectRecord) -> Outcome {
        let found = match self.locate(target_of(record)).await {
            Ok(target) => self.get::<Identified>(&target).await,
            Err(failure) => Err(failure),
        };
        match found {
            Ok(Some(found)) if found.metadata.uid == record.uid => Outcome::Present,
            Ok(Some(_) | None) => Outcome::Gone,
            Err(failure) => Outcome::Failed(failure),
        }
    }

    /// Lists a session's pods at the API server itself: a watch may lag, a quorum read does not.
    pub async fn list_pods(&self, namespace: &str, selector: &str) -> Outcome {
        match self.try_list_pods(namespace, selector).await {
            Ok(pods) => Outcome::Pods(pods),
            Err(failure) => Outcome::Failed(failure),
        }
    }

    async fn try_list_pods(
        &self,
        namespace: &str,
        selector: &str,
    ) -> Result<Vec<PodFacts>, ApiFailure> {
        let target = Target::new("v1", "Pod", Some(namespace), "");
        let mut facts = Vec::new();
        let mut next = String::new();
        for _ in 0..MAX_PAGES {
            let mut query = form(&[("labelSelector", selector), ("limit", &PAGE.to_string())]);
            if !next.is_empty() {
                query = format!("{query}&{}", form(&[("continue", &next)]));
            }
            let request = bodyless(Method::GET, format!("{}?{query}", target.collection()?))?;
            let text = self.call("list", &target, request).await?;
            let page: ObjectList<Pod> = parse("list", &target, &text)?;
            facts.extend(page.items.into_iter().map(PodFacts::of));
            match page.metadata.continue_ {
                Some(token) if !token.is_empty() => next = token,
                Some(_) | None => return Ok(facts),
            }
        }
        Err(ApiFailure {
            code: 0,
            reason: "TooMany".to_owned(),
            message: format!("list {target}: more than {} pods", MAX_PAGES * PAGE),
            remedy: None,
        })
    }
}

pub(crate) fn target_of(record: &ObjectRecord) -> Target {
    Target {
        api_version: record.api_version.clone(),
        kind: record.kind.clone(),
        namespace: record.namespace.clone(),
        name: record.name.clone(),
        plural: None,
    }
}

/// Query parameters, percent-encoded.
pub(crate) fn form(pairs: &[(&str, &str)]) -> String {
    let encode = |text: &str| {
        text.bytes().fold(String::new(), |mut out, byte| {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
                out.push(char::from(byte));
            } else {
                out.push_str(&format!("%{byte:02X}"));
            }
            out
        })
    };
    pairs
        .iter()
        .map(|(key, value)| format!("{}={}", encode(key), encode(value)))
        .collect::<Vec<_>>()
        .join("&")
}
