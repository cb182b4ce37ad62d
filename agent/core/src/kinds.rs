//! Kubernetes's own kinds, as far as sessions may have objects of them: where they live, how they may be named, whether
//! a document is one at all. Any other kind is taken as it is and judged by the API server.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{
    ConfigMap, Endpoints, LimitRange, Namespace, PersistentVolume, PersistentVolumeClaim, Pod,
    PodTemplate, ReplicationController, ResourceQuota, Secret, Service, ServiceAccount,
};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use k8s_openapi::api::scheduling::v1::PriorityClass;
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope, Resource};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Where objects of a kind live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Namespaced,
    Cluster,
}

/// How objects of a kind may be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NameRule {
    /// Lower-case letters, digits, `-`, `.`; 253 at most.
    Subdomain,
    /// Lower-case letters, digits, `-`; 63 at most.
    Label,
    /// As Label, beginning with a letter.
    ServiceLabel,
    /// Whatever is one part of a path: RBAC's names may hold `:`.
    PathSegment,
}

/// A kind of Kubernetes's own.
pub struct Known {
    pub group: &'static str,
    pub version: &'static str,
    pub kind: &'static str,
    /// As in paths and RBAC rules.
    pub plural: &'static str,
    pub scope: Scope,
    /// JSON pointer of the pod spec inside, if it makes pods.
    pub pod_spec: Option<&'static str>,
    name: NameRule,
    decode: fn(&Value) -> Result<(), String>,
}

trait Scoped {
    const SCOPE: Scope;
}
impl Scoped for NamespaceResourceScope {
    const SCOPE: Scope = Scope::Namespaced;
}
impl Scoped for ClusterResourceScope {
    const SCOPE: Scope = Scope::Cluster;
}

const fn known<T>(name: NameRule, pod_spec: Option<&'static str>) -> Known
where
    T: Resource + DeserializeOwned,
    T::Scope: Scoped,
{
    Known {
        group: T::GROUP,
        version: T::VERSION,
        kind: T::KIND,
        plural: T::URL_PATH_SEGMENT,
        scope: <T::Scope as Scoped>::SCOPE,
        pod_spec,
        name,
        decode: decode::<T>,
    }
}

fn decode<T: DeserializeOwned>(manifest: &Value) -> Result<(), String> {
    serde_path_to_error::deserialize::<_, T>(manifest)
        .map(drop)
        .map_err(|e| match e.path().to_string().as_str() {
            "." => e.inner().to_string(),
            path => format!("{path}: {}", e.inner()),
        })
}

const IN_TEMPLATE: Option<&str> = Some("/spec/template/spec");

static KNOWN: [Known; 31] = [
    known::<ConfigMap>(NameRule::Subdomain, None),
    known::<Secret>(NameRule::Subdomain, None),
    known::<PersistentVolumeClaim>(NameRule::Subdomain, None),
    known::<Service>(NameRule::ServiceLabel, None),
    known::<ServiceAccount>(NameRule::Subdomain, None),
    known::<ResourceQuota>(NameRule::Subdomain, None),
    known::<LimitRange>(NameRule::Subdomain, None),
    known::<Endpoints>(NameRule::Subdomain, None),
    known::<Namespace>(NameRule::Label, None),
    known::<PersistentVolume>(NameRule::Subdomain, None),
    known::<Pod>(NameRule::Subdomain, Some("/spec")),
    known::<PodTemplate>(NameRule::Subdomain, Some("/template/spec")),
    known::<ReplicationController>(NameRule::Subdomain, IN_TEMPLATE),
    known::<DaemonSet>(NameRule::Subdomain, IN_TEMPLATE),
    known::<Deployment>(NameRule::Subdomain, IN_TEMPLATE),
    known::<ReplicaSet>(NameRule::Subdomain, IN_TEMPLATE),
    known::<StatefulSet>(NameRule::Subdomain, IN_TEMPLATE),
    known::<Job>(NameRule::Subdomain, IN_TEMPLATE),
    known::<CronJob>(
        NameRule::Subdomain,
        Some("/spec/jobTemplate/spec/template/spec"),
    ),
    known::<NetworkPolicy>(NameRule::Subdomain, None),
    known::<Ingress>(NameRule::Subdomain, None),
    known::<PodDisruptionBudget>(NameRule::Subdomain, None),
    known::<HorizontalPodAutoscaler>(NameRule::Subdomain, None),
    known::<Lease>(NameRule::Subdomain, None),
    known::<EndpointSlice>(NameRule::Subdomain, None),
    known::<Role>(NameRule::PathSegment, None),
    known::<RoleBinding>(NameRule::PathSegment, None),
    known::<ClusterRole>(NameRule::PathSegment, None),
    known::<ClusterRoleBinding>(NameRule::PathSegment, None),
    known::<PriorityClass>(NameRule::Subdomain, None),
    known::<StorageClass>(NameRule::Subdomain, None),
];

/// The kind, if it is Kubernetes's own.
#[must_use]
pub fn known_kind(api_version: &str, kind: &str) -> Option<&'static Known> {
    let (group, _) = split(api_version);
    KNOWN
        .iter()
        .find(|known| known.group == group && known.kind == kind)
}

/// The kind of that name, if it is Kubernetes's own: the ceiling lists those without their group.
#[must_use]
pub fn known_by_name(kind: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.kind == kind)
}

/// Group (empty for Kubernetes's core) and version.
#[must_use]
pub fn split(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

impl Known {
    /// Whether a document is an object of this kind.
    ///
    /// # Errors
    /// The field that is not what the kind has there. Unknown fields are the API server's to refuse, and a version that
    /// this build does not know.
    pub fn check(&self, manifest: &Value) -> Result<(), String> {
        let version = manifest.get("apiVersion").and_then(Value::as_str);
        match version.map(split) {
            Some((_, version)) if version == self.version => (self.decode)(manifest),
            Some(_) | None => Ok(()),
        }
    }
}

/// Whether an object may have that name; `known` is `None` for kinds that are not Kubernetes's own.
///
/// # Errors
/// What its name must be.
pub fn check_name(known: Option<&Known>, name: &str) -> Result<(), &'static str> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_label = |part: &str| {
        !part.is_empty()
            && part.chars().all(inner)
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    let rule = known.map_or(NameRule::Subdomain, |known| known.name);
    let (is_right, wanted) = match rule {
        NameRule::Subdomain => (
            name.len() <= 253 && name.split('.').all(is_label),
            "lower-case letters, digits, '-' and '.', at most 253",
        ),
        NameRule::Label => (
            name.len() <= 63 && is_label(name),
            "lower-case letters, digits and '-', at most 63",
        ),
        NameRule::ServiceLabel => (
            name.len() <= 63
                && is_label(name)
                && name.starts_with(|c: char| c.is_ascii_lowercase()),
            "lower-case letters, digits and '-', beginning with a letter, at most 63",
        ),
        NameRule::PathSegment => (
            name.len() <= 253
                && !matches!(name, "" | "." | "..")
                && name
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':')),
            "letters, digits, '-', '.', '_' and ':', at most 253",
        ),
    };
    if is_right { Ok(()) } else { Err(wanted) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_are_kubernetess() {
        let check = |kind: &str, name: &str| check_name(known_by_name(kind), name).is_ok();
        for (kind, name, is_right) in [
            ("ConfigMap", "a.b-c", true),
            ("ConfigMap", "A", false),
            ("ConfigMap", "", false),
            ("ConfigMap", "a..b", false),
            ("ConfigMap", "-a", false),
            ("ConfigMap", "a/b", false),
            ("Service", "9a", false),
            ("Service", "a.b", false),
            ("Role", "system:x", true),
            ("Role", "..", false),
            ("Role", "a/b", false),
            ("PodMonitor", "a.b", true),
            ("PodMonitor", "a b", false),
        ] {
            assert_eq!(check(kind, name), is_right, "{kind} {name:?}");
        }
        assert!(!check("ConfigMap", &"a".repeat(254)));
    }

    #[test]
    fn a_wrong_field_is_named_by_its_path() {
        let wrong = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "s" },
            "spec": { "ports": [{ "port": "http" }] } });
        let known = known_kind("v1", "Service").unwrap();
        let told = known.check(&wrong).unwrap_err();
        assert!(told.starts_with("spec.ports[0].port"), "{told}");
        assert!(known_kind("example.com/v1", "Service").is_none());
    }
}
