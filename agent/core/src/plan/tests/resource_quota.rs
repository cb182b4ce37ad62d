//! Stories of the session's ResourceQuota (D9): it counts a whole namespace, so it stands only in one that the session made.

use breakglass_protocol::wire::grant::{IfMissing, NamespaceRule, Quota};

use super::*;
use crate::ceiling::{Ceiling, judge_grant, settle_namespace};
use crate::workload::{RESOURCE_QUOTA, render};

fn full() -> Quota {
    Quota {
        max_pods: Some(5),
        max_cpu: Some("2".into()),
        max_memory: Some("2Gi".into()),
        max_storage: Some("5Gi".into()),
        enforce_requests: true,
        enforce_limits: true,
    }
}

fn open() -> Ceiling {
    Ceiling {
        create_namespaces: true,
        ..Ceiling::default()
    }
}

/// A session that may make its namespace, which is missing, with totals.
fn story(quota: Quota, ceiling: &Ceiling) -> Story {
    let mut story = Story::new(WorkloadKind::Deployment);
    story.held.grant.namespace_rule = Some(NamespaceRule {
        if_missing: IfMissing::Create {
            labels: BTreeMap::new(),
        },
        ..NamespaceRule::default()
    });
    sample::workload_mut(&mut story.held.grant).quota = Some(quota);
    let mut rendered = render(&story.held.grant, &sample::seed()).unwrap();
    settle_namespace(ceiling, &mut rendered);
    judge_grant(ceiling, &story.held.grant, &rendered, sample::wall(0)).unwrap();
    story.held.rendered = Some(rendered);
    story.cluster.namespace = Some(NamespaceSeen::Missing);
    story
}

fn made(story: &Story) -> Option<&Value> {
    let name = "debug-session-abc123-quota".to_owned();
    story.cluster.objects.get(&("ResourceQuota".into(), name))
}

#[test]
fn d09_a_resource_quota_is_made_after_the_namespace_and_goes_before_it() {
    let mut story = story(full(), &open());
    story.turns(8);
    assert_eq!(story.phase(), Phase::Running);
    let quota = made(&story).unwrap();
    assert_eq!(
        quota["spec"]["hard"],
        json!({
            "pods": "5", "requests.cpu": "2", "requests.memory": "2Gi",
            "requests.storage": "5Gi", "requests.ephemeral-storage": "5Gi",
        })
    );
    assert_eq!(
        quota["metadata"]["labels"][labels::SESSION],
        "debug-session-abc123"
    );
    assert_eq!(
        quota["metadata"]["annotations"][labels::GRANT],
        story.held.grant.uid.as_str()
    );
    let told = report(
        &story.held,
        &story.cluster.observed(&story.held),
        at(story.now),
    );
    let sources: Vec<&str> = told.deployed.iter().map(|o| o.source.as_str()).collect();
    assert_eq!(sources, ["namespace", RESOURCE_QUOTA, "workload"]);
    story.end();
    story.until_finished();
    let calls = story.calls();
    let order: Vec<&str> = calls
        .lines()
        .filter(|call| call.contains("create") || call.starts_with("delete"))
        .collect();
    insta::assert_snapshot!(order.join("\n"), @"
    create namespace breakglass-debug
    create ResourceQuota debug-session-abc123-quota
    create Deployment debug-session-abc123-deploy
    delete workload Deployment debug-session-abc123-deploy uid-5
    delete ReplicaSet debug-session-abc123-deploy-x uid-6
    delete pod debug-session-abc123-deploy-x-x uid-7
    delete ResourceQuota debug-session-abc123-quota uid-4
    delete Namespace breakglass-debug uid-3
    ");
    assert_eq!(story.left(), Vec::<String>::new());
}

#[test]
fn d09_no_resource_quota_is_made_where_others_are() {
    let mut story = story(full(), &open());
    story.cluster.namespace = None;
    story.turns(8);
    assert_eq!(story.phase(), Phase::Running);
    assert!(made(&story).is_none());
    story.end();
    story.until_finished();
    let calls = story.calls();
    assert!(!calls.contains("Quota"), "not even looked for: {calls}");
}

#[test]
fn d09_a_second_session_in_the_namespace_adds_no_resource_quota() {
    let mut first = story(full(), &open());
    first.turns(8);
    let mut second = story(full(), &open());
    second.held.grant.session = "debug-session-other1".into();
    second.held.grant.uid = breakglass_protocol::ids::GrantUid::new("other");
    second.held.rendered = Some(render(&second.held.grant, &sample::seed()).unwrap());
    second.cluster = first.cluster.clone();
    second.turns(8);
    let quotas = second.left();
    let quotas: Vec<&String> = quotas.iter().filter(|o| o.contains("Quota")).collect();
    assert_eq!(quotas, ["ResourceQuota debug-session-abc123-quota"]);
}

#[test]
fn d09_a_resource_quota_asks_no_pod_for_what_the_session_does_not() {
    let loose = Quota {
        enforce_requests: false,
        ..full()
    };
    let mut with_loose = story(loose, &open());
    with_loose.turns(8);
    assert_eq!(
        made(&with_loose).unwrap()["spec"]["hard"],
        json!({ "pods": "5", "requests.storage": "5Gi", "requests.ephemeral-storage": "5Gi" })
    );
    let mut without_limits = story(
        Quota {
            max_pods: None,
            max_cpu: None,
            max_memory: None,
            max_storage: None,
            ..full()
        },
        &open(),
    );
    without_limits.turns(8);
    assert!(without_limits.held.namespace_record().is_some());
    assert!(made(&without_limits).is_none(), "nothing to hold");
}

/// What opens it is `createNamespaces`, not the list of what templates may make.
#[test]
fn d09_the_ceilings_kinds_do_not_bind_the_sessions_own_resource_quota() {
    let ceiling = Ceiling {
        extra_kinds: Vec::new(),
        ..open()
    };
    let mut story = story(full(), &ceiling);
    story.turns(8);
    assert!(made(&story).is_some());
}

#[test]
fn d09_no_resource_quota_is_rendered_where_no_namespace_may_be_made() {
    let closed = story(full(), &Ceiling::default());
    let rendered = closed.held.rendered.unwrap();
    assert!(rendered.namespace.unwrap().refused.is_some());
    let mut documents = rendered.documents.iter();
    assert!(documents.all(|document| document.source != RESOURCE_QUOTA));
}

#[test]
fn d09_a_resource_quota_that_is_refused_fails_the_session() {
    let mut story = story(full(), &open());
    story.cluster.refused = Some(("ResourceQuota", 403, "Forbidden", "cannot create resource"));
    story.turns(4);
    story.now += 30;
    story.turns(2);
    let end = story.held.end.clone().unwrap();
    let message = end.message.unwrap();
    assert!(
        message.contains(
            "ResourceQuota breakglass-debug/debug-session-abc123-quota cannot be created"
        ),
        "{message}"
    );
    story.until_finished();
    assert_eq!(story.left(), Vec::<String>::new());
}

#[test]
fn d09_a_resource_quota_survives_a_crash_at_every_turn() {
    for crash in 1..14 {
        let mut story = story(full(), &open());
        for turn in 1..=8 {
            story.turn();
            story.cluster.controllers();
            if turn == crash {
                story.restart();
            }
        }
        assert!(made(&story).is_some(), "{crash}");
        story.end();
        for turn in 9..30 {
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

/// A template that is written anew (D4) would otherwise make its pods beside the old ones, which the quota refuses.
#[test]
fn d09_a_deployment_with_totals_makes_no_pods_beside_the_old_ones() {
    let strategy = |quota: Option<Quota>| {
        let mut grant = sample::grant(WorkloadKind::Deployment);
        sample::workload_mut(&mut grant).quota = quota;
        let rendered = render(&grant, &sample::seed()).unwrap();
        let (_, manifest) = rendered.workload().unwrap();
        manifest["spec"]["strategy"]["type"].clone()
    };
    assert_eq!(strategy(Some(full())), "Recreate");
    assert_eq!(strategy(None), Value::Null);
}
