//! A grant for the tests of this crate.

use breakglass_protocol::ids::{ClusterName, GrantUid};
use breakglass_protocol::kinds::auxiliary::FailurePolicy;
use breakglass_protocol::kinds::debug_pod_template::TemplateEngine;
use breakglass_protocol::wire::grant::{
    AtEnd, Auxiliary, AuxiliaryOrder, AuxiliarySource, Desired, Grant, GrantContext, GrantedPerson,
    Operations, PodOverrides, PodSource, Role, Work, Workload, WorkloadKind,
};
use breakglass_render::grant::{Pod, RenderedGrant};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;

use crate::ceiling::Ceiling;
use crate::clock::Now;
use crate::holdings::{Holdings, Memory, Received};
use crate::workload::Seed;

pub(crate) const START: i64 = 1_800_000_000;
pub(crate) const UID: &str = "11111111-1111-4111-8111-111111111111";

/// Both clocks so many seconds after the start of the story; the process started 1000 s before it.
pub(crate) fn at(seconds: i64) -> Now {
    Now {
        wall: wall(seconds),
        monotonic: Duration::from_secs(u64::try_from(1000 + seconds).unwrap()),
    }
}

pub(crate) fn wall(seconds: i64) -> Timestamp {
    Timestamp::from_second(START + seconds).unwrap()
}

pub(crate) fn pod_spec() -> Value {
    json!({ "containers": [{
        "name": "debug", "image": "alpine:latest", "command": ["sleep", "infinity"],
        "securityContext": { "runAsNonRoot": true, "runAsUser": 1000 },
    }] })
}

/// Alice's session of one hour, bob a participant, vera a viewer; at most four hours with renewals.
pub(crate) fn grant(kind: WorkloadKind) -> Grant {
    Grant {
        uid: GrantUid::new(UID),
        session: "debug-session-abc123".into(),
        namespace: "breakglass".into(),
        cluster: ClusterName::new("prod-1"),
        desired: Desired::Running {},
        starts_at: wall(0),
        expires_at: wall(3600),
        last_end: wall(4 * 3600),
        renewal: 0,
        digest: "sha256:0".into(),
        people: [
            ("alice@example.com", Role::Owner),
            ("bob@example.com", Role::Participant),
            ("vera@example.com", Role::Viewer),
        ]
        .map(|(user, role)| GrantedPerson {
            user: user.into(),
            role,
        })
        .to_vec(),
        operations: Operations {
            exec: true,
            attach: true,
            logs: false,
            port_forward: true,
        },
        context: GrantContext {
            requested_by: "alice@example.com".into(),
            approved_by: Some("carol@example.com".into()),
            reason: Some("ticket 1".into()),
            template: "standard-debug".into(),
            binding: None,
        },
        target_namespace: "breakglass-debug".into(),
        namespace_rule: None,
        impersonate: None,
        work: Work::Workload(Box::new(Workload {
            kind,
            replicas: 2,
            pod: PodSource::Structured {
                labels: [("app".to_owned(), "debug".to_owned())].into(),
                annotations: Default::default(),
                spec: pod_spec(),
            },
            overrides: PodOverrides::default(),
            overrides_template: None,
            affinity: None,
            tolerations: Vec::new(),
            scheduling: Vec::new(),
            quota: None,
            disruption_budget: None,
        })),
        labels: [("team".to_owned(), "sre".to_owned())].into(),
        annotations: [("ticket".to_owned(), "1".to_owned())].into(),
        values: Default::default(),
        auxiliary: Vec::new(),
        recycle: 0,
        at_expiry: Default::default(),
    }
}

pub(crate) fn workload_mut(grant: &mut Grant) -> &mut Workload {
    let Work::Workload(workload) = &mut grant.work;
    workload
}

pub(crate) fn spec_mut(grant: &mut Grant) -> &mut Value {
    let PodSource::Structured { spec, .. } = &mut workload_mut(grant).pod else {
        panic!("the sample's pod is structured")
    };
    spec
}

pub(crate) fn received(grant: Grant, remaining: u64) -> Received {
    Received {
        grant,
        remaining: Duration::from_secs(remaining),
        missing_features: Vec::new(),
    }
}

pub(crate) fn seed() -> Seed {
    Seed::new([7; 32])
}

pub(crate) fn holdings(now: Now) -> Holdings {
    Holdings::restore(
        ClusterName::new("prod-1"),
        Ceiling::default(),
        Vec::new(),
        Memory::default(),
        now,
    )
}

/// What the renderer would give for a grant without texts, with so many objects beside it.
pub(crate) fn texts(grant: &mut Grant, resources: Vec<Value>) -> RenderedGrant {
    RenderedGrant {
        pod: Pod {
            labels: [("app".to_owned(), "debug".to_owned())].into(),
            annotations: Default::default(),
            spec: spec_mut(grant).clone(),
        },
        resources,
        overrides: None,
        auxiliary: Vec::new(),
    }
}

/// An auxiliary resource; what it renders to is told apart.
pub(crate) fn auxiliary(name: &str, failure_policy: FailurePolicy) -> Auxiliary {
    Auxiliary {
        name: name.into(),
        category: Some("custom".into()),
        source: AuxiliarySource::Structured {
            engine: TemplateEngine::Go,
            template: json!({}),
            place: "here".into(),
        },
        order: AuxiliaryOrder::BeforeWorkload,
        at_end: AtEnd::Delete,
        failure_policy,
    }
}

pub(crate) fn object(api_version: &str, kind: &str, name: &str) -> Value {
    json!({ "apiVersion": api_version, "kind": kind, "metadata": { "name": name } })
}

pub(crate) fn claim(name: &str) -> Value {
    let mut claim = object("v1", "PersistentVolumeClaim", name);
    claim["spec"] = json!({ "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } });
    claim
}
