use super::*;
use Readiness::{Current, Failed, InProgress, Terminating};
use serde_json::json;

fn of(api_version: &str, kind: &str, rest: Value) -> Readiness {
    let mut object =
        json!({ "apiVersion": api_version, "kind": kind, "metadata": { "generation": 2 } });
    for (key, value) in rest.as_object().unwrap() {
        match (key.as_str(), value) {
            ("metadata", Value::Object(more)) => {
                object["metadata"]
                    .as_object_mut()
                    .unwrap()
                    .extend(more.clone());
            }
            (key, value) => object[key] = value.clone(),
        }
    }
    status(&object, "2026-11-23T08:01:00Z".parse().unwrap()).readiness
}

fn conditions(conditions: &[(&str, &str, &str)]) -> Value {
    let all: Vec<Value> = conditions
        .iter()
        .map(|(kind, status, reason)| json!({ "type": kind, "status": status, "reason": reason }))
        .collect();
    json!({ "status": { "conditions": all } })
}

#[test]
fn any_kind_by_its_conditions() {
    let custom = |rest: Value| of("example.com/v1", "Widget", rest);
    for (rest, wanted) in [
        (json!({}), Current),
        (conditions(&[("Ready", "True", "")]), Current),
        (conditions(&[("Ready", "False", "Waiting")]), InProgress),
        (conditions(&[("Ready", "Unknown", "")]), InProgress),
        (conditions(&[("Other", "False", "")]), Current),
        (
            conditions(&[("Reconciling", "True", ""), ("Ready", "True", "")]),
            InProgress,
        ),
        (conditions(&[("Reconciling", "False", "")]), Current),
        (
            conditions(&[("Stalled", "True", "BadSpec"), ("Ready", "False", "")]),
            Failed,
        ),
        (json!({ "status": { "observedGeneration": 1 } }), InProgress),
        (json!({ "status": { "observedGeneration": 2 } }), Current),
        (
            json!({ "metadata": { "deletionTimestamp": "2026-11-23T08:00:00Z" } }),
            Terminating,
        ),
    ] {
        assert_eq!(custom(rest.clone()), wanted, "{rest}");
    }
    assert_eq!(of("v1", "ConfigMap", json!({})), Current);
    assert_eq!(
        of("networking.k8s.io/v1", "NetworkPolicy", json!({})),
        Current
    );
    // A group that only looks like Kubernetes's own is judged by conditions.
    assert_eq!(of("example.com/v1", "Pod", json!({})), Current);
}

#[test]
fn small_kinds() {
    for (api_version, kind, rest, wanted) in [
        (
            "v1",
            "PersistentVolumeClaim",
            json!({ "status": { "phase": "Bound" } }),
            Current,
        ),
        (
            "v1",
            "PersistentVolumeClaim",
            json!({ "status": { "phase": "Pending" } }),
            InProgress,
        ),
        ("v1", "PersistentVolumeClaim", json!({}), InProgress),
        (
            "v1",
            "Service",
            json!({ "spec": { "type": "ClusterIP" } }),
            Current,
        ),
        (
            "v1",
            "Service",
            json!({ "spec": { "type": "LoadBalancer" } }),
            InProgress,
        ),
        (
            "v1",
            "Service",
            json!({ "spec": { "type": "LoadBalancer", "clusterIP": "10.0.0.1" } }),
            Current,
        ),
        ("policy/v1", "PodDisruptionBudget", json!({}), Current),
        (
            "policy/v1",
            "PodDisruptionBudget",
            json!({ "status": { "observedGeneration": 1 } }),
            InProgress,
        ),
        ("batch/v1", "CronJob", json!({}), Current),
        ("batch/v1", "Job", json!({}), InProgress),
        (
            "batch/v1",
            "Job",
            json!({ "status": { "startTime": "2026-11-23T08:00:00Z" } }),
            Current,
        ),
        (
            "batch/v1",
            "Job",
            conditions(&[("Complete", "True", "")]),
            Current,
        ),
        (
            "batch/v1",
            "Job",
            conditions(&[("Failed", "True", "BackoffLimitExceeded")]),
            Failed,
        ),
        (
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            json!({}),
            InProgress,
        ),
        (
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            conditions(&[("Established", "True", "")]),
            Current,
        ),
        (
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            conditions(&[("Established", "False", "Installing")]),
            InProgress,
        ),
        (
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            conditions(&[("Established", "False", "x")]),
            Failed,
        ),
        (
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            conditions(&[("NamesAccepted", "False", "x")]),
            Failed,
        ),
    ] {
        assert_eq!(of(api_version, kind, rest.clone()), wanted, "{kind} {rest}");
    }
}

#[test]
fn pods() {
    let unschedulable = |since: &str| {
        json!({ "status": { "phase": "Pending", "conditions": [{ "type": "PodScheduled",
            "status": "False", "reason": "Unschedulable", "lastTransitionTime": since }] } })
    };
    let crashing = json!({ "status": { "phase": "Running", "containerStatuses": [
        { "state": { "waiting": { "reason": "CrashLoopBackOff" } } }] } });
    for (rest, wanted) in [
        (json!({}), InProgress),
        (json!({ "status": { "phase": "Pending" } }), InProgress),
        (unschedulable("2026-11-23T08:00:50Z"), InProgress),
        (unschedulable("2026-11-23T08:00:00Z"), Failed),
        (json!({ "status": { "phase": "Running" } }), InProgress),
        (crashing, Failed),
        (
            json!({ "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] } }),
            Current,
        ),
        (json!({ "status": { "phase": "Succeeded" } }), Current),
        (json!({ "status": { "phase": "Failed" } }), Failed),
    ] {
        assert_eq!(of("v1", "Pod", rest.clone()), wanted, "{rest}");
    }
}

#[test]
fn workloads() {
    let full = json!({ "observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2,
        "readyReplicas": 2, "currentReplicas": 2, "fullyLabeledReplicas": 2, "currentRevision": "a", "updateRevision": "a" });
    let with = |change: Value| {
        let mut status = full.clone();
        status
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        json!({ "spec": { "replicas": 2 }, "status": status })
    };
    let condition = |kind: &str, status: &str, reason: &str| {
        with(json!({ "conditions": [{ "type": kind, "status": status, "reason": reason }] }))
    };
    for (kind, rest, wanted) in [
        ("Deployment", with(json!({})), Current),
        ("Deployment", json!({}), InProgress),
        (
            "Deployment",
            with(json!({ "updatedReplicas": 1 })),
            InProgress,
        ),
        ("Deployment", with(json!({ "replicas": 3 })), InProgress),
        (
            "Deployment",
            with(json!({ "availableReplicas": 1 })),
            InProgress,
        ),
        (
            "Deployment",
            with(json!({ "readyReplicas": 1 })),
            InProgress,
        ),
        (
            "Deployment",
            condition("Progressing", "False", "ProgressDeadlineExceeded"),
            Failed,
        ),
        (
            "Deployment",
            condition("Available", "False", "x"),
            InProgress,
        ),
        (
            "Deployment",
            condition("Progressing", "True", "NewReplicaSetAvailable"),
            Current,
        ),
        ("StatefulSet", with(json!({})), Current),
        (
            "StatefulSet",
            with(json!({ "readyReplicas": 1 })),
            InProgress,
        ),
        (
            "StatefulSet",
            with(json!({ "currentRevision": "b" })),
            InProgress,
        ),
        (
            "StatefulSet",
            json!({ "spec": { "updateStrategy": { "type": "OnDelete" } } }),
            Current,
        ),
        (
            "StatefulSet",
            json!({ "spec": { "replicas": 2, "updateStrategy": { "rollingUpdate": { "partition": 1 } } },
            "status": { "replicas": 2, "readyReplicas": 2, "updatedReplicas": 1 } }),
            Current,
        ),
        ("ReplicaSet", with(json!({})), Current),
        (
            "ReplicaSet",
            with(json!({ "availableReplicas": 0 })),
            InProgress,
        ),
        ("ReplicaSet", with(json!({ "replicas": 3 })), InProgress),
        (
            "ReplicaSet",
            condition("ReplicaFailure", "True", "FailedCreate"),
            InProgress,
        ),
        ("DaemonSet", json!({}), InProgress),
        (
            "DaemonSet",
            json!({ "status": { "observedGeneration": 2, "desiredNumberScheduled": 1, "currentNumberScheduled": 1,
            "updatedNumberScheduled": 1, "numberAvailable": 1, "numberReady": 1 } }),
            Current,
        ),
        (
            "DaemonSet",
            json!({ "status": { "observedGeneration": 2, "desiredNumberScheduled": 1, "currentNumberScheduled": 1,
            "updatedNumberScheduled": 1 } }),
            InProgress,
        ),
        (
            "DaemonSet",
            json!({ "spec": { "updateStrategy": { "type": "OnDelete" } }, "status": { "observedGeneration": 2,
            "desiredNumberScheduled": 1, "currentNumberScheduled": 1, "numberAvailable": 1, "numberReady": 1 } }),
            Current,
        ),
    ] {
        assert_eq!(of("apps/v1", kind, rest.clone()), wanted, "{kind} {rest}");
    }
}

#[test]
fn the_message_is_the_clusters_own() {
    let object = json!({ "apiVersion": "example.com/v1", "kind": "Widget", "status": { "conditions": [
        { "type": "Ready", "status": "False", "reason": "Waiting", "message": "for\nthe moon" }] } });
    let told = status(&object, Timestamp::UNIX_EPOCH);
    assert_eq!(told.message, "for the moon");
}
