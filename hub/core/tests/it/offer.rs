//! What a list of templates shows.

use breakglass_hub_core::caller::Caller;
use breakglass_hub_core::offer::{
    Wanted, available_clusters, is_known_to, is_listed, requires_approval,
};
use breakglass_protocol::kinds::cluster::Cluster;
use breakglass_protocol::kinds::debug_session_template::DebugSessionTemplate;
use serde_json::{Value, json};

use crate::fixture::*;

fn of(changes: Value) -> DebugSessionTemplate {
    let mut json = template_json();
    for (field, value) in changes.as_object().unwrap() {
        json["spec"][field] = value.clone();
    }
    template(json)
}

fn named(name: &str, spec: Value) -> Cluster {
    let mut cluster = cluster(spec);
    cluster.metadata.name = Some(name.to_owned());
    cluster
}

fn clusters() -> Vec<Cluster> {
    let mut revoked = named("cluster-r", json!({}));
    revoked.status = serde_json::from_value(json!({"revokedAt": "2026-01-01T00:00:00Z"})).unwrap();
    vec![
        named("cluster-b", json!({"accepted": true})),
        named("cluster-a", json!({})),
        named("cluster-w", json!({"accepted": false})),
        revoked,
        named("prod", json!({})),
    ]
}

#[test]
fn clusters_are_those_that_are_reached_and_can_be_used() {
    let clusters = clusters();
    let available = |template: &DebugSessionTemplate, caller: &Caller| -> Vec<String> {
        available_clusters(template, &clusters, caller)
            .into_iter()
            .map(|c| c.to_string())
            .collect()
    };
    assert_eq!(
        available(&of(json!({})), &alice()),
        ["cluster-a", "cluster-b"]
    );
    assert_eq!(available(&of(json!({})), &stranger()), Vec::<String>::new());
    let bindings_only = of(json!({"allowed": {"groups": ["sre-team"]}}));
    assert_eq!(
        available(&bindings_only, &alice()),
        Vec::<String>::new(),
        "S1"
    );
}

#[test]
fn listing_follows_people_clusters_and_hidden() {
    let clusters = clusters();
    let hidden = of(json!({"hidden": true}));
    let elsewhere = of(json!({"allowed": {"groups": ["sre-team"], "clusters": ["nowhere"]}}));
    let all = Wanted {
        unavailable: true,
        hidden: true,
    };
    let plain = Wanted::default();
    for (template, caller, wanted, listed) in [
        (&of(json!({})), alice(), plain, true),
        (&of(json!({})), stranger(), all, false),
        (&hidden, alice(), all, false),
        (&hidden, admin(), all, true),
        (&elsewhere, alice(), plain, false),
        (&elsewhere, alice(), all, true),
    ] {
        assert_eq!(
            is_listed(template, &clusters, &caller, wanted),
            listed,
            "{} {wanted:?}",
            caller.identity.name
        );
    }
    assert!(is_known_to(&hidden, &alice()) && !is_known_to(&hidden, &stranger()));
}

#[test]
fn a_template_with_approvers_says_so() {
    assert!(requires_approval(&of(json!({})).spec));
    assert!(!requires_approval(&of(json!({"approvers": null})).spec));
}

#[test]
fn d22_a_template_that_is_not_ready_is_not_available_unless_its_last_good_version_is_in_use() {
    let clusters = clusters();
    let with = |reason: &str| {
        let mut template = of(json!({}));
        template.status = serde_json::from_value(json!({"conditions": [{
            "type": "Ready", "status": "False", "reason": reason, "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }]}))
        .unwrap();
        available_clusters(&template, &clusters, &alice()).len()
    };
    assert_eq!((with("NotUsable"), with("BrokenEdit")), (0, 2));
}
