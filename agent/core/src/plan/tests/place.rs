//! Stories of the session's namespace (S17, S8) and of the ServiceAccount that deploys (S10).

use breakglass_protocol::kinds::selector::LabelSelector;
use breakglass_protocol::wire::grant::{
    IfMissing, NamespaceLayer, NamespaceRule, ServiceAccountName,
};

use super::*;
use crate::ceiling::{Ceiling, settle_namespace};
use crate::workload::render;

fn selector(key: &str, value: &str) -> LabelSelector {
    LabelSelector {
        match_labels: [(key.to_owned(), value.to_owned())].into(),
        match_expressions: Vec::new(),
    }
}

fn account() -> ServiceAccountName {
    ServiceAccountName {
        namespace: "breakglass-system".into(),
        name: "debug-deployer".into(),
    }
}

/// A session that may make its namespace, which is missing, in a cluster whose owner permits it.
fn making() -> Story {
    with_rule(
        NamespaceRule {
            if_missing: IfMissing::Create {
                labels: [("purpose".to_owned(), "debug-session".to_owned())].into(),
            },
            ..NamespaceRule::default()
        },
        &Ceiling {
            create_namespaces: true,
            ..Ceiling::default()
        },
    )
}

fn with_rule(rule: NamespaceRule, ceiling: &Ceiling) -> Story {
    let mut story = Story::new(WorkloadKind::DaemonSet);
    story.held.grant.namespace_rule = Some(rule);
    let mut rendered = render(&story.held.grant, &sample::seed()).unwrap();
    settle_namespace(ceiling, &mut rendered);
    story.held.rendered = Some(rendered);
    story.cluster.namespace = Some(NamespaceSeen::Missing);
    story
}

fn live(labels: &[(&str, &str)]) -> Option<NamespaceSeen> {
    let labels = labels.iter().map(|(k, v)| ((*k).into(), (*v).into()));
    Some(NamespaceSeen::Active(NamespaceFacts {
        labels: labels.collect(),
        ..NamespaceFacts::default()
    }))
}

fn ended_with(story: &Story) -> String {
    let end = story.held.end.as_ref().unwrap();
    assert_eq!(end.reason, EndReason::Failed);
    end.message.clone().unwrap()
}

fn kept(story: &Story) -> Vec<String> {
    let told = report(
        &story.held,
        &story.cluster.observed(&story.held),
        at(story.now),
    );
    told.cleanup
        .unwrap()
        .kept
        .iter()
        .map(|record| format!("{} {}", record.kind, record.name))
        .collect()
}

#[test]
fn s08_namespace_is_made_first_and_removed_last() {
    let mut story = making();
    story.turns(6);
    assert_eq!(story.phase(), Phase::Running);
    let namespace =
        &story.cluster.objects[&("Namespace".to_owned(), "breakglass-debug".to_owned())];
    assert_eq!(namespace["metadata"]["labels"]["purpose"], "debug-session");
    assert_eq!(
        namespace["metadata"]["labels"][labels::SESSION],
        "debug-session-abc123"
    );
    assert!(story.held.namespace_record().is_some());
    story.end();
    story.until_finished();
    insta::assert_snapshot!(story.calls(), @"
    journal
    create namespace breakglass-debug
    journal
    create DaemonSet debug-session-abc123-ds
    journal
    cap debug-session-abc123-ds-x 14425
    close access
    journal
    delete workload DaemonSet debug-session-abc123-ds uid-4
    delete pod debug-session-abc123-ds-x uid-5
    close access
    confirm DaemonSet debug-session-abc123-ds uid-4
    confirm Pod debug-session-abc123-ds-x uid-5
    close access
    journal
    confirm no pods breakglass.t-caas.telekom.com/session=debug-session-abc123
    close access
    list what is in breakglass-debug
    close access
    delete Namespace breakglass-debug uid-3
    close access
    confirm Namespace breakglass-debug uid-3
    close access
    journal
    find DaemonSet debug-session-abc123-ds
    find namespace breakglass-debug
    journal
    ");
    assert_eq!(story.left(), Vec::<String>::new());
}

#[test]
fn s08_namespace_with_something_foreign_is_kept_and_told() {
    let mut story = making();
    story.turns(6);
    story.cluster.store(sample::claim("theirs"));
    story.end();
    story.until_finished();
    assert_eq!(
        story.left(),
        [
            "ConfigMap kube-root-ca.crt",
            "Namespace breakglass-debug",
            "PersistentVolumeClaim theirs",
            "ServiceAccount default"
        ]
    );
    assert_eq!(kept(&story), ["Namespace breakglass-debug"]);
    let observed = story.cluster.observed(&story.held);
    let message = report(&story.held, &observed, at(story.now))
        .message
        .unwrap();
    assert!(
        message.contains(
            "breakglass-debug, made for this session, is kept: PersistentVolumeClaim theirs"
        ),
        "{message}"
    );
}

#[test]
fn s08_namespace_that_another_session_uses_is_kept() {
    let mut story = making();
    story.turns(6);
    story.end();
    story.cluster.neighbour = Neighbour::Running("debug-session-other1".into());
    story.until_finished();
    assert_eq!(kept(&story), ["Namespace breakglass-debug"]);
}

#[test]
fn s08_namespace_waits_for_a_session_that_is_ending_beside() {
    let mut story = making();
    story.turns(6);
    story.end();
    story.cluster.neighbour = Neighbour::Ending;
    story.cluster.store(sample::claim("still-theirs"));
    for _ in 0..10 {
        story.turn();
        story.cluster.kubelet_and_collector();
    }
    assert!(!story.held.is_finished());
    story.cluster.objects.remove(&(
        "PersistentVolumeClaim".to_owned(),
        "still-theirs".to_owned(),
    ));
    story.cluster.neighbour = Neighbour::None;
    story.until_finished();
    assert_eq!(story.left(), Vec::<String>::new());
}

#[test]
fn s08_namespace_of_somebody_else_is_never_removed() {
    let mut story = making();
    story.cluster.namespace = live(&[]);
    story
        .cluster
        .store(sample::object("v1", "Namespace", "breakglass-debug"));
    story.turns(6);
    assert!(story.held.namespace_record().is_none());
    story.end();
    story.until_finished();
    assert_eq!(story.left(), ["Namespace breakglass-debug"]);
}

#[test]
fn s08_namespace_that_somebody_makes_between_look_and_create_is_judged_as_any_other() {
    let mut story = making();
    if let Some(rule) = &mut story.held.grant.namespace_rule {
        rule.layers = vec![NamespaceLayer {
            place: "session template x".into(),
            allowed: None,
            denied: vec![selector("protected", "true")],
        }];
    }
    story
        .cluster
        .store(sample::object("v1", "Namespace", "breakglass-debug"));
    story.turn();
    assert!(story.held.namespace_record().is_none() && !story.held.has_ended());
    story.cluster.namespace = live(&[("protected", "true")]);
    story.turn();
    assert!(ended_with(&story).contains("session template x denies namespace breakglass-debug"));
}

#[test]
fn s08_namespace_survives_a_crash_at_every_turn() {
    for crash in 1..14 {
        let mut story = making();
        for turn in 1..=7 {
            story.turn();
            story.cluster.controllers();
            if turn == crash {
                story.restart();
            }
        }
        story.end();
        for turn in 8..30 {
            if story.held.is_finished() && story.held.is_saved() {
                break;
            }
            story.turn();
            story.cluster.controllers();
            story.cluster.kubelet_and_collector();
            if turn == crash {
                story.restart();
            }
        }
        assert!(
            story.held.is_finished(),
            "{crash}: {:?}",
            story.cluster.calls
        );
        assert_eq!(story.left(), Vec::<String>::new(), "{crash}");
    }
}

#[test]
fn s08_namespace_that_a_crash_left_without_a_record_is_found_and_removed() {
    let mut story = making();
    story.cluster.answers_lost = 1;
    story.turn();
    assert!(story.held.namespace_record().is_none());
    story.end();
    story.until_finished();
    assert_eq!(story.left(), Vec::<String>::new());
}

#[test]
fn s08_namespace_that_a_crash_left_without_a_record_is_found_while_the_session_runs() {
    let mut story = making();
    story.cluster.answers_lost = 1;
    story.turns(8);
    assert!(story.held.namespace_record().is_some());
    assert_eq!(story.phase(), Phase::Running);
}

#[test]
fn s08_namespace_with_our_label_and_anothers_mark_is_not_adopted() {
    let mut story = making();
    let mut theirs = sample::object("v1", "Namespace", "breakglass-debug");
    theirs["metadata"]["labels"][labels::SESSION] = json!("debug-session-abc123");
    story.cluster.store(theirs);
    story.cluster.namespace = live(&[(labels::SESSION, "debug-session-abc123")]);
    story.turns(8);
    assert!(story.held.namespace_record().is_none());
    assert_eq!(story.phase(), Phase::Running, "used as any other");
    story.end();
    story.until_finished();
    assert_eq!(story.left(), ["Namespace breakglass-debug"]);
}

#[test]
fn s09_a_namespace_is_made_only_if_the_ceiling_says_so() {
    let rule = NamespaceRule {
        if_missing: IfMissing::Create {
            labels: [(
                "pod-security.kubernetes.io/enforce".to_owned(),
                "privileged".to_owned(),
            )]
            .into(),
        },
        ..NamespaceRule::default()
    };
    let open = |labels: &[&str]| Ceiling {
        create_namespaces: true,
        namespace_labels: labels.iter().map(|l| (*l).to_owned()).collect(),
        ..Ceiling::default()
    };
    for (ceiling, words) in [
        (Ceiling::default(), Some("ceiling.createNamespaces")),
        (open(&[]), Some("ceiling.namespaceLabels")),
        (
            open(&["pod-security.kubernetes.io/enforce=restricted"]),
            Some("ceiling.namespaceLabels"),
        ),
        (open(&["pod-security.kubernetes.io/*"]), None),
        (
            open(&["pod-security.kubernetes.io/enforce=privileged"]),
            None,
        ),
    ] {
        let mut story = with_rule(rule.clone(), &ceiling);
        story.turns(6);
        match words {
            Some(words) => assert!(
                ended_with(&story).contains(words),
                "{:?}",
                ended_with(&story)
            ),
            None => assert_eq!(story.phase(), Phase::Running),
        }
        // Whatever the ceiling says, one that is there is used.
        let mut story = with_rule(rule.clone(), &ceiling);
        story.cluster.namespace = live(&[]);
        story.turns(6);
        assert_eq!(story.phase(), Phase::Running);
    }
}

#[test]
fn s17_a_running_session_stays_where_nothing_more_is_written() {
    let mut story = Story::deployed(WorkloadKind::DaemonSet);
    story.held.grant.namespace_rule = Some(NamespaceRule {
        layers: vec![NamespaceLayer {
            place: "session template x".into(),
            allowed: None,
            denied: vec![selector("protected", "true")],
        }],
        ..NamespaceRule::default()
    });
    story.cluster.namespace = live(&[("protected", "true")]);
    let name = ("DaemonSet".to_owned(), "debug-session-abc123-ds".to_owned());
    let edited = story.cluster.objects.get_mut(&name).unwrap();
    edited["metadata"]["generation"] = json!(2);
    story.turn();
    insta::assert_snapshot!(story.calls(), @"read namespace breakglass-debug");
    assert!(!story.held.has_ended());
    let observed = story.cluster.observed(&story.held);
    let message = report(&story.held, &observed, at(story.now))
        .message
        .unwrap();
    assert!(
        message.contains("Nothing more is made or set right"),
        "{message}"
    );
    story.cluster.namespace = live(&[]);
    story.turn();
    assert!(
        story.calls().starts_with("apply uid-"),
        "the label went away"
    );
}

#[test]
fn s10_a_missing_service_account_fails_the_session() {
    let mut story = Story::new(WorkloadKind::DaemonSet);
    story.held.grant.impersonate = Some(account());
    story.cluster.deployer = Some(DeployerSeen::Unread);
    story.turn();
    insta::assert_snapshot!(story.calls(), @"
    journal
    read service account breakglass-system/debug-deployer
    ");
    story.cluster.deployer = Some(DeployerSeen::Missing);
    story.turn();
    story.turn();
    let message = ended_with(&story);
    assert!(
        message.contains("breakglass-system/debug-deployer") && message.contains("does not exist"),
        "{message}"
    );
    assert_eq!(story.left(), Vec::<String>::new());
}

#[test]
fn s10_everything_is_made_as_the_service_account_and_never_as_the_agent() {
    let mut story = making();
    story.held.grant.impersonate = Some(account());
    let mut made = 0;
    for _ in 0..8 {
        for step in story.steps() {
            if let Step::CreateNamespace { deployer, .. }
            | Step::CreateFirst { deployer, .. }
            | Step::Apply { deployer, .. } = &step
            {
                assert_eq!(*deployer, Deployer::ServiceAccount(account()));
                made += 1;
            }
            story.perform(&step);
        }
        story.cluster.controllers();
    }
    assert_eq!(made, 2, "namespace and workload");
}

#[test]
fn s10_a_right_that_the_service_account_lacks_fails_the_session() {
    let mut story = Story::new(WorkloadKind::DaemonSet);
    story.held.grant.impersonate = Some(account());
    let told = "ServiceAccount breakglass-system/debug-deployer lacks the rule x";
    story.cluster.refused = Some(("DaemonSet", 403, "Forbidden", told));
    story.turns(4);
    assert!(
        !story.held.has_ended(),
        "an API server that just started refuses for some seconds"
    );
    story.now += 30;
    story.turns(2);
    assert!(ended_with(&story).contains(told));
}
