//! Reports → session.

use breakglass_hub_core::lifecycle::{self, Command};
use breakglass_hub_core::observed::{NotBelieved, Observation, observe};
use breakglass_hub_core::session::{Session, Settled, StateName};
use breakglass_protocol::ids::{ClusterName, GrantUid};
use breakglass_protocol::kinds::MicroTime;
use breakglass_protocol::kinds::debug_session as kind;
use breakglass_protocol::wire::grant::EndReason;
use breakglass_protocol::wire::report::{
    Cleanup, EndRecord, ObjectRecord, ObservedPod, Phase, Readiness, Remaining, Removed, Report,
    ResourceOrigin, ResourceStatus,
};

use crate::fixture::*;

pub(crate) fn report(session: &Session, seconds: u64, phase: Phase) -> Report {
    Report {
        uid: session.uid.clone(),
        at: at(seconds).wall,
        renewal: 0,
        expires_at: None,
        recycled: 0,
        phase,
        message: None,
        pods: vec![],
        deployed: vec![],
        resources: vec![],
        end: None,
        cleanup: None,
    }
}

fn pod(name: &str) -> ObservedPod {
    ObservedPod {
        namespace: "breakglass-debug".into(),
        name: name.into(),
        uid: format!("uid-of-{name}"),
        node_name: Some("node-1".into()),
        phase: Some("Running".into()),
        ready: true,
        container_status: None,
    }
}

fn object() -> ObjectRecord {
    ObjectRecord {
        api_version: "apps/v1".into(),
        kind: "DaemonSet".into(),
        namespace: Some("breakglass-debug".into()),
        name: "debug-session-abc123-ds".into(),
        uid: "uid-of-ds".into(),
        source: "workload".into(),
    }
}

fn ended(reason: EndReason, seconds: u64) -> Option<EndRecord> {
    Some(EndRecord {
        reason,
        at: at(seconds).wall,
        message: None,
    })
}

fn proof(seconds: u64) -> Option<Cleanup> {
    Some(Cleanup {
        started_at: at(seconds).wall,
        finished_at: Some(at(seconds + 2).wall),
        pods_gone_at: Some(at(seconds + 1).wall),
        removed: vec![Removed {
            object: object(),
            at: at(seconds + 1).wall,
        }],
        remaining: vec![],
        kept: vec![ObjectRecord {
            kind: "ConfigMap".into(),
            ..object()
        }],
    })
}

/// The same as the kind stores it.
fn stored_proof(seconds: u64) -> Option<kind::Cleanup> {
    let micro = |s| Some(MicroTime(at(s).wall));
    Some(kind::Cleanup {
        started_at: micro(seconds),
        finished_at: micro(seconds + 2),
        duration_milliseconds: Some(2_000),
        pods_gone_at: micro(seconds + 1),
        streams_cut: None,
        removed: vec![kind::RemovedObject {
            api_version: "apps/v1".into(),
            kind: "DaemonSet".into(),
            namespace: Some("breakglass-debug".into()),
            name: "debug-session-abc123-ds".into(),
            uid: Some("uid-of-ds".into()),
            removed_at: MicroTime(at(seconds + 1).wall),
        }],
        remaining: vec![],
        kept: vec![kind::DeployedResource {
            api_version: "apps/v1".into(),
            kind: "ConfigMap".into(),
            namespace: Some("breakglass-debug".into()),
            name: "debug-session-abc123-ds".into(),
            uid: Some("uid-of-ds".into()),
            source: Some("workload".into()),
        }],
    })
}

fn here() -> ClusterName {
    ClusterName::new(CLUSTER)
}

fn taken(session: Session, report: &Report, seconds: u64) -> Session {
    match observe(session, &here(), report, at(seconds)).unwrap() {
        Observation::Changed(session) => session,
        Observation::Unchanged(_) => panic!("nothing changed"),
    }
}

fn ignored(session: Session, report: &Report, seconds: u64) {
    let before = session.clone();
    match observe(session, &here(), report, at(seconds)).unwrap() {
        Observation::Changed(after) => panic!("changed to {after:?}"),
        Observation::Unchanged(after) => assert_eq!(after, before),
    }
}

#[test]
fn a_report_writes_observed_fields_only() {
    let before = active();
    let said = Report {
        pods: vec![pod("a"), pod("b")],
        deployed: vec![object()],
        resources: vec![],
        message: Some("1 of 2 pods ready".into()),
        ..report(&before, 20, Phase::Deploying)
    };
    let after = taken(before.clone(), &said, 21);
    let names: Vec<&str> = after
        .observed
        .pods
        .iter()
        .map(|p| p.name.as_str())
        .collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(after.observed.pods[0].uid.as_deref(), Some("uid-of-a"));
    assert_eq!(
        after.observed.deployed[0].source.as_deref(),
        Some("workload")
    );
    assert_eq!(after.message.as_deref(), Some("1 of 2 pods ready"));
    let undone = Session {
        observed: before.observed.clone(),
        message: before.message.clone(),
        ..after
    };
    assert_eq!(undone, before);
}

#[test]
fn repeated_and_older_reports_change_nothing() {
    let said = Report {
        pods: vec![pod("a")],
        ..report(&active(), 20, Phase::Running)
    };
    let session = taken(active(), &said, 21);
    ignored(session.clone(), &said, 22);
    ignored(
        session.clone(),
        &Report {
            at: at(30).wall,
            ..said.clone()
        },
        31,
    );
    ignored(
        session,
        &Report {
            pods: vec![],
            at: at(19).wall,
            ..said
        },
        22,
    );
}

#[test]
fn s12_if_the_agent_said_ended_first_it_ended() {
    for (reason, state) in [
        (EndReason::Expired, StateName::Expired),
        (EndReason::Terminated, StateName::Terminated),
        (EndReason::Failed, StateName::Failed),
        (EndReason::Withdrawn, StateName::Failed),
    ] {
        let said = Report {
            end: ended(reason, 30),
            ..report(&active(), 31, Phase::Ending)
        };
        let session = taken(active(), &said, 32);
        assert_eq!(session.state.name(), state, "{reason:?}");
        let end = session.state.end().unwrap();
        assert_eq!((end.by.as_deref(), end.at), (Some("agent"), at(30).wall));
        assert_eq!(
            session.observed.settled,
            Settled::No,
            "the proof is still to come"
        );
    }
}

#[test]
fn s12_an_end_in_the_hub_is_not_rewritten_by_the_agents_echo() {
    let session = act(active(), &alice(), Command::Terminate, 20).unwrap();
    let end = session.state.end().cloned();
    let said = Report {
        end: ended(EndReason::Expired, 25),
        cleanup: proof(21),
        ..report(&session, 26, Phase::Ended)
    };
    let session = taken(session, &said, 27);
    assert_eq!(session.state.name(), StateName::Terminated);
    assert_eq!(session.state.end().cloned(), end);
    assert_eq!(session.observed.cleanup, stored_proof(21));
    assert_eq!(session.observed.settled, Settled::Yes);
}

#[test]
fn the_agents_times_stay_within_what_is_known_here() {
    let said = |seconds| Report {
        end: ended(EndReason::Expired, seconds),
        ..report(&active(), 31, Phase::Ending)
    };
    let end_at = |seconds| taken(active(), &said(seconds), 32).state.end().unwrap().at;
    assert_eq!(end_at(5), at(10).wall, "not before the start");
    assert_eq!(end_at(9_999), at(32).wall, "not in the future");
}

#[test]
fn a_settled_session_never_changes_again() {
    let said = Report {
        end: ended(EndReason::Expired, 30),
        cleanup: proof(30),
        ..report(&active(), 33, Phase::Ended)
    };
    let session = taken(active(), &said, 34);
    assert_eq!(session.observed.settled, Settled::Yes);
    ignored(
        session.clone(),
        &Report {
            cleanup: None,
            pods: vec![pod("x")],
            at: at(99).wall,
            ..said
        },
        100,
    );
    assert!(!session.has_leftovers());
}

#[test]
fn a_proof_once_there_does_not_go_away() {
    let said = Report {
        end: ended(EndReason::Expired, 30),
        cleanup: proof(30),
        ..report(&active(), 33, Phase::Ending)
    };
    let session = taken(active(), &said, 34);
    let without = Report {
        cleanup: None,
        deployed: vec![object()],
        resources: vec![],
        at: at(40).wall,
        ..said
    };
    assert_eq!(
        taken(session, &without, 41).observed.cleanup,
        stored_proof(30)
    );
}

#[test]
fn s11_what_remains_can_be_asked_to_go_again() {
    let cleanup = proof(30).map(|c| Cleanup {
        remaining: vec![Remaining {
            object: object(),
            error: Some("finalizer".into()),
        }],
        ..c
    });
    let said = Report {
        end: ended(EndReason::Expired, 30),
        cleanup,
        ..report(&active(), 33, Phase::Ended)
    };
    assert!(taken(active(), &said, 34).has_leftovers());
}

#[test]
fn invariant_6_reports_about_others_are_not_believed() {
    let other = ClusterName::new("cluster-b");
    let said = report(&active(), 20, Phase::Running);
    assert!(matches!(
        observe(active(), &other, &said, at(21)),
        Err(NotBelieved::ForeignSession { said_by, .. }) if said_by == other
    ));
    let wrong = Report {
        uid: GrantUid::new("another"),
        ..said.clone()
    };
    assert!(matches!(
        observe(active(), &here(), &wrong, at(21)),
        Err(NotBelieved::OtherGrant { .. })
    ));
    assert!(matches!(
        observe(waiting(), &here(), &said, at(21)),
        Err(NotBelieved::NeverGranted { .. })
    ));
    let withdrawn = act(waiting(), &alice(), Command::Terminate, 5).unwrap();
    assert!(matches!(
        observe(withdrawn, &here(), &said, at(21)),
        Err(NotBelieved::NeverGranted { .. })
    ));
}

#[test]
fn expiry_in_the_hub_and_the_agents_report_end_in_the_same_state_in_any_order() {
    let said = Report {
        end: ended(EndReason::Expired, 3610),
        cleanup: proof(3610),
        ..report(&active(), 3613, Phase::Ended)
    };
    let agent_first = taken(active(), &said, 3614);
    let hub_first = taken(lifecycle::expire(active(), at(3611)).unwrap(), &said, 3614);
    assert_eq!(agent_first.state.name(), hub_first.state.name());
    assert_eq!(agent_first.observed, hub_first.observed);
    assert!(lifecycle::expire(agent_first, at(3620)).is_err());
}

fn resource(source: &str, kind: &str, origin: ResourceOrigin) -> ResourceStatus {
    ResourceStatus {
        source: source.into(),
        origin,
        api_version: "v1".into(),
        kind: kind.into(),
        name: format!("{}-x", kind.to_lowercase()),
        namespace: Some("breakglass-debug".into()),
        created_at: Some(at(11).wall),
        readiness: Some(Readiness::Current),
        ready_at: Some(at(12).wall),
        deleted_at: None,
        error: None,
    }
}

#[test]
fn resources_beside_the_workload_are_told_in_the_kinds_words() {
    let session = active();
    let origin = |name: &str| ResourceOrigin::Auxiliary {
        name: name.into(),
        category: Some("rbac".into()),
    };
    let missing = ResourceStatus {
        created_at: None,
        readiness: None,
        ready_at: None,
        error: Some("the cluster does not have this kind".into()),
        ..resource("auxiliary/metrics[0]", "PodMonitor", origin("metrics"))
    };
    let mut said = report(&session, 20, Phase::Running);
    said.resources = vec![
        resource(
            "pod-template[1]",
            "PersistentVolumeClaim",
            ResourceOrigin::PodTemplate {},
        ),
        resource("auxiliary/bundle[0]", "ServiceAccount", origin("bundle")),
        ResourceStatus {
            readiness: Some(Readiness::InProgress),
            ..resource("auxiliary/bundle[1]", "Role", origin("bundle"))
        },
        missing,
    ];
    let cluster = ClusterName::new(CLUSTER);
    let Observation::Changed(session) = observe(session, &cluster, &said, at(21)).unwrap() else {
        panic!("it is news");
    };
    let json = serde_json::to_value(kind::DebugSession::from(&session)).unwrap();
    assert_eq!(
        json["status"]["podTemplateResourceStatuses"],
        serde_json::json!([{
            "source": "pod-template[1]", "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "resourceName": "persistentvolumeclaim-x", "namespace": "breakglass-debug",
            "created": true, "createdAt": "2027-01-15T08:00:11Z", "ready": true, "readyAt": "2027-01-15T08:00:12Z",
            "readinessStatus": "Current", "deleted": false,
        }])
    );
    let auxiliary = &json["status"]["auxiliaryResourceStatuses"];
    assert_eq!(auxiliary[0]["name"], "bundle");
    assert_eq!(auxiliary[0]["kind"], "ServiceAccount");
    assert_eq!(
        auxiliary[0]["additionalResources"],
        serde_json::json!([{
            "apiVersion": "v1", "kind": "Role", "resourceName": "role-x", "namespace": "breakglass-debug",
            "ready": false, "readinessStatus": "InProgress", "deleted": false,
        }])
    );
    assert_eq!(auxiliary[1]["created"], false);
    assert_eq!(auxiliary[1]["error"], "the cluster does not have this kind");
    assert!(auxiliary[1].get("ready").is_none(), "not looked at");
    let read = Session::try_from(&serde_json::from_value::<kind::DebugSession>(json).unwrap());
    assert_eq!(read.unwrap(), session);
    said.at = at(22).wall;
    let again = observe(session, &cluster, &said, at(23)).unwrap();
    assert!(matches!(again, Observation::Unchanged(_)), "nothing new");
}

#[test]
fn d22_why_a_namespace_is_kept_reaches_a_session_that_ended_here() {
    let session = act(active(), &alice(), Command::Terminate, 20).unwrap();
    let mut said = report(&session, 30, Phase::Ended);
    said.end = ended(EndReason::Terminated, 20);
    said.cleanup = proof(20);
    said.message = Some("Namespace n, made for this session, is kept: Pod x in it.".into());
    let told =
        |said: &Report| match observe(session.clone(), &session.cluster(), said, at(31)).unwrap() {
            Observation::Changed(session) | Observation::Unchanged(session) => session.message,
        };
    assert_eq!(told(&said), session.message, "words about nothing kept");
    let kept = ObjectRecord {
        api_version: "v1".into(),
        kind: "Namespace".into(),
        namespace: None,
        name: "n".into(),
        source: "namespace".into(),
        ..object()
    };
    said.cleanup.as_mut().unwrap().kept = vec![kept];
    assert_eq!(told(&said), said.message);
}
