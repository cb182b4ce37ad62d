//! Requests: what is resolved, and every refusal by name.

use breakglass_hub_core::caller::Caller;
use breakglass_hub_core::lifecycle::{self, StillOffered};
use breakglass_hub_core::refusal::{Class, Refusal};
use breakglass_hub_core::request::{self, Catalogue, Resolved, readiness, still_offered};
use breakglass_hub_core::session::{Clearance, InvitedRole, Role, Session, StateName};
use breakglass_hub_core::snapshot::Requirement;
use breakglass_protocol::api::debug_session::CreateDebugSession;
use breakglass_protocol::kinds::cluster::Cluster;
use breakglass_protocol::kinds::debug_pod_template::DebugPodTemplate;
use breakglass_protocol::kinds::debug_session_template::DebugSessionTemplate;
use breakglass_protocol::wire::grant::{Operations, Work, WorkloadKind};
use serde_json::{Value, json};

use crate::fixture::*;

/// A request and all that it meets; tests change one thing each.
struct Case {
    asked: CreateDebugSession,
    template: Option<DebugSessionTemplate>,
    pod: Option<DebugPodTemplate>,
    cluster: Option<Cluster>,
    caller: Caller,
}

impl Case {
    fn new() -> Self {
        Self {
            asked: asked(),
            template: Some(template(template_json())),
            pod: Some(standard_pod()),
            cluster: Some(cluster(json!({}))),
            caller: alice(),
        }
    }

    /// With these fields of the template's `spec` changed.
    fn of(changes: Value) -> Self {
        let mut json = template_json();
        for (field, value) in changes.as_object().unwrap() {
            json["spec"][field] = value.clone();
        }
        Self {
            template: Some(template(json)),
            ..Self::new()
        }
    }

    fn asking(mut self, ask: impl FnOnce(&mut CreateDebugSession)) -> Self {
        ask(&mut self.asked);
        self
    }

    fn catalogue(&self) -> Catalogue<'_> {
        Catalogue {
            template: self.template.as_ref(),
            pod_template: self.pod.as_ref(),
            cluster: self.cluster.as_ref(),
            bindings: &[],
        }
    }

    fn resolve(&self) -> Result<Resolved, Refusal> {
        request::resolve(&self.asked, &self.catalogue(), &self.caller, ids(), at(0))
    }

    fn session(&self) -> Session {
        self.resolve().unwrap().session
    }

    fn refusal(&self) -> Refusal {
        self.resolve().unwrap_err()
    }

    /// (class, field, rule) of a refusal by one rule.
    fn one(&self) -> (Class, String, &'static str) {
        let refusal = self.refusal();
        let [violation] = &refusal.violations[..] else {
            panic!("{refusal:?}")
        };
        assert_eq!(violation.class, refusal.class);
        (refusal.class, violation.field.clone(), violation.rule)
    }
}

fn constraint(field: &str, rule: &'static str) -> (Class, String, &'static str) {
    (Class::Constraint, field.to_owned(), rule)
}

#[test]
fn d13_defaults_are_applied_once_on_what_was_asked() {
    let session = Case::new().session();
    let terms = &session.snapshot.terms;
    assert_eq!(terms.duration.as_secs(), 3600);
    assert_eq!(terms.target_namespace, "breakglass-debug");
    assert_eq!(
        terms.operations,
        Operations {
            exec: true,
            attach: true,
            logs: false,
            port_forward: true
        }
    );
    assert_eq!(terms.max_concurrent_sessions, 2);
    assert_eq!(terms.approval.requirement, Requirement::Required);
    let Work::Workload(workload) = &terms.work;
    assert_eq!(
        (workload.kind, workload.replicas),
        (WorkloadKind::DaemonSet, 1)
    );
    assert_eq!(session.state.name(), StateName::Pending);
    let owner = &session.participants[0];
    assert_eq!(
        (&owner.identity, owner.role),
        (&alice().identity, Role::Owner)
    );
}

#[test]
fn what_the_template_says_reaches_the_session() {
    let case = Case::of(json!({
        "workloadType": "Deployment", "replicas": 3, "targetNamespace": "debug-here",
        "labels": {"team": "sre"}, "annotations": {"ticket": "none"},
        "additionalTolerations": [{"operator": "Exists"}],
        "podOverrides": {"spec": {"hostNetwork": true, "containers": [{"name": "debug", "env": [{"name": "A", "value": "b"}]}]}},
        "allowedPodOperations": {"exec": false, "logs": true},
        "constraints": {"defaultDuration": "30m", "maxDuration": "2h", "maxConcurrentSessions": 5},
    }));
    let session = case.session();
    let terms = &session.snapshot.terms;
    let Work::Workload(workload) = &terms.work;
    assert_eq!(
        (workload.kind, workload.replicas),
        (WorkloadKind::Deployment, 3)
    );
    assert_eq!(workload.overrides.host_network, Some(true));
    assert_eq!(workload.overrides.containers[0].name, "debug");
    assert_eq!(workload.tolerations.len(), 1);
    assert_eq!(terms.target_namespace, "debug-here");
    assert_eq!(terms.labels["team"], "sre");
    assert_eq!(terms.annotations["ticket"], "none");
    assert_eq!(
        terms.operations,
        Operations {
            exec: false,
            attach: true,
            logs: true,
            port_forward: true
        }
    );
    assert_eq!(
        (terms.duration.as_secs(), terms.max_concurrent_sessions),
        (1800, 5)
    );
}

#[test]
fn durations_follow_the_template() {
    let ask = |duration: &str| {
        Case::of(json!({"constraints": {"maxDuration": "2h"}}))
            .asking(|a| a.requested_duration = Some(duration.into()))
    };
    assert_eq!(
        ask("1h30m").session().snapshot.terms.duration.as_secs(),
        5400
    );
    assert_eq!(ask("2h").session().snapshot.terms.duration.as_secs(), 7200);
    let refusal = ask("121m").refusal();
    assert_eq!(refusal.violations[0].rule, "constraints.maxDuration");
    assert_eq!(refusal.violations[0].allowed, ["2h"]);
    assert!(
        refusal.to_string().contains("2h1m") && refusal.to_string().contains("limit of 2h"),
        "{refusal}"
    );
    for wrong in ["", "soon", "5", "-1h", "0s", "900ms"] {
        assert_eq!(
            ask(wrong).one(),
            constraint("requestedDuration", "requestedDuration"),
            "{wrong}"
        );
    }
    let short = Case::of(json!({"constraints": {"maxDuration": "10m"}}));
    assert_eq!(
        short.session().snapshot.terms.duration.as_secs(),
        600,
        "the default never exceeds the maximum"
    );
}

#[test]
fn who_may_ask() {
    let outsider = Case {
        caller: stranger(),
        ..Case::new()
    };
    let refusal = outsider.refusal();
    assert_eq!(
        outsider.one(),
        (Class::Forbidden, "templateRef".into(), "allowed")
    );
    assert_eq!(refusal.violations[0].allowed, ["sre-team"]);
    let hidden = Case {
        caller: stranger(),
        ..Case::of(json!({"hidden": true}))
    };
    let missing = Case {
        template: None,
        pod: None,
        caller: stranger(),
        ..Case::new()
    };
    assert_eq!(
        hidden.refusal(),
        missing.refusal(),
        "a hidden template tells strangers nothing"
    );
    assert_eq!(
        missing.one(),
        (Class::NotFound, "templateRef".into(), "templateRef.exists")
    );
    assert!(
        Case::of(json!({"hidden": true})).resolve().is_ok(),
        "hidden is not closed"
    );
    let by_name = Case::of(json!({"allowed": {"users": ["alice@example.com"], "clusters": ["*"]}}));
    assert!(by_name.resolve().is_ok());
    let nobody = Case::of(json!({"allowed": null}));
    assert_eq!(nobody.one().2, "allowed", "no `allowed` admits nobody");
    assert_eq!(
        Case {
            caller: admin(),
            ..Case::new()
        }
        .one()
        .2,
        "allowed",
        "admins are not admitted by being admins"
    );
}

#[test]
fn which_clusters_a_template_reaches() {
    let allowed = |more: Value| {
        let mut allowed = json!({"groups": ["sre-team"]});
        allowed
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        Case::of(json!({ "allowed": allowed }))
    };
    assert!(
        allowed(json!({"clusters": ["prod", "cluster-?"]}))
            .resolve()
            .is_ok()
    );
    assert!(
        allowed(json!({"clusterSelector": {"matchLabels": {"env": "dev"}}}))
            .resolve()
            .is_ok()
    );
    let by_label =
        json!({"clusters": ["prod"], "clusterSelector": {"matchLabels": {"env": "dev"}}});
    assert!(allowed(by_label).resolve().is_ok(), "either is enough");
    let other = allowed(json!({"clusters": ["prod-*"]}));
    assert_eq!(
        other.one(),
        (Class::Forbidden, "cluster".into(), "allowed.clusters")
    );
    let unknown = Case {
        cluster: None,
        ..allowed(json!({"clusters": ["prod-*"]}))
    };
    assert_eq!(
        other.refusal(),
        unknown.refusal(),
        "whether a cluster exists is told only where the template reaches"
    );
    assert_eq!(
        Case {
            cluster: None,
            ..Case::new()
        }
        .one(),
        (Class::NotFound, "cluster".into(), "cluster.exists")
    );
}

#[test]
fn s01_a_template_without_clusters_reaches_them_through_bindings_only() {
    let case = Case::of(json!({"allowed": {"groups": ["sre-team"]}}));
    assert_eq!(
        case.one(),
        (Class::Forbidden, "cluster".into(), "allowed.clusters")
    );
    assert!(case.refusal().to_string().contains("through bindings only"));
}

#[test]
fn clusters_must_be_accepted_and_not_revoked() {
    let waiting = Case {
        cluster: Some(cluster(json!({"accepted": false}))),
        ..Case::new()
    };
    assert_eq!(
        waiting.one(),
        (Class::Conflict, "cluster".into(), "cluster.accepted")
    );
    let mut revoked = cluster(json!({"accepted": true}));
    revoked.status = serde_json::from_value(json!({"revokedAt": "2026-01-01T00:00:00Z"})).unwrap();
    let revoked = Case {
        cluster: Some(revoked),
        ..Case::new()
    };
    assert_eq!(
        revoked.one(),
        (Class::Conflict, "cluster".into(), "cluster.revoked")
    );
}

#[test]
fn s06_the_requester_needs_a_usable_name_in_the_cluster() {
    let by_mail = || Some(cluster(json!({"userNames": {"claim": "email"}})));
    assert!(
        Case {
            cluster: by_mail(),
            ..Case::new()
        }
        .resolve()
        .is_ok()
    );
    let mut caller = alice();
    caller.identity.email_verified = false;
    let unverified = Case {
        cluster: by_mail(),
        caller,
        ..Case::new()
    };
    assert_eq!(
        unverified.one(),
        (Class::Forbidden, "cluster".into(), "userNames")
    );
    let system = Case {
        cluster: Some(cluster(json!({"userNames": {"prefix": "system:"}}))),
        ..Case::new()
    };
    assert_eq!(system.one().2, "userNames");
}

#[test]
fn approval_is_required_unless_something_approves_by_itself() {
    let requirement = |approvers: Value| {
        Case::of(json!({ "approvers": approvers }))
            .session()
            .snapshot
            .terms
            .approval
            .requirement
    };
    assert_eq!(requirement(Value::Null), Requirement::NotRequired);
    for (auto, expected) in [
        (json!({"groups": ["sre-team"]}), Requirement::NotRequired),
        (json!({"groups": ["others"]}), Requirement::Required),
        (json!({"clusters": ["cluster-*"]}), Requirement::NotRequired),
        (json!({"clusters": ["dev-*"]}), Requirement::Required),
        (json!({}), Requirement::Required),
    ] {
        let approvers = json!({"groups": ["sre-leads"], "autoApproveFor": auto});
        assert_eq!(requirement(approvers.clone()), expected, "{approvers}");
    }
    assert_eq!(
        requirement(json!({"users": ["carol@example.com"]})),
        Requirement::Required
    );
}

#[test]
fn s01_an_approver_set_that_names_nobody_does_not_mean_no_approval() {
    let case = Case::of(json!({"approvers": {"autoApproveFor": {"groups": ["others"]}}}));
    assert_eq!(case.one(), constraint("templateRef", "approvers"));
}

#[test]
fn d13_reasons_follow_the_template() {
    let ask = |rule: Value, reason: Option<&str>| {
        Case::of(json!({ "requestReason": rule })).asking(|a| a.reason = reason.map(str::to_owned))
    };
    assert!(ask(Value::Null, None).resolve().is_ok());
    assert!(
        ask(Value::Null, Some("x")).resolve().is_ok(),
        "no block, no rule"
    );
    assert!(ask(json!({}), None).resolve().is_ok());
    assert_eq!(
        ask(json!({}), Some("short")).one(),
        constraint("reason", "requestReason.minLength")
    );
    assert_eq!(
        ask(json!({"mandatory": true}), None).one(),
        constraint("reason", "requestReason.mandatory")
    );
    assert_eq!(
        ask(json!({"mandatory": true}), Some(" \n ")).one(),
        constraint("reason", "requestReason.mandatory")
    );
    assert_eq!(
        ask(json!({"maxLength": 12}), Some("more than twelve")).one(),
        constraint("reason", "requestReason.maxLength")
    );
    assert!(
        ask(json!({"maxLength": 12}), Some("éééééééééééé"))
            .resolve()
            .is_ok(),
        "characters, not bytes"
    );
    let long = "x".repeat(10_001);
    assert_eq!(
        ask(Value::Null, Some(&long)).one(),
        constraint("reason", "requestReason.maxLength")
    );
    let session = ask(json!({}), Some("  a good reason  ")).session();
    assert_eq!(session.spec.reason.as_deref(), Some("a good reason"));
}

#[test]
fn invited_participants_are_checked_and_start_as_participants() {
    let ask = |names: &[&str]| {
        Case::new().asking(|a| {
            a.invited_participants = Some(names.iter().map(|n| (*n).to_owned()).collect())
        })
    };
    let session = ask(&["bob@example.com", "dora@example.com", "bob@example.com"]).session();
    let invited: Vec<_> = session
        .invitations
        .iter()
        .map(|i| (i.user.as_str(), i.role, i.clearance.clone()))
        .collect();
    let participant = |name| (name, InvitedRole::Participant, Clearance::NotNeeded);
    assert_eq!(
        invited,
        [
            participant("bob@example.com"),
            participant("dora@example.com")
        ],
        "D12"
    );
    for (name, rule) in [
        ("", "invitedParticipants.name"),
        ("system:serviceaccount:x:y", "invitedParticipants.name"),
        ("b\u{202e}ob", "invitedParticipants.name"),
        ("alice@example.com", "invitedParticipants.owner"),
        ("Alice@Example.com", "invitedParticipants.owner"),
    ] {
        assert_eq!(
            ask(&["bob@example.com", name]).one(),
            constraint("invitedParticipants[1]", rule),
            "{name:?}"
        );
    }
    let many: Vec<String> = (0..200).map(|i| format!("p{i}@example.com")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(
        ask(&many).one(),
        constraint("invitedParticipants", "invitedParticipants.limit")
    );
    assert!(ask(&many[..199]).resolve().is_ok());
}

#[test]
fn d13_namespaces() {
    let ask = |rules: Value, wanted: Option<&str>| {
        Case::of(rules).asking(|a| a.target_namespace = wanted.map(str::to_owned))
    };
    let rules = |r: Value| json!({ "namespaceConstraints": r });
    let got = |case: Case| case.session().snapshot.terms.target_namespace;
    assert_eq!(got(ask(rules(json!({"defaultNamespace": "d"})), None)), "d");
    let both = json!({"targetNamespace": "t", "namespaceConstraints": {"defaultNamespace": "d"}});
    assert_eq!(
        got(ask(both, None)),
        "d",
        "a given defaultNamespace beats targetNamespace"
    );
    let target =
        json!({"targetNamespace": "t", "namespaceConstraints": {"allowUserNamespace": true}});
    assert_eq!(
        got(ask(target, None)),
        "t",
        "targetNamespace beats the default of defaultNamespace"
    );
    let open = rules(
        json!({"allowUserNamespace": true, "allowedNamespaces": ["app-*"], "deniedNamespaces": ["app-secret"]}),
    );
    assert_eq!(got(ask(open.clone(), Some("app-one"))), "app-one");
    assert_eq!(
        got(ask(open.clone(), Some("breakglass-debug"))),
        "breakglass-debug",
        "asking for the default"
    );
    for (rules, wanted, rule) in [
        (
            open.clone(),
            "other",
            "namespaceConstraints.allowedNamespaces",
        ),
        (
            open.clone(),
            "app-secret",
            "namespaceConstraints.deniedNamespaces",
        ),
        (open, "Not_A_Name", "targetNamespace"),
        (
            rules(json!({})),
            "other",
            "namespaceConstraints.allowUserNamespace",
        ),
        (
            rules(json!({"allowUserNamespace": true, "denyUserNamespace": true})),
            "other",
            "namespaceConstraints.allowUserNamespace",
        ),
        (
            rules(json!({"allowUserNamespace": true, "allowedPatterns": ["x-*"]})),
            "other",
            "namespaceConstraints.allowedNamespaces",
        ),
    ] {
        assert_eq!(
            ask(rules.clone(), Some(wanted)).one(),
            constraint("targetNamespace", rule),
            "{rules} {wanted}"
        );
    }
    let denied = ask(
        rules(json!({"defaultNamespace": "kube-system", "deniedPatterns": ["kube-*"]})),
        None,
    );
    assert_eq!(
        denied.one().2,
        "namespaceConstraints.deniedNamespaces",
        "deny filters bind the default too"
    );
    let two = ask(rules(json!({"allowUserNamespace": true})), Some("new"))
        .asking(|a| a.namespace = Some("old".into()));
    assert_eq!(two.one(), constraint("namespace", "targetNamespace"));
    let old = ask(rules(json!({"allowUserNamespace": true})), None)
        .asking(|a| a.namespace = Some("old".into()));
    assert_eq!(got(old), "old", "the old spelling works");
}

#[test]
fn d13_what_is_empty_is_not_asked() {
    let empty = Case::new().asking(|a| {
        a.node_selector = Some(Default::default());
        a.selected_auxiliary_resources = Some(vec![]);
        a.extra_deploy_values = Some(Default::default());
    });
    assert!(empty.resolve().is_ok());
}

#[test]
fn everything_wrong_is_told_at_once() {
    let case = Case::of(json!({"requestReason": {"mandatory": true}})).asking(|a| {
        a.requested_duration = Some("100h".into());
        a.target_namespace = Some("elsewhere".into());
        a.invited_participants = Some(vec!["alice@example.com".into()]);
    });
    assert_eq!(case.refusal().violations.len(), 4);
    assert_eq!(case.refusal().details().len(), 4);
}

#[test]
fn d11_templates_that_cannot_be_used_say_why() {
    let readiness_of = |case: &Case| -> Vec<String> {
        let template = case.template.as_ref().unwrap();
        readiness(template, case.pod.as_ref())
            .into_iter()
            .map(|v| v.message)
            .collect()
    };
    let told = |case: Case, text: &str| {
        assert_eq!(case.refusal().class, Class::Constraint);
        let told = readiness_of(&case);
        assert!(told.iter().any(|m| m.contains(text)), "{text}: {told:?}");
    };
    assert!(readiness_of(&Case::new()).is_empty());
    told(
        Case {
            pod: None,
            ..Case::new()
        },
        "names standard-pod, and there is no such pod template",
    );
    told(
        Case::of(json!({"podTemplateRef": null})),
        "spec.podTemplateRef is missing",
    );
    told(
        Case::of(json!({"mode": "hybrid"})),
        "spec.mode: \"hybrid\" is not supported yet",
    );
    let pod = |spec: Value| Case {
        pod: Some(pod_template(spec)),
        ..Case::new()
    };
    let container = json!([{"name": "debug", "image": "x"}]);
    told(
        pod(json!({"containers": container, "activeDeadlineSeconds": 5})),
        "activeDeadlineSeconds cannot be set",
    );
    told(
        pod(json!({"containers": container, "restartPolicy": "Never"})),
        "restartPolicy must be Always",
    );
    told(pod(json!({"containers": []})), "containers is empty");
    let overrides = json!({"podOverrides": {"spec": {"containers": [{"name": "other"}]}}});
    told(
        Case::of(overrides),
        "names \"other\", which pod template standard-pod lacks",
    );
}

#[test]
fn deprecated_templates_work_with_a_warning() {
    assert!(Case::new().resolve().unwrap().warnings.is_empty());
    let case = Case::of(json!({"deprecated": true, "deprecationMessage": "use new-debug"}));
    assert_eq!(
        case.resolve().unwrap().warnings,
        ["session template standard-debug is deprecated: use new-debug"]
    );
}

#[test]
fn a_session_too_large_for_any_agent_is_refused_before_anybody_approves() {
    let big = "x".repeat(600 * 1024);
    let pod = pod_template(json!({"containers": [{"name": "debug", "image": "x", "args": [big]}]}));
    let case = Case {
        pod: Some(pod),
        ..Case::new()
    };
    assert_eq!(case.one(), constraint("templateRef", "grantSize"));
}

#[test]
fn s07_the_digest_covers_request_template_and_pod() {
    let digest = |case: &Case| case.session().snapshot.digest;
    let base = digest(&Case::new());
    assert_eq!(base, digest(&Case::new()));
    assert_eq!(base.len(), 64);
    let other_pod = pod_template(json!({"containers": [{"name": "debug", "image": "evil"}]}));
    for (what, case) in [
        ("template", Case::of(json!({"labels": {"a": "b"}}))),
        (
            "pod",
            Case {
                pod: Some(other_pod),
                ..Case::new()
            },
        ),
        (
            "request",
            Case::new().asking(|a| a.invited_participants = Some(vec!["bob@example.com".into()])),
        ),
        (
            "duration",
            Case::new().asking(|a| a.requested_duration = Some("5m".into())),
        ),
        (
            "requester",
            Case {
                caller: bob(),
                ..Case::new()
            },
        ),
    ] {
        assert_ne!(base, digest(&case), "{what}");
    }
}

#[test]
fn s07_still_offered_looks_at_the_catalogue_of_now() {
    let session = lifecycle::submit(Case::new().session(), at(0)).unwrap();
    let no = |case: Case, text: &str| match still_offered(&session, &case.catalogue(), at(0).wall) {
        StillOffered::No { reason } => assert!(reason.contains(text), "{reason}"),
        StillOffered::Yes => panic!("still offered, though {text}"),
    };
    assert_eq!(
        still_offered(&session, &Case::new().catalogue(), at(0).wall),
        StillOffered::Yes
    );
    let edited =
        Case::of(json!({"description": "new words", "constraints": {"maxDuration": "5m"}}));
    assert_eq!(
        still_offered(&session, &edited.catalogue(), at(0).wall),
        StillOffered::Yes,
        "edits change nothing: the snapshot runs"
    );
    no(
        Case {
            template: None,
            ..Case::new()
        },
        "was deleted",
    );
    no(
        Case {
            pod: None,
            ..Case::new()
        },
        "no such pod template",
    );
    no(
        Case::of(json!({"allowed": {"groups": ["others"], "clusters": ["*"]}})),
        "no longer admits alice@example.com",
    );
    no(
        Case::of(json!({"allowed": {"groups": ["sre-team"], "clusters": ["prod"]}})),
        "does not reach",
    );
    no(
        Case {
            cluster: None,
            ..Case::new()
        },
        "no cluster",
    );
    no(
        Case {
            cluster: Some(cluster(json!({"accepted": false}))),
            ..Case::new()
        },
        "not accepted",
    );
    no(Case::of(json!({"mode": "hybrid"})), "cannot be used now");
}

#[test]
fn a_template_whose_texts_do_not_render_is_refused_with_what_the_loader_found() {
    let with = |reason: &str| {
        let mut case = Case::new();
        let conditions = json!({"conditions": [{
            "type": "Ready", "status": "False", "reason": reason, "message": "no function \"foo\"",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }]});
        case.template.as_mut().unwrap().status = serde_json::from_value(conditions).unwrap();
        case
    };
    let case = with(breakglass_hub_core::texts::TEXTS_DO_NOT_RENDER);
    assert_eq!(case.one(), constraint("templateRef", "templates"));
    assert_eq!(case.refusal().violations[0].message, "no function \"foo\"");
    let session = lifecycle::submit(Case::new().session(), at(0)).unwrap();
    assert!(matches!(
        still_offered(&session, &case.catalogue(), at(0).wall),
        StillOffered::No { .. }
    ));
    assert!(
        with("BrokenEdit").resolve().is_ok(),
        "the last good version is in use"
    );
}
