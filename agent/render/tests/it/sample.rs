//! A grant whose pod is a text.

use std::collections::BTreeMap;

use breakglass_protocol::ids::{ClusterName, GrantUid};
use breakglass_protocol::kinds::debug_pod_template::TemplateEngine;
use breakglass_protocol::wire::grant::{
    Desired, Grant, GrantContext, GrantedValue, Operations, PodOverrides, PodSource, TemplateText,
    ValueOrigin, Work, Workload, WorkloadKind,
};

pub fn text(text: &str) -> TemplateText {
    TemplateText {
        engine: TemplateEngine::Go,
        text: text.to_owned(),
        place: "the template".to_owned(),
    }
}

/// Its one variable `x` was typed by the requester.
pub fn grant(pod: &str, typed: &str) -> Grant {
    let value = GrantedValue {
        text: typed.to_owned(),
        origin: ValueOrigin::FreeText,
    };
    Grant {
        uid: GrantUid::new("11111111-2222-3333-4444-555555555555".to_owned()),
        session: "debug-session-abc123".to_owned(),
        namespace: "breakglass".to_owned(),
        cluster: ClusterName::new("west".to_owned()),
        desired: Desired::Running {},
        starts_at: "2026-01-02T03:04:05Z".parse().unwrap(),
        expires_at: "2026-01-02T04:04:05Z".parse().unwrap(),
        last_end: "2026-01-02T04:04:05Z".parse().unwrap(),
        renewal: 0,
        digest: String::new(),
        people: Vec::new(),
        operations: Operations::default(),
        context: GrantContext {
            requested_by: "alice@example.com".to_owned(),
            approved_by: None,
            reason: None,
            template: "t".to_owned(),
            binding: None,
        },
        target_namespace: "breakglass-debug".to_owned(),
        namespace_rule: None,
        impersonate: None,
        work: Work::Workload(Box::new(Workload {
            kind: WorkloadKind::Deployment,
            replicas: 1,
            pod: PodSource::Text(text(pod)),
            overrides: PodOverrides::default(),
            overrides_template: None,
            affinity: None,
            tolerations: Vec::new(),
            scheduling: Vec::new(),
            quota: None,
            disruption_budget: None,
        })),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        values: BTreeMap::from([("x".to_owned(), value)]),
        auxiliary: Vec::new(),
        recycle: 0,
        at_expiry: Default::default(),
    }
}
