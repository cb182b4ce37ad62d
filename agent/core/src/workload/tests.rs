use breakglass_protocol::kinds::auxiliary::FailurePolicy;
use breakglass_protocol::wire::grant::{ContainerOverride, PodOverrides, PodSource, WorkloadKind};
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

/// Documents of a grant whose pod template gives these objects.
fn with_objects(objects: Vec<Value>) -> Result<Rendered, WorkloadError> {
    let mut grant = sample::grant(WorkloadKind::DaemonSet);
    let texts = sample::texts(&mut grant, objects);
    assemble(&grant, texts)
}

#[test]
fn documents_stand_in_the_order_in_which_they_are_made() {
    let mut grant = sample::grant(WorkloadKind::Deployment);
    let mut texts = sample::texts(&mut grant, vec![sample::claim("a"), sample::claim("b")]);
    let mut after = sample::auxiliary("after", FailurePolicy::Fail);
    after.order = AuxiliaryOrder::AfterWorkload;
    grant.auxiliary = vec![after, sample::auxiliary("before", FailurePolicy::Fail)];
    let config = |name: &str| sample::object("v1", "ConfigMap", name);
    texts.auxiliary = vec![Ok(vec![config("a")]), Ok(vec![config("b"), config("c")])];
    let rendered = assemble(&grant, texts).unwrap();
    let sources: Vec<&str> = rendered
        .documents
        .iter()
        .map(|d| d.source.as_str())
        .collect();
    assert_eq!(
        sources,
        [
            "pod-template[1]",
            "pod-template[2]",
            "auxiliary/before[0]",
            "auxiliary/before[1]",
            WORKLOAD,
            "auxiliary/after[0]"
        ]
    );
    assert_eq!(rendered.workload().unwrap().0, 4);
}

#[test]
fn s08_objects_come_into_the_sessions_namespace_with_our_marks() {
    let mut config = sample::object("v1", "ConfigMap", "cm");
    config["metadata"]["labels"] = json!({ "own": "1" });
    config["metadata"]["creationTimestamp"] = Value::Null;
    config["status"] = Value::Null;
    let rendered = with_objects(vec![config]).unwrap();
    insta::assert_json_snapshot!(rendered.documents[0].manifest, @r#"
    {
      "apiVersion": "v1",
      "kind": "ConfigMap",
      "metadata": {
        "annotations": {
          "breakglass.t-caas.telekom.com/grant": "11111111-1111-4111-8111-111111111111",
          "ticket": "1"
        },
        "labels": {
          "app.kubernetes.io/managed-by": "breakglass",
          "breakglass.t-caas.telekom.com/cluster": "prod-1",
          "breakglass.t-caas.telekom.com/session": "debug-session-abc123",
          "breakglass.t-caas.telekom.com/session-type": "debug",
          "breakglass.t-caas.telekom.com/template": "standard-debug",
          "own": "1",
          "team": "sre"
        },
        "name": "cm",
        "namespace": "breakglass-debug"
      }
    }
    "#);
}

#[test]
fn s08_what_is_not_a_templates_to_say_is_refused_by_document_and_field() {
    for (pointer, value, words) in [
        (
            "/metadata/namespace",
            json!("kube-system"),
            "metadata.namespace is \"kube-system\"",
        ),
        (
            "/metadata/generateName",
            json!("a-"),
            "metadata.generateName",
        ),
        (
            "/metadata/ownerReferences",
            json!([]),
            "metadata.ownerReferences",
        ),
        ("/metadata/finalizers", json!(["a"]), "metadata.finalizers"),
        ("/metadata/uid", json!("u"), "metadata.uid"),
        (
            "/metadata/resourceVersion",
            json!("1"),
            "metadata.resourceVersion",
        ),
        ("/metadata/name", json!("Not A Name"), "metadata.name"),
        ("/metadata/name", json!(7), "put it in quotes"),
        ("/metadata/name", json!("../x"), "metadata.name"),
        (
            "/metadata/labels",
            json!({ "breakglass.t-caas.telekom.com/session": "x" }),
            "agent's own",
        ),
        (
            "/metadata/labels",
            json!({ "app.kubernetes.io/managed-by": "x" }),
            "agent's own",
        ),
        (
            "/metadata/annotations",
            json!({ "breakglass.t-caas.telekom.com/grant": "x" }),
            "agent's own",
        ),
        ("/metadata/labels", json!({ "a": true }), "put it in quotes"),
        ("/status", json!({ "phase": "Bound" }), "status"),
        ("/apiVersion", json!("../v1"), "apiVersion"),
        ("/apiVersion", json!("a/b/c"), "apiVersion"),
        ("/kind", json!("config map"), "kind"),
        ("/kind", json!("List"), "kind is List"),
        ("/data", json!({ "a": 1 }), "data.a"),
        ("/data", json!("x"), "not a ConfigMap: data"),
    ] {
        let mut config = sample::object("v1", "ConfigMap", "cm");
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        config.pointer_mut(parent).unwrap()[key] = value;
        let told = with_objects(vec![config]).unwrap_err().to_string();
        assert!(
            told.starts_with("document 2 of the pod template (") && told.contains(words),
            "{pointer}: {told}"
        );
    }
    let mut role = sample::object("rbac.authorization.k8s.io/v1", "ClusterRole", "r");
    assert!(
        with_objects(vec![role.clone()]).unwrap().documents[0]
            .namespace()
            .is_none()
    );
    role["metadata"]["namespace"] = json!("breakglass-debug");
    assert!(with_objects(vec![role]).is_err());
    assert!(with_objects(vec![json!("text")]).is_err());
}

#[test]
fn the_same_object_twice_is_refused_whatever_its_version() {
    let twice = vec![
        sample::object("example.com/v1", "Widget", "a"),
        sample::object("example.com/v1beta1", "Widget", "a"),
    ];
    let told = with_objects(twice).unwrap_err().to_string();
    assert_eq!(
        told,
        "document 3 of the pod template (Widget a) is the same object as document 2 of the pod template (Widget a); give it another name"
    );
    let workload = sample::object("apps/v1", "DaemonSet", "debug-session-abc123-ds");
    assert!(with_objects(vec![workload]).is_err());
    let many = (0..100)
        .map(|n| sample::object("v1", "ConfigMap", &format!("c{n}")))
        .collect();
    assert!(
        with_objects(many)
            .unwrap_err()
            .to_string()
            .contains("101 objects")
    );
}

#[test]
fn quantities_may_be_numbers() {
    let mut claim = sample::claim("a");
    claim["spec"]["resources"]["requests"]["storage"] = json!(1_000_000);
    let mut grant = sample::grant(WorkloadKind::DaemonSet);
    sample::spec_mut(&mut grant)["containers"][0]["resources"] =
        json!({ "limits": { "cpu": 2, "memory": "1Gi" }, "requests": { "cpu": 0.5 } });
    let texts = sample::texts(&mut grant, vec![claim]);
    let rendered = assemble(&grant, texts).unwrap();
    assert_eq!(
        rendered.documents[0].manifest["spec"]["resources"]["requests"]["storage"],
        "1000000"
    );
    let resources = &rendered.pod_spec().unwrap()["containers"][0]["resources"];
    assert_eq!(
        resources,
        &json!({ "limits": { "cpu": "2", "memory": "1Gi" }, "requests": { "cpu": "0.5" } })
    );
}

#[test]
fn a_pod_beside_the_workload_is_not_selected_by_it() {
    let mut pod = sample::object("v1", "Pod", "helper");
    pod["spec"] = json!({ "containers": [{ "name": "a", "image": "a" }] });
    let rendered = with_objects(vec![pod]).unwrap();
    let pod = &rendered.documents[0].manifest;
    let selector = rendered.workload().unwrap().1["spec"]["selector"]["matchLabels"].clone();
    let selects = selector
        .as_object()
        .unwrap()
        .iter()
        .all(|(key, value)| pod["metadata"]["labels"].get(key) == Some(value));
    assert!(!selects);
    assert_eq!(pod["spec"]["automountServiceAccountToken"], false);
}

#[test]
fn an_auxiliary_resource_that_gives_nothing_goes_by_its_policy_and_hostile_values_never() {
    let place = || "here".to_owned();
    let broken = || RenderError::Document {
        place: place(),
        position: Default::default(),
        document: "document 1".into(),
        message: "no object".into(),
    };
    let hostile = || RenderError::Value {
        place: place(),
        position: Default::default(),
        message: "variable a".into(),
    };
    for (policy, goes_on) in [
        (FailurePolicy::Fail, false),
        (FailurePolicy::Warn, true),
        (FailurePolicy::Ignore, true),
    ] {
        let run = |result: Result<Vec<Value>, RenderError>| {
            let mut grant = sample::grant(WorkloadKind::DaemonSet);
            let mut texts = sample::texts(&mut grant, Vec::new());
            grant.auxiliary = vec![sample::auxiliary("a", policy)];
            texts.auxiliary = vec![result];
            assemble(&grant, texts)
        };
        assert_eq!(run(Err(broken())).is_ok(), goes_on);
        assert!(run(Err(hostile())).is_err(), "S13 whatever the policy");
        let mut elsewhere = sample::object("v1", "ConfigMap", "c");
        elsewhere["metadata"]["namespace"] = json!("kube-system");
        match run(Ok(vec![elsewhere])) {
            Ok(rendered) => assert!(goes_on && !rendered.documents[0].is_wanted()),
            Err(_) => assert!(!goes_on),
        }
    }
}

#[test]
fn rendered_overrides_come_after_the_grants_own() {
    let mut grant = sample::grant(WorkloadKind::DaemonSet);
    let own = |host_network, host_pid| PodOverrides {
        host_network,
        host_pid,
        ..PodOverrides::default()
    };
    sample::workload_mut(&mut grant).overrides = own(Some(true), Some(true));
    let mut texts = sample::texts(&mut grant, Vec::new());
    texts.overrides = Some(own(Some(false), None));
    let rendered = assemble(&grant, texts).unwrap();
    let spec = rendered.pod_spec().unwrap();
    assert_eq!(
        (&spec["hostNetwork"], &spec["hostPID"]),
        (&json!(false), &json!(true))
    );
}
