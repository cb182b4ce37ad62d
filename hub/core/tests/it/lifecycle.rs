//! States and verbs, rule by rule.

use std::time::Duration;

use breakglass_hub_core::lifecycle::{self, Command, Declined, StillOffered};
use breakglass_hub_core::refusal::Class;
use breakglass_hub_core::session::{EndReason, InvitedRole, Role, Session, StateName};
use breakglass_hub_core::snapshot::Requirement;
use serde_json::json;

use crate::fixture::*;

const PARTICIPANT: InvitedRole = InvitedRole::Participant;
const VIEWER: InvitedRole = InvitedRole::Viewer;

fn state(session: &Session) -> StateName {
    session.state.name()
}

fn role_of(session: &Session, name: &str) -> Option<Role> {
    session.present_entry(&identity(name)).map(|p| p.role)
}

fn active_with(name: &str, role: InvitedRole) -> Session {
    act(invited(waiting(), name, role), &carol(), approve(), 10).unwrap()
}

#[test]
fn without_approvers_a_session_starts_at_once() {
    let session = lifecycle::submit(pending(Requirement::NotRequired), at(3)).unwrap();
    let running = session.state.running().unwrap();
    assert_eq!(
        (running.starts_at, running.expires_at),
        (at(3).wall, at(3603).wall)
    );
}

#[test]
fn an_approved_session_runs_from_the_approval_and_records_the_digest() {
    let session = active();
    let running = session.state.running().unwrap();
    assert_eq!(
        (running.starts_at, running.expires_at),
        (at(10).wall, at(3610).wall)
    );
    let decision = session.decision.unwrap();
    assert_eq!(decision.digest, session.snapshot.digest, "S7");
    assert_eq!(decision.by, carol().identity);
}

#[test]
fn s07_what_is_no_longer_offered_is_not_approved() {
    let gone = StillOffered::No {
        reason: "the template was deleted".into(),
    };
    let declined = lifecycle::perform(waiting(), &approve(), &carol(), &gone, at(5)).unwrap_err();
    let Declined::Refused(refusal) = declined else {
        panic!("{declined:?}")
    };
    assert_eq!(refusal.class, Class::Conflict);
    assert!(
        refusal.to_string().contains("the template was deleted"),
        "{refusal}"
    );
    let rejected = lifecycle::perform(waiting(), &reject(), &carol(), &gone, at(5)).unwrap();
    assert_eq!(
        state(&rejected),
        StateName::Failed,
        "rejecting needs no offer"
    );
}

#[test]
fn rejection_fails_the_session_and_says_who_and_why() {
    let reject = Command::Reject {
        reason: Some("not during the freeze".into()),
        renewal: None,
    };
    let session = act(waiting(), &carol(), reject, 5).unwrap();
    assert_eq!(state(&session), StateName::Failed);
    assert_eq!(
        session.message.as_deref(),
        Some("rejected by carol@example.com: not during the freeze")
    );
    assert!(session.state.running().is_none());
    assert_eq!(session.state.end().unwrap().reason, EndReason::Rejected);
}

#[test]
fn reasons_of_decisions_follow_the_template() {
    let with = |mandatory: bool, for_rejection: bool, min_length: u32| {
        let rule = json!({"mandatory": mandatory, "mandatoryForRejection": for_rejection, "minLength": min_length});
        lifecycle::submit(pending_with(json!({"approvalReason": rule})), at(0)).unwrap()
    };
    let approve = |reason: Option<&str>| Command::Approve {
        reason: reason.map(str::to_owned),
        renewal: None,
    };
    let reject = |reason: Option<&str>| Command::Reject {
        reason: reason.map(str::to_owned),
        renewal: None,
    };
    for (session, command, expected) in [
        (
            with(true, true, 10),
            approve(None),
            Some("approvalReason.mandatory"),
        ),
        (
            with(true, true, 10),
            approve(Some("   ")),
            Some("approvalReason.mandatory"),
        ),
        (
            with(true, true, 10),
            approve(Some("short")),
            Some("approvalReason.minLength"),
        ),
        (
            with(false, true, 10),
            approve(Some("short")),
            Some("approvalReason.minLength"),
        ),
        (with(false, true, 10), approve(None), None),
        (
            with(false, true, 10),
            reject(None),
            Some("approvalReason.mandatoryForRejection"),
        ),
        (with(false, false, 10), reject(None), None),
        (
            with(true, true, 10),
            approve(Some("ticket INC-12345")),
            None,
        ),
        (waiting(), reject(None), None),
    ] {
        let result = act(session, &carol(), command.clone(), 5);
        match expected {
            Some(name) => assert_eq!(rule(result), name, "{command:?}"),
            None => assert!(result.is_ok(), "{command:?}: {result:?}"),
        }
    }
}

#[test]
fn s05_nobody_who_takes_part_or_is_invited_decides() {
    let dora = caller("dora", &["sre-leads", "sre-team"]);
    assert_eq!(
        rule(act(invited(waiting(), "dora", VIEWER), &dora, approve(), 5)),
        "approve.involved"
    );
    assert_eq!(
        rule(act(invited(waiting(), "dora", VIEWER), &dora, reject(), 5)),
        "approve.involved"
    );
    let alias = breakglass_hub_core::caller::Caller {
        identity: breakglass_protocol::person::Identity {
            name: "d.ora".into(),
            subject: "other".into(),
            ..dora.identity.clone()
        },
        ..dora
    };
    assert_eq!(
        rule(act(
            invited(waiting(), "dora", VIEWER),
            &alias,
            approve(),
            5
        )),
        "approve.involved",
        "by e-mail"
    );
}

#[test]
fn s05_who_approved_never_becomes_more_than_viewer() {
    let dora = caller("dora", &["sre-leads", "sre-team"]);
    let session = act(waiting(), &dora, approve(), 5).unwrap();
    assert_eq!(
        rule(act(
            session.clone(),
            &alice(),
            invite(&["dora"], PARTICIPANT),
            6
        )),
        "invite.approver"
    );
    let session = act(session, &alice(), invite(&["dora"], VIEWER), 6).unwrap();
    assert_eq!(
        rule(act(session.clone(), &dora, join(Some(PARTICIPANT)), 7)),
        "join.role"
    );
    let session = act(session, &dora, join(None), 7).unwrap();
    assert_eq!(role_of(&session, "dora"), Some(Role::Viewer));
}

#[test]
fn s05_an_invitation_counts_from_the_own_join() {
    let session = active_with("bob", PARTICIPANT);
    assert_eq!(role_of(&session, "bob"), None);
    let session = act(session, &bob(), join(None), 20).unwrap();
    assert_eq!(role_of(&session, "bob"), Some(Role::Participant));
}

#[test]
fn s05_an_invited_person_needs_allowed_to_participate() {
    let bob_elsewhere = caller("bob", &["sales"]);
    let session = active_with("bob", PARTICIPANT);
    assert_eq!(
        rule(act(
            session.clone(),
            &bob_elsewhere,
            join(Some(PARTICIPANT)),
            20
        )),
        "join.allowed"
    );
    let session = act(session, &bob_elsewhere, join(None), 20).unwrap();
    assert_eq!(role_of(&session, "bob"), Some(Role::Viewer));
}

#[test]
fn s05_participants_invited_after_the_approval_wait_for_an_approver() {
    let session = act(active(), &alice(), invite(&["bob"], PARTICIPANT), 20).unwrap();
    assert_eq!(
        rule(act(session.clone(), &bob(), join(Some(PARTICIPANT)), 21)),
        "join.clearance"
    );
    let session = act(session, &bob(), join(None), 21).unwrap();
    assert_eq!(
        role_of(&session, "bob"),
        Some(Role::Viewer),
        "until then as viewer"
    );
    assert_eq!(
        rule(act(session.clone(), &bob(), approve(), 22)),
        "approve.involved"
    );
    let session = act(session, &carol(), approve(), 22).unwrap();
    let session = act(session, &bob(), join(None), 23).unwrap();
    assert_eq!(role_of(&session, "bob"), Some(Role::Participant));
    let stays: Vec<_> = session
        .participants
        .iter()
        .filter(|p| p.identity == bob().identity)
        .collect();
    assert_eq!(stays.len(), 2, "the stay as viewer is history");
    assert_eq!(stays[0].left_at, Some(at(23).wall));
    assert_eq!(
        rule(act(session, &carol(), approve(), 24)),
        "not allowed",
        "nothing waits any more"
    );
}

#[test]
fn s05_a_refused_invitation_lets_in_as_viewer() {
    let session = act(active(), &alice(), invite(&["bob"], PARTICIPANT), 20).unwrap();
    let session = act(session, &carol(), reject(), 21).unwrap();
    assert_eq!(state(&session), StateName::Active);
    assert_eq!(
        rule(act(session.clone(), &bob(), join(Some(PARTICIPANT)), 22)),
        "join.clearance"
    );
    let session = act(session, &bob(), join(None), 22).unwrap();
    assert_eq!(role_of(&session, "bob"), Some(Role::Viewer));
}

#[test]
fn s05_without_approval_invitations_do_not_wait() {
    let session = lifecycle::submit(pending(Requirement::NotRequired), at(0)).unwrap();
    let session = act(session, &alice(), invite(&["bob"], PARTICIPANT), 1).unwrap();
    let session = act(session, &bob(), join(Some(PARTICIPANT)), 2).unwrap();
    assert_eq!(role_of(&session, "bob"), Some(Role::Participant));
}

#[test]
fn d12_joining_above_what_was_granted_is_forbidden() {
    assert_eq!(
        rule(act(
            active_with("bob", VIEWER),
            &bob(),
            join(Some(PARTICIPANT)),
            20
        )),
        "join.role"
    );
    assert_eq!(
        rule(act(active(), &mallory(), join(Some(PARTICIPANT)), 20)),
        "join.role"
    );
    let session = act(active(), &mallory(), join(None), 20).unwrap();
    assert_eq!(role_of(&session, "mallory"), Some(Role::Viewer));
    let session = act(
        active_with("bob", PARTICIPANT),
        &bob(),
        join(Some(VIEWER)),
        20,
    )
    .unwrap();
    assert_eq!(
        role_of(&session, "bob"),
        Some(Role::Viewer),
        "less than granted is fine"
    );
}

#[test]
fn joining_twice_changes_nothing_and_coming_back_is_a_new_stay() {
    let once = act(active_with("bob", PARTICIPANT), &bob(), join(None), 20).unwrap();
    assert_eq!(act(once.clone(), &bob(), join(None), 21).unwrap(), once);
    let left = act(once, &bob(), Command::Leave, 22).unwrap();
    assert_eq!(role_of(&left, "bob"), None);
    assert_eq!(
        rule(act(left.clone(), &bob(), Command::Leave, 23)),
        "leave.participants"
    );
    let back = act(left, &bob(), join(None), 24).unwrap();
    let stays: Vec<_> = back
        .participants
        .iter()
        .filter(|p| p.identity == bob().identity)
        .collect();
    assert_eq!(
        (stays[0].left_at, stays[1].joined_at, stays[1].left_at),
        (Some(at(22).wall), at(24).wall, None)
    );
}

#[test]
fn stays_of_one_person_are_bounded() {
    let mut session = active_with("bob", PARTICIPANT);
    for i in 0..10 {
        session = act(session, &bob(), join(None), 20 + 2 * i).unwrap();
        session = act(session, &bob(), Command::Leave, 21 + 2 * i).unwrap();
    }
    assert_eq!(
        rule(act(session.clone(), &bob(), join(None), 50)),
        "join.limit"
    );
    assert!(
        act(session, &mallory(), join(None), 50).is_ok(),
        "others still can"
    );
}

#[test]
fn two_accounts_of_one_name_cannot_both_be_in_it() {
    let session = act(active_with("bob", PARTICIPANT), &bob(), join(None), 20).unwrap();
    let mut other = bob();
    other.identity.issuer = "elsewhere".into();
    assert_eq!(rule(act(session, &other, join(None), 21)), "join.name");
}

#[test]
fn the_owner_cannot_leave_only_terminate() {
    assert_eq!(
        rule(act(active(), &alice(), Command::Leave, 20)),
        "leave.owner"
    );
    let session = act(active(), &alice(), Command::Terminate, 20).unwrap();
    assert_eq!(state(&session), StateName::Terminated);
    let end = session.state.end().unwrap();
    assert_eq!(
        (end.by.as_deref(), end.at),
        (Some("alice@example.com"), at(20).wall)
    );
}

#[test]
fn d19_the_owner_withdraws_before_the_decision() {
    for session in [pending(Requirement::Required), waiting()] {
        let session = act(session, &alice(), Command::Terminate, 5).unwrap();
        assert_eq!(state(&session), StateName::Terminated);
        assert!(session.state.running().is_none());
        assert_eq!(
            rule(act(session, &alice(), Command::Terminate, 6)),
            "not allowed",
            "nothing is left of it"
        );
    }
}

#[test]
fn s11_terminate_on_an_ended_session_with_leftovers_changes_no_state() {
    let ended = act(active(), &alice(), Command::Terminate, 20).unwrap();
    assert_eq!(
        act(ended.clone(), &admin(), Command::Terminate, 30).unwrap(),
        ended
    );
}

#[test]
fn strangers_learn_nothing_by_trying() {
    for command in [
        approve(),
        reject(),
        join(None),
        Command::Leave,
        Command::Terminate,
        invite(&["eve"], VIEWER),
    ] {
        assert_eq!(
            rule(act(active(), &stranger(), command.clone(), 20)),
            "not found",
            "{command:?}"
        );
    }
}

#[test]
fn expiry_needs_its_time_and_is_dated_at_it() {
    let not_allowed = lifecycle::expire(active(), at(3609)).unwrap_err();
    assert_eq!(not_allowed.from, StateName::Active);
    let session = lifecycle::expire(active(), at(4000)).unwrap();
    assert_eq!(state(&session), StateName::Expired);
    assert_eq!(session.state.end().unwrap().at, at(3610).wall);
    assert!(lifecycle::expire(session, at(5000)).is_err());
}

#[test]
fn the_approval_timeout_fails_a_waiting_session_only() {
    let timeout = Duration::from_secs(600);
    assert!(lifecycle::time_out(waiting(), timeout, at(599)).is_err());
    let session = lifecycle::time_out(waiting(), timeout, at(600)).unwrap();
    assert_eq!(state(&session), StateName::Failed);
    assert_eq!(
        session.message.as_deref(),
        Some("nobody approved within 600 s; request again and tell an approver")
    );
    assert!(lifecycle::time_out(active(), timeout, at(700)).is_err());
}

#[test]
fn joining_a_session_whose_time_is_over_is_refused_before_any_job_ran() {
    assert_eq!(
        rule(act(
            active_with("bob", PARTICIPANT),
            &bob(),
            join(None),
            3610
        )),
        "not allowed"
    );
}

#[test]
fn inviting_names_each_wrong_name() {
    let command = Command::Invite {
        users: vec![
            "system:masters".into(),
            "alice@example.com".into(),
            "b\u{200b}ob".into(),
            "fine@example.com".into(),
        ],
        role: None,
    };
    let Declined::Refused(refusal) = act(active(), &alice(), command, 20).unwrap_err() else {
        panic!("not refused")
    };
    let fields: Vec<&str> = refusal
        .violations
        .iter()
        .map(|v| v.field.as_str())
        .collect();
    assert_eq!(fields, ["users[0]", "users[1]", "users[2]"]);
    assert_eq!(refusal.class, Class::Constraint);
}

#[test]
fn every_illegal_pair_of_state_and_verb_is_refused_by_name() {
    let ended = act(waiting(), &alice(), Command::Terminate, 5).unwrap();
    let invited_ended = invited(ended.clone(), "bob", PARTICIPANT);
    let owner = alice();
    let approver = carol();
    for (session, who, command, from) in [
        (
            pending(Requirement::Required),
            &approver,
            approve(),
            StateName::Pending,
        ),
        (
            pending(Requirement::Required),
            &approver,
            reject(),
            StateName::Pending,
        ),
        (active(), &approver, approve(), StateName::Active),
        (active(), &approver, reject(), StateName::Active),
        (ended.clone(), &approver, approve(), StateName::Terminated),
        (ended.clone(), &approver, reject(), StateName::Terminated),
        (
            invited(waiting(), "bob", PARTICIPANT),
            &bob(),
            join(None),
            StateName::PendingApproval,
        ),
        (invited_ended, &bob(), join(None), StateName::Terminated),
        (
            ended.clone(),
            &owner,
            Command::Terminate,
            StateName::Terminated,
        ),
        (
            ended.clone(),
            &owner,
            invite(&["bob"], VIEWER),
            StateName::Terminated,
        ),
        (
            ended.clone(),
            &owner,
            renew("1m", "r"),
            StateName::Terminated,
        ),
    ] {
        let verb = command.verb();
        match act(session, who, command, 20) {
            Err(Declined::NotAllowed(not)) => {
                assert_eq!((not.from, not.verb), (from, verb));
                assert!(not.to_string().contains(from.as_str()), "{not}");
            }
            other => panic!("{verb:?} from {from}: {other:?}"),
        }
    }
    assert!(lifecycle::fail(ended.clone(), "x", at(30)).is_err());
    assert!(lifecycle::submit(ended, at(30)).is_err());
}

#[test]
fn a_clock_that_was_set_back_moves_no_time_backwards() {
    let session = act(active_with("bob", PARTICIPANT), &bob(), join(None), 100).unwrap();
    let session = act(session, &bob(), Command::Leave, 5).unwrap();
    let stay = session.participants.last().unwrap();
    assert_eq!(
        (stay.joined_at, stay.left_at),
        (at(100).wall, Some(at(100).wall))
    );
    let ended = act(session, &alice(), Command::Terminate, 1).unwrap();
    assert_eq!(ended.state.end().unwrap().at, at(100).wall);
}

#[test]
fn s05_names_that_are_not_a_persons_cannot_join() {
    let mut kubelet = caller("kubelet", &["sre-team"]);
    kubelet.identity.name = "system:node:one".into();
    assert_eq!(rule(act(active(), &kubelet, join(None), 20)), "join.person");
}
