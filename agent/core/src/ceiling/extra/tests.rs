use breakglass_protocol::wire::grant::WorkloadKind;
use serde_json::json;

use super::*;
use crate::ceiling::{GrantableRule, judge_grant};
use crate::sample;
use crate::workload::assemble;

/// What the ceiling says of these documents of the pod template.
fn judge_all(ceiling: &Ceiling, objects: Vec<Value>) -> Vec<CeilingRefusal> {
    let mut grant = sample::grant(WorkloadKind::DaemonSet);
    let texts = sample::texts(&mut grant, objects);
    let rendered = assemble(&grant, texts).unwrap();
    judge_grant(ceiling, &grant, &rendered, sample::wall(1))
        .err()
        .unwrap_or_default()
}

fn object(api_version: &str, kind: &str, more: Value) -> Value {
    let mut object = sample::object(api_version, kind, "x");
    for (key, value) in more.as_object().unwrap() {
        object[key] = value.clone();
    }
    object
}

fn with(kinds: &[&str]) -> Ceiling {
    let mut ceiling = Ceiling::default();
    ceiling
        .extra_kinds
        .extend(kinds.iter().map(|&kind| kind.to_owned()));
    ceiling
}

const RBAC: &str = "rbac.authorization.k8s.io/v1";

#[test]
fn s09_kinds_are_closed_by_default() {
    let own = json!({ "matchLabels": { "breakglass.t-caas.telekom.com/session": "debug-session-abc123" } });
    let pods = json!({ "spec": { "selector": {}, "template": { "spec": { "containers": [] } } } });
    for (api_version, kind, more, is_open) in [
        ("v1", "ConfigMap", json!({ "data": { "a": "b" } }), true),
        ("v1", "Secret", json!({ "stringData": { "a": "b" } }), true),
        ("v1", "Secret", json!({ "type": "Opaque" }), true),
        (
            "v1",
            "Secret",
            json!({ "type": "kubernetes.io/service-account-token" }),
            false,
        ),
        ("v1", "PersistentVolumeClaim", json!({}), true),
        ("v1", "ServiceAccount", json!({}), true),
        (
            "v1",
            "Service",
            json!({ "spec": { "selector": { "a": "b" } } }),
            true,
        ),
        (
            "v1",
            "Service",
            json!({ "spec": { "type": "ClusterIP" } }),
            true,
        ),
        (
            "v1",
            "Service",
            json!({ "spec": { "type": "LoadBalancer" } }),
            false,
        ),
        (
            "v1",
            "Service",
            json!({ "spec": { "type": "NodePort" } }),
            false,
        ),
        (
            "v1",
            "Service",
            json!({ "spec": { "type": "ExternalName" } }),
            false,
        ),
        (
            "v1",
            "Service",
            json!({ "spec": { "externalName": "x.example.com" } }),
            false,
        ),
        (
            "v1",
            "Service",
            json!({ "spec": { "externalIPs": ["192.0.2.1"] } }),
            false,
        ),
        (
            "v1",
            "Service",
            json!({ "spec": { "loadBalancerIP": "192.0.2.1" } }),
            false,
        ),
        (
            "v1",
            "Service",
            json!({ "spec": { "ports": [{ "port": 1, "nodePort": 30000 }] } }),
            false,
        ),
        (
            "networking.k8s.io/v1",
            "NetworkPolicy",
            json!({ "spec": { "podSelector": own } }),
            true,
        ),
        (
            "networking.k8s.io/v1",
            "NetworkPolicy",
            json!({ "spec": { "podSelector": {} } }),
            false,
        ),
        ("networking.k8s.io/v1", "NetworkPolicy", json!({}), false),
        (
            "policy/v1",
            "PodDisruptionBudget",
            json!({ "spec": { "selector": own } }),
            true,
        ),
        (
            "policy/v1",
            "PodDisruptionBudget",
            json!({ "spec": { "selector": { "matchLabels": { "a": "b" } } } }),
            false,
        ),
        (
            "v1",
            "ResourceQuota",
            json!({ "spec": { "hard": { "pods": 1 } } }),
            false,
        ),
        ("v1", "LimitRange", json!({}), false),
        ("v1", "Pod", json!({ "spec": { "containers": [] } }), false),
        ("apps/v1", "Deployment", pods.clone(), false),
        ("batch/v1", "Job", pods.clone(), false),
        ("v1", "PersistentVolume", json!({}), false),
        ("v1", "Namespace", json!({}), false),
        (RBAC, "Role", json!({}), false),
        (RBAC, "ClusterRole", json!({}), false),
        ("monitoring.coreos.com/v1", "PodMonitor", json!({}), false),
        // somebody's kind that has the name of one of Kubernetes's own
        ("example.com/v1", "ConfigMap", json!({}), false),
    ] {
        let refusals = judge_all(
            &Ceiling::default(),
            vec![object(api_version, kind, more.clone())],
        );
        assert_eq!(refusals.is_empty(), is_open, "{kind} {more}: {refusals:?}");
    }
}

#[test]
fn s09_a_refusal_names_document_field_value_limit_and_way_out() {
    let refusals = judge_all(
        &Ceiling::default(),
        vec![object("example.com/v1", "Widget", json!({}))],
    );
    assert_eq!(
        refusals[0].to_string(),
        "document 2 of the pod template (Widget x): kind is Widget.example.com, but this cluster's ceiling permits \
         ConfigMap, Secret, PersistentVolumeClaim, Service, NetworkPolicy, ServiceAccount, PodDisruptionBudget, \
         ResourceQuota; its owner can open it with the agent chart's value ceiling.extraKinds"
    );
    let secret = object("v1", "Secret", json!({ "type": "x" }));
    let told = judge_all(&Ceiling::default(), vec![secret])[0].to_string();
    assert!(
        told.contains("(Secret x): type is x, but") && told.ends_with("so change the template"),
        "{told}"
    );
}

#[test]
fn s09_pods_of_any_listed_kind_are_judged_as_pods() {
    let ceiling = with(&["Job", "CronJob", "Pod", "Rollout.example.com"]);
    let spec = |more: Value| {
        let mut spec =
            json!({ "restartPolicy": "Never", "containers": [{ "name": "a", "image": "a" }] });
        spec.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        spec
    };
    let jobs = |more: Value| {
        let template = json!({ "template": { "spec": spec(more.clone()) } });
        vec![
            object("batch/v1", "Job", json!({ "spec": template })),
            object(
                "batch/v1",
                "CronJob",
                json!({ "spec": { "schedule": "* * * * *", "jobTemplate": { "spec": template } } }),
            ),
            object("v1", "Pod", json!({ "spec": spec(more) })),
        ]
    };
    assert_eq!(judge_all(&ceiling, jobs(json!({}))), Vec::new());
    let refusals = judge_all(&ceiling, jobs(json!({ "hostNetwork": true })));
    let fields: Vec<&str> = refusals
        .iter()
        .map(|refusal| refusal.field.as_str())
        .collect();
    assert_eq!(
        fields,
        [
            "document 2 of the pod template (Job x): spec.template.spec.hostNetwork",
            "document 3 of the pod template (CronJob x): spec.jobTemplate.spec.template.spec.hostNetwork",
            "document 4 of the pod template (Pod x): spec.hostNetwork",
        ]
    );
    let rollout = object(
        "example.com/v1",
        "Rollout",
        json!({ "spec": { "deep": [{ "template": spec(json!({ "hostPID": true, "automountServiceAccountToken": false })) }] } }),
    );
    let refusals = judge_all(&ceiling, vec![rollout]);
    assert_eq!(
        (refusals.len(), refusals[0].field.as_str()),
        (
            1,
            "document 2 of the pod template (Rollout x): spec.deep[0].template.hostPID"
        )
    );
}

/// The bundle of a session that may look at pods: ServiceAccount, Role, RoleBinding.
fn bundle(rule: Value, subject: Value, role_ref: Value) -> Vec<Value> {
    vec![
        object("v1", "ServiceAccount", json!({})),
        object(RBAC, "Role", json!({ "rules": [rule] })),
        object(
            RBAC,
            "RoleBinding",
            json!({ "subjects": [subject], "roleRef": role_ref }),
        ),
    ]
}

#[test]
fn s09_roles_stay_within_the_listed_rules_and_bind_only_what_is_the_sessions() {
    let mut ceiling = with(&["Role", "RoleBinding"]);
    let rule =
        json!({ "apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get", "list"] });
    let subject = json!({ "kind": "ServiceAccount", "name": "x", "namespace": "breakglass-debug" });
    let role = json!({ "kind": "Role", "name": "x", "apiGroup": "rbac.authorization.k8s.io" });
    let good = || bundle(rule.clone(), subject.clone(), role.clone());
    let refusals = judge_all(&ceiling, good());
    assert_eq!(refusals[0].rule, "grantableRules");
    assert!(
        refusals[0]
            .value
            .contains(r#"{apiGroups: [""], resources: ["pods"], verbs: ["get"]}"#),
        "{refusals:?}"
    );
    ceiling.grantable_rules = vec![serde_json::from_value::<GrantableRule>(rule.clone()).unwrap()];
    assert_eq!(judge_all(&ceiling, good()), Vec::new());
    for (place, pointer, value) in [
        (1, "/rules/0/verbs", json!(["get", "delete"])),
        (1, "/rules/0/verbs", json!(["*"])),
        (1, "/rules/0/resources", json!(["*"])),
        (1, "/rules/0/resources", json!(["secrets"])),
        (1, "/rules/0/apiGroups", json!(["", "apps"])),
        (2, "/subjects/0/kind", json!("User")),
        (2, "/subjects/0/kind", json!("Group")),
        (2, "/subjects/0/name", json!("default")),
        (2, "/subjects/0/namespace", json!("kube-system")),
        (2, "/roleRef/kind", json!("ClusterRole")),
        (2, "/roleRef/name", json!("admin")),
    ] {
        let mut objects = good();
        *objects[place].pointer_mut(pointer).unwrap() = value.clone();
        assert_eq!(judge_all(&ceiling, objects).len(), 1, "{pointer} {value}");
    }
    let mut objects = good();
    objects[1]["aggregationRule"] = json!({ "clusterRoleSelectors": [] });
    assert_eq!(judge_all(&ceiling, objects).len(), 1);
}

#[test]
fn s09_names_and_urls_in_rules() {
    let list: Vec<GrantableRule> = serde_json::from_value(json!([
        { "apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": ["a", "b"] },
        { "nonResourceURLs": ["/metrics", "/logs/*"], "verbs": ["get"] },
        { "apiGroups": ["apps"], "resources": ["*"], "verbs": ["*"] },
    ]))
    .unwrap();
    let mut ceiling = with(&["ClusterRole"]);
    ceiling.grantable_rules = list;
    for (rule, is_open) in [
        (
            json!({ "apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": ["a"] }),
            true,
        ),
        (
            json!({ "apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": ["c"] }),
            false,
        ),
        (
            json!({ "apiGroups": [""], "resources": ["secrets"], "verbs": ["get"] }),
            false,
        ),
        (
            json!({ "nonResourceURLs": ["/metrics"], "verbs": ["get"] }),
            true,
        ),
        (
            json!({ "nonResourceURLs": ["/logs/a"], "verbs": ["get"] }),
            true,
        ),
        (
            json!({ "nonResourceURLs": ["/other"], "verbs": ["get"] }),
            false,
        ),
        (json!({ "nonResourceURLs": ["*"], "verbs": ["get"] }), false),
        (
            json!({ "apiGroups": ["apps"], "resources": ["*"], "verbs": ["*"] }),
            true,
        ),
    ] {
        let role = object(RBAC, "ClusterRole", json!({ "rules": [rule] }));
        assert_eq!(
            judge_all(&ceiling, vec![role]).is_empty(),
            is_open,
            "{rule}"
        );
    }
}

#[test]
fn s09_a_sessions_own_service_account_needs_a_pattern() {
    let judge = |ceiling: &Ceiling| {
        let mut grant = sample::grant(WorkloadKind::DaemonSet);
        sample::spec_mut(&mut grant)["serviceAccountName"] = json!("debug-abc-sa");
        let texts = sample::texts(
            &mut grant,
            vec![sample::object("v1", "ServiceAccount", "debug-abc-sa")],
        );
        let rendered = assemble(&grant, texts).unwrap();
        judge_grant(ceiling, &grant, &rendered, sample::wall(1))
            .err()
            .unwrap_or_default()
            .len()
    };
    assert_eq!(judge(&Ceiling::default()), 1);
    let open = Ceiling {
        service_accounts: vec!["debug-*-sa".into()],
        ..Ceiling::default()
    };
    assert_eq!(judge(&open), 0);
}

#[test]
fn an_unlisted_kind_is_left_out_where_its_policy_permits_and_refused_where_not() {
    for (policy, is_left_out) in [
        (FailurePolicy::Fail, false),
        (FailurePolicy::Ignore, true),
        (FailurePolicy::Warn, true),
    ] {
        let mut grant = sample::grant(WorkloadKind::DaemonSet);
        let mut texts = sample::texts(&mut grant, Vec::new());
        grant.auxiliary = vec![
            sample::auxiliary("monitoring", policy),
            sample::auxiliary("secret", policy),
        ];
        let monitor = sample::object("monitoring.coreos.com/v1", "PodMonitor", "x");
        texts.auxiliary = vec![
            Ok(vec![monitor]),
            Ok(vec![sample::object("v1", "Secret", "s")]),
        ];
        let mut rendered = assemble(&grant, texts).unwrap();
        leave_out_unlisted(&Ceiling::default(), &mut rendered);
        let verdict = judge_grant(&Ceiling::default(), &grant, &rendered, sample::wall(1));
        assert_eq!(verdict.is_ok(), is_left_out, "{policy:?}");
        let left_out = rendered.documents[0].beside.clone().unwrap().left_out;
        assert_eq!(
            left_out.is_some_and(|why| why.contains("ceiling.extraKinds")),
            is_left_out
        );
        assert!(rendered.documents[1].is_wanted(), "a listed kind is made");
        // Everything else refuses, whatever the policy.
        rendered.documents[1].manifest["type"] = json!("kubernetes.io/tls");
        assert!(judge_grant(&Ceiling::default(), &grant, &rendered, sample::wall(1)).is_err());
    }
}

#[test]
fn entries_that_make_no_sense_are_refused_at_load() {
    for (entry, is_right) in [
        ("ConfigMap", true),
        ("Job", true),
        ("PodMonitor.monitoring.coreos.com", true),
        ("PodMonitor", false),
        ("configmaps", false),
        ("*", false),
        ("", false),
        ("Widget.", false),
    ] {
        assert_eq!(with(&[entry]).check().is_ok(), is_right, "{entry:?}");
    }
}
