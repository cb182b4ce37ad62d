use breakglass_protocol::wire::grant::{Grant, WorkloadKind};
use breakglass_protocol::wire::report::ObservedPod;
use proptest::prelude::*;

use super::*;
use crate::grants::GrantBook;
use crate::holdings::Taken;
use crate::sample;

const NAMESPACE: &str = "breakglass-debug";
const POD: &str = "debug-session-abc123-ds-x7k2p";

fn pod(name: &str) -> ObservedPod {
    ObservedPod {
        namespace: NAMESPACE.into(),
        name: name.into(),
        uid: format!("uid-{name}"),
        node_name: None,
        phase: None,
        ready: true,
        container_status: None,
    }
}

fn index(change: impl FnOnce(&mut Grant)) -> std::sync::Arc<GrantIndex> {
    let mut grant = sample::grant(WorkloadKind::DaemonSet);
    change(&mut grant);
    let uid = grant.uid.clone();
    let mut holdings = sample::holdings(sample::at(0));
    assert_eq!(
        holdings.receive(
            sample::received(grant, 3600),
            &sample::seed(),
            sample::at(0)
        ),
        Taken::Changed
    );
    let mut book = GrantBook::default();
    book.set(holdings.get(&uid).unwrap(), &[pod(POD)]);
    book.index()
}

fn ask(user: &str, verb: &str, subresource: &str) -> ReviewFacts {
    ReviewFacts {
        user: user.into(),
        groups: vec!["sre-team".into(), "system:authenticated".into()],
        resource: Some(ResourceFacts {
            verb: verb.into(),
            resource: "pods".into(),
            subresource: subresource.into(),
            namespace: NAMESPACE.into(),
            name: POD.into(),
            ..ResourceFacts::default()
        }),
    }
}

fn with(mut review: ReviewFacts, change: impl FnOnce(&mut ResourceFacts)) -> ReviewFacts {
    change(review.resource.as_mut().unwrap());
    review
}

fn fresh(seconds: u64) -> Freshness {
    Freshness {
        last_progress: Some(Duration::from_secs(1000 + seconds)),
    }
}

/// Where no deny policy has a say.
fn authorize(grants: &GrantIndex, review: &ReviewFacts, now: Now, freshness: Freshness) -> Verdict {
    let known = Known {
        grants,
        freshness,
        denied: &DenyIndex::default(),
        namespaces: &NamespaceLabels::default(),
        enforcement: Enforcement::Off,
        session_pods: &SessionPods::default(),
        agent: "",
    };
    super::authorize(known, review, now)
}

const AGENT: &str = "system:serviceaccount:breakglass-agent:breakglass-agent";

/// Where enforcement is strict; `labelled` is a pod with our label, of no session that is held.
fn strictly(review: &ReviewFacts, freshness: Freshness) -> Verdict {
    let mut book = crate::session_pods::SessionPodBook::default();
    book.set("1", NAMESPACE, "labelled");
    let known = Known {
        grants: &index(|_| {}),
        freshness,
        denied: &DenyIndex::default(),
        namespaces: &NamespaceLabels::default(),
        enforcement: Enforcement::Strict,
        session_pods: &book.index(),
        agent: AGENT,
    };
    super::authorize(known, review, sample::at(10))
}

#[test]
fn s15_strict_refuses_what_no_session_allows_on_a_sessions_pod() {
    for (user, verb, subresource, denied) in [
        (MALLORY, "create", "exec", true),
        (MALLORY, "get", "exec", true),
        (MALLORY, "create", "attach", true),
        (MALLORY, "create", "portforward", true),
        (MALLORY, "get", "log", true),
        (MALLORY, "patch", "ephemeralcontainers", true),
        (MALLORY, "get", "proxy", true),
        (MALLORY, "create", "proxy", true),
        (MALLORY, "update", "", true),
        (MALLORY, "patch", "", true),
        (MALLORY, "patch", "status", true),
        (MALLORY, "get", "", false),
        (MALLORY, "delete", "", false),
        (VERA, "create", "exec", true),
        ("system:kube-scheduler", "patch", "status", false),
        (
            "system:serviceaccount:kube-system:daemon-set-controller",
            "patch",
            "",
            false,
        ),
        ("system:serviceaccount:default:ci", "create", "exec", true),
        (AGENT, "patch", "", false),
    ] {
        for pod in [POD, "labelled"] {
            let review = with(ask(user, verb, subresource), |of| of.name = pod.into());
            let verdict = strictly(&review, fresh(10));
            let is_denied = matches!(verdict, Verdict::Denied { .. });
            assert_eq!(
                is_denied, denied,
                "{user} {verb} {subresource} {pod}: {verdict:?}"
            );
        }
    }
    let mut node = ask("system:node:n1", "patch", "status");
    node.groups = vec!["system:nodes".into()];
    let app = with(ask(MALLORY, "create", "exec"), |of| of.name = "app".into());
    let elsewhere = with(ask(MALLORY, "create", "exec"), |of| {
        of.namespace = "default".into();
    });
    for review in [node, app, elsewhere] {
        let verdict = strictly(&review, fresh(10));
        assert!(matches!(verdict, Verdict::NoOpinion { .. }), "{review:?}");
    }
}

#[test]
fn s15_a_label_refuses_and_never_allows() {
    let own = strictly(&ask(ALICE, "create", "exec"), fresh(10));
    assert!(matches!(own, Verdict::Allow { .. }), "{own:?}");
    let labelled = with(ask(ALICE, "create", "exec"), |of| {
        of.name = "labelled".into();
    });
    let verdict = strictly(&labelled, fresh(10));
    assert!(matches!(verdict, Verdict::Denied { .. }), "{verdict:?}");
}

#[test]
fn s15_strict_does_not_answer_before_it_knows() {
    let unloaded = Freshness::default();
    let verdict = strictly(&ask(MALLORY, "create", "exec"), unloaded);
    assert!(
        matches!(verdict, Verdict::Unavailable { .. }),
        "{verdict:?}"
    );
    for (user, verb) in [(MALLORY, "get"), ("system:kube-scheduler", "patch")] {
        let verdict = strictly(&ask(user, verb, ""), unloaded);
        assert!(
            matches!(verdict, Verdict::NoOpinion { .. }),
            "{user} {verb}"
        );
    }
}

#[test]
fn s15_the_canary_is_refused_and_nobody_else_for_it() {
    let is_refused = |user: &str, pod: &str| {
        let review = with(ask(user, "create", "exec"), |of| {
            of.name = pod.into();
            of.namespace = "breakglass-agent".into();
        });
        matches!(judge(&review), Verdict::Denied { .. })
    };
    assert!(is_refused(CANARY_USER, CANARY_POD));
    assert!(!is_refused(ALICE, CANARY_POD));
    assert!(!is_refused(CANARY_USER, POD));
}

fn judge(review: &ReviewFacts) -> Verdict {
    authorize(&index(|_| {}), review, sample::at(10), fresh(10))
}

fn allowed(review: &ReviewFacts) -> bool {
    matches!(judge(review), Verdict::Allow { .. })
}

fn reason(verdict: Verdict) -> String {
    match verdict {
        Verdict::Allow { reason }
        | Verdict::Denied { reason }
        | Verdict::NoOpinion { reason }
        | Verdict::Unavailable { reason } => reason,
    }
}

const ALICE: &str = "alice@example.com";
const BOB: &str = "bob@example.com";
const VERA: &str = "vera@example.com";
const MALLORY: &str = "mallory@example.com";

#[test]
fn roles_and_operations() {
    // logs are off in this session
    for (verb, subresource, open) in [
        ("create", "exec", true),
        ("get", "exec", true),
        ("create", "attach", true),
        ("get", "attach", true),
        ("create", "portforward", true),
        ("get", "portforward", true),
        ("get", "log", false),
        ("get", "", true),
        ("list", "", false),
        ("watch", "", false),
        ("create", "log", false),
        ("delete", "", false),
        ("update", "", false),
        ("patch", "", false),
        ("create", "", false),
        ("delete", "exec", false),
        ("*", "exec", false),
        ("update", "ephemeralcontainers", false),
        ("get", "proxy", false),
        ("create", "eviction", false),
        ("get", "*", false),
        ("get", "EXEC", false),
    ] {
        for user in [ALICE, BOB] {
            let review = ask(user, verb, subresource);
            assert_eq!(allowed(&review), open, "{user} {verb} {subresource:?}");
        }
        for user in [VERA, MALLORY, "", "*"] {
            let review = ask(user, verb, subresource);
            assert!(!allowed(&review), "{user} {verb} {subresource:?}");
        }
    }
}

#[test]
fn s04_viewers_have_logs_if_enabled_and_nothing_else() {
    let index = index(|grant| grant.operations.logs = true);
    let allowed = |verb, subresource| {
        matches!(
            authorize(
                &index,
                &ask(VERA, verb, subresource),
                sample::at(10),
                fresh(10)
            ),
            Verdict::Allow { .. }
        )
    };
    assert!(allowed("get", "log"));
    assert!(allowed("get", ""), "kubectl logs reads the pod first");
    for subresource in ["exec", "attach", "portforward"] {
        assert!(!allowed("create", subresource) && !allowed("get", subresource));
    }
}

#[test]
fn s05_nothing_for_the_systems_own_identities() {
    for group in NOT_FOR_SESSIONS {
        let mut review = ask(ALICE, "create", "exec");
        review.groups.push(group.into());
        assert!(!allowed(&review), "{group}");
    }
    let index = index(|grant| grant.people[0].user = "system:serviceaccount:a:b".into());
    let review = ask("system:serviceaccount:a:b", "create", "exec");
    let verdict = authorize(&index, &review, sample::at(10), fresh(10));
    assert!(matches!(verdict, Verdict::NoOpinion { .. }));
}

#[test]
fn s06_names_match_byte_for_byte() {
    for user in [
        "Alice@example.com",
        "alice@example.com ",
        " alice@example.com",
        "alice@example.com\0",
        "alice\u{200b}@example.com",
        "аlice@example.com", // a Cyrillic letter
        "alice",
        "oidc:alice@example.com",
    ] {
        assert!(!allowed(&ask(user, "create", "exec")), "{user:?}");
    }
}

#[test]
fn s03_only_that_very_pod() {
    let exec = || ask(ALICE, "create", "exec");
    assert!(allowed(&exec()));
    type Change = fn(&mut ResourceFacts);
    let changes: [(&str, Change); 9] = [
        ("other pod", |r| r.name = "other".into()),
        ("no name", |r| r.name.clear()),
        ("any name", |r| r.name = "*".into()),
        ("prefix", |r| r.name = "debug-session-abc123-ds".into()),
        ("other namespace", |r| r.namespace = "default".into()),
        ("no namespace", |r| r.namespace.clear()),
        ("other group", |r| r.group = "metrics.k8s.io".into()),
        ("other resource", |r| r.resource = "services".into()),
        ("any resource", |r| r.resource = "*".into()),
    ];
    for (what, change) in changes {
        assert!(!allowed(&with(exec(), change)), "{what}");
    }
    let mut path = exec();
    path.resource = None;
    assert!(!allowed(&path), "not about a resource");
}

#[test]
fn s03_list_and_watch_only_with_exactly_one_name() {
    let requirement = |key: &str, operator: &str, values: &[&str]| FieldRequirement {
        key: key.into(),
        operator: operator.into(),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
    };
    let name = || requirement("metadata.name", "In", &[POD]);
    for (requirements, named, open) in [
        (vec![name()], "", true),
        (vec![name()], POD, true),
        (vec![name()], "other", false),
        (vec![], POD, false),
        (vec![name(), name()], "", false),
        (
            vec![name(), requirement("spec.nodeName", "In", &["n"])],
            "",
            false,
        ),
        (
            vec![requirement("metadata.name", "In", &[POD, "other"])],
            "",
            false,
        ),
        (vec![requirement("metadata.name", "In", &[])], "", false),
        (
            vec![requirement("metadata.name", "NotIn", &[POD])],
            "",
            false,
        ),
        (
            vec![requirement("metadata.name", "In", &["other"])],
            "",
            false,
        ),
        (
            vec![requirement("metadata.namespace", "In", &[POD])],
            "",
            false,
        ),
    ] {
        for verb in ["list", "watch"] {
            let review = with(ask(ALICE, verb, ""), |resource| {
                resource.name = named.into();
                resource.field_requirements = requirements.clone();
            });
            assert_eq!(allowed(&review), open, "{verb} {review:?}");
            let everywhere = with(review, |resource| resource.namespace.clear());
            assert!(!allowed(&everywhere), "{verb} in all namespaces");
        }
    }
    let logs_of_many = with(ask(ALICE, "list", "exec"), |resource| {
        resource.field_requirements = vec![name()];
    });
    assert!(!allowed(&logs_of_many));
}

#[test]
fn s03_a_stale_watch_opens_nothing() {
    let index = index(|_| {});
    let review = ask(ALICE, "create", "exec");
    let at = |seconds: i64, freshness| authorize(&index, &review, sample::at(seconds), freshness);
    assert!(matches!(at(69, fresh(10)), Verdict::Allow { .. }));
    assert!(matches!(at(70, fresh(10)), Verdict::NoOpinion { .. }));
    let unloaded = Freshness::default();
    assert!(matches!(at(10, unloaded), Verdict::NoOpinion { .. }));
}

#[test]
fn s12_nothing_after_either_clock_says_so() {
    let index = index(|_| {});
    let review = ask(ALICE, "create", "exec");
    let at = |wall: i64, monotonic: u64| {
        let now = Now {
            wall: sample::wall(wall),
            monotonic: Duration::from_secs(1000 + monotonic),
        };
        matches!(
            authorize(&index, &review, now, fresh(monotonic)),
            Verdict::Allow { .. }
        )
    };
    assert!(at(3599, 3599));
    assert!(!at(3600, 3599), "wall clock");
    assert!(!at(3599, 3600), "monotonic clock");
    assert!(!at(-100_000, 3600), "wall clock set back");
}

#[test]
fn reasons_of_allows_name_session_role_and_operation() {
    let words = |user, subresource| reason(judge(&ask(user, "create", subresource)));
    insta::assert_snapshot!(
        [
            words(ALICE, "exec"),
            words(BOB, "portforward"),
            words(VERA, "attach"),
            words(MALLORY, "exec"),
            reason(judge(&ask(ALICE, "get", "log"))),
        ]
        .join("\n"),
        @"
    breakglass: debug session debug-session-abc123, role owner, operation exec
    breakglass: debug session debug-session-abc123, role participant, operation port-forward
    breakglass: your debug session debug-session-abc123 does not allow attach to the role viewer
    breakglass: you have no debug session that opens this pod
    breakglass: your debug session debug-session-abc123 does not allow logs to the role owner
    "
    );
}

#[test]
fn refusals_tell_a_stranger_the_same_of_every_pod() {
    let session_pod = judge(&ask(MALLORY, "create", "exec"));
    let any_pod = judge(&with(ask(MALLORY, "create", "exec"), |resource| {
        resource.name = "coredns".into();
    }));
    assert_eq!(session_pod, any_pod);
    let after = authorize(
        &index(|_| {}),
        &ask(MALLORY, "create", "exec"),
        sample::at(4000),
        fresh(4000),
    );
    assert_eq!(session_pod, after);
}

proptest! {
    /// Whatever the words of a review: only a person of the session, in the very words of the rules, gets in.
    #[test]
    fn s03_no_other_words_open_anything(
        user in "(alice@example.com|mallory|)",
        verb in "(get|create|list|watch|delete|\\*|GET)",
        group in "(||apps|\\*)",
        resource in "(pods|pod|\\*|pods/exec)",
        subresource in "(|exec|attach|portforward|log|\\*|proxy|exec/x)",
        namespace in "(breakglass-debug|default||\\*)",
        name in "(debug-session-abc123-ds-x7k2p|x||\\*)",
    ) {
        let review = ReviewFacts {
            user: user.clone(),
            groups: Vec::new(),
            resource: Some(ResourceFacts {
                verb: verb.clone(), group: group.clone(), resource: resource.clone(),
                subresource: subresource.clone(), namespace: namespace.clone(), name: name.clone(),
                field_requirements: Vec::new(),
            }),
        };
        let known = [("get", ""), ("get", "exec"), ("create", "exec"), ("get", "attach"), ("create", "attach"),
            ("get", "portforward"), ("create", "portforward")];
        let expected = user == ALICE && group.is_empty() && resource == "pods" && namespace == NAMESPACE
            && name == POD && known.contains(&(verb.as_str(), subresource.as_str()));
        prop_assert_eq!(allowed(&review), expected);
    }
}

/// What is recorded of a question, where pods are fresh unless said otherwise.
fn recorded(
    grants: &GrantIndex,
    enforcement: Enforcement,
    review: &ReviewFacts,
    (now, freshness): (Now, Freshness),
) -> Option<(Option<String>, String, Decided)> {
    let rule = breakglass_protocol::kinds::deny_policy::DenyRule {
        verbs: vec!["*".into()],
        api_groups: vec!["*".into()],
        resources: vec!["secrets".into()],
        ..Default::default()
    };
    let policy = breakglass_protocol::wire::policy::Policy {
        name: "no-secrets".into(),
        precedence: 1,
        rules: vec![rule],
    };
    let known = Known {
        grants,
        freshness,
        denied: &DenyIndex::new(&[policy]).unwrap(),
        namespaces: &NamespaceLabels::default(),
        enforcement,
        session_pods: &SessionPods::default(),
        agent: AGENT,
    };
    let verdict = super::authorize(known, review, now);
    let decision = decision(known, review, &verdict, now)?;
    let session = decision.access.session.map(|session| session.name);
    Some((session, decision.access.operation, decision.decided))
}

#[test]
fn s20_what_concerns_a_session_or_a_policy_is_recorded_and_nothing_else() {
    let index = index(|_| {});
    let now = (sample::at(10), fresh(10));
    let late = (sample::at(3600), fresh(3600));
    let stale = (sample::at(100), fresh(10));
    let session = || Some("debug-session-abc123".to_owned());
    let exec = |user: &str| ask(user, "create", "exec");
    let secrets = with(ask("mallory@example.com", "get", ""), |resource| {
        resource.resource = "secrets".into();
        resource.name = "db".into();
    });
    let denied = Decided::Denied;
    let policy = Denial::Policy {
        name: "no-secrets".into(),
    };
    for (review, at, expected) in [
        (
            exec("alice@example.com"),
            now,
            Some((session(), "exec", Decided::Allowed)),
        ),
        (
            ask("alice@example.com", "get", ""),
            now,
            Some((session(), "get", Decided::Allowed)),
        ),
        (
            exec("mallory@example.com"),
            now,
            Some((session(), "exec", denied(Denial::NotInSession))),
        ),
        (
            ask("alice@example.com", "get", "log"),
            now,
            Some((session(), "logs", denied(Denial::NotAllowed))),
        ),
        (
            exec("alice@example.com"),
            late,
            Some((session(), "exec", denied(Denial::Ended))),
        ),
        (
            exec("alice@example.com"),
            stale,
            Some((session(), "exec", denied(Denial::Unseen))),
        ),
        (
            secrets.clone(),
            now,
            Some((None, "get secrets", denied(policy))),
        ),
        // Of no session, of no policy, or RBAC's own business.
        (
            with(exec("mallory@example.com"), |r| r.name = "coredns-0".into()),
            now,
            None,
        ),
        (
            with(exec("mallory@example.com"), |r| {
                r.subresource = "status".into()
            }),
            now,
            None,
        ),
        (exec("system:node:n1"), now, None),
        (
            with(secrets, |r| r.resource = "configmaps".into()),
            now,
            None,
        ),
        (
            ReviewFacts {
                user: "alice@example.com".into(),
                ..ReviewFacts::default()
            },
            now,
            None,
        ),
        (
            with(exec(CANARY_USER), |r| r.name = CANARY_POD.into()),
            now,
            None,
        ),
    ] {
        let told = recorded(&index, Enforcement::Off, &review, at);
        let told = told.as_ref().map(|(session, operation, decided)| {
            (session.clone(), operation.as_str(), decided.clone())
        });
        assert_eq!(told, expected, "{review:?}");
    }
    let strict = recorded(
        &index,
        Enforcement::Strict,
        &exec("mallory@example.com"),
        now,
    );
    assert_eq!(
        strict,
        Some((session(), "exec".into(), denied(Denial::Strict)))
    );
}

#[test]
fn s20_a_records_texts_are_bounded() {
    let long = "x".repeat(100_000);
    let review = with(ask(&long, "create", "exec"), |_| {});
    let index = index(|_| {});
    let known = Known {
        grants: &index,
        freshness: fresh(10),
        denied: &DenyIndex::default(),
        namespaces: &NamespaceLabels::default(),
        enforcement: Enforcement::Off,
        session_pods: &SessionPods::default(),
        agent: AGENT,
    };
    let now = sample::at(10);
    let verdict = super::authorize(known, &review, now);
    let decision = decision(known, &review, &verdict, now).unwrap();
    assert_eq!(decision.access.user.len(), 256);
}
