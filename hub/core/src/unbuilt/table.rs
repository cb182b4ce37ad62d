//! Every field of every kind, built or not. Paths are below `spec`; an entry covers everything below its path.

use super::{Entry, Support, Used};

const fn built(path: &'static str) -> Entry {
    Entry {
        path,
        support: Support::Built,
    }
}

const fn unbuilt(path: &'static str, used: Used) -> Entry {
    Entry {
        path,
        support: Support::Unbuilt(used),
    }
}

pub(super) const TEMPLATE: &[Entry] = &[
    built("displayName"),
    built("description"),
    built("labels"),
    built("annotations"),
    built("priority"),
    built("hidden"),
    built("deprecated"),
    built("deprecationMessage"),
    unbuilt("mode", Used::Is(&["kubectl-debug", "hybrid"])),
    built("podTemplateRef"),
    built("podTemplateString"),
    built("templateEngine"),
    built("podOverrides"),
    built("podOverridesTemplate"),
    built("workloadType"),
    built("replicas"),
    built("targetNamespace"),
    built("affinityOverrides"),
    built("additionalTolerations"),
    built("allowed"),
    built("approvers"),
    built("constraints.maxDuration"),
    built("constraints.defaultDuration"),
    built("constraints.maxConcurrentSessions"),
    unbuilt("constraints.allowRenewal", Used::Set),
    unbuilt("constraints.maxRenewals", Used::Set),
    unbuilt("constraints.renewalLimit", Used::Set),
    unbuilt("constraints.requireApprovalForRenewal", Used::Set),
    built("schedulingConstraints"),
    built("schedulingOptions"),
    built("namespaceConstraints.defaultNamespace"),
    built("namespaceConstraints.allowUserNamespace"),
    built("namespaceConstraints.denyUserNamespace"),
    built("namespaceConstraints.allowedNamespaces.patterns"),
    unbuilt(
        "namespaceConstraints.allowedNamespaces.selectorTerms",
        Used::Set,
    ),
    built("namespaceConstraints.deniedNamespaces.patterns"),
    unbuilt(
        "namespaceConstraints.deniedNamespaces.selectorTerms",
        Used::Set,
    ),
    built("namespaceConstraints.allowedPatterns"),
    built("namespaceConstraints.deniedPatterns"),
    unbuilt("namespaceConstraints.createIfNotExists", Used::Set),
    unbuilt("namespaceConstraints.namespaceLabels", Used::Set),
    unbuilt("kubectlDebug.ephemeralContainers", Used::Enabled),
    unbuilt("kubectlDebug.podCopy", Used::Enabled),
    unbuilt("kubectlDebug.nodeDebug", Used::Enabled),
    unbuilt("impersonation", Used::Set),
    built("auxiliaryResources"),
    built("auxiliaryResourceDefaults"),
    built("requiredAuxiliaryResourceCategories"),
    built("allowedPodOperations"),
    unbuilt("terminalSharing", Used::Enabled),
    // The hub records its own events always.
    built("audit.enabled"),
    unbuilt("audit.logCommands", Used::SetUnlessDisabled),
    unbuilt("audit.excludePatterns", Used::SetUnlessDisabled),
    unbuilt("audit.sidecar", Used::SetUnlessDisabled),
    unbuilt("audit.enableTerminalRecording", Used::SetUnlessDisabled),
    unbuilt("audit.recordingRetention", Used::SetUnlessDisabled),
    unbuilt("audit.enableShellHistory", Used::SetUnlessDisabled),
    unbuilt("audit.destinations", Used::OtherTypeThan("breakglass")),
    unbuilt("notification.enabled", Used::Set),
    unbuilt("notification.notifyOnRequest", Used::SetUnlessDisabled),
    unbuilt("notification.notifyOnApproval", Used::SetUnlessDisabled),
    unbuilt("notification.notifyOnExpiry", Used::SetUnlessDisabled),
    unbuilt("notification.notifyOnTermination", Used::SetUnlessDisabled),
    unbuilt("notification.additionalRecipients", Used::SetUnlessDisabled),
    unbuilt("notification.excludedRecipients", Used::SetUnlessDisabled),
    built("requestReason"),
    built("approvalReason"),
    unbuilt("expirationBehavior", Used::Is(&["notify-only"])),
    unbuilt("gracePeriodBeforeExpiry", Used::Set),
    built("resourceQuota"),
    built("podDisruptionBudget"),
    built("extraDeployVariables"),
    unbuilt("failMode", Used::Is(&["open"])),
];

pub(super) const BINDING: &[Entry] = &[
    built("templateRef"),
    built("templateSelector"),
    built("clusters"),
    built("clusterSelector"),
    built("displayName"),
    built("displayNamePrefix"),
    built("description"),
    built("allowed"),
    built("approvers"),
    built("autoApprove"),
    built("constraints.maxDuration"),
    built("constraints.defaultDuration"),
    built("constraints.maxConcurrentSessions"),
    // Renewal: as in the template; a binding only lowers what that allows.
    unbuilt("constraints.allowRenewal", Used::Set),
    unbuilt("constraints.maxRenewals", Used::Set),
    unbuilt("constraints.renewalLimit", Used::Set),
    unbuilt("constraints.requireApprovalForRenewal", Used::Set),
    unbuilt("namespaceConstraints", Used::Set),
    built("schedulingConstraints"),
    built("schedulingOptions"),
    unbuilt("impersonation", Used::Set),
    built("requiredAuxiliaryResourceCategories"),
    built("auxiliaryResourceOverrides"),
    built("allowedPodOperations"),
    unbuilt("notification", Used::Set),
    built("requestReason"),
    built("approvalReason"),
    built("labels"),
    built("annotations"),
    built("priority"),
    built("hidden"),
    built("disabled"),
    built("effectiveFrom"),
    built("expiresAt"),
    built("maxActiveSessionsPerUser"),
    built("maxActiveSessionsTotal"),
];

pub(super) const POD_TEMPLATE: &[Entry] = &[
    built("displayName"),
    built("description"),
    built("template"),
    built("templateString"),
    built("templateEngine"),
    built("extraDeployVariables"),
];

pub(super) const CLUSTER: &[Entry] = &[
    built("displayName"),
    built("environment"),
    built("location"),
    built("site"),
    built("tenant"),
    built("accepted"),
    built("userNames.prefix"),
    built("userNames.claim"),
    // Grants name people, never groups.
    unbuilt("userNames.groupsPrefix", Used::Set),
];

pub(super) const DENY_POLICY: &[Entry] = &[
    built("precedence"),
    built("appliesTo.clusters"),
    built("appliesTo.tenants"),
    // A policy judges what no session allows, so there is no session to be named (S16).
    unbuilt("appliesTo.sessions", Used::Set),
    built("rules"),
    // Kubernetes's constrained impersonation.
    unbuilt("impersonationRules", Used::Set),
    // A review tells nothing of the pod (D21).
    unbuilt("podSecurityRules", Used::Set),
];
