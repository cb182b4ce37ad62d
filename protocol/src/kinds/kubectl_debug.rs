//! What `kubectl debug`-like operations may do (spec 1 section 9).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::Checks;
use super::namespace_filter::NamespaceFilter;
use crate::duration::DurationText;

/// `kubectlDebug`. Lists that are absent mean the agent's ceiling, empty ones mean none (S14).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KubectlDebug {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ephemeral_containers: Option<EphemeralContainers>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_copy: Option<PodCopy>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_debug: Option<NodeDebug>,
}

/// Debug containers in pods that already run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EphemeralContainers {
    /// Absent: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_namespaces: Option<NamespaceFilter>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denied_namespaces: Option<NamespaceFilter>,
    /// Globs of image references.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_images: Option<Vec<String>>,
    /// Absent: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_image_digest: Option<bool>,
    /// Capabilities that may be added, at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_capabilities: Option<Vec<String>>,
    /// Absent: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_privileged: Option<bool>,
    /// Absent: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_non_root: Option<bool>,
}

/// Copies of pods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodCopy {
    /// Absent: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Absent: debug-copies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_namespace: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_namespaces: Option<NamespaceFilter>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denied_namespaces: Option<NamespaceFilter>,
    /// Labels of the copy.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The copy lives at most this long. Absent: 2h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<DurationText>,
}

/// Pods on a named node, with the node's file system at `/host`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeDebug {
    /// Absent: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Globs of image references.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_images: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_namespaces: Option<HostNamespaces>,
    /// Nodes must carry these labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
}

/// Which of the node's namespaces the pod shares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HostNamespaces {
    /// Absent: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_network: Option<bool>,
    /// Absent: true.
    #[serde(default, rename = "hostPID", skip_serializing_if = "Option::is_none")]
    pub host_pid: Option<bool>,
    /// Absent: false.
    #[serde(default, rename = "hostIPC", skip_serializing_if = "Option::is_none")]
    pub host_ipc: Option<bool>,
}

impl KubectlDebug {
    pub(super) fn check(&self, checks: &mut Checks) {
        checks.within_some(
            "ephemeralContainers",
            self.ephemeral_containers.as_ref(),
            |settings, checks| {
                check_namespaces(
                    settings.allowed_namespaces.as_ref(),
                    settings.denied_namespaces.as_ref(),
                    checks,
                );
                checks.image_globs("allowedImages", settings.allowed_images.as_ref());
            },
        );
        checks.within_some("podCopy", self.pod_copy.as_ref(), |settings, checks| {
            check_namespaces(
                settings.allowed_namespaces.as_ref(),
                settings.denied_namespaces.as_ref(),
                checks,
            );
            if let Some(name) = &settings.target_namespace {
                checks.dns_label("targetNamespace", name);
            }
            checks.labels("labels", &settings.labels);
            if settings
                .ttl
                .as_ref()
                .is_some_and(|ttl| ttl.duration().is_zero())
            {
                checks.refuse("ttl", "is zero; a copy needs some time");
            }
        });
        checks.within_some("nodeDebug", self.node_debug.as_ref(), |settings, checks| {
            checks.image_globs("allowedImages", settings.allowed_images.as_ref());
            checks.wanted_labels("nodeSelector", &settings.node_selector);
        });
    }
}

fn check_namespaces(
    allowed: Option<&NamespaceFilter>,
    denied: Option<&NamespaceFilter>,
    checks: &mut Checks,
) {
    checks.within_some("allowedNamespaces", allowed, NamespaceFilter::check);
    checks.within_some("deniedNamespaces", denied, NamespaceFilter::check);
}
