//! Sessions as the kind's own JSON.

use breakglass_hub_core::lifecycle::Command;
use breakglass_hub_core::observed::{Observation, observe};
use breakglass_hub_core::session::{InvitedRole, Session};
use breakglass_hub_core::snapshot::Requirement;
use breakglass_protocol::ids::ClusterName;
use breakglass_protocol::kinds::debug_session::DebugSession;
use breakglass_protocol::wire::report::Phase;
use serde_json::{Value, json};

use crate::fixture::*;
use crate::observed::report;

fn written(session: &Session) -> Value {
    serde_json::to_value(DebugSession::from(session)).unwrap()
}

fn read(json: &Value) -> Result<Session, String> {
    let object: DebugSession = serde_json::from_value(json.clone()).unwrap();
    Session::try_from(&object).map_err(|e| e.to_string())
}

/// A life with everything in it.
fn lives() -> Vec<Session> {
    let session = invited(waiting(), "bob", InvitedRole::Participant);
    let active = act(session.clone(), &carol(), approve(), 10).unwrap();
    let joined = act(active, &bob(), join(None), 20).unwrap();
    let more = act(
        joined,
        &alice(),
        invite(&["mallory"], InvitedRole::Participant),
        30,
    )
    .unwrap();
    let cleared = act(more.clone(), &carol(), approve(), 40).unwrap();
    let left = act(cleared.clone(), &bob(), Command::Leave, 50).unwrap();
    let ended = act(left.clone(), &alice(), Command::Terminate, 60).unwrap();
    let said = report(&ended, 70, Phase::Ended);
    let settled = match observe(ended.clone(), &ClusterName::new(CLUSTER), &said, at(71)).unwrap() {
        Observation::Changed(session) | Observation::Unchanged(session) => session,
    };
    let rejected = act(session.clone(), &carol(), reject(), 10).unwrap();
    let refused = act(more.clone(), &carol(), reject(), 40).unwrap();
    let withdrawn = act(session.clone(), &alice(), Command::Terminate, 5).unwrap();
    let pending = pending(Requirement::NotRequired);
    vec![
        pending, session, more, cleared, left, ended, settled, rejected, refused, withdrawn,
    ]
}

#[test]
fn what_is_stored_is_read_back_the_same() {
    for session in lives() {
        assert_eq!(read(&written(&session)).as_ref(), Ok(&session));
    }
}

#[test]
fn names_and_states_are_those_of_the_contract() {
    let json = written(&active());
    assert_eq!(json["kind"], "DebugSession");
    assert_eq!(json["metadata"]["name"], "debug-session-abc123");
    assert_eq!(json["spec"]["requestedBy"], "alice@example.com");
    let status = &json["status"];
    assert_eq!(status["state"], "Active");
    assert_eq!(status["startsAt"], "2027-01-15T08:00:10Z");
    assert_eq!(status["expiresAt"], "2027-01-15T09:00:10Z");
    assert_eq!(status["approval"]["approvedBy"], "carol@example.com");
    assert_eq!(status["approval"]["digest"], status["digest"]);
    assert_eq!(status["participants"][0]["user"], "alice@example.com");
    assert_eq!(status["participants"][0]["role"], "owner");
    assert_eq!(
        status["allowedPodOperations"],
        json!({"exec": true, "attach": true, "logs": false, "portForward": true})
    );
    assert_eq!(
        status["resolvedTemplate"]["podTemplateRef"]["name"],
        "standard-pod"
    );
}

#[test]
fn d25_impossible_combinations_are_refused_not_repaired() {
    let json = written(&active());
    let without = |pointer: &str| {
        let mut json = json.clone();
        let (holder, field) = pointer.rsplit_once('/').unwrap();
        json.pointer_mut(holder)
            .unwrap()
            .as_object_mut()
            .unwrap()
            .remove(field)
            .unwrap();
        json
    };
    for (field, complaint) in [
        ("/status/startsAt", "lacks status.startsAt"),
        ("/status/expiresAt", "lacks status.expiresAt"),
        ("/status/state", "lacks status.state"),
        ("/status/requester", "lacks status.requester"),
        ("/status/digest", "lacks status.digest"),
        ("/status/resolvedTemplate", "lacks status.resolvedTemplate"),
        ("/status/approval/digest", "lacks status.approval.digest"),
        ("/metadata/uid", "lacks metadata.uid"),
        ("/status", "lacks status"),
    ] {
        let error = read(&without(field)).unwrap_err();
        assert!(
            error.contains(complaint) && error.contains("debug-session-abc123"),
            "{field}: {error}"
        );
    }
    let with = |field: &str, value: Value| {
        let mut json = json.clone();
        json["status"][field] = value;
        read(&json).unwrap_err()
    };
    let end = json!({"reason": "Expired", "at": "2027-01-15T09:00:10.000000Z"});
    assert!(with("end", end).contains("is Active and yet has status.end"));
    assert!(with("state", json!("Terminated")).contains("lacks status.end"));
    assert!(with("state", json!("PendingApproval")).contains("yet has status.startsAt"));
}

#[test]
fn fractions_of_seconds_survive_where_they_are_stored_and_only_there() {
    let mut now = at(20);
    now.wall =
        breakglass_hub_core::clock::later(now.wall, std::time::Duration::from_nanos(123_456_789));
    let offer = breakglass_hub_core::lifecycle::StillOffered::Yes;
    let session = breakglass_hub_core::lifecycle::perform(
        invited(active(), "bob", InvitedRole::Viewer),
        &join(None),
        &bob(),
        &offer,
        now,
    )
    .unwrap();
    assert_eq!(session.participants[1].joined_at, at(20).wall);
    let ended = breakglass_hub_core::lifecycle::perform(
        session,
        &Command::Terminate,
        &alice(),
        &offer,
        now,
    )
    .unwrap();
    assert_eq!(
        written(&ended)["status"]["end"]["at"],
        "2027-01-15T08:00:20.123456Z"
    );
    assert_eq!(read(&written(&ended)), Ok(ended));
}
