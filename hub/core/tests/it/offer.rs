//! What a list of templates shows.

use breakglass_hub_core::caller::Caller;
use breakglass_hub_core::ledger::{Ledger, Seen};
use breakglass_hub_core::offer::{
    Knows, Sought, Supply, Usage, Wanted, approval, available_clusters, is_known_to, is_listed,
    known_of, status, template_clusters,
};
use breakglass_hub_core::snapshot::Requirement;
use breakglass_protocol::kinds::cluster::Cluster;
use breakglass_protocol::kinds::debug_session_cluster_binding::DebugSessionClusterBinding;
use breakglass_protocol::kinds::debug_session_template::DebugSessionTemplate;
use serde_json::{Value, json};

use crate::bindings::binding;
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

fn supply(clusters: &[Cluster]) -> Supply<'_> {
    Supply {
        clusters,
        bindings: &[],
        now: at(0).wall,
    }
}

#[test]
fn clusters_are_those_that_are_reached_and_can_be_used() {
    let clusters = clusters();
    let available = |template: &DebugSessionTemplate, caller: &Caller| -> Vec<String> {
        available_clusters(template, supply(&clusters), caller)
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
            is_listed(template, supply(&clusters), &caller, wanted),
            listed,
            "{} {wanted:?}",
            caller.identity.name
        );
    }
    assert!(is_known_to(&hidden, &[], &alice()) && !is_known_to(&hidden, &[], &stranger()));
}

/// Whether a request of this caller's waits for an approver somewhere.
fn waits(template: &DebugSessionTemplate, supply: Supply<'_>, caller: &Caller) -> bool {
    approval(template, supply, caller) == Requirement::Required
}

#[test]
fn a_template_says_whether_this_caller_waits_for_an_approver() {
    let clusters = clusters();
    let auto =
        |auto: Value| of(json!({"approvers": {"groups": ["sre-leads"], "autoApproveFor": auto}}));
    for (template, who, wanted) in [
        (of(json!({})), alice(), true),
        (of(json!({"approvers": null})), alice(), false),
        (auto(json!({"groups": ["sre-team"]})), alice(), false),
        (auto(json!({"groups": ["others"]})), alice(), true),
        // One of two clusters waits.
        (auto(json!({"clusters": ["cluster-a"]})), alice(), true),
        (auto(json!({"clusters": ["cluster-*"]})), alice(), false),
        // Nothing is open to her: what the template says.
        (auto(json!({"clusters": ["cluster-*"]})), stranger(), true),
        (auto(json!({"clusters": ["*"]})), stranger(), false),
    ] {
        let seen = waits(&template, supply(&clusters), &who);
        assert_eq!(seen, wanted, "{:?}", template.spec.approvers);
    }
}

#[test]
fn s01_a_template_says_whether_a_binding_makes_this_caller_wait() {
    let clusters = clusters();
    let both = json!({"clusters": ["cluster-a", "cluster-b"]});
    let open = of(json!({"approvers": null}));
    let through = |name: &str, changes: Value| {
        let mut all = both.clone();
        all.as_object_mut()
            .unwrap()
            .extend(changes.as_object().unwrap().clone());
        binding(name, all)
    };
    let dave = json!({"approvers": {"users": ["dave@example.com"]}});
    for (template, bindings, wanted) in [
        (
            of(json!({})),
            vec![through("auto", json!({"autoApprove": true}))],
            false,
        ),
        (of(json!({})), vec![through("plain", json!({}))], true),
        (open.clone(), vec![through("strict", dave.clone())], true),
        (
            open.clone(),
            vec![
                through("plain", json!({"priority": 1})),
                through("strict", dave.clone()),
            ],
            true,
        ),
        (
            open.clone(),
            vec![
                through("plain", json!({})),
                through(
                    "of-others",
                    json!({"approvers": {"users": ["d"]}, "allowed": {"groups": ["board"]}}),
                ),
            ],
            false,
        ),
        (
            open,
            vec![binding(
                "on-a",
                json!({"clusters": ["cluster-a"], "approvers": {"users": ["d"]}}),
            )],
            true,
        ),
    ] {
        let supply = with_bindings(&clusters, &bindings);
        assert_eq!(waits(&template, supply, &alice()), wanted, "{bindings:?}");
    }
}

/// What the form shows of namespaces through a binding.
fn offered_namespaces(template: Value, binding_rules: Value) -> Value {
    let template = of(json!({ "namespaceConstraints": template }));
    let bound = binding("b", json!({ "namespaceConstraints": binding_rules }));
    let seen = shown(&template, &[bound], &alice(), &Sought::default());
    let mut shown = seen["clusters"][0]["namespaceConstraints"].clone();
    shown.as_object_mut().unwrap().remove("defaultNamespace");
    shown
}

#[test]
fn s01_namespaces_are_those_that_template_and_binding_both_allow() {
    let dev = json!({"matchLabels": {"env": "dev"}});
    let team = json!({"matchLabels": {"team": "a"}});
    for (template, binding, wanted) in [
        (
            json!({"allowUserNamespace": true, "allowedPatterns": ["team-*"]}),
            json!({"allowedPatterns": ["*-prod", "team-b-*"]}),
            json!({"allowUserNamespace": true, "allowedPatterns": ["team-*-prod", "team-b-*", "team-prod"]}),
        ),
        (
            json!({"allowUserNamespace": true, "allowedPatterns": ["team-*"], "deniedPatterns": ["x"]}),
            json!({"deniedPatterns": ["y"]}),
            json!({"allowUserNamespace": true, "allowedPatterns": ["team-*"], "deniedPatterns": ["x", "y"]}),
        ),
        (
            json!({"allowUserNamespace": true}),
            json!({"allowedPatterns": ["a-*"]}),
            json!({"allowUserNamespace": true, "allowedPatterns": ["a-*"]}),
        ),
        // Nothing fits both: there is nothing to ask for.
        (
            json!({"allowUserNamespace": true, "allowedPatterns": ["a-*"]}),
            json!({"allowedPatterns": ["b-*"]}),
            json!({"allowUserNamespace": false}),
        ),
        (
            json!({"allowUserNamespace": true, "allowedNamespaces": {"patterns": ["a-*"], "selectorTerms": [dev]}}),
            json!({"allowedNamespaces": {"selectorTerms": [team, {"matchLabels": {"env": "prod"}}]}}),
            json!({
                "allowUserNamespace": true,
                "allowedLabelSelectors": [{"matchLabels": {"env": "dev", "team": "a"}}],
                "allowedWithLabels": [{"patterns": ["a-*"], "labelSelectors": [team, {"matchLabels": {"env": "prod"}}]}],
            }),
        ),
        // Somebody says yes, nobody says no (D13).
        (
            json!({}),
            json!({"allowUserNamespace": true}),
            json!({"allowUserNamespace": true}),
        ),
        (
            json!({"allowUserNamespace": true}),
            json!({"allowUserNamespace": false}),
            json!({"allowUserNamespace": false}),
        ),
        (
            json!({"allowUserNamespace": true}),
            json!({"denyUserNamespace": true}),
            json!({"allowUserNamespace": false}),
        ),
    ] {
        assert_eq!(offered_namespaces(template, binding), wanted);
    }
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
        available_clusters(&template, supply(&clusters), &alice()).len()
    };
    assert_eq!((with("NotUsable"), with("BrokenEdit")), (0, 2));
}

fn with_bindings<'a>(
    clusters: &'a [Cluster],
    bindings: &'a [DebugSessionClusterBinding],
) -> Supply<'a> {
    Supply {
        clusters,
        bindings,
        now: at(0).wall,
    }
}

fn shown(
    template: &DebugSessionTemplate,
    bindings: &[DebugSessionClusterBinding],
    caller: &Caller,
    sought: &Sought,
) -> Value {
    let clusters = clusters();
    let supply = with_bindings(&clusters, bindings);
    json!(template_clusters(template, supply, caller, sought))
}

#[test]
fn what_a_template_offers_on_a_cluster_is_what_a_request_gets() {
    let template = of(json!({
        "displayName": "Standard",
        "constraints": {"maxDuration": "3h"},
        "requestReason": {"mandatory": true},
        "namespaceConstraints": {"allowUserNamespace": true, "deniedPatterns": ["kube-*"]},
    }));
    let bound = binding(
        "strict",
        json!({
            "clusters": ["cluster-b"], "displayNamePrefix": "Prod: ",
            "constraints": {"maxDuration": "1h"},
            "approvers": {"users": ["dave@example.com"], "autoApproveFor": {"groups": ["other"]}},
        }),
    );
    let seen = shown(&template, &[bound], &alice(), &Sought::default());
    assert_eq!(
        seen,
        json!({
            "templateName": "standard-debug", "templateDisplayName": "Standard",
            "clusters": [
                {
                    "name": "cluster-a",
                    "constraints": {"maxDuration": "3h"},
                    "approval": {"required": true, "approverGroups": ["sre-leads"], "canAutoApprove": false},
                    "requestReason": {"mandatory": true, "minLength": 10, "maxLength": 1000},
                    "namespaceConstraints": {"allowUserNamespace": true, "deniedPatterns": ["kube-*"], "defaultNamespace": "breakglass-debug"},
                    "status": {"healthy": false},
                },
                {
                    "name": "cluster-b",
                    "bindingRef": {"name": "strict", "namespace": "breakglass", "displayNamePrefix": "Prod: "},
                    "bindingOptions": [{
                        "bindingRef": {"name": "strict", "namespace": "breakglass", "displayNamePrefix": "Prod: "},
                        "displayName": "Prod: Standard",
                        "constraints": {"maxDuration": "1h"},
                        "approval": {"required": true, "approverUsers": ["dave@example.com"], "canAutoApprove": false},
                        "requestReason": {"mandatory": true, "minLength": 10, "maxLength": 1000},
                        "namespaceConstraints": {"allowUserNamespace": true, "deniedPatterns": ["kube-*"], "defaultNamespace": "breakglass-debug"},
                    }],
                    "constraints": {"maxDuration": "1h"},
                    "approval": {"required": true, "approverUsers": ["dave@example.com"], "canAutoApprove": false},
                    "requestReason": {"mandatory": true, "minLength": 10, "maxLength": 1000},
                    "namespaceConstraints": {"allowUserNamespace": true, "deniedPatterns": ["kube-*"], "defaultNamespace": "breakglass-debug"},
                    "status": {"healthy": false},
                },
            ],
        })
    );
}

#[test]
fn s01_offers_tell_only_what_the_caller_may_use() {
    let template = of(json!({}));
    let names = |bindings: &[DebugSessionClusterBinding], caller: &Caller, sought: &Sought| {
        let seen = shown(&template, bindings, caller, sought);
        let clusters = seen["clusters"].as_array().unwrap();
        let options = |cluster: &Value| {
            let options = cluster["bindingOptions"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let names: Vec<String> = options
                .iter()
                .map(|o| o["bindingRef"]["name"].as_str().unwrap().to_owned())
                .collect();
            (
                cluster["name"].as_str().unwrap().to_owned(),
                cluster["bindingRef"]["name"].as_str().map(str::to_owned),
                names,
            )
        };
        clusters.iter().map(options).collect::<Vec<_>>()
    };
    let at_a = |name: &str, changes: Value| {
        let mut binding = binding(name, changes);
        binding.spec.clusters = vec!["cluster-a".to_owned()];
        binding
    };
    let any = Sought::default();
    let direct = ("cluster-b".to_owned(), None, Vec::new());
    let through = |chosen: Option<&str>, open: &[&str]| {
        let open = open.iter().map(|o| (*o).to_owned()).collect();
        ("cluster-a".to_owned(), chosen.map(str::to_owned), open)
    };
    let open = [at_a("one", json!({"priority": 1})), at_a("two", json!({}))];
    assert_eq!(
        names(&open, &alice(), &any),
        [through(Some("one"), &["one", "two"]), direct.clone()]
    );
    let tied = [at_a("one", json!({})), at_a("two", json!({}))];
    assert_eq!(
        names(&tied, &alice(), &any),
        [through(None, &["one", "two"]), direct.clone()]
    );
    let closed = [
        at_a("disabled", json!({"disabled": true})),
        at_a("others", json!({"allowed": {"groups": ["board"]}})),
        at_a(
            "unready",
            json!({"requiredAuxiliaryResourceCategories": ["rbac"]}),
        ),
    ];
    assert_eq!(
        names(&closed, &alice(), &any),
        std::slice::from_ref(&direct)
    );
    let hidden = [at_a("hidden", json!({"hidden": true}))];
    assert_eq!(names(&hidden, &alice(), &any), [direct]);
    let named = |name: &str| Sought {
        binding: Some(name.to_owned()),
        ..Sought::default()
    };
    assert_eq!(
        names(&hidden, &alice(), &named("breakglass/hidden")),
        [through(Some("hidden"), &["hidden"])]
    );
    assert_eq!(names(&hidden, &stranger(), &named("hidden")), []);
    assert_eq!(
        names(&open, &alice(), &named("two")),
        [through(Some("two"), &["two"])]
    );
}

#[test]
fn offers_are_found_by_environment_and_location() {
    let template = of(json!({}));
    let clusters = [
        named(
            "cluster-a",
            json!({"environment": "prod", "location": "eu"}),
        ),
        named(
            "cluster-b",
            json!({"environment": "test", "location": "eu"}),
        ),
    ];
    let found = |environment: Option<&str>, location: Option<&str>| {
        let sought = Sought {
            environment: environment.map(str::to_owned),
            location: location.map(str::to_owned),
            binding: None,
        };
        let offers = template_clusters(&template, supply(&clusters), &alice(), &sought);
        offers
            .clusters
            .into_iter()
            .map(|c| c.name)
            .collect::<Vec<_>>()
    };
    assert_eq!(found(None, Some("eu")), ["cluster-a", "cluster-b"]);
    assert_eq!(found(Some("test"), None), ["cluster-b"]);
    assert_eq!(found(Some("test"), Some("us")), Vec::<String>::new());
}

#[test]
fn who_knows_a_binding_and_what_its_status_says() {
    let templates = [of(json!({"displayName": "Standard"}))];
    let clusters = clusters();
    let bound = binding(
        "b",
        json!({"clusters": ["cluster-b", "gone"], "approvers": {"groups": ["sales"]}}),
    );
    let same_name = binding("c", json!({"clusters": ["cluster-b"]}));
    let hidden = binding("h", json!({"hidden": true}));
    for (binding, who, knows) in [
        (&bound, alice(), Knows::It),
        (&bound, stranger(), Knows::It),
        (&bound, carol(), Knows::Nothing),
        (&same_name, carol(), Knows::It),
        (&hidden, alice(), Knows::IfNamed),
        (&hidden, stranger(), Knows::Nothing),
        (&hidden, admin(), Knows::Everything),
    ] {
        assert_eq!(
            known_of(binding, &templates, &who),
            knows,
            "{}",
            who.identity.name
        );
    }
    let bindings = [bound.clone(), same_name];
    let supply = with_bindings(&clusters, &bindings);
    let usage = Usage {
        active: 1,
        active_by_user: [("alice@example.com".to_owned(), 1)].into(),
        pending: 2,
        seen: Seen {
            sessions: 3,
            newest: Some(at(5).wall),
        },
    };
    // Of four more the hub keeps nothing but the count.
    let ledger = Ledger {
        made: 7,
        last_made_at: Some(at(0).wall),
        ..Ledger::default()
    };
    let usage = usage.remembering(ledger);
    let seen = |knows| json!(status(&bound, &templates, supply, &usage, knows));
    let all = seen(Knows::Everything);
    assert_eq!(
        all,
        json!({
            "isActive": true, "effectiveDisplayName": "Standard",
            "activeSessionCount": 1, "pendingSessionCount": 2, "totalSessionCount": 7,
            "lastUsed": at(5).wall, "activeByUser": {"alice@example.com": 1},
            "resolvedClusters": [{"name": "cluster-b", "matchedBy": "clusters", "ready": false}],
            "resolvedTemplates": [{"name": "standard-debug", "displayName": "Standard", "ready": true}],
            "nameCollisions": [{
                "clusterName": "cluster-b", "collidingBinding": "c", "collidingBindingNamespace": "breakglass",
                "effectiveName": "Standard", "templateName": "standard-debug",
            }],
        })
    );
    let some = seen(Knows::It);
    assert!(some.get("nameCollisions").is_none() && some.get("activeByUser").is_none());
}
