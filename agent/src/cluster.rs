//! The API server as the agent uses it: small requests by JSON and path, so that any kind can be carried and only what is
//! looked at is parsed. All runs as the agent itself, but for making a session's objects where its template names a
//! ServiceAccount for that (S10, D22).
//!
//! What the agent's role must permit (the chart's RBAC):
//! * in its own namespace: `secrets` get, list, create, patch, delete; `configmaps` get, list, watch; `services` get;
//! * `subjectaccessreviews` create;
//! * everywhere: `pods`, `replicasets`, `daemonsets`, `deployments` get, list, watch; `nodes` list, watch; `namespaces` get; `services`,
//!   `events` list;
//! * in the namespaces of sessions: `daemonsets`, `deployments` create, patch, delete; `replicasets` delete; `pods` patch,
//!   delete; of each kind in the ceiling's `extraKinds` (but ResourceQuota) create, get, delete; what its `grantableRules` list;
//! * with the ceiling's `createNamespaces`: `namespaces` create, delete, `resourcequotas` create, get, delete, and list of what
//!   may be in one
//!   ([`breakglass_agent_core::namespace::LOOKED_AT`]);
//! * for each of the ceiling's `impersonation.serviceAccounts`: get and impersonate of that one.

use std::time::Duration;

use breakglass_agent_core::plan::Deployer;
use breakglass_agent_core::plan::outcome::ApiFailure;
use http::{HeaderName, HeaderValue, Method, Request, header};
use kube::Client;
use kube::core::{ApiResource, GroupVersionKind};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub mod apply;
mod discovery;
pub mod inhabitants;
pub mod namespaces;
mod order;
pub mod prune;
pub mod read;
mod rights;
pub mod view;
pub mod watch;

/// Longest wait for one answer. Admission webhooks of the cluster may take up to 30 s by Kubernetes's own limit; such a
/// cluster's creates are retried and found by their mark (D5).
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
const IMPERSONATE_USER: HeaderName = HeaderName::from_static("impersonate-user");
/// Largest piece of an API server's message that is told on: a few lines of a refusal.
const MAX_MESSAGE: usize = 1000;

/// A client of the cluster's API server. Cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    discovered: discovery::Discovered,
}

/// One object, or (with an empty name) all objects of a kind in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub api_version: String,
    pub kind: String,
    /// `None` for kinds without namespaces.
    pub namespace: Option<String>,
    pub name: String,
    /// As in paths; `None` for what Kubernetes's own rule makes of the kind.
    pub(crate) plural: Option<String>,
}

impl Target {
    #[must_use]
    pub fn new(api_version: &str, kind: &str, namespace: Option<&str>, name: &str) -> Self {
        Self {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
            plural: None,
        }
    }

    /// What a manifest names.
    ///
    /// # Errors
    /// If it lacks `apiVersion`, `kind` or `metadata.name`.
    pub fn of_manifest(manifest: &Value) -> Result<Self, ApiFailure> {
        let text = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str);
        let named = |pointer: &str| {
            text(pointer).filter(|t| !t.is_empty()).ok_or_else(|| {
                invalid(format!(
                    "the rendered manifest has no {}",
                    pointer.trim_start_matches('/').replace('/', ".")
                ))
            })
        };
        Ok(Self {
            api_version: named("/apiVersion")?.to_owned(),
            kind: named("/kind")?.to_owned(),
            namespace: text("/metadata/namespace").map(str::to_owned),
            name: named("/metadata/name")?.to_owned(),
            plural: None,
        })
    }

    pub(crate) fn resource(&self) -> ApiResource {
        let (group, version) = self
            .api_version
            .split_once('/')
            .unwrap_or(("", &self.api_version));
        let gvk = GroupVersionKind::gvk(group, version, &self.kind);
        match &self.plural {
            Some(plural) => ApiResource::from_gvk_with_plural(&gvk, plural),
            None => ApiResource::from_gvk(&gvk),
        }
    }

    /// Path of the collection.
    pub(crate) fn collection(&self) -> Result<String, ApiFailure> {
        let resource = self.resource();
        let root = if resource.group.is_empty() {
            format!("/api/{}", segment(&resource.version)?)
        } else {
            format!(
                "/apis/{}/{}",
                segment(&resource.group)?,
                segment(&resource.version)?
            )
        };
        let plural = segment(&resource.plural)?.to_owned();
        Ok(match &self.namespace {
            Some(namespace) => format!("{root}/namespaces/{}/{plural}", segment(namespace)?),
            None => format!("{root}/{plural}"),
        })
    }

    /// Path of the object.
    pub(crate) fn path(&self) -> Result<String, ApiFailure> {
        Ok(format!("{}/{}", self.collection()?, segment(&self.name)?))
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.namespace, self.name.as_str()) {
            (Some(namespace), "") => write!(f, "{}s in namespace {namespace}", self.kind),
            (Some(namespace), name) => write!(f, "{} {namespace}/{name}", self.kind),
            (None, "") => write!(f, "{}s", self.kind),
            (None, name) => write!(f, "{} {name}", self.kind),
        }
    }
}

/// A part of a path. Names come from rendered manifests and from the hub: one that would change the path is refused.
fn segment(text: &str) -> Result<&str, ApiFailure> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':');
    if text.is_empty() || text == "." || text == ".." || !text.chars().all(plain) {
        return Err(invalid(format!(
            "{text:?} cannot be part of an object's name"
        )));
    }
    Ok(text)
}

/// A failure that no API server had to tell: worded and coded as its 422.
fn invalid(message: String) -> ApiFailure {
    ApiFailure {
        code: 422,
        reason: "Invalid".to_owned(),
        message,
        remedy: None,
    }
}

impl Cluster {
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self {
            client,
            discovered: discovery::Discovered::default(),
        }
    }

    /// The client by `KUBECONFIG` if that is set, else by the pod's ServiceAccount.
    ///
    /// # Errors
    /// If neither is there or usable.
    pub async fn connect() -> Result<Self, kube::Error> {
        let mut config = kube::Config::infer()
            .await
            .map_err(kube::Error::InferConfig)?;
        // Retries are this program's own: each knows how long it may take and who is waiting.
        config.default_retry = false;
        config.connect_timeout = Some(CALL_TIMEOUT);
        Ok(Self::new(Client::try_from(config)?))
    }

    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// One request, one answer, as text that was not looked at: answers hold Secrets, so nothing here logs them.
    pub(crate) async fn call(
        &self,
        verb: &str,
        target: &Target,
        request: Request<Vec<u8>>,
    ) -> Result<String, ApiFailure> {
        self.call_as(&Deployer::Agent, verb, target, request).await
    }

    /// The same as somebody else. Without groups in the request the API server gives a ServiceAccount its own.
    pub(crate) async fn call_as(
        &self,
        deployer: &Deployer,
        verb: &str,
        target: &Target,
        mut request: Request<Vec<u8>>,
    ) -> Result<String, ApiFailure> {
        if let Deployer::ServiceAccount(account) = deployer {
            let user = HeaderValue::try_from(account.user()).map_err(|e| invalid(e.to_string()))?;
            request.headers_mut().insert(IMPERSONATE_USER, user);
        }
        match tokio::time::timeout(CALL_TIMEOUT, self.client.request_text(request)).await {
            Ok(Ok(text)) => Ok(text),
            Ok(Err(error)) => Err(failure(deployer, verb, target, &error)),
            Err(_) => Err(ApiFailure {
                code: 0,
                reason: "Timeout".to_owned(),
                message: format!(
                    "{verb} {target}: the API server did not answer within {} s",
                    CALL_TIMEOUT.as_secs()
                ),
                remedy: None,
            }),
        }
    }

    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        target: &Target,
    ) -> Result<Option<T>, ApiFailure> {
        let request = bodyless(Method::GET, target.path()?)?;
        match self.call("get", target, request).await {
            Ok(text) => parse("get", target, &text).map(Some),
            Err(failure) if failure.code == 404 => Ok(None),
            Err(failure) => Err(failure),
        }
    }
}

pub(crate) fn bodyless(method: Method, uri: String) -> Result<Request<Vec<u8>>, ApiFailure> {
    Request::builder()
        .method(method)
        .uri(uri)
        .body(Vec::new())
        .map_err(|e| invalid(e.to_string()))
}

pub(crate) fn with_body(
    method: Method,
    uri: String,
    content_type: &'static str,
    body: &impl Serialize,
) -> Result<Request<Vec<u8>>, ApiFailure> {
    let body = serde_json::to_vec(body).map_err(|e| invalid(e.to_string()))?;
    Request::builder()
        .method(method)
        .uri(uri)
        .header(header::CONTENT_TYPE, content_type)
        .body(body)
        .map_err(|e| invalid(e.to_string()))
}

pub(crate) fn parse<T: DeserializeOwned>(
    verb: &str,
    target: &Target,
    text: &str,
) -> Result<T, ApiFailure> {
    serde_json::from_str(text).map_err(|e| ApiFailure {
        code: 0,
        reason: "UnreadableAnswer".to_owned(),
        message: format!("{verb} {target}: the API server's answer cannot be read: {e}"),
        remedy: None,
    })
}

/// What went wrong, in words for people: which object, the API server's own words, and for missing rights the rule that
/// would give them.
fn failure(deployer: &Deployer, verb: &str, target: &Target, error: &kube::Error) -> ApiFailure {
    let kube::Error::Api(status) = error else {
        return ApiFailure {
            code: 0,
            reason: "NoAnswer".to_owned(),
            message: shorten(format!("{verb} {target}: {}", chain(error))),
            remedy: None,
        };
    };
    // A quota's or admission's refusal is Forbidden too; only RBAC's reads so.
    let remedy = (status.code == 403)
        .then(|| rights::remedy(deployer, verb, target, &status.message))
        .flatten();
    ApiFailure {
        code: status.code,
        reason: status.reason.clone(),
        message: shorten(status.message.clone()),
        remedy,
    }
}

/// An error with its causes: the outermost of kube's says little more than "ServiceError".
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

fn shorten(text: String) -> String {
    match text.char_indices().nth(MAX_MESSAGE) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_the_api_servers() {
        for (target, path) in [
            (
                Target::new("apps/v1", "DaemonSet", Some("breakglass-debug"), "s-ds"),
                "/apis/apps/v1/namespaces/breakglass-debug/daemonsets/s-ds",
            ),
            (
                Target::new("v1", "Namespace", None, "team-a"),
                "/api/v1/namespaces/team-a",
            ),
            (
                Target::new("networking.k8s.io/v1", "NetworkPolicy", Some("n"), "p"),
                "/apis/networking.k8s.io/v1/namespaces/n/networkpolicies/p",
            ),
        ] {
            assert_eq!(target.path().unwrap(), path);
        }
    }

    #[test]
    fn s08_a_name_cannot_leave_its_place_in_the_path() {
        for name in ["../secrets/x", "a/b", "a?b", "", "..", "a%2Fb", "ä"] {
            let target = Target::new("v1", "ConfigMap", Some("n"), name);
            assert!(target.path().is_err(), "{name}");
            let target = Target::new("v1", "ConfigMap", Some(name), "n");
            assert!(target.path().is_err(), "{name}");
        }
    }

    #[test]
    fn a_missing_right_is_told_as_the_rule_to_add() {
        let status = serde_json::from_value(serde_json::json!({
            "code": 403, "reason": "Forbidden",
            "message": "daemonsets.apps is forbidden: User \"x\" cannot create resource \"daemonsets\" in API group \"apps\" in the namespace \"n\""
        }))
        .unwrap();
        let target = Target::new("apps/v1", "DaemonSet", Some("n"), "s-ds");
        let failure = failure(
            &Deployer::Agent,
            "create",
            &target,
            &kube::Error::Api(status),
        );
        assert_eq!(failure.code, 403);
        let remedy = failure.remedy.unwrap();
        assert!(
            remedy.contains(
                r#"{apiGroups: ["apps"], resources: ["daemonsets"], verbs: ["create"]} in namespace n"#
            ),
            "{remedy}"
        );
    }

    #[test]
    fn a_quotas_refusal_is_not_taken_for_a_missing_right() {
        let status = serde_json::from_value(serde_json::json!({
            "code": 403, "reason": "Forbidden",
            "message": "pods \"x\" is forbidden: exceeded quota: q, requested: pods=1"
        }))
        .unwrap();
        let target = Target::new("v1", "Pod", Some("n"), "x");
        let failure = failure(
            &Deployer::Agent,
            "create",
            &target,
            &kube::Error::Api(status),
        );
        assert!(!failure.message.contains("role"), "{}", failure.message);
    }
}
