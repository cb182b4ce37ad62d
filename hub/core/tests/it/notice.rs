//! Who is told of what.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use breakglass_hub_core::audit::{Action, Actor, AuditEvent, ObjectRef, Outcome};
use breakglass_hub_core::lifecycle;
use breakglass_hub_core::notice::{self, AddressBook, Occasion, warning_at};
use breakglass_hub_core::session::{InvitedRole, Session};
use breakglass_protocol::kinds::debug_session_cluster_binding::DebugSessionClusterBindingSpec;

use crate::fixture::{
    act, active, alice, approve, at, bob, carol, identity, invite, invited, join, pending_with,
    reject, renew, start, waiting,
};

fn book() -> AddressBook {
    let groups = [("sre-leads", vec!["leads@example.com", "Alice@example.com"])];
    let owned = |list: Vec<&str>| list.into_iter().map(str::to_owned).collect();
    AddressBook {
        groups: groups
            .into_iter()
            .map(|(group, list)| (group.to_owned(), owned(list)))
            .collect(),
        users: BTreeMap::from([("dave".to_owned(), "dave@example.com".to_owned())]),
    }
}

fn event(session: &Session, action: Action) -> AuditEvent {
    let object = ObjectRef::new("DebugSession", Some(&session.namespace), &session.name);
    let actor = Actor::Person(identity("carol"));
    AuditEvent::new(start(), actor, action, object, Outcome::Done)
}

/// What the event is to people, and who is told.
fn told(session: &Session, action: Action) -> Option<(Occasion, Vec<String>)> {
    let addressed = notice::of(&event(session, action), session, &book())?;
    Some((addressed.notice.occasion, addressed.recipients))
}

fn waiting_with(notification: Value) -> Session {
    let session = pending_with(json!({ "notification": notification }));
    lifecycle::submit(session, at(0)).unwrap()
}

fn active_with(notification: Value) -> Session {
    act(waiting_with(notification), &carol(), approve(), 10).unwrap()
}

#[test]
fn approvers_are_asked_by_the_addresses_that_the_hub_knows_but_never_the_requester() {
    let asked = told(&waiting(), Action::Requested).unwrap();
    assert_eq!(
        asked,
        (Occasion::Request, vec!["leads@example.com".to_owned()])
    );
    assert_eq!(told(&active(), Action::Requested), None, "decided already");
}

#[test]
fn s05_who_takes_part_or_is_invited_is_not_asked() {
    let mut book = book();
    let leads = book.groups.get_mut("sre-leads").unwrap();
    leads.extend(["bob@example.com", "Dave@example.com"].map(str::to_owned));
    let session = invited(under_approval(), "bob", InvitedRole::Viewer);
    let mut session = act(session, &bob(), join(None), 20).unwrap();
    session = invited(session, "dave", InvitedRole::Viewer);
    let session = act(session, &alice(), renew("30m", "r1"), 30).unwrap();
    let addressed = notice::of(
        &about(&session, Action::RenewalRequested, "r1"),
        &session,
        &book,
    );
    assert_eq!(addressed.unwrap().recipients, ["leads@example.com"]);
}

/// Active, and an approver must agree to more time.
fn under_approval() -> Session {
    let session = pending_with(json!({"constraints": {"requireApprovalForRenewal": true}}));
    let session = lifecycle::submit(session, at(0)).unwrap();
    act(session, &carol(), approve(), 10).unwrap()
}

/// An event about this renewal.
fn about(session: &Session, action: Action, renewal: &str) -> AuditEvent {
    event(session, action)
        .with("renewal", renewal)
        .with("extendBy", "1h30m")
}

#[test]
fn approvers_are_asked_for_more_time_and_the_requester_is_told_the_answer() {
    let session = act(under_approval(), &alice(), renew("1h30m", "r1"), 30).unwrap();
    let told = |session: &Session, action, renewal| {
        let addressed = notice::of(&about(session, action, renewal), session, &book())?;
        assert_eq!(addressed.notice.extend_by_seconds, 5400);
        Some((addressed.notice.occasion, addressed.recipients))
    };
    let (leads, alice) = ("leads@example.com", "alice@example.com");
    assert_eq!(
        told(&session, Action::RenewalRequested, "r1"),
        Some((Occasion::RenewalRequest, vec![leads.to_owned()]))
    );
    let agreed = act(session.clone(), &carol(), approve(), 40).unwrap();
    let refused = act(session.clone(), &carol(), reject(), 40).unwrap();
    for decided in [&agreed, &refused] {
        let late = told(decided, Action::RenewalRequested, "r1");
        assert_eq!(late, None, "decided already");
    }
    assert_eq!(told(&session, Action::RenewalRequested, "r0"), None);
    assert_eq!(
        told(&agreed, Action::Approved, "r1"),
        Some((Occasion::RenewalApproval, vec![alice.to_owned()]))
    );
    assert_eq!(
        told(&refused, Action::Rejected, "r1"),
        Some((Occasion::RenewalRejection, vec![alice.to_owned()]))
    );
    let alone = act(active(), &self::alice(), renew("1h30m", "r1"), 30).unwrap();
    let unasked = told(&alone, Action::RenewalRequested, "r1");
    assert_eq!(unasked, None, "only the agent is waited for");
}

#[test]
fn approvers_are_asked_for_people_who_are_invited_late_and_the_requester_is_told_the_answer() {
    let told = |session: &Session, action| {
        let event = event(session, action).with("users", "bob@example.com,dave");
        let addressed = notice::of(&event, session, &book())?;
        assert_eq!(addressed.notice.users, "bob@example.com,dave");
        Some((addressed.notice.occasion, addressed.recipients))
    };
    let session = act(
        active(),
        &self::alice(),
        invite(&["bob"], InvitedRole::Participant),
        20,
    );
    let session = session.unwrap();
    let (leads, alice) = ("leads@example.com", "alice@example.com");
    assert_eq!(
        told(&session, Action::Invited),
        Some((Occasion::InvitationRequest, vec![leads.to_owned()]))
    );
    let agreed = act(session.clone(), &carol(), approve(), 40).unwrap();
    let refused = act(session.clone(), &carol(), reject(), 40).unwrap();
    for decided in [&agreed, &refused] {
        assert_eq!(told(decided, Action::Invited), None, "decided already");
    }
    assert_eq!(
        told(&agreed, Action::Approved),
        Some((Occasion::InvitationApproval, vec![alice.to_owned()]))
    );
    assert_eq!(
        told(&refused, Action::Rejected),
        Some((Occasion::InvitationRejection, vec![alice.to_owned()]))
    );
}

#[test]
fn the_switches_of_requests_and_answers_are_those_of_renewals_too() {
    for (switch, action, is_told) in [
        ("notifyOnRequest", Action::RenewalRequested, false),
        ("notifyOnRequest", Action::Approved, true),
        ("notifyOnApproval", Action::RenewalRequested, true),
        ("notifyOnApproval", Action::Approved, false),
        ("notifyOnApproval", Action::Rejected, false),
        ("enabled", Action::RenewalRequested, false),
    ] {
        let session = pending_with(json!({
            "constraints": {"requireApprovalForRenewal": true},
            "notification": { switch: false },
        }));
        let session = lifecycle::submit(session, at(0)).unwrap();
        let session = act(session, &carol(), approve(), 10).unwrap();
        let session = act(session, &alice(), renew("30m", "r1"), 30).unwrap();
        let told = notice::of(&about(&session, action, "r1"), &session, &book());
        assert_eq!(told.is_some(), is_told, "{switch} {action:?}");
    }
}

#[test]
fn owner_and_those_who_are_there_are_told_the_rest() {
    let session = invited(active(), "bob", InvitedRole::Participant);
    let session = act(session, &bob(), join(None), 20).unwrap();
    for (action, occasion) in [
        (Action::Approved, Occasion::Approval),
        (Action::Rejected, Occasion::Rejection),
        (Action::TimedOut, Occasion::TimedOut),
        (Action::ExpiryNear, Occasion::ExpiryNear),
        (Action::Expired, Occasion::Expired),
        (Action::Terminated, Occasion::Terminated),
        (Action::Failed, Occasion::Failed),
    ] {
        let wanted = ["alice@example.com", "bob@example.com"].map(str::to_owned);
        assert_eq!(told(&session, action).unwrap(), (occasion, wanted.to_vec()));
    }
    for action in [
        Action::Joined,
        Action::Left,
        Action::Activated,
        Action::CleanedUp,
    ] {
        assert_eq!(told(&session, action), None);
    }
}

#[test]
fn an_address_that_nobody_verified_is_not_told() {
    let mut session = active();
    session.requester.email_verified = false;
    session.participants.clear();
    assert_eq!(
        told(&session, Action::Expired).unwrap().1,
        Vec::<String>::new()
    );
}

#[test]
fn each_switch_is_for_its_occasions() {
    for (switch, off) in [
        (
            "notifyOnApproval",
            vec![Action::Approved, Action::Rejected, Action::TimedOut],
        ),
        ("notifyOnExpiry", vec![Action::ExpiryNear, Action::Expired]),
        (
            "notifyOnTermination",
            vec![Action::Terminated, Action::Failed],
        ),
        (
            "enabled",
            vec![Action::Approved, Action::Expired, Action::Terminated],
        ),
    ] {
        let session = active_with(json!({ switch: false }));
        for action in off {
            assert_eq!(told(&session, action), None, "{switch} {action:?}");
        }
    }
    let session = active_with(json!({ "notifyOnExpiry": false }));
    assert!(told(&session, Action::Terminated).is_some());
    let quiet = waiting_with(json!({ "notifyOnRequest": false }));
    assert_eq!(told(&quiet, Action::Requested), None);
}

#[test]
fn more_recipients_are_added_and_excluded_ones_taken_out() {
    let session = active_with(json!({
        "additionalRecipients": ["team@example.com", "TEAM@example.com", "boss@example.com"],
        "excludedRecipients": {"users": ["boss@example.com"]},
    }));
    assert_eq!(
        told(&session, Action::Expired).unwrap().1,
        ["alice@example.com", "team@example.com"]
    );
    for excluded in [
        json!({"users": [alice().identity.name]}),
        json!({"groups": ["sre-team"]}),
    ] {
        let session = active_with(json!({ "excludedRecipients": excluded }));
        assert_eq!(
            told(&session, Action::Expired).unwrap().1,
            Vec::<String>::new()
        );
    }
    let session = waiting_with(json!({"excludedRecipients": {"groups": ["sre-leads"]}}));
    assert_eq!(
        told(&session, Action::Requested).unwrap().1,
        Vec::<String>::new()
    );
}

#[test]
fn d03_a_binding_switches_off_and_never_on_again() {
    for (template, binding, is_told) in [
        (json!({}), json!({"enabled": false}), false),
        (json!({}), json!({"notifyOnExpiry": false}), false),
        (json!({"enabled": false}), json!({"enabled": true}), false),
        (
            json!({"notifyOnExpiry": false}),
            json!({"notifyOnExpiry": true}),
            false,
        ),
        (json!({}), json!({"notifyOnRequest": false}), true),
    ] {
        let mut session = active_with(template.clone());
        let spec: DebugSessionClusterBindingSpec = serde_json::from_value(json!({
            "templateRef": {"name": "standard-debug"},
            "clusters": ["cluster-a"],
            "notification": binding,
        }))
        .unwrap();
        session.snapshot.source.binding =
            Some(breakglass_protocol::kinds::debug_session::ResolvedBinding {
                spec: Some(Box::new(spec)),
                ..Default::default()
            });
        let told = told(&session, Action::Expired);
        assert_eq!(told.is_some(), is_told, "{template} {binding}");
    }
}

#[test]
fn s20_people_s_words_come_on_one_line_without_what_cannot_be_seen() {
    let mut session = waiting();
    session.spec.reason = Some("down\r\nBcc: x\u{202e}\u{200b}\tnow ".into());
    let told = notice::of(&event(&session, Action::Requested), &session, &book()).unwrap();
    assert_eq!(told.notice.reason, "down Bcc: x now");
}

#[test]
fn the_warning_is_before_the_end_but_not_before_half_of_it() {
    // Active at +10 s for an hour.
    let end = 3610;
    for (grace, wanted) in [
        (json!(null), end - 900),
        (json!("10m"), end - 600),
        (json!("45m"), end - 1800),
    ] {
        let session = pending_with(json!({ "gracePeriodBeforeExpiry": grace }));
        let session = lifecycle::submit(session, at(0)).unwrap();
        assert_eq!(warning_at(&session), None);
        let session = act(session, &carol(), approve(), 10).unwrap();
        assert_eq!(warning_at(&session), Some(at(wanted).wall), "{grace}");
        let ended = lifecycle::expire(session, at(end)).unwrap();
        assert_eq!(warning_at(&ended), None);
    }
}
