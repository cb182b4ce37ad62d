use breakglass_protocol::wire::grant::{EndReason, WorkloadKind};
use breakglass_protocol::wire::report::ObjectRecord;
use k8s_openapi::api::core::v1::{Pod, PodStatus};
use serde_json::{Value, json};

use super::*;
use crate::observed::{ControllerRef, Deleting, WorkloadFacts, WorkloadSeen};
use crate::sample::{self, at};
use crate::workload::WORKLOAD;

const WORKLOAD_UID: &str = "uid-workload";
const SET_UID: &str = "uid-set";

fn held(kind: WorkloadKind, change: impl FnOnce(&mut Value)) -> Held {
    let mut grant = sample::grant(kind);
    change(sample::spec_mut(&mut grant));
    let uid = grant.uid.clone();
    // the tests are about pods, not about the ceiling
    let ceiling = serde_json::from_value(json!({
        "privileged": true, "hostNetwork": true, "hostPID": true, "hostIPC": true, "hostPaths": ["/"],
        "capabilities": ["NET_ADMIN"], "serviceAccounts": ["debugger"],
    }))
    .unwrap();
    let mut holdings = crate::holdings::Holdings::restore(
        grant.cluster.clone(),
        ceiling,
        Vec::new(),
        crate::holdings::Memory::default(),
        at(0),
    );
    holdings.receive(sample::received(grant, 3600), &sample::seed(), at(0));
    let mut held = holdings.get(&uid).unwrap().clone();
    assert!(!held.has_ended(), "{:?}", held.end);
    let (kind, name) = match kind {
        WorkloadKind::DaemonSet => ("DaemonSet", "debug-session-abc123-ds"),
        WorkloadKind::Deployment => ("Deployment", "debug-session-abc123-deploy"),
    };
    held.created.push(ObjectRecord {
        api_version: "apps/v1".into(),
        kind: kind.into(),
        namespace: Some("breakglass-debug".into()),
        name: name.into(),
        uid: WORKLOAD_UID.into(),
        source: WORKLOAD.into(),
    });
    held
}

/// A pod as the API server shows one that the controller made: the template's spec, defaulted.
fn pod_json(held: &Held) -> Value {
    let mut spec = held.rendered.as_ref().unwrap().pod_spec().unwrap().clone();
    for (key, value) in [
        ("dnsPolicy", json!("ClusterFirst")),
        ("restartPolicy", json!("Always")),
        ("nodeName", json!("node-1")),
        ("serviceAccount", spec["serviceAccountName"].clone()),
    ] {
        spec[key] = value;
    }
    spec["containers"][0]["imagePullPolicy"] = json!("Always");
    spec["containers"][0]["terminationMessagePath"] = json!("/dev/termination-log");
    let (kind, uid) = match held.workload_record().unwrap().kind.as_str() {
        "DaemonSet" => ("DaemonSet", WORKLOAD_UID),
        _ => ("ReplicaSet", SET_UID),
    };
    json!({
        "metadata": {
            "namespace": "breakglass-debug", "name": "debug-x7k2p", "uid": "uid-pod",
            "labels": { "breakglass.t-caas.telekom.com/session": "debug-session-abc123" },
            "ownerReferences": [{ "apiVersion": "apps/v1", "kind": kind, "name": "o", "uid": uid, "controller": true }],
            "managedFields": [
                { "manager": "kube-controller-manager", "operation": "Update", "fieldsV1": {
                    "f:metadata": { "f:ownerReferences": { ".": {}, format!("k:{{\"uid\":\"{uid}\"}}"): {} } },
                    "f:spec": { "f:containers": { "k:{\"name\":\"debug\"}": {} } },
                } },
                { "manager": "kubelet", "operation": "Update", "subresource": "status",
                  "fieldsV1": { "f:status": {} } },
            ],
        },
        "spec": spec,
    })
}

fn facts(pod: Value) -> PodFacts {
    PodFacts::of(serde_json::from_value::<Pod>(pod).unwrap())
}

fn set() -> OwnerFacts {
    OwnerFacts {
        api_version: "apps/v1".into(),
        kind: "ReplicaSet".into(),
        namespace: "breakglass-debug".into(),
        name: "debug-session-abc123-deploy-5d9".into(),
        uid: SET_UID.into(),
        controller: Some(ControllerRef {
            kind: "Deployment".into(),
            name: "debug-session-abc123-deploy".into(),
            uid: WORKLOAD_UID.into(),
        }),
        ..OwnerFacts::default()
    }
}

fn among(replica_sets: Vec<OwnerFacts>) -> Observed {
    Observed {
        replica_sets,
        ..Observed::default()
    }
}

fn verdict(held: &Held, change: impl FnOnce(&mut Value)) -> PodVerdict {
    let mut pod = pod_json(held);
    change(&mut pod);
    judge_pod(held, &facts(pod), &among(vec![set()]))
}

fn refused(held: &Held, change: impl FnOnce(&mut Value)) -> PodRefusal {
    match verdict(held, change) {
        PodVerdict::NotAllowed(refusal) => refusal,
        PodVerdict::Allowed => panic!("it is allowed"),
    }
}

fn set_at(pointer: &'static str, value: Value) -> impl FnOnce(&mut Value) {
    move |pod| {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        pod.pointer_mut(parent).unwrap()[key] = value;
    }
}

#[test]
fn s03_pods_of_the_recorded_workload_are_allowed() {
    for kind in [WorkloadKind::DaemonSet, WorkloadKind::Deployment] {
        let held = held(kind, |_| {});
        assert_eq!(verdict(&held, |_| {}), PodVerdict::Allowed, "{kind:?}");
    }
}

#[test]
fn s03_foreign_pod_with_session_label_is_not_allowed() {
    let held = held(WorkloadKind::DaemonSet, |_| {});
    let bare = refused(&held, |pod| {
        pod["metadata"]
            .as_object_mut()
            .unwrap()
            .remove("ownerReferences");
    });
    assert_eq!(bare, PodRefusal::OtherOwner);
    for (pointer, value) in [
        ("/metadata/ownerReferences/0/uid", json!("uid-other")),
        ("/metadata/ownerReferences/0/kind", json!("ReplicaSet")),
        ("/metadata/ownerReferences/0/controller", json!(false)),
    ] {
        assert_eq!(
            refused(&held, set_at(pointer, value)),
            PodRefusal::OtherOwner,
            "{pointer}"
        );
    }
}

#[test]
fn s03_replica_set_must_belong_to_the_recorded_deployment() {
    let held = held(WorkloadKind::Deployment, |_| {});
    let pod = facts(pod_json(&held));
    assert_eq!(
        judge_pod(&held, &pod, &among(vec![set()])),
        PodVerdict::Allowed
    );
    type Change = fn(&mut OwnerFacts);
    let changes: [Change; 4] = [
        |set| set.controller = None,
        |set| set.controller.as_mut().unwrap().uid = "uid-other".into(),
        |set| set.controller.as_mut().unwrap().kind = "DaemonSet".into(),
        |set| set.namespace = "default".into(),
    ];
    for change in changes {
        let mut set = set();
        change(&mut set);
        let verdict = judge_pod(&held, &pod, &among(vec![set]));
        assert_eq!(verdict, PodVerdict::NotAllowed(PodRefusal::OtherOwner));
    }
    assert_eq!(
        judge_pod(&held, &pod, &among(Vec::new())),
        PodVerdict::NotAllowed(PodRefusal::OtherOwner)
    );
}

#[test]
fn s03_a_pod_that_a_controller_adopts_is_not_allowed() {
    let held = held(WorkloadKind::DaemonSet, |_| {});
    let adopted = refused(&held, |pod| {
        let fields = pod["metadata"]["managedFields"].as_array_mut().unwrap();
        let made = fields[0]["fieldsV1"]["f:spec"].take();
        fields[0]["fieldsV1"]
            .as_object_mut()
            .unwrap()
            .remove("f:spec");
        fields.push(json!({
            "manager": "kubectl-create", "operation": "Update", "fieldsV1": { "f:spec": made },
        }));
    });
    assert_eq!(adopted, PodRefusal::Adopted);
    let untold = refused(&held, set_at("/metadata/managedFields", json!([])));
    assert_eq!(
        untold,
        PodRefusal::Adopted,
        "what cannot be told is not proved"
    );
}

#[test]
fn s03_it_ends_with_deletion_and_with_the_session() {
    let mut held = held(WorkloadKind::DaemonSet, |_| {});
    let deleting = set_at("/metadata/deletionTimestamp", json!("2026-11-23T10:00:00Z"));
    assert_eq!(refused(&held, deleting), PodRefusal::Deleting);
    let other = set_at("/metadata/namespace", json!("default"));
    assert_eq!(
        refused(&held, other),
        PodRefusal::OtherNamespace("default".into())
    );
    held.end(EndReason::Terminated, None, at(1));
    assert_eq!(refused(&held, |_| {}), PodRefusal::Ended);
}

#[test]
fn s03_reborn_under_the_same_name_needs_its_own_proof() {
    let held = held(WorkloadKind::DaemonSet, |_| {});
    let observed = |pods: Vec<Value>| Observed {
        pods: pods.into_iter().map(facts).collect(),
        ..Observed::default()
    };
    let first = pod_json(&held);
    assert_eq!(
        allowed_pods(&held, &observed(vec![first.clone()]))[0].uid,
        "uid-pod"
    );
    let mut reborn = first.clone();
    reborn["metadata"]["uid"] = json!("uid-2");
    reborn["metadata"]["ownerReferences"] = json!([]);
    assert_eq!(allowed_pods(&held, &observed(vec![reborn])), []);
    let mut remade = first;
    remade["metadata"]["uid"] = json!("uid-3");
    assert_eq!(allowed_pods(&held, &observed(vec![remade]))[0].uid, "uid-3");
}

#[test]
fn s03_the_pod_must_be_as_applied() {
    let template = |spec: &mut Value| {
        spec["volumes"] = json!([{ "name": "tools", "configMap": { "name": "tools" } }]);
        spec["initContainers"] = json!([{ "name": "setup", "image": "busybox" }]);
        spec["securityContext"] = json!({ "runAsGroup": 1000 });
    };
    let held = held(WorkloadKind::DaemonSet, template);
    assert_eq!(verdict(&held, |_| {}), PodVerdict::Allowed);
    for (pointer, value, field) in [
        (
            "/spec/containers/0/image",
            json!("evil"),
            "containers[debug].image",
        ),
        (
            "/spec/containers/0/command",
            json!(["sh"]),
            "containers[debug].command",
        ),
        (
            "/spec/containers/0/args",
            json!(["x"]),
            "containers[debug].args",
        ),
        (
            "/spec/containers/0/name",
            json!("other"),
            "containers[debug]",
        ),
        (
            "/spec/containers/0/securityContext/runAsUser",
            json!(0),
            "securityContext.runAsUser",
        ),
        (
            "/spec/containers/0/securityContext/runAsNonRoot",
            json!(false),
            "securityContext.runAsNonRoot",
        ),
        (
            "/spec/containers/0/securityContext/privileged",
            json!(true),
            "securityContext.privileged",
        ),
        (
            "/spec/containers/0/securityContext/allowPrivilegeEscalation",
            json!(true),
            "allowPrivilegeEscalation",
        ),
        (
            "/spec/containers/0/securityContext/capabilities",
            json!({ "add": ["SYS_ADMIN"] }),
            "capabilities",
        ),
        (
            "/spec/containers/0/securityContext/procMount",
            json!("Unmasked"),
            "procMount",
        ),
        (
            "/spec/containers/0/securityContext/seccompProfile",
            json!({ "type": "Unconfined" }),
            "seccompProfile",
        ),
        (
            "/spec/initContainers/0/image",
            json!("evil"),
            "initContainers[setup].image",
        ),
        ("/spec/initContainers", json!([]), "initContainers[setup]"),
        (
            "/spec/serviceAccountName",
            json!("admin"),
            "serviceAccountName",
        ),
        (
            "/spec/automountServiceAccountToken",
            json!(true),
            "automountServiceAccountToken",
        ),
        ("/spec/hostNetwork", json!(true), "hostNetwork"),
        ("/spec/hostPID", json!(true), "hostPID"),
        ("/spec/hostIPC", json!(true), "hostIPC"),
        (
            "/spec/shareProcessNamespace",
            json!(false),
            "shareProcessNamespace",
        ),
        (
            "/spec/securityContext",
            json!({ "runAsGroup": 0 }),
            "spec.securityContext.runAsGroup",
        ),
        (
            "/spec/securityContext/runAsUser",
            json!(0),
            "spec.securityContext.runAsUser",
        ),
        ("/spec/volumes", json!([]), "volumes[tools]"),
        (
            "/spec/volumes/0/configMap",
            json!({ "name": "other" }),
            "volumes[tools]",
        ),
        (
            "/spec/volumes/0",
            json!({ "name": "tools", "hostPath": { "path": "/" } }),
            "volumes[tools]",
        ),
    ] {
        let refusal = refused(&held, |pod| {
            if let Some((parent, _)) = pointer.rsplit_once('/')
                && let Ok(place) = pointer.rsplit_once('/').unwrap().1.parse::<usize>()
            {
                pod.pointer_mut(parent).unwrap()[place] = value.clone();
            } else {
                set_at(pointer, value.clone())(pod);
            }
        });
        let text = refusal.to_string();
        assert!(
            matches!(refusal, PodRefusal::Differs(_)) && text.contains(field),
            "{pointer}: {text}"
        );
    }
}

#[test]
fn s03_what_the_clusters_admission_adds_is_fine_unless_it_loosens() {
    let held = held(WorkloadKind::DaemonSet, |spec| {
        spec["volumes"] = json!([
            { "name": "scratch", "emptyDir": { "sizeLimit": "1024Mi" } },
            { "name": "tools", "configMap": { "name": "tools" } },
        ]);
    });
    let added = |pod: &mut Value| {
        pod["spec"]["containers"].as_array_mut().unwrap().push(json!({
            "name": "mesh", "image": "proxy", "securityContext": { "runAsUser": 1337, "capabilities": { "drop": ["ALL"] } },
        }));
        pod["spec"]["volumes"][0]["emptyDir"] = json!({ "sizeLimit": "1Gi" });
        pod["spec"]["volumes"][1]["configMap"]["defaultMode"] = json!(420);
        pod["spec"]["volumes"]
            .as_array_mut()
            .unwrap()
            .push(json!({ "name": "certs", "emptyDir": {} }));
        let context = &mut pod["spec"]["containers"][0]["securityContext"];
        context["procMount"] = json!("Default");
        context["allowPrivilegeEscalation"] = json!(false);
        context["seccompProfile"] = json!({ "type": "RuntimeDefault" });
        context["capabilities"] = json!({ "drop": ["ALL"] });
        pod["spec"]["securityContext"] =
            json!({ "fsGroup": 1000, "seLinuxOptions": { "level": "s0:c1" } });
        pod["spec"]["activeDeadlineSeconds"] = json!(14400);
    };
    assert_eq!(verdict(&held, added), PodVerdict::Allowed);
    let privileged = refused(&held, |pod| {
        pod["spec"]["containers"]
            .as_array_mut()
            .unwrap()
            .push(json!({
                "name": "mesh", "image": "proxy", "securityContext": { "privileged": true },
            }));
    });
    assert!(
        privileged
            .to_string()
            .contains("containers[mesh].securityContext.privileged")
    );
    let node = refused(&held, |pod| {
        pod["spec"]["volumes"]
            .as_array_mut()
            .unwrap()
            .push(json!({ "name": "n", "hostPath": { "path": "/" } }));
    });
    assert!(node.to_string().contains("volumes[n].hostPath"));
    let ephemeral = refused(&held, |pod| {
        pod["spec"]["ephemeralContainers"] = json!([{ "name": "e", "image": "x", "securityContext": { "capabilities": { "add": ["SYS_PTRACE"] } } }]);
    });
    assert!(ephemeral.to_string().contains("ephemeralContainers[e]"));
}

#[test]
fn s03_a_privileged_template_is_compared_all_the_same() {
    let held = held(WorkloadKind::DaemonSet, |spec| {
        spec["hostPID"] = json!(true);
        spec["serviceAccountName"] = json!("debugger");
        spec["containers"][0]["securityContext"] =
            json!({ "privileged": true, "capabilities": { "add": ["NET_ADMIN"] }, "runAsUser": 0 });
        spec["volumes"] = json!([{ "name": "host", "hostPath": { "path": "/" } }]);
    });
    let host_type = set_at("/spec/volumes/0/hostPath/type", json!(""));
    assert_eq!(verdict(&held, host_type), PodVerdict::Allowed);
    let more = set_at(
        "/spec/containers/0/securityContext/capabilities",
        json!({ "add": ["NET_ADMIN", "SYS_ADMIN"] }),
    );
    assert!(matches!(refused(&held, more), PodRefusal::Differs(_)));
    let less = set_at(
        "/spec/containers/0/securityContext/privileged",
        json!(false),
    );
    assert!(matches!(refused(&held, less), PodRefusal::Differs(_)));
}

fn seen(held: &Held, status: Value) -> Observed {
    let mut pod = pod_json(held);
    pod["status"] = status;
    Observed {
        workload: WorkloadSeen::Present(WorkloadFacts {
            uid: WORKLOAD_UID.into(),
            generation: 1,
            observed_generation: 1,
            desired: 1,
            ..WorkloadFacts::default()
        }),
        replica_sets: vec![set()],
        pods: vec![facts(pod)],
        ..Observed::default()
    }
}

fn ready() -> Value {
    json!({ "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }],
        "containerStatuses": [{ "name": "debug", "image": "alpine", "imageID": "", "ready": true, "restartCount": 0,
            "state": { "running": {} } }] })
}

fn waiting(reason: &str, message: &str) -> Value {
    json!({ "phase": "Pending", "conditions": [{ "type": "PodScheduled", "status": "True" }, { "type": "Ready", "status": "False" }],
        "containerStatuses": [{ "name": "debug", "image": "registry.example.com/debgu:v1", "imageID": "", "ready": false,
            "restartCount": 4, "state": { "waiting": { "reason": reason, "message": message } },
            "lastState": { "terminated": { "exitCode": 127, "reason": "Error" } } }] })
}

#[test]
fn messages_tell_in_plain_words_why_pods_are_not_ready() {
    let held = held(WorkloadKind::Deployment, |_| {});
    let say = |status| explain(&held, &seen(&held, status)).unwrap_or_else(|| "-".into());
    let unschedulable = json!({ "phase": "Pending", "conditions": [{ "type": "PodScheduled", "status": "False",
        "reason": "Unschedulable",
        "message": "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector. preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling." }] });
    let mut quota = seen(&held, ready());
    quota.pods.clear();
    quota.trouble = vec!["Error creating: pods \"x\" is forbidden: exceeded quota: small, requested: pods=1, used: pods=5, limited: pods=5".into()];
    let mut nothing = quota.clone();
    nothing.trouble.clear();
    let mut no_node = nothing.clone();
    if let WorkloadSeen::Present(workload) = &mut no_node.workload {
        workload.desired = 0;
    }
    let mut tampered = seen(&held, ready());
    tampered.pods[0].spec.containers[0].image = Some("evil".into());
    insta::assert_snapshot!(
        [
            say(ready()),
            say(unschedulable),
            say(waiting("ImagePullBackOff", "Back-off pulling image \"registry.example.com/debgu:v1\"")),
            say(waiting("ErrImagePull", "")),
            say(waiting("CrashLoopBackOff", "back-off 5m0s restarting failed container")),
            say(waiting("CreateContainerConfigError", "container has runAsNonRoot and image will run as root")),
            say(waiting("ContainerCreating", "")),
            say(json!({ "phase": "Pending" })),
            say(json!({ "phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory. \u{1b}[31m" })),
            explain(&held, &quota).unwrap(),
            explain(&held, &nothing).unwrap(),
            explain(&held, &no_node).unwrap(),
            explain(&held, &tampered).unwrap(),
            explain(&held, &Observed::default()).unwrap(),
        ]
        .join("\n")
    );
}

#[test]
fn the_told_container_is_the_one_that_waits() {
    let held = held(WorkloadKind::DaemonSet, |_| {});
    let told = allowed_pods(
        &held,
        &seen(&held, waiting("ErrImagePull", "no such image")),
    );
    let status = told[0].container_status.clone().unwrap();
    assert_eq!(status.waiting_reason.as_deref(), Some("ErrImagePull"));
    assert_eq!(status.waiting_message.as_deref(), Some("no such image"));
    assert_eq!(status.last_termination_reason.as_deref(), Some("Error"));
    assert_eq!(status.restart_count, 4);
    assert_eq!(told[0].node_name.as_deref(), Some("node-1"));
    assert!(!told[0].ready);
}

#[test]
fn grace_of_a_deleted_pod_is_known() {
    let held = held(WorkloadKind::DaemonSet, |_| {});
    let mut pod = pod_json(&held);
    pod["metadata"]["deletionTimestamp"] = json!("2026-11-23T10:00:00Z");
    pod["metadata"]["deletionGracePeriodSeconds"] = json!(30);
    assert_eq!(facts(pod).deleting, Some(Deleting { grace_seconds: 30 }));
    assert_eq!(
        facts(pod_json(&held)).status,
        Box::new(PodStatus::default())
    );
}
