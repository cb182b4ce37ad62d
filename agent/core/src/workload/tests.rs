use breakglass_protocol::wire::grant::{ContainerOverride, PodOverrides};
use k8s_openapi::api::core::v1::{EnvVar, SecurityContext};

use super::*;
use crate::sample;

fn error(change: impl FnOnce(&mut Grant)) -> String {
    let mut grant = sample::grant(WorkloadKind::DaemonSet);
    change(&mut grant);
    render(&grant, &sample::seed()).unwrap_err().to_string()
}

#[test]
fn d04_daemon_set_is_rendered_whole() {
    let rendered = render(&sample::grant(WorkloadKind::DaemonSet), &sample::seed()).unwrap();
    insta::assert_json_snapshot!("daemon_set", rendered.documents[0].manifest);
}

#[test]
fn d16_deployment_is_named_after_the_session() {
    let rendered = render(&sample::grant(WorkloadKind::Deployment), &sample::seed()).unwrap();
    let (_, manifest) = rendered.workload().unwrap();
    assert_eq!(manifest["kind"], "Deployment");
    assert_eq!(manifest["metadata"]["name"], "debug-session-abc123-deploy");
    assert_eq!(manifest["spec"]["replicas"], 2);
    assert!(manifest["spec"].get("updateStrategy").is_none());
}

#[test]
fn overrides_reach_pod_and_containers() {
    let mut grant = sample::grant(WorkloadKind::DaemonSet);
    sample::spec_mut(&mut grant)["initContainers"] =
        json!([{ "name": "setup", "image": "busybox" }]);
    sample::spec_mut(&mut grant)["containers"][0]["resources"] =
        json!({ "limits": { "cpu": "1", "memory": "1Gi" } });
    sample::spec_mut(&mut grant)["containers"][0]["env"] = json!([{ "name": "A", "value": "1" }]);
    let env = |name: &str, value: &str| EnvVar {
        name: name.into(),
        value: Some(value.into()),
        ..EnvVar::default()
    };
    sample::workload_mut(&mut grant).overrides = PodOverrides {
        host_network: Some(true),
        containers: vec![
            ContainerOverride {
                name: "debug".into(),
                env: vec![env("A", "2"), env("B", "3")],
                resources: serde_json::from_value(json!({ "limits": { "memory": "2Gi" } }))
                    .unwrap(),
                security_context: Some(SecurityContext {
                    run_as_user: Some(0),
                    ..SecurityContext::default()
                }),
            },
            ContainerOverride {
                name: "setup".into(),
                env: vec![env("C", "4")],
                resources: None,
                security_context: None,
            },
        ],
        ..PodOverrides::default()
    };
    let rendered = render(&grant, &sample::seed()).unwrap();
    let spec = rendered.pod_spec().unwrap();
    assert_eq!(spec["hostNetwork"], true);
    let container = &spec["containers"][0];
    assert_eq!(
        container["env"],
        json!([{ "name": "A", "value": "2" }, { "name": "B", "value": "3" }])
    );
    assert_eq!(
        container["resources"],
        json!({ "limits": { "cpu": "1", "memory": "2Gi" } })
    );
    assert_eq!(
        container["securityContext"],
        json!({ "runAsNonRoot": true, "runAsUser": 0 }),
        "field by field"
    );
    assert_eq!(spec["initContainers"][0]["env"][0]["name"], "C");
}

#[test]
fn affinity_is_replaced_by_field_and_tolerations_added() {
    let mut grant = sample::grant(WorkloadKind::DaemonSet);
    sample::spec_mut(&mut grant)["affinity"] =
        json!({ "podAffinity": { "a": 1 }, "nodeAffinity": { "old": 1 } });
    // what the typed check would refuse is not what this test is about
    sample::spec_mut(&mut grant)["affinity"] = json!({
        "podAffinity": {}, "nodeAffinity": { "preferredDuringSchedulingIgnoredDuringExecution": [] },
    });
    sample::spec_mut(&mut grant)["tolerations"] = json!([{ "operator": "Exists" }]);
    let workload = sample::workload_mut(&mut grant);
    workload.affinity = serde_json::from_value(json!({ "nodeAffinity": {} })).unwrap();
    workload.tolerations = serde_json::from_value(
        json!([{ "operator": "Exists" }, { "key": "gpu", "operator": "Exists" }]),
    )
    .unwrap();
    let rendered = render(&grant, &sample::seed()).unwrap();
    let spec = rendered.pod_spec().unwrap();
    assert_eq!(
        spec["affinity"],
        json!({ "podAffinity": {}, "nodeAffinity": {} })
    );
    assert_eq!(
        spec["tolerations"],
        json!([{ "operator": "Exists" }, { "key": "gpu", "operator": "Exists" }])
    );
}

#[test]
fn unknown_pod_fields_reach_the_api_server() {
    let mut grant = sample::grant(WorkloadKind::DaemonSet);
    sample::spec_mut(&mut grant)["fieldOfNextYear"] = json!({ "x": 1 });
    let rendered = render(&grant, &sample::seed()).unwrap();
    assert_eq!(rendered.pod_spec().unwrap()["fieldOfNextYear"]["x"], 1);
}

#[test]
fn d01_grace_and_process_namespace() {
    let spec = |change: Value| {
        let mut grant = sample::grant(WorkloadKind::DaemonSet);
        for (key, value) in change.as_object().unwrap() {
            sample::spec_mut(&mut grant)[key] = value.clone();
        }
        render(&grant, &sample::seed())
            .unwrap()
            .pod_spec()
            .unwrap()
            .clone()
    };
    let plain = spec(json!({ "terminationGracePeriodSeconds": 600 }));
    assert_eq!(plain["terminationGracePeriodSeconds"], 2);
    assert_eq!(plain["shareProcessNamespace"], true);
    assert!(
        spec(json!({ "hostPID": true }))
            .get("shareProcessNamespace")
            .is_none()
    );
    assert_eq!(
        spec(json!({ "shareProcessNamespace": false }))["shareProcessNamespace"],
        false
    );
}

#[test]
fn s09_service_account_is_default_without_token() {
    let spec = |change: Value| {
        let mut grant = sample::grant(WorkloadKind::DaemonSet);
        for (key, value) in change.as_object().unwrap() {
            sample::spec_mut(&mut grant)[key] = value.clone();
        }
        let spec = render(&grant, &sample::seed())
            .unwrap()
            .pod_spec()
            .unwrap()
            .clone();
        assert!(spec.get("serviceAccount").is_none(), "one spelling only");
        (
            spec["serviceAccountName"].clone(),
            spec["automountServiceAccountToken"].clone(),
        )
    };
    assert_eq!(spec(json!({})), (json!("default"), json!(false)));
    assert_eq!(
        spec(json!({ "serviceAccount": "old" })),
        (json!("old"), json!(false))
    );
    assert_eq!(
        spec(json!({ "serviceAccount": "old", "serviceAccountName": "new" })).0,
        json!("new")
    );
    assert_eq!(
        spec(json!({ "serviceAccountName": "", "automountServiceAccountToken": null })),
        (json!("default"), json!(false))
    );
}

#[test]
fn d02_fields_that_no_workload_takes_are_refused() {
    for (field, value) in [
        ("activeDeadlineSeconds", json!(60)),
        ("restartPolicy", json!("Never")),
        ("ephemeralContainers", json!([{ "name": "x" }])),
    ] {
        let message = error(|grant| sample::spec_mut(grant)[field] = value);
        assert!(
            message.contains(&format!("spec.{field}")),
            "{message} names the field"
        );
    }
    let mut always = sample::grant(WorkloadKind::DaemonSet);
    sample::spec_mut(&mut always)["restartPolicy"] = json!("Always");
    assert!(render(&always, &sample::seed()).is_ok());
}

#[test]
fn what_is_not_a_pod_spec_is_refused() {
    assert!(
        error(|grant| *sample::spec_mut(grant) = json!({ "containers": [] }))
            .contains("containers is empty")
    );
    assert!(
        error(|grant| *sample::spec_mut(grant) = json!({ "containers": "x" }))
            .contains("not a pod spec")
    );
    assert!(error(|grant| *sample::spec_mut(grant) = json!([1])).contains("not a pod spec"));
    let unknown = error(|grant| {
        sample::workload_mut(grant).overrides.containers = vec![ContainerOverride {
            name: "debgu".into(),
            env: Vec::new(),
            resources: None,
            security_context: None,
        }];
    });
    assert!(
        unknown.contains("\"debgu\"") && unknown.contains("debug"),
        "{unknown}"
    );
    let huge = error(|grant| {
        sample::spec_mut(grant)["containers"][0]["args"] = json!(["x".repeat(MAX_RENDERED_BYTES)]);
    });
    assert!(huge.contains("bytes"), "{huge}");
}

#[test]
fn s09_our_label_keys_cannot_be_overridden() {
    for key in [
        labels::SESSION,
        labels::MANAGED_BY,
        labels::GRANT,
        "x.breakglass.t-caas.telekom.com/y",
    ] {
        let in_session = error(|grant| {
            grant.labels.insert(key.into(), "x".into());
        });
        assert!(in_session.contains(key), "{in_session}");
        let in_annotations = error(|grant| {
            grant.annotations.insert(key.into(), "x".into());
        });
        assert!(in_annotations.contains(key), "{in_annotations}");
        let in_template = error(|grant| {
            let PodSource::Structured { labels, .. } = &mut sample::workload_mut(grant).pod else {
                panic!("structured")
            };
            labels.insert(key.into(), "x".into());
        });
        assert!(in_template.contains(key), "{in_template}");
    }
}
