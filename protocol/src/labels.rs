//! Label and annotation keys on everything that the agent deploys (spec 1 section 11). Labels find, they never prove:
//! what belongs to a session is decided by recorded UIDs (S3, S8).

/// Our API group; also the prefix of every key of ours.
pub const GROUP: &str = "breakglass.t-caas.telekom.com";
/// Label: the session's name.
pub const SESSION: &str = "breakglass.t-caas.telekom.com/session";
/// Label: always [`SESSION_TYPE_DEBUG`].
pub const SESSION_TYPE: &str = "breakglass.t-caas.telekom.com/session-type";
/// The one value of [`SESSION_TYPE`].
pub const SESSION_TYPE_DEBUG: &str = "debug";
/// Label: the name of the session template.
pub const TEMPLATE: &str = "breakglass.t-caas.telekom.com/template";
/// Label: the name of the cluster.
pub const CLUSTER: &str = "breakglass.t-caas.telekom.com/cluster";
/// Label of Kubernetes's own: who manages the object.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The value of [`MANAGED_BY`] on our objects.
pub const MANAGED_BY_BREAKGLASS: &str = "breakglass";
/// Annotation: the grant's UID; with [`SESSION`] it is the mark by which an object that was created just before a
/// crash is recognised as this session's own (D5).
pub const GRANT: &str = "breakglass.t-caas.telekom.com/grant";
/// The one server-side-apply field manager of the agent.
pub const FIELD_MANAGER: &str = "breakglass-agent";
/// Where debug pods go unless a template or the requester says otherwise.
pub const DEFAULT_TARGET_NAMESPACE: &str = "breakglass-debug";

/// Whether a label or annotation key is one of ours, which no template, binding, session or user may set.
#[must_use]
pub fn is_reserved(key: &str) -> bool {
    key.split_once('/').is_some_and(|(prefix, _)| {
        prefix == GROUP || prefix.ends_with(".breakglass.t-caas.telekom.com")
    }) || key == MANAGED_BY
}
