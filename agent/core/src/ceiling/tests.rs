use breakglass_protocol::wire::grant::WorkloadKind;
use serde_json::{Value, json};

use super::*;
use crate::sample;
use crate::workload;

fn judge(ceiling: &Ceiling, change: impl FnOnce(&mut Grant)) -> Vec<CeilingRefusal> {
    let mut grant = sample::grant(WorkloadKind::DaemonSet);
    change(&mut grant);
    let rendered = workload::render(&grant, &sample::seed()).unwrap();
    judge_grant(ceiling, &grant, &rendered, sample::wall(1))
        .err()
        .unwrap_or_default()
}

fn with_spec(change: Value) -> impl FnOnce(&mut Grant) {
    move |grant| {
        let spec = sample::spec_mut(grant);
        for (key, value) in change.as_object().unwrap() {
            spec[key] = value.clone();
        }
    }
}

fn with_container(change: Value) -> impl FnOnce(&mut Grant) {
    move |grant| {
        let container = &mut sample::spec_mut(grant)["containers"][0];
        for (key, value) in change.as_object().unwrap() {
            container[key] = value.clone();
        }
    }
}

fn open() -> Ceiling {
    Ceiling {
        privileged: true,
        host_network: true,
        host_pid: true,
        host_ipc: true,
        host_paths: vec!["/var/log".into()],
        capabilities: vec!["NET_ADMIN".into()],
        service_accounts: vec!["debugger".into()],
        ..Ceiling::default()
    }
}

/// (what the template asks, rule that refuses it, field named)
fn dangers() -> Vec<(Value, &'static str, &'static str)> {
    let context = |context: Value| json!({ "containers": [{ "name": "debug", "image": "alpine", "securityContext": context }] });
    vec![
        (
            json!({ "hostNetwork": true }),
            "hostNetwork",
            "spec.hostNetwork",
        ),
        (json!({ "hostPID": true }), "hostPID", "spec.hostPID"),
        (json!({ "hostIPC": true }), "hostIPC", "spec.hostIPC"),
        (
            context(json!({ "privileged": true })),
            "privileged",
            "spec.containers[0].securityContext.privileged",
        ),
        (
            context(json!({ "procMount": "Unmasked" })),
            "privileged",
            "procMount",
        ),
        (
            context(json!({ "seccompProfile": { "type": "Unconfined" } })),
            "privileged",
            "seccompProfile",
        ),
        (
            context(json!({ "appArmorProfile": { "type": "Unconfined" } })),
            "privileged",
            "appArmorProfile",
        ),
        (
            context(json!({ "windowsOptions": { "hostProcess": true } })),
            "privileged",
            "windowsOptions",
        ),
        (
            json!({ "securityContext": { "seccompProfile": { "type": "Unconfined" } } }),
            "privileged",
            "spec.securityContext",
        ),
        (
            context(json!({ "capabilities": { "add": ["net_admin"] } })),
            "capabilities",
            "capabilities.add",
        ),
        (
            context(json!({ "capabilities": { "add": ["CAP_NET_ADMIN"] } })),
            "capabilities",
            "capabilities.add",
        ),
        (
            json!({ "initContainers": [{ "name": "i", "image": "a", "securityContext": { "privileged": true } }] }),
            "privileged",
            "spec.initContainers[0]",
        ),
        (
            json!({ "volumes": [{ "name": "v", "hostPath": { "path": "/var/log/pods" } }] }),
            "hostPaths",
            "spec.volumes[0].hostPath.path",
        ),
        (
            json!({ "containers": [{ "name": "d", "image": "a", "ports": [{ "containerPort": 80, "hostPort": 80 }] }] }),
            "hostNetwork",
            "hostPort",
        ),
        (
            json!({ "serviceAccountName": "debugger" }),
            "serviceAccounts",
            "spec.serviceAccountName",
        ),
        (
            json!({ "serviceAccount": "debugger" }),
            "serviceAccounts",
            "spec.serviceAccountName",
        ),
    ]
}

#[test]
fn s09_closed_by_default() {
    let closed = Ceiling::default();
    assert_eq!(judge(&closed, |_| {}), Vec::new());
    for (change, rule, field) in dangers() {
        let refusals = judge(&closed, with_spec(change.clone()));
        let named: Vec<_> = refusals
            .iter()
            .filter(|refusal| refusal.rule == rule && refusal.field.contains(field))
            .collect();
        assert!(!named.is_empty(), "{change}: {refusals:?}");
        let text = named[0].to_string();
        assert!(text.contains(&format!("ceiling.{rule}")), "{text}");
    }
}

#[test]
fn s09_the_owner_opens_each() {
    for (change, _, _) in dangers() {
        assert_eq!(
            judge(&open(), with_spec(change.clone())),
            Vec::new(),
            "{change}"
        );
    }
}

#[test]
fn s09_empty_values_decode_to_closed_and_unknown_ones_are_refused() {
    let empty: Ceiling = serde_json::from_value(json!({})).unwrap();
    assert_eq!(empty, Ceiling::default());
    assert!(serde_json::from_value::<Ceiling>(json!({ "priviledged": true })).is_err());
    assert!(serde_json::from_value::<Ceiling>(json!({ "maxDuration": "8 hours" })).is_err());
    let text = serde_json::to_value(Ceiling::default()).unwrap();
    assert_eq!(text["hostPID"], false);
    assert_eq!(text["maxDuration"], "8h");
}

#[test]
fn s09_namespace() {
    let closed = Ceiling::default();
    let other = |name: &str| {
        let name = name.to_owned();
        move |grant: &mut Grant| grant.target_namespace = name
    };
    assert_eq!(judge(&closed, other("kube-system"))[0].rule, "namespaces");
    assert_eq!(
        judge(&closed, other("breakglass-debug-2"))[0].rule,
        "namespaces"
    );
    let wider = Ceiling {
        namespaces: vec!["debug-*".into()],
        ..Ceiling::default()
    };
    assert_eq!(judge(&wider, other("debug-a")), Vec::new());
    assert_eq!(
        judge(&wider, other("breakglass-debug"))[0].rule,
        "namespaces"
    );
    let none = Ceiling {
        namespaces: Vec::new(),
        ..Ceiling::default()
    };
    assert!(judge(&none, |_| {})[0].limit.contains("none"));
}

#[test]
fn s09_duration_counts_from_receipt_whatever_start_the_hub_names() {
    let closed = Ceiling::default();
    let lasting = |starts: i64, ends: i64| {
        move |grant: &mut Grant| {
            grant.starts_at = sample::wall(starts);
            grant.expires_at = sample::wall(ends);
        }
    };
    let hour = 3600;
    assert_eq!(judge(&closed, lasting(0, 8 * hour)), Vec::new());
    assert_eq!(judge(&closed, lasting(-hour, 7 * hour)), Vec::new());
    assert_eq!(judge(&closed, lasting(0, 9 * hour))[0].rule, "maxDuration");
    assert_eq!(
        judge(&closed, lasting(100 * hour, 101 * hour))[0].rule,
        "maxDuration"
    );
    assert_eq!(
        judge(&closed, lasting(-8 * hour, hour))[0].rule,
        "maxDuration"
    );
}

#[test]
fn s09_no_token_without_a_named_service_account() {
    let closed = Ceiling::default();
    let token = json!([{ "name": "t", "projected": { "sources": [{ "serviceAccountToken": { "path": "t" } }] } }]);
    assert_eq!(
        judge(
            &closed,
            with_spec(json!({ "automountServiceAccountToken": true }))
        )[0]
        .field,
        "spec.automountServiceAccountToken"
    );
    assert_eq!(
        judge(&closed, with_spec(json!({ "volumes": token })))[0].field,
        "spec.volumes[0].projected"
    );
    let named = json!({ "serviceAccountName": "debugger", "automountServiceAccountToken": true, "volumes": token });
    assert_eq!(judge(&open(), with_spec(named)), Vec::new());
}

#[test]
fn s09_host_paths_mean_what_they_say() {
    let judge = |path: &str| {
        judge(
            &open(),
            with_spec(json!({ "volumes": [{ "name": "v", "hostPath": { "path": path } }] })),
        )
        .len()
    };
    for (path, refused) in [
        ("/var/log", 0),
        ("/var/log/", 0),
        ("/var//log/pods", 0),
        ("/var/logs", 1),
        ("/var", 1),
        ("/", 1),
        ("/var/log/../../etc", 1),
        ("var/log", 1),
        ("", 1),
    ] {
        assert_eq!(judge(path), refused, "{path:?}");
    }
}

#[test]
fn s14_images() {
    let ceiling = Ceiling {
        images: vec!["registry.example.com/debug/*".into()],
        ..Ceiling::default()
    };
    assert_eq!(judge(&ceiling, |_| {})[0].rule, "images");
    let good = with_container(json!({ "image": "registry.example.com/debug/tools:v1" }));
    assert_eq!(judge(&ceiling, good), Vec::new());
    let none = Ceiling {
        images: Vec::new(),
        ..Ceiling::default()
    };
    assert_eq!(judge(&none, |_| {})[0].limit, "none");
}

#[test]
fn a_ceiling_that_makes_no_sense_is_refused_at_load() {
    assert_eq!(Ceiling::default().check(), Ok(()));
    assert_eq!(open().check(), Ok(()));
    for (ceiling, field) in [
        (json!({ "namespaces": ["a["] }), "namespaces"),
        (json!({ "images": [""] }), "images"),
        (json!({ "hostPaths": ["var/log"] }), "hostPaths"),
        (json!({ "hostPaths": ["/var/../etc"] }), "hostPaths"),
        (json!({ "maxDuration": "0s" }), "maxDuration"),
        (json!({ "modes": ["kubectl-debug"] }), "modes"),
    ] {
        let ceiling: Ceiling = serde_json::from_value(ceiling).unwrap();
        assert_eq!(ceiling.check().unwrap_err().field, field);
    }
}
