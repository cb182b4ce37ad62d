use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::nodes::{NodesSeen, Taint, TaintEffect};
use crate::sample::{self, at};
use breakglass_protocol::wire::grant::SchedulingLayer;

fn quota(json: Value) -> Quota {
    let mut all = json!({ "enforceRequests": false, "enforceLimits": false });
    for (key, value) in json.as_object().unwrap() {
        all[key] = value.clone();
    }
    serde_json::from_value(all).unwrap()
}

fn held(kind: WorkloadKind, quota: Quota, change: impl FnOnce(&mut Grant)) -> Held {
    let mut grant = sample::grant(kind);
    sample::workload_mut(&mut grant).quota = Some(quota);
    sample::spec_mut(&mut grant)["containers"][0]["resources"] = json!({
        "requests": { "cpu": "500m", "memory": "128Mi" }, "limits": { "cpu": "1", "memory": "1Gi" },
    });
    change(&mut grant);
    let uid = grant.uid.clone();
    let mut holdings = sample::holdings(at(0));
    holdings.receive(sample::received(grant, 3600), &sample::seed(), at(0));
    holdings.get(&uid).unwrap().clone()
}

/// Nodes `n1` to `n<count>`; the last is a control plane.
fn nodes(count: usize) -> Observed {
    let nodes = (1..=count).map(|nth| {
        let taints = if nth == count {
            vec![Taint {
                key: "node-role.kubernetes.io/control-plane".into(),
                value: String::new(),
                effect: TaintEffect::NoSchedule,
            }]
        } else {
            Vec::new()
        };
        let node = NodeFacts {
            name: format!("n{nth}"),
            labels: Default::default(),
            taints,
        };
        (node.name.clone(), node)
    });
    Observed {
        nodes: NodesSeen::Known(Arc::new(nodes.collect())),
        ..Observed::default()
    }
}

fn told(held: &Held, observed: &Observed) -> Vec<String> {
    judge_totals(held, observed)
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn d09_a_daemon_set_counts_the_nodes_that_take_its_pods() {
    let limited = |limit: u32| {
        held(
            WorkloadKind::DaemonSet,
            quota(json!({ "maxPods": limit })),
            |_| {},
        )
    };
    assert_eq!(told(&limited(2), &nodes(3)), Vec::<String>::new());
    assert_eq!(
        told(&limited(2), &nodes(4)),
        [
            "the session comes to 3 pods, and resourceQuota.maxPods is 2; choose fewer nodes, let its pods request less, or \
          have the template's author raise it"
        ]
    );
    let chosen = held(
        WorkloadKind::DaemonSet,
        quota(json!({ "maxPods": 2 })),
        |grant| {
            sample::workload_mut(grant).scheduling = vec![SchedulingLayer {
                place: "t".into(),
                constraints: serde_json::from_value(json!({ "deniedNodes": ["n[12]"] })).unwrap(),
            }];
        },
    );
    assert_eq!(told(&chosen, &nodes(5)), Vec::<String>::new());
}

#[test]
fn d09_totals_are_pods_times_what_each_requests() {
    let deployment = |json: Value| held(WorkloadKind::Deployment, quota(json), |_| {});
    let fits = json!({ "maxCPU": "1", "maxMemory": "256Mi", "maxPods": 2 });
    assert_eq!(
        told(&deployment(fits), &Observed::default()),
        Vec::<String>::new()
    );
    let all: Vec<String> = told(
        &deployment(json!({ "maxCPU": "999m", "maxMemory": "255Mi", "maxPods": 1 })),
        &Observed::default(),
    );
    assert_eq!(all.len(), 3);
    assert!(all[0].contains("2 pods, and resourceQuota.maxPods is 1"));
    assert!(all[1].contains("1 CPUs in 2 pods, and resourceQuota.maxCPU is 999m"));
    assert!(all[2].contains("256Mi in 2 pods, and resourceQuota.maxMemory is 255Mi"));
}

#[test]
fn d09_limits_count_where_there_is_no_request_and_init_containers_where_they_are_larger() {
    let held = held(
        WorkloadKind::Deployment,
        quota(json!({ "maxCPU": "1", "maxMemory": "1Gi" })),
        |grant| {
            let spec = sample::spec_mut(grant);
            spec["containers"][0]["resources"] = json!({ "limits": { "cpu": "1" } });
            spec["initContainers"] = json!([
                { "name": "step", "image": "i", "resources": { "requests": { "memory": "1Gi" } } },
                { "name": "beside", "image": "i", "restartPolicy": "Always", "resources": { "requests": { "cpu": "1" } } },
            ]);
        },
    );
    let all = told(&held, &Observed::default());
    assert!(all[0].contains("4 CPUs in 2 pods"), "{all:?}");
    assert!(all[1].contains("2Gi in 2 pods"), "{all:?}");
}

#[test]
fn d09_storage_is_claims_and_what_pods_may_write() {
    let held = held(
        WorkloadKind::Deployment,
        quota(json!({ "maxStorage": "5Gi" })),
        |grant| {
            let spec = sample::spec_mut(grant);
            spec["volumes"] = json!([
                { "name": "a", "emptyDir": { "sizeLimit": "2Gi" } },
                { "name": "b", "emptyDir": { "sizeLimit": "9Gi", "medium": "Memory" } },
                { "name": "c", "ephemeral": { "volumeClaimTemplate": { "spec": {
                    "resources": { "requests": { "storage": "1Gi" } } } } } },
            ]);
        },
    );
    let all = told(&held, &Observed::default());
    assert!(all[0].contains("6Gi in 2 pods"), "{all:?}");
}

#[test]
fn d09_containers_say_what_they_use_where_the_template_asks_for_it() {
    let mut grant = sample::grant(WorkloadKind::DaemonSet);
    sample::workload_mut(&mut grant).quota = Some(quota(
        json!({ "enforceRequests": true, "enforceLimits": true }),
    ));
    sample::spec_mut(&mut grant)["containers"][0]["resources"] =
        json!({ "limits": { "cpu": "1" }, "requests": { "memory": "1Gi" } });
    let uid = grant.uid.clone();
    let mut holdings = sample::holdings(at(0));
    holdings.receive(sample::received(grant, 3600), &sample::seed(), at(0));
    let end = holdings.get(&uid).unwrap().end.clone().unwrap();
    assert_eq!(
        end.message.unwrap(),
        "container debug has no resources.limits.memory, which resourceQuota.enforceResourceLimits asks for; add it to the \
         pod template or to podOverrides"
    );
}
