//! Recorded frames with whole bodies: what a hub and an agent of version 1 say of placement, namespaces, totals, renewal,
//! removal, ends and deny policies. An end of two releases on must read the same values from the same bytes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use breakglass_protocol::ids::{GrantUid, Revision};
use breakglass_protocol::kinds::debug_session_template::FailMode;
use breakglass_protocol::wire::codec;
use breakglass_protocol::wire::grant::{
    AtExpiry, Desired, DisruptionBudget, EndReason, Grant, IfMissing, Work, Workload, feature,
};
use breakglass_protocol::wire::policy::{self, PolicySet};
use breakglass_protocol::wire::report::{AgentStatus, DenyPolicyState, Phase, Report};
use breakglass_protocol::wire::to_agent::{GrantFrame, PoliciesFrame, ToAgent};
use breakglass_protocol::wire::to_hub::{ReportFrame, StatusFrame, ToHub};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const UID: &str = "8f14e45f-ceea-467f-a0e6-2b3c1d0f9a11";

/// A body as it is on the wire, with these fields more or other.
fn grant_body(changes: Value) -> Value {
    let body = json!({
        "uid": UID,
        "session": "debug-session-abc123",
        "namespace": "breakglass",
        "cluster": "west",
        "desired": {"running": {}},
        "startsAt": "2026-01-02T03:04:05Z",
        "expiresAt": "2026-01-02T04:04:05Z",
        "lastEnd": "2026-01-02T07:04:05Z",
        "renewal": 0,
        "digest": "sha256:00",
        "people": [{"user": "alice@example.com", "role": "owner"}],
        "operations": {"exec": true, "attach": true, "logs": false, "portForward": true},
        "context": {"requestedBy": "alice@example.com", "template": "standard-debug"},
        "targetNamespace": "breakglass-debug",
        "work": work(json!({})),
    });
    with(body, changes)
}

fn work(changes: Value) -> Value {
    let pod =
        json!({"structured": {"spec": {"containers": [{"name": "debug", "image": "busybox"}]}}});
    let workload = json!({"kind": "DaemonSet", "replicas": 1, "pod": pod});
    json!({"workload": with(workload, changes)})
}

fn with(mut body: Value, changes: Value) -> Value {
    let changes = changes.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(changes);
    body
}

fn grant(requires: &[&str], changes: Value) -> ToAgent {
    ToAgent::Grant(GrantFrame {
        revision: Revision(400),
        uid: GrantUid::new(UID),
        requires: requires.iter().map(|f| (*f).to_owned()).collect(),
        remaining_ms: 3_600_000,
        body: grant_body(changes).to_string().into_bytes(),
    })
}

/// What was sent when each was recorded. Only added to: the recordings are what counts.
pub(super) fn to_agent() -> Vec<(&'static str, ToAgent)> {
    let workload = |changes: Value| json!({"work": work(changes)});
    vec![
        (
            "grant-scheduling",
            grant(
                &[feature::WORKLOAD, feature::SCHEDULING],
                workload(json!({"scheduling": [
                    {"place": "session template t", "constraints": {
                        "nodeSelector": {"pool": "debug"},
                        "deniedNodes": ["control-*"],
                        "deniedNodeLabels": {"tier": "*"},
                        "tolerations": [{"key": "debug", "operator": "Exists"}],
                    }},
                    {"place": "option east", "constraints": {"requiredNodeAffinity": {"nodeSelectorTerms": [
                        {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["east"]}]}]}}},
                ]})),
            ),
        ),
        (
            "grant-namespace",
            grant(
                &[feature::WORKLOAD, feature::NAMESPACES],
                json!({"targetNamespace": "debug-team", "namespaceRule": {
                    "layers": [{
                        "place": "session template t",
                        "allowed": [{"matchLabels": {"debug-enabled": "true"}}],
                        "denied": [{"matchExpressions": [{"key": "compliance", "operator": "Exists"}]}],
                    }],
                    "ifMissing": {"create": {"labels": {"purpose": "debug"}}},
                    "ifUnreadable": "open",
                }}),
            ),
        ),
        (
            "grant-impersonation",
            grant(
                &[feature::WORKLOAD, feature::IMPERSONATION],
                json!({"impersonate": {"namespace": "breakglass-system", "name": "deployer"}}),
            ),
        ),
        (
            "grant-quota",
            grant(
                &[feature::WORKLOAD, feature::QUOTA, feature::DISRUPTION_BUDGET],
                workload(json!({
                    "quota": {"maxPods": 5, "maxCPU": "2", "maxMemory": "2Gi", "maxStorage": "5Gi",
                        "enforceRequests": true, "enforceLimits": false},
                    "disruptionBudget": {"minAvailable": 1},
                })),
            ),
        ),
        (
            "grant-renewed",
            grant(
                &[feature::WORKLOAD],
                json!({"renewal": 2, "expiresAt": "2026-01-02T06:04:05Z"}),
            ),
        ),
        (
            "grant-recycled",
            grant(&[feature::WORKLOAD, feature::RECYCLE], json!({"recycle": 3})),
        ),
        (
            "grant-notify-only",
            grant(
                &[feature::WORKLOAD, feature::NOTIFY_ONLY],
                json!({"atExpiry": "keepWorkload"}),
            ),
        ),
        (
            "grant-ended",
            grant(
                &[feature::WORKLOAD],
                json!({"desired": {"ended": {"reason": "terminated", "by": "alice@example.com",
                    "at": "2026-01-02T03:30:00Z"}}}),
            ),
        ),
        (
            "policies-rules",
            ToAgent::Policies(PoliciesFrame {
                revision: Revision(401),
                requires: vec![policy::FEATURE.into()],
                body: json!({"policies": [{"name": "no-secrets", "precedence": 50, "rules": [{
                    "verbs": ["get"], "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["db"],
                    "subresources": [], "namespaces": {"patterns": ["prod-*"], "selectorTerms": [
                        {"matchLabels": {"tier": "prod"}}]},
                }]}]})
                .to_string()
                .into_bytes(),
            }),
        ),
        (
            "policies-withheld",
            ToAgent::Policies(PoliciesFrame {
                revision: Revision(402),
                requires: vec![policy::FEATURE.into()],
                body: json!({"withheld": "too many"}).to_string().into_bytes(),
            }),
        ),
    ]
}

/// As [`to_agent`].
pub(super) fn to_hub() -> Vec<(&'static str, ToHub)> {
    let record = |kind: &str, source: &str| json!({"apiVersion": "v1", "kind": kind, "namespace": "debug-team", "name": "n", "uid": "u", "source": source});
    let report = |body: Value| {
        ToHub::Report(ReportFrame {
            uid: GrantUid::new(UID),
            body: body.to_string().into_bytes(),
        })
    };
    vec![
        (
            "report-renewed",
            report(json!({"uid": UID, "at": "2026-01-02T05:00:00Z", "renewal": 2,
                "expiresAt": "2026-01-02T06:04:05Z", "recycled": 3, "phase": "running",
                "deployed": [record("ResourceQuota", "resource-quota"), record("DaemonSet", "workload")]})),
        ),
        (
            "report-kept",
            report(json!({"uid": UID, "at": "2026-01-02T05:00:00Z", "renewal": 0, "phase": "ended",
                "end": {"reason": "expired", "at": "2026-01-02T04:04:05Z", "message": null},
                "cleanup": {"startedAt": "2026-01-02T04:04:05Z", "finishedAt": "2026-01-02T04:04:09Z",
                    "kept": [record("Namespace", "namespace")]}})),
        ),
        (
            "status-strict",
            ToHub::Status(StatusFrame {
                body: json!({
                    "agentVersion": "0.1.0", "kubernetesVersion": "v1.34.4",
                    "capabilities": ["workload", "deny-policies"],
                    "certificateExpiresAt": "2026-01-03T03:04:05Z", "ceiling": {},
                    "denyPolicies": {"revision": 401, "policies": 1, "state": "heldBack", "message": "why"},
                    "webhookOrder": "behindRbac", "enforcement": "strict",
                })
                .to_string()
                .into_bytes(),
            }),
        ),
    ]
}

fn recorded<T: DeserializeOwned>(path: &str) -> T {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/wire/v1")
        .join(format!("{path}.hex"));
    let text = fs::read_to_string(&file).unwrap_or_else(|e| panic!("{path}: {e}"));
    codec::decode(&hex::decode(text.trim()).unwrap()).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The grant and what it requires, as recorded.
fn recorded_grant(name: &str) -> (Grant, Vec<String>) {
    let ToAgent::Grant(frame) = recorded(&format!("to_agent/{name}")) else {
        panic!("{name} is no grant")
    };
    let grant: Grant = serde_json::from_slice(&frame.body).unwrap();
    assert_eq!(grant.uid, frame.uid);
    (grant, frame.requires)
}

fn workload(grant: &Grant) -> &Workload {
    let Work::Workload(workload) = &grant.work;
    workload
}

#[test]
fn every_recording_is_known_and_decodes() {
    for (direction, names) in [
        (
            "to_agent",
            names(super::to_agent_frames().into_iter().chain(to_agent())),
        ),
        (
            "to_hub",
            names(super::to_hub_frames().into_iter().chain(to_hub())),
        ),
    ] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fixtures/wire/v1")
            .join(direction);
        let files: BTreeSet<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(files, names, "{direction}");
    }
}

fn names<T>(frames: impl Iterator<Item = (&'static str, T)>) -> BTreeSet<String> {
    frames.map(|(name, _)| format!("{name}.hex")).collect()
}

#[test]
fn a_recorded_grant_says_where_pods_may_run() {
    let (grant, requires) = recorded_grant("grant-scheduling");
    assert_eq!(requires, ["workload.v1", "scheduling.v1"]);
    let [template, option] = workload(&grant).scheduling.as_slice() else {
        panic!("two layers")
    };
    assert_eq!(template.place, "session template t");
    let constraints = &template.constraints;
    assert_eq!(constraints.node_selector["pool"], "debug");
    assert_eq!(constraints.denied_nodes, ["control-*"]);
    assert_eq!(constraints.denied_node_labels["tier"], "*");
    assert_eq!(constraints.tolerations[0].key.as_deref(), Some("debug"));
    let terms = &option
        .constraints
        .required_node_affinity
        .as_ref()
        .unwrap()
        .node_selector_terms;
    let expressions = terms[0].match_expressions.as_ref().unwrap();
    assert_eq!(
        expressions[0].values.as_deref(),
        Some(["east".to_owned()].as_slice())
    );
}

#[test]
fn a_recorded_grant_says_which_namespace_and_as_whom() {
    let (grant, requires) = recorded_grant("grant-namespace");
    assert_eq!(requires, ["workload.v1", "namespaces.v1"]);
    assert_eq!(grant.target_namespace, "debug-team");
    let rule = grant.namespace_rule.unwrap();
    assert_eq!(rule.if_unreadable, FailMode::Open);
    let IfMissing::Create { labels } = &rule.if_missing else {
        panic!("it may be made")
    };
    assert_eq!(labels["purpose"], "debug");
    let [layer] = rule.layers.as_slice() else {
        panic!("one layer")
    };
    let label = |key: &str, value: &str| [(key.to_owned(), value.to_owned())].into();
    assert!(layer.allowed.as_ref().unwrap()[0].matches(&label("debug-enabled", "true")));
    assert!(layer.denied[0].matches(&label("compliance", "pci-dss")));

    let (grant, requires) = recorded_grant("grant-impersonation");
    assert_eq!(requires, ["workload.v1", "impersonation.v1"]);
    let account = grant.impersonate.unwrap();
    assert_eq!(
        account.user(),
        "system:serviceaccount:breakglass-system:deployer"
    );
    assert_eq!(grant.namespace_rule, None);
}

#[test]
fn a_recorded_grant_says_what_the_session_may_use() {
    let (grant, requires) = recorded_grant("grant-quota");
    assert_eq!(
        requires,
        ["workload.v1", "quota.v1", "disruption-budget.v1"]
    );
    let quota = workload(&grant).quota.as_ref().unwrap();
    assert_eq!(quota.max_pods, Some(5));
    assert_eq!(quota.max_cpu.as_deref(), Some("2"));
    assert_eq!(quota.max_memory.as_deref(), Some("2Gi"));
    assert_eq!(quota.max_storage.as_deref(), Some("5Gi"));
    assert!(quota.enforce_requests && !quota.enforce_limits);
    assert_eq!(
        workload(&grant).disruption_budget,
        Some(DisruptionBudget::MinAvailable(1))
    );
}

#[test]
fn a_recorded_grant_says_how_long_and_what_then() {
    let (renewed, _) = recorded_grant("grant-renewed");
    assert_eq!(renewed.renewal, 2);
    assert_eq!(renewed.expires_at.to_string(), "2026-01-02T06:04:05Z");
    assert_eq!(renewed.last_end.to_string(), "2026-01-02T07:04:05Z");
    assert_eq!(
        (renewed.recycle, renewed.at_expiry),
        (0, AtExpiry::RemoveAll)
    );

    let (recycled, requires) = recorded_grant("grant-recycled");
    assert_eq!((recycled.recycle, recycled.renewal), (3, 0));
    assert_eq!(requires, ["workload.v1", "recycle.v1"]);

    let (kept, requires) = recorded_grant("grant-notify-only");
    assert_eq!(kept.at_expiry, AtExpiry::KeepWorkload);
    assert_eq!(requires, ["workload.v1", "notify-only.v1"]);

    let (ended, _) = recorded_grant("grant-ended");
    let Desired::Ended { reason, by, at } = ended.desired else {
        panic!("it has ended")
    };
    assert_eq!(reason, EndReason::Terminated);
    assert_eq!(by.as_deref(), Some("alice@example.com"));
    assert_eq!(at.to_string(), "2026-01-02T03:30:00Z");
}

#[test]
fn recorded_policies_deny_what_they_denied() {
    let body = |name: &str| -> PolicySet {
        let ToAgent::Policies(frame) = recorded(&format!("to_agent/{name}")) else {
            panic!("{name} is no set of policies")
        };
        assert_eq!(frame.requires, ["policies.v1"]);
        serde_json::from_slice(&frame.body).unwrap()
    };
    let PolicySet::Policies(policies) = body("policies-rules") else {
        panic!("not withheld")
    };
    let [policy] = policies.as_slice() else {
        panic!("one policy")
    };
    assert_eq!(
        (policy.name.as_str(), policy.precedence),
        ("no-secrets", 50)
    );
    let rule = &policy.rules[0];
    assert_eq!(rule.verbs, ["get"]);
    assert_eq!(rule.resources, ["secrets"]);
    assert_eq!(rule.resource_names, ["db"]);
    assert_eq!(
        rule.subresources,
        Some(vec![]),
        "not absent: the resource alone"
    );
    let namespaces = rule.namespaces.as_ref().unwrap();
    assert_eq!(namespaces.patterns, ["prod-*"]);
    assert_eq!(namespaces.selector_terms[0].match_labels["tier"], "prod");
    assert_eq!(
        body("policies-withheld"),
        PolicySet::Withheld("too many".into())
    );
}

#[test]
fn recorded_reports_and_statuses_say_what_they_said() {
    let report = |name: &str| -> Report {
        let ToHub::Report(frame) = recorded(&format!("to_hub/{name}")) else {
            panic!("{name} is no report")
        };
        serde_json::from_slice(&frame.body).unwrap()
    };
    let renewed = report("report-renewed");
    assert_eq!((renewed.renewal, renewed.recycled), (2, 3));
    assert_eq!(renewed.phase, Phase::Running);
    assert_eq!(
        renewed.expires_at.unwrap().to_string(),
        "2026-01-02T06:04:05Z"
    );
    assert_eq!(renewed.deployed[0].source, "resource-quota");
    let kept = report("report-kept");
    assert_eq!(kept.end.unwrap().reason, EndReason::Expired);
    assert_eq!(kept.cleanup.unwrap().kept[0].kind, "Namespace");

    let ToHub::Status(frame) = recorded("to_hub/status-strict") else {
        panic!("a status")
    };
    let status: AgentStatus = serde_json::from_slice(&frame.body).unwrap();
    let deny = status.deny_policies.unwrap();
    assert_eq!(deny.revision, Some(Revision(401)));
    assert_eq!(deny.state, DenyPolicyState::HeldBack);
    assert!(status.enforcement.is_some() && status.webhook_order.is_some());
}
