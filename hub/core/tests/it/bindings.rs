//! Sessions made through bindings: which binding counts, and that it narrows (S1, S7, D3).

use breakglass_hub_core::access::{self, Action, Decision};
use breakglass_hub_core::caller::Caller;
use breakglass_hub_core::lifecycle::StillOffered;
use breakglass_hub_core::refusal::{Class, Refusal};
use breakglass_hub_core::request::{self, Catalogue, Layers, Resolved, still_offered};
use breakglass_hub_core::session::Session;
use breakglass_hub_core::snapshot::Requirement;
use breakglass_protocol::api::debug_session::CreateDebugSession;
use breakglass_protocol::kinds::cluster::Cluster;
use breakglass_protocol::kinds::debug_session::DebugSession;
use breakglass_protocol::kinds::debug_session_cluster_binding::DebugSessionClusterBinding;
use breakglass_protocol::kinds::debug_session_template::DebugSessionTemplate;
use breakglass_protocol::manifest::{self, Manifest};
use serde_json::{Value, json};

use crate::fixture::*;

/// A binding of the fixtures' template on the fixtures' cluster, with these fields of `spec` changed.
pub(crate) fn binding(name: &str, changes: Value) -> DebugSessionClusterBinding {
    let mut json = json!({
        "apiVersion": "breakglass.t-caas.telekom.com/v1alpha1",
        "kind": "DebugSessionClusterBinding",
        "metadata": {"name": name, "namespace": "breakglass"},
        "spec": {"templateRef": {"name": "standard-debug"}, "clusters": [CLUSTER]},
    });
    for (field, value) in changes.as_object().unwrap() {
        json["spec"][field] = value.clone();
    }
    serde_json::from_value(json).unwrap()
}

/// A request and all that it meets; tests change one thing each.
struct Case {
    asked: CreateDebugSession,
    template: Value,
    cluster: Cluster,
    bindings: Vec<DebugSessionClusterBinding>,
    caller: Caller,
    seconds: u64,
}

impl Case {
    fn new(bindings: &[DebugSessionClusterBinding]) -> Self {
        Self {
            asked: asked(),
            template: template_json(),
            cluster: cluster(json!({})),
            bindings: bindings.to_vec(),
            caller: alice(),
            seconds: 0,
        }
    }

    fn of_template(mut self, changes: Value) -> Self {
        for (field, value) in changes.as_object().unwrap() {
            self.template["spec"][field] = value.clone();
        }
        self
    }

    fn asking(mut self, ask: impl FnOnce(&mut CreateDebugSession)) -> Self {
        ask(&mut self.asked);
        self
    }

    fn naming(self, binding: &str) -> Self {
        self.asking(|asked| asked.binding_ref = Some(binding.to_owned()))
    }

    fn by(self, caller: Caller) -> Self {
        Self { caller, ..self }
    }

    fn with<T>(&self, look: impl FnOnce(&Catalogue<'_>) -> T) -> T {
        let template: DebugSessionTemplate = template(self.template.clone());
        let pod = standard_pod();
        look(&Catalogue {
            template: Some(&template),
            pod_template: Some(&pod),
            cluster: Some(&self.cluster),
            bindings: &self.bindings,
        })
    }

    fn resolve(&self) -> Result<Resolved, Refusal> {
        self.with(|catalogue| {
            request::resolve(
                &self.asked,
                catalogue,
                &self.caller,
                ids(),
                at(self.seconds),
            )
        })
    }

    fn session(&self) -> Session {
        self.resolve().unwrap().session
    }

    /// The name of the binding that was taken.
    fn taken(&self) -> Option<String> {
        self.session().spec.binding_ref.map(|taken| taken.name)
    }

    #[track_caller]
    fn refused(&self, class: Class, rule: &str, text: &str) {
        let refusal = self.resolve().unwrap_err();
        let violation = &refusal.violations[0];
        assert_eq!(
            (violation.class, violation.rule),
            (class, rule),
            "{refusal}"
        );
        assert!(refusal.to_string().contains(text), "{refusal}");
    }

    fn still_offered(&self, session: &Session) -> StillOffered {
        self.with(|catalogue| still_offered(session, catalogue, at(self.seconds).wall))
    }
}

fn minutes(n: u64) -> std::time::Duration {
    std::time::Duration::from_secs(n * 60)
}

#[test]
fn s01_where_a_binding_covers_the_cluster_the_template_is_requested_through_it() {
    let here = binding("here", json!({}));
    let elsewhere = binding("elsewhere", json!({"clusters": ["other"]}));
    let of_another = binding("of-another", json!({"templateRef": {"name": "x"}}));
    assert_eq!(Case::new(&[]).taken(), None);
    assert_eq!(Case::new(&[elsewhere, of_another]).taken(), None);
    assert_eq!(
        Case::new(std::slice::from_ref(&here)).taken().as_deref(),
        Some("here")
    );
    for (state, why) in [
        (json!({"disabled": true}), "is disabled"),
        (json!({"expiresAt": "2027-01-15T07:59:59Z"}), "expired at"),
        (
            json!({"effectiveFrom": "2027-01-15T09:00:00Z"}),
            "holds only from",
        ),
    ] {
        Case::new(&[binding("here", state.clone())]).refused(
            Class::Conflict,
            "binding.effective",
            why,
        );
        Case::new(&[binding("here", state.clone())])
            .naming("here")
            .refused(Class::Conflict, "binding.effective", why);
        assert_eq!(
            Case::new(&[binding("gone", state), here.clone()])
                .taken()
                .as_deref(),
            Some("here"),
            "another one that holds is enough"
        );
    }
}

#[test]
fn s01_bindings_begin_and_end_to_the_second() {
    let window =
        json!({"effectiveFrom": "2027-01-15T08:00:10Z", "expiresAt": "2027-01-15T08:00:20Z"});
    let works = |seconds| {
        let case = Case {
            seconds,
            ..Case::new(&[binding("here", window.clone())])
        };
        case.resolve().is_ok()
    };
    assert_eq!([9, 10, 19, 20].map(works), [false, true, true, false]);
}

#[test]
fn bindings_find_templates_and_clusters_by_name_or_by_labels() {
    let mut by_label = binding(
        "by-label",
        json!({"templateSelector": {"matchLabels": {"team": "sre"}}, "clusterSelector": {"matchLabels": {"env": "dev"}}, "clusters": []}),
    );
    by_label.spec.template_ref = None;
    let mut case = Case::new(&[by_label]);
    assert_eq!(case.taken(), None, "the template lacks the label");
    case.template["metadata"]["labels"] = json!({"team": "sre"});
    assert_eq!(case.taken().as_deref(), Some("by-label"));
    case.cluster.metadata.labels = None;
    assert_eq!(case.taken(), None, "the cluster lacks the label");
    let either = binding(
        "either",
        json!({"clusters": [CLUSTER], "clusterSelector": {"matchLabels": {"no": "such"}}}),
    );
    assert_eq!(Case::new(&[either]).taken().as_deref(), Some("either"));
}

#[test]
fn s01_a_binding_opens_other_clusters_and_other_people() {
    let opened =
        json!({"allowed": {"groups": ["sales"]}, "approvers": {"users": ["dave@example.com"]}});
    let case = Case::new(&[binding("sales", opened)])
        .of_template(json!({"allowed": {"groups": ["sre-team"]}}));
    let session = Case {
        caller: stranger(),
        ..case
    }
    .session();
    assert_eq!(session.snapshot.terms.admitted.groups, ["sales"]);
    assert_eq!(
        session.snapshot.terms.approval.requirement,
        Requirement::Required
    );
    assert_eq!(session.snapshot.terms.approval.users, ["dave@example.com"]);
    assert!(session.snapshot.terms.approval.groups.is_empty());
    let may = |who: &Caller| access::judge(Action::Approve, &session, who);
    assert_eq!(may(&caller("dave", &[])), Decision::Allow);
    assert_eq!(
        may(&carol()),
        Decision::NotFound,
        "the template's approvers have no say"
    );
    // Whom the template admits, the binding does not.
    let replaced = Case::new(&[binding("sales", json!({"allowed": {"groups": ["sales"]}}))]);
    replaced.refused(Class::Forbidden, "allowed", "members of sales");
}

#[test]
fn s01_allowed_with_clusters_only_keeps_the_templates_people() {
    let only = |clusters: Value| binding("b", json!({"allowed": {"clusters": clusters}}));
    assert_eq!(
        Case::new(&[only(json!(["cluster-*"]))]).taken().as_deref(),
        Some("b")
    );
    Case::new(&[only(json!(["prod-*"]))]).refused(Class::Forbidden, "allowed", "through a binding");
    Case::new(&[only(json!(["cluster-*"]))])
        .by(stranger())
        .refused(Class::Forbidden, "allowed", "members of sre-team");
}

#[test]
fn s01_what_the_caller_may_not_know_is_not_told() {
    let hidden = binding(
        "secret",
        json!({"hidden": true, "allowed": {"groups": ["board"]}}),
    );
    let case = || Case::new(std::slice::from_ref(&hidden));
    let refusal = case().resolve().unwrap_err();
    assert!(!refusal.to_string().contains("board"), "{refusal}");
    assert!(!refusal.to_string().contains("secret"), "{refusal}");
    assert_eq!(
        case().naming("secret").resolve().unwrap_err().violations[0].rule,
        case().naming("nothing").resolve().unwrap_err().violations[0].rule,
    );
    let of_board = || case().by(caller("bea", &["board"]));
    of_board().refused(Class::Forbidden, "allowed", "none admits you");
    assert_eq!(
        of_board().naming("breakglass/secret").taken().as_deref(),
        Some("secret"),
        "hidden ones are used by name"
    );
    // A hidden template is known to those whom one of its bindings admits, and to nobody else.
    let hide = json!({"hidden": true});
    case().by(stranger()).of_template(hide.clone()).refused(
        Class::NotFound,
        "templateRef.exists",
        "no session template",
    );
    assert!(
        of_board()
            .naming("secret")
            .of_template(hide)
            .resolve()
            .is_ok()
    );
}

#[test]
fn the_highest_priority_counts_and_a_tie_is_asked_back() {
    let with = |name: &str, priority: i32| binding(name, json!({"priority": priority}));
    assert_eq!(
        Case::new(&[with("low", 1), with("high", 2)])
            .taken()
            .as_deref(),
        Some("high")
    );
    let tied = || Case::new(&[with("one", 2), with("two", 2), with("low", 1)]);
    tied().refused(
        Class::Constraint,
        "bindingRef.ambiguous",
        "breakglass/one, breakglass/two",
    );
    assert_eq!(tied().naming("two").taken().as_deref(), Some("two"));
    assert_eq!(
        tied().naming("breakglass/low").taken().as_deref(),
        Some("low")
    );
    // Only those that admit the caller take part.
    let closed = binding(
        "closed",
        json!({"priority": 9, "allowed": {"groups": ["board"]}}),
    );
    assert_eq!(
        Case::new(&[closed, with("low", 1)]).taken().as_deref(),
        Some("low")
    );
}

#[test]
fn a_binding_is_named_with_or_without_its_namespace() {
    let mut other = binding("same", json!({}));
    other.metadata.namespace = Some("team".to_owned());
    let case = || Case::new(&[binding("same", json!({})), other.clone()]);
    case().naming("same").refused(
        Class::Constraint,
        "bindingRef.ambiguous",
        "breakglass/same, team/same",
    );
    let session = case().naming("team/same").session();
    assert_eq!(session.spec.binding_ref.unwrap().namespace, "team");
    case()
        .naming("lost")
        .refused(Class::NotFound, "bindingRef.exists", "\"lost\"");
    let elsewhere = binding("elsewhere", json!({"clusters": ["west"]}));
    Case::new(std::slice::from_ref(&elsewhere))
        .naming("elsewhere")
        .refused(Class::Forbidden, "binding.clusters", "does not cover");
    Case::new(&[elsewhere])
        .by(stranger())
        .naming("elsewhere")
        .refused(Class::NotFound, "bindingRef.exists", "no binding");
}

#[test]
fn s01_limits_take_the_stricter_of_both() {
    let template = json!({"constraints": {"maxDuration": "3h", "defaultDuration": "2h", "maxConcurrentSessions": 5}});
    let narrowed = |constraints: Value| {
        Case::new(&[binding("b", json!({"constraints": constraints}))])
            .of_template(template.clone())
    };
    let duration = |case: &Case| case.session().snapshot.terms.duration;
    assert_eq!(duration(&narrowed(json!({}))), minutes(120));
    assert_eq!(
        duration(&narrowed(json!({"maxDuration": "1h"}))),
        minutes(60)
    );
    assert_eq!(
        duration(&narrowed(json!({"defaultDuration": "10m"}))),
        minutes(10)
    );
    let longer = json!({"maxDuration": "9h", "defaultDuration": "8h", "maxConcurrentSessions": 9});
    let loose = narrowed(longer).session();
    assert_eq!(loose.snapshot.terms.duration, minutes(120));
    assert_eq!(loose.snapshot.terms.max_concurrent_sessions, 5);
    let strict = narrowed(json!({"maxConcurrentSessions": 1})).session();
    assert_eq!(strict.snapshot.terms.max_concurrent_sessions, 1);
    narrowed(json!({"maxDuration": "1h"}))
        .asking(|asked| asked.requested_duration = Some("2h".into()))
        .refused(Class::Constraint, "constraints.maxDuration", "limit of 1h");
    // The default of a template that says nothing is a limit too.
    let silent = Case::new(&[binding("b", json!({"constraints": {"maxDuration": "9h"}}))])
        .asking(|asked| asked.requested_duration = Some("5h".into()));
    silent.refused(Class::Constraint, "constraints.maxDuration", "limit of 4h");
}

#[test]
fn s01_renewal_is_narrowed_too() {
    let merged = |template: Value, of_binding: Value| {
        let mut json = template_json();
        json["spec"]["constraints"] = template;
        let (template, binding) = (
            crate::fixture::template(json),
            binding("b", json!({ "constraints": of_binding })),
        );
        let layers = Layers {
            template: &template.spec,
            binding: Some(&binding.spec),
        };
        serde_json::to_value(layers.merged_constraints()).unwrap()
    };
    for (template, of_binding, expected) in [
        (
            json!({"maxRenewals": 2}),
            json!({"maxRenewals": 5}),
            json!({"maxRenewals": 2}),
        ),
        (
            json!({"renewalLimit": 2}),
            json!({"maxRenewals": 1}),
            json!({"maxRenewals": 1}),
        ),
        (json!({}), json!({"renewalLimit": 9}), json!({})),
        (
            json!({}),
            json!({"renewalLimit": 2}),
            json!({"maxRenewals": 2}),
        ),
        (
            json!({"allowRenewal": false}),
            json!({"allowRenewal": true}),
            json!({"allowRenewal": false}),
        ),
        (
            json!({}),
            json!({"allowRenewal": false}),
            json!({"allowRenewal": false}),
        ),
        (
            json!({"requireApprovalForRenewal": true}),
            json!({"requireApprovalForRenewal": false}),
            json!({"requireApprovalForRenewal": true}),
        ),
        (
            json!({}),
            json!({"requireApprovalForRenewal": true}),
            json!({"requireApprovalForRenewal": true}),
        ),
    ] {
        assert_eq!(
            merged(template.clone(), of_binding.clone()),
            expected,
            "{template} {of_binding}"
        );
    }
}

#[test]
fn s01_operations_that_are_off_anywhere_stay_off() {
    let operations = |template: Value, of_binding: Value| {
        let case = Case::new(&[binding("b", json!({"allowedPodOperations": of_binding}))])
            .of_template(json!({"allowedPodOperations": template}));
        let o = case.session().snapshot.terms.operations;
        (o.exec, o.attach, o.logs, o.port_forward)
    };
    let open = json!({"logs": true});
    assert_eq!(
        operations(json!(null), json!(null)),
        (true, true, false, true)
    );
    assert_eq!(
        operations(open.clone(), json!(null)),
        (true, true, true, true)
    );
    assert_eq!(
        operations(open.clone(), json!({"exec": false})),
        (false, true, true, true),
        "a binding that does not mention logs does not close them"
    );
    assert_eq!(
        operations(json!({"exec": false}), json!({"exec": true, "logs": true})),
        (false, true, false, true)
    );
    assert_eq!(
        operations(open, json!({"logs": false})),
        (true, true, false, true)
    );
}

#[test]
fn s01_approval_follows_the_binding_alone_where_it_has_approvers() {
    let required = |template: Value, of_binding: Value| {
        let case = Case::new(&[binding("b", of_binding)]).of_template(template);
        case.session().snapshot.terms.approval.requirement == Requirement::Required
    };
    let automatic =
        json!({"approvers": {"groups": ["sre-leads"], "autoApproveFor": {"groups": ["sre-team"]}}});
    let none = json!({"approvers": null});
    assert!(
        required(json!({}), json!({})),
        "the template's, where the binding has none"
    );
    assert!(!required(automatic.clone(), json!({})));
    assert!(
        required(automatic, json!({"approvers": {"groups": ["leads"]}})),
        "only the binding's autoApproveFor counts"
    );
    assert!(!required(
        json!({}),
        json!({"approvers": {"groups": ["leads"], "autoApproveFor": {"clusters": ["cluster-*"]}}})
    ));
    assert!(!required(json!({}), json!({"autoApprove": true})));
    assert!(required(json!({}), json!({"autoApprove": false})));
    assert!(required(
        none.clone(),
        json!({"approvers": {"groups": ["leads"]}})
    ));
    assert!(!required(none, json!({})));
}

#[test]
fn s01_reasons_take_the_stricter_of_both() {
    let case = |of_binding: Value| {
        Case::new(&[binding("b", of_binding)]).of_template(json!({
            "requestReason": {"minLength": 5, "maxLength": 40, "suggestedReasons": ["a"], "description": "why"},
            "approvalReason": {"mandatoryForRejection": false, "minLength": 0},
        }))
    };
    let spec = |of_binding: Value| {
        let spec = case(of_binding)
            .asking(|a| a.reason = Some("ticket 4711 is open".into()))
            .session()
            .spec;
        (
            serde_json::to_value(spec.request_reason_config).unwrap(),
            serde_json::to_value(spec.approval_reason_config).unwrap(),
        )
    };
    let base =
        json!({"minLength": 5, "maxLength": 40, "suggestedReasons": ["a"], "description": "why"});
    assert_eq!(spec(json!({})).0, base);
    assert_eq!(
        spec(json!({"requestReason": {"minLength": 1, "maxLength": 900}})).0,
        base
    );
    assert_eq!(
        spec(json!({"requestReason": {"mandatory": true, "minLength": 12, "maxLength": 30, "suggestedReasons": ["b"]}})).0,
        json!({"mandatory": true, "minLength": 12, "maxLength": 30, "suggestedReasons": ["b"], "description": "why"})
    );
    assert_eq!(
        spec(json!({"approvalReason": {"mandatoryForRejection": true, "minLength": 3}})).1,
        json!({"mandatoryForRejection": true, "minLength": 3})
    );
    assert_eq!(
        spec(json!({"approvalReason": {"mandatory": true}})).1,
        json!({"mandatory": true, "mandatoryForRejection": false, "minLength": 0})
    );
    case(json!({"requestReason": {"mandatory": true}})).refused(
        Class::Constraint,
        "requestReason.mandatory",
        "a reason of at least 5",
    );
    case(json!({"requestReason": {"minLength": 50}})).refused(
        Class::Constraint,
        "reasons",
        "no reason that could be given",
    );
}

#[test]
fn labels_of_both_reach_the_session_and_the_bindings_win() {
    let labels = json!({"labels": {"team": "b", "only-b": "1"}, "annotations": {"note": "b"}});
    let session = Case::new(&[binding("b", labels)])
        .of_template(json!({"labels": {"team": "t", "only-t": "1"}, "annotations": {"note": "t"}}))
        .session();
    let terms = session.snapshot.terms;
    assert_eq!(
        json!(terms.labels),
        json!({"team": "b", "only-b": "1", "only-t": "1"})
    );
    assert_eq!(json!(terms.annotations), json!({"note": "b"}));
}

fn with_resources(of_binding: Value) -> Case {
    let resource = |name: &str, category: &str, optional: bool| json!({"name": name, "category": category, "optional": optional, "templateString": "x"});
    Case::new(&[binding("b", of_binding)]).of_template(json!({
        "auxiliaryResources": [
            resource("always", "network-policy", false),
            resource("maybe", "monitoring", true),
            resource("role", "rbac", true),
        ],
        "auxiliaryResourceDefaults": {"maybe": true},
    }))
}

#[test]
fn s01_auxiliary_resources_are_required_and_overridden_by_the_binding() {
    let taken = |of_binding: Value, selected: Option<&[&str]>| {
        let case = with_resources(of_binding).asking(|asked| {
            asked.selected_auxiliary_resources =
                selected.map(|names| names.iter().map(|n| (*n).to_owned()).collect());
        });
        case.session().snapshot.source.resolved.auxiliary_resources
    };
    let none: Option<&[&str]> = Some(&[]);
    assert_eq!(taken(json!({}), None), ["always", "maybe"]);
    let required = json!({"requiredAuxiliaryResourceCategories": ["rbac"]});
    assert_eq!(taken(required.clone(), None), ["always", "maybe", "role"]);
    assert_eq!(
        taken(required, none),
        ["always", "role"],
        "cannot be deselected"
    );
    let overrides = |overrides: Value| json!({"auxiliaryResourceOverrides": overrides});
    assert_eq!(
        taken(overrides(json!({"rbac": true})), none),
        ["always", "role"]
    );
    assert_eq!(taken(overrides(json!({"maybe": false})), None), ["always"]);
    assert_eq!(
        taken(overrides(json!({"monitoring": false, "maybe": true})), None),
        ["always", "maybe"],
        "by name before by category"
    );
    let both = json!({"auxiliaryResourceOverrides": {"role": false}, "requiredAuxiliaryResourceCategories": ["rbac"]});
    assert_eq!(
        taken(both, None),
        ["always", "maybe", "role"],
        "required stays"
    );
    with_resources(overrides(json!({"role": false})))
        .asking(|asked| asked.selected_auxiliary_resources = Some(vec!["role".into()]))
        .refused(
            Class::Constraint,
            "auxiliaryResourceOverrides",
            "left out by the binding",
        );
}

#[test]
fn d11_a_binding_that_the_template_cannot_satisfy_refuses_requests() {
    for (of_binding, rule, text) in [
        (
            json!({"requiredAuxiliaryResourceCategories": ["network-policy", "backup"]}),
            "requiredAuxiliaryResourceCategories",
            "binding breakglass/b: spec.requiredAuxiliaryResourceCategories names backup",
        ),
        (
            json!({"auxiliaryResourceOverrides": {"nothing": true}}),
            "auxiliaryResourceOverrides",
            "names no auxiliary resource",
        ),
        (
            json!({"auxiliaryResourceOverrides": {"always": false}}),
            "auxiliaryResourceOverrides",
            "cannot be false",
        ),
    ] {
        with_resources(of_binding).refused(Class::Constraint, rule, text);
    }
}

#[test]
fn s07_the_binding_is_in_the_snapshot_and_its_digest() {
    let plain = Case::new(&[]).session();
    let one = Case::new(&[binding("b", json!({"displayName": "One"}))]).session();
    let other = Case::new(&[binding("b", json!({"displayName": "Other"}))]).session();
    let digests = [&plain, &one, &other].map(|s| s.snapshot.digest.clone());
    assert_ne!(digests[0], digests[1]);
    assert_ne!(digests[1], digests[2]);
    let stored = DebugSession::from(&one);
    let resolved = stored
        .status
        .as_ref()
        .unwrap()
        .resolved_binding
        .as_ref()
        .unwrap();
    assert_eq!(
        (
            resolved.name.as_str(),
            resolved.namespace.as_str(),
            resolved.display_name.as_deref()
        ),
        ("b", "breakglass", Some("One"))
    );
    assert_eq!(Session::try_from(&stored).unwrap(), one);
}

#[test]
fn s07_still_offered_looks_at_the_binding_of_now() {
    let bound = || binding("b", json!({}));
    let session = Case::new(&[bound()]).session();
    let offered = |case: Case| case.still_offered(&session);
    let no = |case: Case, text: &str| match offered(case) {
        StillOffered::No { reason } => assert!(reason.contains(text), "{reason}"),
        StillOffered::Yes => panic!("still offered, though {text}"),
    };
    assert_eq!(offered(Case::new(&[bound()])), StillOffered::Yes);
    let edited = binding(
        "b",
        json!({"constraints": {"maxDuration": "1m"}, "hidden": true, "priority": -5}),
    );
    let stronger = binding("stronger", json!({"priority": 100}));
    assert_eq!(
        offered(Case::new(&[edited, stronger])),
        StillOffered::Yes,
        "edits change nothing: the snapshot runs"
    );
    no(Case::new(&[]), "breakglass/b was deleted");
    no(
        Case::new(&[binding("b", json!({"disabled": true}))]),
        "is disabled",
    );
    no(
        Case::new(&[binding("b", json!({"clusters": ["west"]}))]),
        "no longer opens",
    );
    no(
        Case::new(&[binding("b", json!({"allowed": {"groups": ["board"]}}))]),
        "no longer admits",
    );
    let ends = binding("b", json!({"expiresAt": "2027-01-15T08:00:20Z"}));
    assert_eq!(
        offered(Case::new(std::slice::from_ref(&ends))),
        StillOffered::Yes
    );
    no(
        Case {
            seconds: 20,
            ..Case::new(&[ends])
        },
        "expired at",
    );
    no(
        Case::new(&[binding(
            "b",
            json!({"requiredAuxiliaryResourceCategories": ["rbac"]}),
        )]),
        "names rbac",
    );
    let direct = Case::new(&[]).session();
    match Case::new(&[bound()]).still_offered(&direct) {
        StillOffered::No { reason } => assert!(
            reason.contains("by now requested through a binding"),
            "{reason}"
        ),
        StillOffered::Yes => panic!("the way of this session is closed by now"),
    }
}

/// Documents of the samples, which users' manifests are like.
fn sample(file: &str) -> Vec<Manifest> {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../protocol/fixtures/samples"
    );
    let text = std::fs::read_to_string(format!("{folder}/{file}")).unwrap();
    let decoded = manifest::decode(file, &text);
    assert!(decoded.errors.is_empty(), "{:?}", decoded.errors);
    decoded.documents.into_iter().map(|d| d.manifest).collect()
}

#[test]
fn d11_team_production_wants_a_category_that_standard_debug_lacks() {
    let template = sample("standard-debug.yaml").into_iter().find_map(|m| {
        if let Manifest::DebugSessionTemplate(template) = m {
            Some(template)
        } else {
            None
        }
    });
    let binding = sample("bindings.yaml").into_iter().find_map(|m| {
        if let Manifest::DebugSessionClusterBinding(binding) = m {
            Some(binding).filter(|b| b.metadata.name.as_deref() == Some("team-production"))
        } else {
            None
        }
    });
    let (template, binding) = (template.unwrap(), binding.unwrap());
    let name = "breakglass/team-production";
    let told = request::binding_readiness(name, &binding.spec, &template.spec);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].rule, "requiredAuxiliaryResourceCategories");
    let message = &told[0].message;
    assert!(message.contains("names network-policy, rbac"), "{message}");
}
