//! Manifests that are wrong in different ways, and what their authors are told: line, field, message.

use breakglass_protocol::limits::{MAX_MANIFEST_BYTES, MAX_YAML_NODES};
use breakglass_protocol::manifest::{MAX_DOCUMENTS, decode};

fn errors(text: &str) -> Vec<String> {
    decode("t.yaml", text)
        .errors
        .iter()
        .map(ToString::to_string)
        .collect()
}

/// A body below `spec:`, which stands on line 5, so that the body starts on line 6; and all that is told about it.
fn check(kind: &str, spec: &str, expected: &[&str]) {
    let mut text = format!(
        "apiVersion: breakglass.t-caas.telekom.com/v1alpha1\nkind: {kind}\nmetadata:\n  name: x\nspec:\n"
    );
    for line in spec.lines() {
        text.push_str("  ");
        text.push_str(line);
        text.push('\n');
    }
    let expected: Vec<_> = expected
        .iter()
        .map(|error| format!("t.yaml:{error}"))
        .collect();
    assert_eq!(errors(&text), expected, "\n{text}");
}

#[test]
fn pods_and_variables() {
    check(
        "DebugPodTemplate",
        "displayName: x",
        &["5: spec: has neither template nor templateString; add one of them"],
    );
    check(
        "DebugPodTemplate",
        r#"template:
  spec:
    containers: [{name: a, image: b}]
templateString: x"#,
        &["5: spec: has both template and templateString; keep one of them"],
    );
    check(
        "DebugPodTemplate",
        "template: {}",
        &["6: spec.template.spec: is required"],
    );
    check(
        "DebugPodTemplate",
        r#"templateString: " ""#,
        &["6: spec.templateString: is empty; remove it or fill it in"],
    );
    check(
        "DebugPodTemplate",
        "templateString: [a]",
        &["6: spec.templateString: must be a text, not a list"],
    );
    check(
        "DebugPodTemplate",
        "templatString: x",
        &[r#"6: spec.templatString: is not a known field; did you mean "templateString"?"#],
    );
    check(
        "DebugPodTemplate",
        r#"templateString: x
templateEngine: Jinja"#,
        &[r#"7: spec.templateEngine: "Jinja" is not one of "jinja", "go"; did you mean "jinja"?"#],
    );
    check(
        "DebugPodTemplate",
        r#"template:
  spec:
    containers: [{name: a, image: b}]
templateEngine: go"#,
        &["9: spec.templateEngine: has a meaning with templateString only; remove it"],
    );
    check(
        "DebugPodTemplate",
        r#"template:
  spec:
    containers:
      - name: a
        imag: b
      - name: a
        resources: {limits: {cpu: half, memory: 1}}
    restartPolicy: Never
    activeDeadlineSeconds: 60"#,
        &[
            r#"10: spec.template.spec.containers[0].imag: is not a known field; did you mean "image"?"#,
            r#"11: spec.template.spec.containers[1].name: "a" is already the name of spec.template.spec.containers[0]"#,
            r#"12: spec.template.spec.containers[1].resources.limits.cpu: "half" is not a quantity; write a number with a unit such as 500m, 2, 256Mi or 10Gi"#,
            "13: spec.template.spec.restartPolicy: must be Always in a DaemonSet or Deployment; remove it",
            "14: spec.template.spec.activeDeadlineSeconds: is forbidden in a DaemonSet or Deployment; the session's end is set by constraints",
        ],
    );
    check(
        "DebugPodTemplate",
        r#"template:
  spec:
    containers:
      - name: a
        securityContext: {privileged: "true", runAsUser: root}
        ports: [{containerPort: http}]
        env: [{name: A, value: 1}, {name: B, value: no}]"#,
        &[
            r#"10: spec.template.spec.containers[0].securityContext.privileged: must be true or false, not the text "true""#,
            r#"10: spec.template.spec.containers[0].securityContext.runAsUser: must be a whole number, not the text "root""#,
            r#"11: spec.template.spec.containers[0].ports[0].containerPort: must be a whole number, not the text "http""#,
            "12: spec.template.spec.containers[0].env[0].value: must be a text, not the number 1; put it in quotes",
            "12: spec.template.spec.containers[0].env[1].value: must be a text, not the boolean false; put it in quotes",
        ],
    );
    check(
        "DebugPodTemplate",
        r#"template:
  metadata:
    labels:
      breakglass.t-caas.telekom.com/session: mine
      a b: c
      app: -x
  spec: {containers: []}"#,
        &[
            r#"9: spec.template.metadata.labels["breakglass.t-caas.telekom.com/session"]: is set by the product itself; remove it"#,
            r#"10: spec.template.metadata.labels["a b"]: "a b" is not a label key: up to 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends, perhaps after a DNS name and '/'"#,
            r#"11: spec.template.metadata.labels.app: "-x" is not a label value: up to 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends"#,
            "12: spec.template.spec.containers: is empty; a pod needs a container",
        ],
    );
    check(
        "DebugPodTemplate",
        r#"template:
  spec:
    containers: [{name: a, image: b}]
extraDeployVariables:
  - name: 1st
  - name: size
    inputType: storageSize
    default: big
  - name: size
    inputType: dropdown"#,
        &[
            r#"10: spec.extraDeployVariables[0].name: "1st" does not match ^[a-zA-Z][a-zA-Z0-9_]*$"#,
            r#"13: spec.extraDeployVariables[1].default: "big" is not a quantity; write a number with a unit such as 500m, 2, 256Mi or 10Gi"#,
            r#"14: spec.extraDeployVariables[2].name: "size" is already the name of spec.extraDeployVariables[1]"#,
            r#"15: spec.extraDeployVariables[2].inputType: "dropdown" is not one of "boolean", "text", "number", "storageSize", "select", "multiSelect""#,
        ],
    );
    check(
        "DebugPodTemplate",
        r#"template:
  spec:
    containers: [{name: a, image: b}]
extraDeployVariables:
  - name: a
    inputType: select
  - name: b
    inputType: select
    default: z
    options: [{value: x}, {value: x}, {}]
  - name: c
    options: [{value: x}]
    default: 3
    validation: {minLength: 5, maxLength: 2, pattern: "[a"}
  - name: d
    inputType: number
    validation: {min: "9", max: "1"}"#,
        &[
            "10: spec.extraDeployVariables[0].options: needs at least one option for this inputType",
            r#"14: spec.extraDeployVariables[1].default: "z" is not the value of an option"#,
            r#"15: spec.extraDeployVariables[1].options[1].value: "x" is already the value of spec.extraDeployVariables[1].options[0]"#,
            "15: spec.extraDeployVariables[1].options[2].value: is required",
            "17: spec.extraDeployVariables[2].options: has a meaning for the inputTypes select and multiSelect only; remove it",
            "18: spec.extraDeployVariables[2].default: must be a text, as the inputType is text",
            "19: spec.extraDeployVariables[2].validation.minLength: 5 is more than maxLength 2",
            r#"19: spec.extraDeployVariables[2].validation.pattern: "[a" is not a regular expression: unclosed character class"#,
            "22: spec.extraDeployVariables[3].validation.min: is more than max",
        ],
    );
    check(
        "DebugPodTemplate",
        r#"template:
  spec:
    containers: [{name: a, image: b}]
extraDeployVariables:
  - name: a
    inputType: multiSelect
    options: [{value: "x,y"}]
    validation: {minLength: 1}
  - name: b
    default: abc
    validation: {maxLength: 2, pattern: "a)|(b"}"#,
        &[
            "12: spec.extraDeployVariables[0].options[0].value: has a comma, which separates the choices of a multiSelect; choose another word",
            "13: spec.extraDeployVariables[0].validation.minLength: has a meaning for the inputType text only; remove it",
            "15: spec.extraDeployVariables[1].default: has 3 characters; write at most 2",
            "15: spec.extraDeployVariables[1].default: does not match a)|(b",
            r#"16: spec.extraDeployVariables[1].validation.pattern: "a)|(b" is not a regular expression: unopened group"#,
        ],
    );
}

#[test]
fn pod_sources_and_words() {
    check(
        "DebugSessionTemplate",
        "displayName: x",
        &["5: spec: needs podTemplateRef or podTemplateString, as it deploys pods of its own"],
    );
    check(
        "DebugSessionTemplate",
        r#"podTemplateRef: {name: p}
podTemplateString: x"#,
        &["5: spec: has both podTemplateRef and podTemplateString; keep one of them"],
    );
    check(
        "DebugSessionTemplate",
        r#"mode: hybrid
podTemplateString: x"#,
        &["5: spec.kubectlDebug: is required in the modes kubectl-debug and hybrid"],
    );
    check(
        "DebugSessionTemplate",
        "mode: kubectl-debug",
        &["5: spec.kubectlDebug: is required in the modes kubectl-debug and hybrid"],
    );
    check(
        "DebugSessionTemplate",
        r#"mode: Workload
podTemplateRef: {nam: p}"#,
        &[
            r#"6: spec.mode: "Workload" is not one of "workload", "kubectl-debug", "hybrid"; did you mean "workload"?"#,
            r#"7: spec.podTemplateRef.nam: is not a known field; did you mean "name"?"#,
            "7: spec.podTemplateRef.name: is required",
        ],
    );
    check(
        "DebugSessionTemplate",
        r#"podTemplateRef: {name: p}
workloadType: StatefulSet
expirationBehavior: stop
failMode: ajar"#,
        &[
            r#"7: spec.workloadType: "StatefulSet" is not one of "DaemonSet", "Deployment""#,
            r#"8: spec.expirationBehavior: "stop" is not one of "terminate", "notify-only""#,
            r#"9: spec.failMode: "ajar" is not one of "closed", "open""#,
        ],
    );
    check(
        "DebugSessionTemplate",
        r#"podTemplateRef: {name: p}
replicas: two
replicas: 0
priority: 99999999999"#,
        &[
            r#"7: spec.replicas: must be a whole number, not the text "two""#,
            "8: spec.replicas: is given twice, first on line 7",
            "9: spec.priority: is 99999999999, more than 2147483647",
        ],
    );
    check(
        "DebugSessionTemplate",
        r#"podTemplateRef: {name: p}
hidden: "yes"
description: 12
deprecationMessage: null"#,
        &[
            r#"7: spec.hidden: must be true or false, not the text "yes""#,
            "8: spec.description: must be a text, not the number 12; put it in quotes",
        ],
    );
    check(
        "DebugSessionTemplate",
        r#"podTemplateRef: {name: p}
podOverrides:
  spec:
    containers:
      - securityContext: {runAsNonRot: true}
      - name: a
      - name: a"#,
        &[
            "10: spec.podOverrides.spec.containers[0].name: is required",
            r#"10: spec.podOverrides.spec.containers[0].securityContext.runAsNonRot: is not a known field; did you mean "runAsNonRoot"?"#,
            r#"12: spec.podOverrides.spec.containers[2].name: "a" is already the name of spec.podOverrides.spec.containers[1]"#,
        ],
    );
}

#[test]
fn people_reasons_and_records() {
    check(
        "DebugSessionTemplate",
        r#"podTemplateRef: {name: p}
allowed: {group: [sre]}"#,
        &[r#"7: spec.allowed.group: is not a known field; did you mean "groups"?"#],
    );
    check(
        "DebugSessionTemplate",
        r#"podTemplateRef: {name: p}
allowed:
  clusters: ["*"]
approvers: {autoApproveFor: {groups: [x]}}"#,
        &[
            "7: spec.allowed: names no user and no group, so nobody could ask; add groups or users",
            "9: spec.approvers: names no user and no group; add those who decide, or remove the whole block",
        ],
    );
    check(
        "DebugSessionTemplate",
        r#"podTemplateRef: {name: p}
allowed:
  groups: [sre, ""]
  users:
    - system:masters
    - "ali\u200bce"
    - "bob\u202e"
  clusters: ["a[", ""]"#,
        &[
            "8: spec.allowed.groups[1]: is empty",
            r#"10: spec.allowed.users[0]: starts with "system:", which is Kubernetes's own; sessions are for people"#,
            "11: spec.allowed.users[1]: holds the character U+200B, which cannot be seen or changes how text reads; remove it",
            "12: spec.allowed.users[2]: holds the character U+202E, which cannot be seen or changes how text reads; remove it",
            r#"13: spec.allowed.clusters[0]: "a[" is not a glob: unclosed character class; missing ']'"#,
            r#"13: spec.allowed.clusters[1]: is empty; write "*" to match everything, or remove it"#,
        ],
    );
    check(
        "DebugSessionTemplate",
        r#"podTemplateRef: {name: p}
allowed:
  groups: sre
  clusterSelector:
    matchLabels: {env: true}
    matchExpressions:
      - {key: env, operator: Equals, values: [a]}
      - {key: env, operator: In}
      - {key: env, operator: Exists, values: [a]}
      - {key: "-x", operator: Exists}"#,
        &[
            r#"8: spec.allowed.groups: must be a list, not the text "sre""#,
            "10: spec.allowed.clusterSelector.matchLabels.env: must be a text, not the boolean true; put it in quotes",
            r#"12: spec.allowed.clusterSelector.matchExpressions[0].operator: "Equals" is not one of "In", "NotIn", "Exists", "DoesNotExist""#,
            "13: spec.allowed.clusterSelector.matchExpressions[1].values: needs at least one value with the operators In and NotIn",
            "14: spec.allowed.clusterSelector.matchExpressions[2].values: must be empty with the operators Exists and DoesNotExist",
            r#"15: spec.allowed.clusterSelector.matchExpressions[3].key: "-x" is not a label key: up to 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends, perhaps after a DNS name and '/'"#,
        ],
    );
    check(
        "DebugSessionTemplate",
        r#"podTemplateRef: {name: p}
allowed: {groups: [a], clusterSelector: {}}"#,
        &[
            "7: spec.allowed.clusterSelector: selects everything; name the labels that it should select",
        ],
    );
    check(
        "DebugSessionTemplate",
        r#"podTemplateRef: {name: p}
requestReason: {minLength: 20, maxLength: 10}
approvalReason: {minLength: -1, maxLength: 0}"#,
        &[
            "7: spec.requestReason.minLength: 20 is more than maxLength 10; no reason could be given",
            "8: spec.approvalReason.maxLength: is 0, less than 1",
            "8: spec.approvalReason.minLength: is -1, less than 0",
        ],
    );
    check(
        "DebugSessionTemplate",
        r#"podTemplateRef: {name: p}
terminalSharing: {method: tmux, provider: screen}"#,
        &[
            "7: spec.terminalSharing.method: is another spelling of provider and says something else; keep one of them",
        ],
    );
    check(
        "DebugSessionTemplate",
        r#"podTemplateRef: {name: p}
terminalSharing: {provider: zellij, maxParticipants: 0}"#,
        &[
            "7: spec.terminalSharing.maxParticipants: is 0, less than 1",
            r#"7: spec.terminalSharing.provider: "zellij" is not one of "tmux", "screen""#,
        ],
    );
    check(
        "DebugSessionTemplate",
        r#"podTemplateRef: {name: p}
notification: {notifyOnRequests: true, excludedRecipients: {users: [""]}}"#,
        &[
            "7: spec.notification.excludedRecipients.users[0]: is empty",
            r#"7: spec.notification.notifyOnRequests: is not a known field; did you mean "notifyOnRequest"?"#,
        ],
    );
    check(
        "DebugSessionTemplate",
        r#"podTemplateRef: {name: p}
audit:
  recordingRetention: forever
  destinations:
    - type: webhook
    - {type: kafka}
    - {type: kubernetes, url: x}
  sidecar: {}"#,
        &[
            r#"8: spec.audit.recordingRetention: is not a duration: a number is missing before "forever"; write whole numbers with units ns, us, ms, s, m, h or d, such as 45m or 1h30m"#,
            "10: spec.audit.destinations[0].url: is needed for the type webhook",
            r#"11: spec.audit.destinations[1].type: "kafka" is not one of "breakglass", "kubernetes", "webhook""#,
            "12: spec.audit.destinations[2].url: has a meaning for the type webhook only; remove it",
            "13: spec.audit.sidecar.image: is required",
        ],
    );
}

#[test]
fn times_and_amounts() {
    check(
        "DebugSessionTemplate",
        r#"podTemplateRef: {name: p}
constraints: {maxDuration: 1h, defaultDuration: 2h, renewalLimit: 1, maxRenewals: 2}"#,
        &[
            "7: spec.constraints.defaultDuration: 2h is longer than maxDuration 1h",
            "7: spec.constraints.renewalLimit: is another spelling of maxRenewals and says something else; keep one of them",
        ],
    );
    check(
        "DebugSessionTemplate",
        r#"podTemplateRef: {name: p}
constraints:
  maxDuration: 1.5h
  defaultDuration: 90
  maxRenewals: -1
  maxConcurrentSession: 1"#,
        &[
            r#"8: spec.constraints.maxDuration: is not a duration: "." is not a unit; write whole numbers with units ns, us, ms, s, m, h or d, such as 45m or 1h30m"#,
            "9: spec.constraints.defaultDuration: must be a text, not the number 90; put it in quotes",
            "10: spec.constraints.maxRenewals: is -1, less than 0",
            r#"11: spec.constraints.maxConcurrentSession: is not a known field; did you mean "maxConcurrentSessions"?"#,
        ],
    );
    check(
        "DebugSessionTemplate",
        r#"podTemplateRef: {name: p}
constraints: {maxDuration: 0s, defaultDuration: 4000d}
gracePeriodBeforeExpiry: """#,
        &[
            "7: spec.constraints.defaultDuration: is longer than 3650d, the longest duration",
            "7: spec.constraints.maxDuration: is zero; a session needs some time",
            "8: spec.gracePeriodBeforeExpiry: is empty; write whole numbers with units ns, us, ms, s, m, h or d, such as 45m or 1h30m",
        ],
    );
    check(
        "DebugSessionTemplate",
        r#"podTemplateRef: {name: p}
resourceQuota: {maxCPU: 2 cores, maxMemory: 2, maxPods: 0, maxStorage: "0"}"#,
        &[
            r#"7: spec.resourceQuota.maxCPU: "2 cores" is not a quantity; write a number with a unit such as 500m, 2, 256Mi or 10Gi"#,
            "7: spec.resourceQuota.maxMemory: must be a text, not the number 2; put it in quotes",
            "7: spec.resourceQuota.maxPods: is 0, less than 1",
            "7: spec.resourceQuota.maxStorage: must be more than zero",
        ],
    );
    check(
        "DebugSessionTemplate",
        r#"podTemplateRef: {name: p}
podDisruptionBudget: {enabled: true, maxUnavailable: 1}"#,
        &[
            "7: spec.podDisruptionBudget.maxUnavailable: does not work for a DaemonSet, which has no scale; use minAvailable",
        ],
    );
    check(
        "DebugSessionTemplate",
        r#"podTemplateRef: {name: p}
podDisruptionBudget: {minAvailable: 1, maxUnavailable: 1}"#,
        &[
            "7: spec.podDisruptionBudget: has both minAvailable and maxUnavailable; keep one of them",
        ],
    );
    check(
        "DebugSessionTemplate",
        r#"podTemplateRef: {name: p}
podDisruptionBudget: {enabled: true}"#,
        &[
            "7: spec.podDisruptionBudget: is enabled but has neither minAvailable nor maxUnavailable; add one of them",
        ],
    );
}

#[test]
fn places() {
    check(
        "DebugSessionTemplate",
        r#"podTemplateRef: {name: p}
targetNamespace: Debug_NS
namespaceConstraints:
  defaultNamespace: -x
  allowUserNamespace: true
  denyUserNamespace: true"#,
        &[
            r#"7: spec.targetNamespace: "Debug_NS" is not a DNS label: 1 to 63 characters of a-z, 0-9 and '-', first and last of them no '-'"#,
            r#"9: spec.namespaceConstraints.defaultNamespace: "-x" is not a DNS label: 1 to 63 characters of a-z, 0-9 and '-', first and last of them no '-'"#,
            "11: spec.namespaceConstraints.denyUserNamespace: cannot be true together with allowUserNamespace; keep one of them",
        ],
    );
    check(
        "DebugSessionTemplate",
        r#"podTemplateRef: {name: p}
namespaceConstraints:
  allowedNamespaces: [a-*]
  allowedPatterns: [b-*]
  deniedNamespaces: kube-*"#,
        &[
            "9: spec.namespaceConstraints.allowedPatterns: is another spelling of allowedNamespaces.patterns and says something else; keep one of them",
            r#"10: spec.namespaceConstraints.deniedNamespaces: must be a list of patterns, or an object with patterns and selectorTerms, not the text "kube-*""#,
        ],
    );
    check(
        "DebugSessionTemplate",
        r#"podTemplateRef: {name: p}
namespaceConstraints:
  allowedNamespaces:
    patterns: ["", 3]
    selectorTerms: [{}, {matchLabel: {a: b}}]
  namespaceLabels: {app.kubernetes.io/managed-by: me}"#,
        &[
            r#"9: spec.namespaceConstraints.allowedNamespaces.patterns[0]: is empty; write "*" to match everything, or remove it"#,
            "9: spec.namespaceConstraints.allowedNamespaces.patterns[1]: must be a text, not the number 3; put it in quotes",
            "10: spec.namespaceConstraints.allowedNamespaces.selectorTerms[0]: selects everything; name the labels that it should select",
            r#"10: spec.namespaceConstraints.allowedNamespaces.selectorTerms[1].matchLabel: is not a known field; did you mean "matchLabels"?"#,
            r#"11: spec.namespaceConstraints.namespaceLabels["app.kubernetes.io/managed-by"]: is set by the product itself; remove it"#,
        ],
    );
    check(
        "DebugSessionTemplate",
        r#"podTemplateRef: {name: p}
schedulingOptions: {options: []}"#,
        &["7: spec.schedulingOptions.options: must not be empty"],
    );
    check(
        "DebugSessionTemplate",
        r#"podTemplateRef: {name: p}
schedulingOptions:
  options:
    - {name: a, displayName: A, default: true}
    - {name: a, displayName: "", default: true}
    - {name: B_1, displayName: B}
    - {displayName: C}"#,
        &[
            "10: spec.schedulingOptions.options[1].displayName: is empty; remove it or fill it in",
            r#"10: spec.schedulingOptions.options[1].name: "a" is already the name of spec.schedulingOptions.options[0]"#,
            r#"11: spec.schedulingOptions.options[2].name: "B_1" does not match ^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"#,
            "12: spec.schedulingOptions.options[3].name: is required",
        ],
    );
    check(
        "DebugSessionTemplate",
        r#"podTemplateRef: {name: p}
schedulingConstraints:
  deniedNodes: ["{a"]
  deniedNodeLabels: {"x/": "*"}
  tolerations: [{operator: Exists, effct: NoSchedule}]
  topologySpreadConstraints: [{topologyKey: zone, whenUnsatisfiable: DoNotSchedule}]
  requiredNodeAffinity: {nodeSelectorTerms: [{matchExpressions: [{key: a}]}]}"#,
        &[
            r#"8: spec.schedulingConstraints.deniedNodes[0]: "{a" is not a glob: unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?)"#,
            r#"9: spec.schedulingConstraints.deniedNodeLabels["x/"]: "x/" is not a label key: up to 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends, perhaps after a DNS name and '/'"#,
            r#"10: spec.schedulingConstraints.tolerations[0].effct: is not a known field; did you mean "effect"?"#,
            "11: spec.schedulingConstraints.topologySpreadConstraints[0].maxSkew: is required",
            "12: spec.schedulingConstraints.requiredNodeAffinity.nodeSelectorTerms[0].matchExpressions[0].operator: is required",
        ],
    );
    check(
        "DebugSessionTemplate",
        r#"podTemplateRef: {name: p}
impersonation:
  serviceAccountRef: {name: x}
  mode: anyone"#,
        &[
            "8: spec.impersonation.serviceAccountRef.namespace: is required",
            r#"9: spec.impersonation.mode: "anyone" is not one of "user-info", "serviceaccount", "arbitrary-node", "associated-node", "legacy""#,
        ],
    );
    check(
        "DebugSessionTemplate",
        r#"mode: kubectl-debug
kubectlDebug:
  ephemeralContainers:
    allowedNamespaces: {pattern: [a]}
    allowedImages: [""]
    maxCapabilities: NET_ADMIN
  podCopy: {ttl: 0s, targetNamespace: A}
  nodeDebug: {hostNamespaces: {hostPid: true}}"#,
        &[
            r#"9: spec.kubectlDebug.ephemeralContainers.allowedNamespaces.pattern: is not a known field; did you mean "patterns"?"#,
            "10: spec.kubectlDebug.ephemeralContainers.allowedImages[0]: is empty or has white space around it",
            r#"11: spec.kubectlDebug.ephemeralContainers.maxCapabilities: must be a list, not the text "NET_ADMIN""#,
            r#"12: spec.kubectlDebug.podCopy.targetNamespace: "A" is not a DNS label: 1 to 63 characters of a-z, 0-9 and '-', first and last of them no '-'"#,
            "12: spec.kubectlDebug.podCopy.ttl: is zero; a copy needs some time",
            r#"13: spec.kubectlDebug.nodeDebug.hostNamespaces.hostPid: is not a known field; did you mean "hostPID"?"#,
        ],
    );
}

#[test]
fn auxiliary_resources_and_labels() {
    check(
        "DebugSessionTemplate",
        r#"podTemplateRef: {name: p}
auxiliaryResources:
  - name: a
  - name: a
    template: {kind: ConfigMap}
    templateString: x
  - name: B
    templateString: x
    failurePolicy: retry
  - name: c
    template: {kind: ConfigMap, metadata: {name: 1, name: 2}}
  - templateString: x"#,
        &[
            "8: spec.auxiliaryResources[0]: has neither template nor templateString; add one of them",
            "9: spec.auxiliaryResources[1]: has both template and templateString; keep one of them",
            r#"9: spec.auxiliaryResources[1].name: "a" is already the name of spec.auxiliaryResources[0]"#,
            r#"12: spec.auxiliaryResources[2].name: "B" does not match ^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"#,
            r#"14: spec.auxiliaryResources[2].failurePolicy: "retry" is not one of "fail", "ignore", "warn""#,
            "16: spec.auxiliaryResources[3].template.apiVersion: is required: what resource is it?",
            "16: spec.auxiliaryResources[3].template.metadata.name: is given twice, first on line 16",
            "17: spec.auxiliaryResources[4].name: is required",
        ],
    );
    check(
        "DebugSessionTemplate",
        r#"podTemplateRef: {name: p}
labels: {a: true, "b c": d}
annotations: {breakglass.t-caas.telekom.com/grant: x}
auxiliaryResourceDefaults: {rbac: "on"}"#,
        &[
            "7: spec.labels.a: must be a text, not the boolean true; put it in quotes",
            r#"7: spec.labels["b c"]: "b c" is not a label key: up to 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends, perhaps after a DNS name and '/'"#,
            r#"8: spec.annotations["breakglass.t-caas.telekom.com/grant"]: is set by the product itself; remove it"#,
            r#"9: spec.auxiliaryResourceDefaults.rbac: must be true or false, not the text "on""#,
        ],
    );
}

#[test]
fn bindings() {
    check(
        "DebugSessionClusterBinding",
        "displayName: x",
        &[
            "5: spec: has neither templateRef nor templateSelector; add one of them",
            "5: spec: has neither clusters nor clusterSelector, so it opens nothing; add one of them",
        ],
    );
    check(
        "DebugSessionClusterBinding",
        r#"templateRef: {name: t}
clusters: [east]
templateSelector: {matchLabels: {a: b}}"#,
        &["5: spec: has both templateRef and templateSelector; keep one of them"],
    );
    check(
        "DebugSessionClusterBinding",
        r#"templateSelector: {}
clusterSelector: {}"#,
        &[
            "6: spec.templateSelector: selects everything; name the labels that it should select",
            "7: spec.clusterSelector: selects everything; name the labels that it should select",
        ],
    );
    check(
        "DebugSessionClusterBinding",
        r#"templateRef: {name: ""}
clusters: ["prod-*", Prod]"#,
        &[
            "6: spec.templateRef.name: must not be empty",
            r#"7: spec.clusters[0]: "prod-*" is a glob; only exact names of clusters stand here, use clusterSelector for several"#,
            r#"7: spec.clusters[1]: "Prod" is not a DNS label: 1 to 63 characters of a-z, 0-9 and '-', first and last of them no '-'"#,
        ],
    );
    check(
        "DebugSessionClusterBinding",
        r#"templateRef: {name: t}
clusters: [east]
allowed: {}
approvers: {}"#,
        &[
            "8: spec.allowed: names no user, no group and no cluster; remove it to use the template's, or fill it in",
            "9: spec.approvers: names no user and no group; add those who decide, or remove the whole block",
        ],
    );
    check(
        "DebugSessionClusterBinding",
        r#"templateRef: {name: t}
clusters: [east]
effectiveFrom: 2026-01-02T00:00:00Z
expiresAt: 2026-01-01T00:00:00Z"#,
        &["9: spec.expiresAt: is not after effectiveFrom, so the binding would never hold"],
    );
    check(
        "DebugSessionClusterBinding",
        r#"templateRef: {name: t}
clusters: [east]
effectiveFrom: tomorrow
maxActiveSessionsTotal: 0
auto_approve: true"#,
        &[
            r#"8: spec.effectiveFrom: "tomorrow" is not a time such as 2026-01-31T12:00:00Z"#,
            "9: spec.maxActiveSessionsTotal: is 0, less than 1",
            r#"10: spec.auto_approve: is not a known field; did you mean "autoApprove"?"#,
        ],
    );
}

#[test]
fn sessions() {
    check(
        "DebugSession",
        "cluster: east",
        &[
            "5: spec.requestedBy: is required",
            "5: spec.templateRef: is required",
        ],
    );
    check(
        "DebugSession",
        r#"cluster: east
templateRef: t
requestedBy: alice@example.com
invitedParticipants: ["system:admin"]
requestedDuration: 1w
targetNamespace: a.b
userGroups: [""]"#,
        &[
            r#"9: spec.invitedParticipants[0]: starts with "system:", which is Kubernetes's own; sessions are for people"#,
            r#"10: spec.requestedDuration: is not a duration: "w" is not a unit; write whole numbers with units ns, us, ms, s, m, h or d, such as 45m or 1h30m"#,
            r#"11: spec.targetNamespace: "a.b" is not a DNS label: 1 to 63 characters of a-z, 0-9 and '-', first and last of them no '-'"#,
            "12: spec.userGroups[0]: is empty",
        ],
    );
    check(
        "DebugSession",
        r#"cluster: east
templateRef: t
requestedBy: alice@example.com
bindingRef: ns/name
extraDeployValues: [a]
nodeSelector: {zone: 1}"#,
        &[
            r#"9: spec.bindingRef: must be an object, not the text "ns/name""#,
            "10: spec.extraDeployValues: must be an object, not a list",
            "11: spec.nodeSelector.zone: must be a text, not the number 1; put it in quotes",
        ],
    );
}

#[test]
fn deny_policies() {
    check(
        "DenyPolicy",
        "precedence: -1",
        &[
            "5: spec.rules: is empty, so the policy refuses nothing; add a rule",
            "6: spec.precedence: is -1, less than 0",
        ],
    );
    check(
        "DenyPolicy",
        r#"rules:
  - verbs: []
    resources: [""]
    apiGroups: [""]
  - verbs: [get]
  - {verbs: [get], apiGroups: ["*"], resources: [pods], namespaces: ["a["]}"#,
        &[
            r#"7: spec.rules[0].verbs: is empty, so the rule refuses nothing; write "*" for all"#,
            r#"8: spec.rules[0].resources: holds an empty word; remove it or write "*" for all"#,
            "10: spec.rules[1].apiGroups: is required",
            "10: spec.rules[1].resources: is required",
            r#"11: spec.rules[2].namespaces.patterns[0]: "a[" is not a glob: unclosed character class; missing ']'"#,
        ],
    );
    check(
        "DenyPolicy",
        r#"rules:
  - verbs: [get]
    apiGroups: [""]
    resources: [pods/exec, Secret]
    resourceNames: [db-*]
    namespaces: {}"#,
        &[
            r#"9: spec.rules[0].resources: holds a "/"; write the subresource in subresources, such as resources: [pods] and subresources: [exec]"#,
            "9: spec.rules[0].resources: holds a capital letter, which matches nothing; write it as in RBAC, such as secrets",
            r#"10: spec.rules[0].resourceNames: holds a "*" within a word, which matches nothing; a word is compared whole, and "*" alone is anything"#,
            "11: spec.rules[0].namespaces: has neither patterns nor selectorTerms; leave it out to mean every namespace",
        ],
    );
    check(
        "DenyPolicy",
        r#"rules: []
appliesTo: {clusters: [""]}
podSecurityRules: {thresholds: [{action: block, maxScore: 1.5}]}"#,
        &[
            r#"7: spec.appliesTo.clusters[0]: is empty; write "*" to match everything, or remove it"#,
            "8: spec.podSecurityRules.riskFactors: is required",
            r#"8: spec.podSecurityRules.thresholds[0].action: "block" is not one of "allow", "warn", "deny""#,
            "8: spec.podSecurityRules.thresholds[0].maxScore: must be a whole number, not the number 1.5",
        ],
    );
}

#[test]
fn clusters() {
    check(
        "Cluster",
        r#"userNames: {prefix: "oidc\u200b:", groupsPrefix: "system:", claim: upn}"#,
        &[
            r#"6: spec.userNames.claim: "upn" is not one of "name", "email", "sub""#,
            r#"6: spec.userNames.groupsPrefix: starts with "system:", which is Kubernetes's own"#,
            "6: spec.userNames.prefix: holds a character that cannot be seen or changes how text reads; remove it",
        ],
    );
    check(
        "Cluster",
        r#"accepted: maybe
site: 4
capabilities: []"#,
        &[
            r#"6: spec.accepted: must be true or false, not the text "maybe""#,
            "7: spec.site: must be a text, not the number 4; put it in quotes",
            "8: spec.capabilities: is not a known field",
        ],
    );
}

const API: &str = "apiVersion: breakglass.t-caas.telekom.com/v1alpha1";

#[test]
fn what_object_it_is() {
    let kinds = "DebugPodTemplate, DebugSessionTemplate, DebugSessionClusterBinding, DebugSession, DenyPolicy, Cluster";
    for (text, expected) in [
        ("[]".to_owned(), vec!["t.yaml:1: must be an object with apiVersion, kind, metadata and spec".to_owned()]),
        ("hello".to_owned(), vec!["t.yaml:1: must be an object with apiVersion, kind, metadata and spec".to_owned()]),
        (
            "spec: {}".to_owned(),
            vec![
                "t.yaml:1: apiVersion: is required: breakglass.t-caas.telekom.com/v1alpha1".to_owned(),
                format!("t.yaml:1: kind: is required: one of {kinds}"),
            ],
        ),
        (
            "apiVersion: v1\nkind: DebugPodTemplat".to_owned(),
            vec![
                "t.yaml:1: apiVersion: must be breakglass.t-caas.telekom.com/v1alpha1".to_owned(),
                format!("t.yaml:2: kind: \"DebugPodTemplat\" is not one of {kinds}; did you mean \"DebugPodTemplate\"?"),
            ],
        ),
        (
            format!("{API}\nkind: Cluster\nspec: {{}}"),
            vec!["t.yaml:1: metadata: is required".to_owned()],
        ),
        (
            format!("{API}\nkind: Cluster\nmetadata: {{labels: {{a: 1}}, nmae: x}}\nspecs: {{}}"),
            vec![
                "t.yaml:1: spec: is required".to_owned(),
                "t.yaml:3: metadata.labels.a: must be a text, not the number 1; put it in quotes".to_owned(),
                "t.yaml:3: metadata.name: is required".to_owned(),
                "t.yaml:3: metadata.nmae: is not a known field; did you mean \"name\"?".to_owned(),
                "t.yaml:4: specs: is not a known field; did you mean \"spec\"?".to_owned(),
            ],
        ),
        (
            format!("{API}\nkind: Cluster\nmetadata:\n  name: My.Cluster\n  namespace: x\nspec: {{}}\nkind: Cluster"),
            vec![
                "t.yaml:4: metadata.name: \"My.Cluster\" is not a DNS label: 1 to 63 characters of a-z, 0-9 and '-', first and last of them no '-'".to_owned(),
                "t.yaml:5: metadata.namespace: has no meaning: a Cluster lives in no namespace; remove it".to_owned(),
                "t.yaml:7: kind: is given twice, first on line 2".to_owned(),
            ],
        ),
        (
            format!("{API}\nkind: Cluster\nmetadata: {{generateName: x-}}\nspec: {{}}"),
            vec!["t.yaml:3: metadata.generateName: names nothing here; give metadata.name".to_owned()],
        ),
        (
            format!("{API}\nkind: Cluster\nmetadata: {{name: a}}\nspec: {{}}\n---\n{API}\nkind: Cluster\nmetadata: {{name: a}}\nspec: {{}}\n"),
            vec!["t.yaml:8: metadata.name: \"a\" is already the Cluster on line 1".to_owned()],
        ),
    ] {
        assert_eq!(errors(&text), expected, "\n{text}");
    }
}

/// A document that cannot be read hides nothing of the others.
#[test]
fn every_document_is_told_about() {
    let text = format!(
        "a: [\n---\n{API}\nkind: Cluster\nmetadata: {{name: a}}\nspec: {{}}\n--- # next\na: 1\n b: 2\n---\n# nothing\n---\n- x\n"
    );
    let outcome = decode("t.yaml", &text);
    assert_eq!(
        outcome
            .documents
            .iter()
            .map(|d| (d.index, d.line))
            .collect::<Vec<_>>(),
        [(1, 3)]
    );
    let told: Vec<_> = outcome
        .errors
        .iter()
        .map(|error| (error.document, error.to_string()))
        .collect();
    assert_eq!(
        told,
        [
            (0, "t.yaml:1: is not YAML: unclosed bracket '['".to_owned()),
            (
                2,
                "t.yaml:9: is not YAML: mapping values are not allowed in this context".to_owned()
            ),
            (
                4,
                "t.yaml:13: must be an object with apiVersion, kind, metadata and spec".to_owned()
            ),
        ]
    );
}

/// JSON has lines, too, and no key twice.
#[test]
fn json_files_are_as_strict() {
    let text = "{\n\t\"apiVersion\": \"breakglass.t-caas.telekom.com/v1alpha1\",\n\t\"kind\": \"Cluster\",\n\t\"metadata\": {\"name\": \"a\"},\n\t\"spec\": {\n\t\t\"site\": \"\\ud83d\\ude00\",\n\t\t\"site\": \"b\",\n\t\t\"tenants\": 1\n\t}\n}\n";
    assert_eq!(
        errors(text),
        [
            "t.yaml:7: spec.site: is given twice, first on line 6",
            "t.yaml:8: spec.tenants: is not a known field; did you mean \"tenant\"?"
        ]
    );
}

#[test]
fn files_are_bounded() {
    let long = format!("a: {}", "x".repeat(MAX_MANIFEST_BYTES));
    assert_eq!(
        errors(&long),
        ["t.yaml: has 1048579 bytes, more than 1048576; split it"]
    );
    let many = "---\na: 1\n".repeat(MAX_DOCUMENTS + 1);
    assert_eq!(
        errors(&many),
        ["t.yaml: has 101 documents, more than 100; split it"]
    );
    let wide = format!("a: [{}]", "1,".repeat(MAX_YAML_NODES));
    assert_is_refused_at_once(&wide);
    let half = format!("---\na: [{}]\n", "1,".repeat(MAX_YAML_NODES / 2));
    let told = errors(&half.repeat(2));
    assert!(
        told.iter()
            .any(|error| error.contains("is not YAML") && error.contains("node")),
        "over all documents: {told:?}"
    );
    let deep = format!("a: {}{}", "[".repeat(65), "]".repeat(65));
    assert_is_refused_at_once(&deep);
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let alias = format!("*a{}, ", level - 1).repeat(10);
        bomb.push_str(&format!("a{level}: &a{level} [{alias}]\n"));
    }
    assert_is_refused_at_once(&bomb);
    let copies = format!(
        "a: &a {}\nb: [{}]\n",
        "x".repeat(500_000),
        "*a, ".repeat(50)
    );
    assert_is_refused_at_once(&copies);
}

fn assert_is_refused_at_once(text: &str) {
    let told = errors(text);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("is not YAML: "), "{told:?}");
}

#[test]
fn yaml_reads_as_kubernetes_reads_it() {
    let text = format!(
        "{API}\nkind: DebugPodTemplate\nmetadata: {{name: a}}\nspec:\n  template:\n    spec:\n      containers: [&c {{name: a, image: b}}, {{<<: *c, name: d}}]\n      volumes: [{{name: v, configMap: {{name: c, defaultMode: 0644}}}}]\n      hostNetwork: no\n"
    );
    let outcome = decode("t.yaml", &text);
    assert!(outcome.errors.is_empty(), "{:?}", outcome.errors);
    let breakglass_protocol::manifest::Manifest::DebugPodTemplate(template) =
        &outcome.documents[0].manifest
    else {
        panic!("a pod template");
    };
    let pod = &template.spec.template.as_ref().unwrap().spec;
    assert_eq!(pod.host_network, Some(false));
    assert_eq!(pod.containers[1].image.as_deref(), Some("b"));
    let volume = &pod.volumes.as_ref().unwrap()[0];
    assert_eq!(
        volume.config_map.as_ref().unwrap().default_mode,
        Some(0o644)
    );
}
