//! Renewal: who, how often, how far, and when it counts (spec 1 section 3, S5, S7, S12).

use std::time::Duration;

use breakglass_hub_core::access::flags;
use breakglass_hub_core::grant::{self, UserNames};
use breakglass_hub_core::lifecycle::{self, Command, Declined, StillOffered};
use breakglass_hub_core::observed::{Observation, observe};
use breakglass_hub_core::refusal::Class;
use breakglass_hub_core::session::{InvitedRole, RenewalStage, Session, StateName};
use breakglass_protocol::ids::{ClusterName, RenewalId};
use breakglass_protocol::kinds::debug_session::DebugSession;
use breakglass_protocol::wire::report::{Phase, Report};
use serde_json::json;

use crate::fixture::*;
use crate::observed::report;

/// Approved by carol at +10 s, one hour long, from a template with these constraints.
fn active_with(constraints: serde_json::Value) -> Session {
    let session = pending_with(json!({"constraints": constraints}));
    let session = lifecycle::submit(session, at(0)).unwrap();
    act(session, &carol(), approve(), 10).unwrap()
}

fn under_approval() -> Session {
    active_with(json!({"requireApprovalForRenewal": true}))
}

fn dora() -> breakglass_hub_core::caller::Caller {
    caller("dora", &["sre-leads", "sre-team"])
}

/// The agent says that it has taken in this renewal.
fn acknowledged(session: Session, renewal: u32, seconds: u64) -> Session {
    let said = Report {
        renewal,
        ..report(&session, seconds, Phase::Running)
    };
    told(session, &said, seconds)
}

fn told(session: Session, said: &Report, seconds: u64) -> Session {
    match observe(session, &ClusterName::new(CLUSTER), said, at(seconds)).unwrap() {
        Observation::Changed(session) | Observation::Unchanged(session) => session,
    }
}

fn expires(session: &Session) -> u64 {
    let running = session.state.running().unwrap();
    let from = start().as_second();
    u64::try_from(running.expires_at.as_second() - from).unwrap()
}

fn by_id(id: &str) -> Command {
    Command::Approve {
        reason: None,
        renewal: Some(RenewalId::new(id)),
    }
}

/// Every violated rule of a refused renewal, with what would be allowed.
fn refused(session: &Session, extend_by: &str, seconds: u64) -> Vec<(&'static str, Vec<String>)> {
    match act(session.clone(), &alice(), renew(extend_by, "r"), seconds) {
        Err(Declined::Refused(refusal)) => {
            let violations = refusal.violations.into_iter();
            violations.map(|v| (v.rule, v.allowed)).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn s12_a_renewal_counts_when_the_agent_has_taken_it_in() {
    let asked = act(active(), &alice(), renew("30m", "r1"), 100).unwrap();
    assert_eq!(expires(&asked), 3610, "the old end holds until then");
    assert!(!flags(&asked, &alice()).renew.is_set());
    let grant = grant::of(&asked, &UserNames::default()).unwrap();
    assert_eq!((grant.renewal, grant.expires_at), (1, at(5410).wall));
    let stored = DebugSession::from(&asked);
    let pending = stored.status.clone().unwrap().pending_renewal.unwrap();
    assert_eq!(pending.expires_at.unwrap().0, at(5410).wall);
    assert_eq!(Session::try_from(&stored).unwrap(), asked);

    let same = acknowledged(asked.clone(), 0, 110);
    assert_eq!(
        expires(&same),
        3610,
        "a report of the old one counts nothing"
    );
    let counted = acknowledged(asked, 1, 120);
    assert_eq!(expires(&counted), 5410);
    assert_eq!(counted.state.running().unwrap().renewals, 1);
    assert!(counted.renewal().is_none());
    assert!(flags(&counted, &alice()).renew.is_set());
}

#[test]
fn s12_what_was_not_taken_in_lapses_at_the_old_end() {
    let asked = act(active(), &alice(), renew("30m", "r1"), 100).unwrap();
    let ended = lifecycle::expire(asked.clone(), at(3610)).unwrap();
    assert_eq!(
        (ended.state.name(), expires(&ended)),
        (StateName::Expired, 3610)
    );
    let waits = act(under_approval(), &alice(), renew("30m", "r1"), 100).unwrap();
    let ended = lifecycle::expire(waits.clone(), at(3610)).unwrap();
    assert!(
        DebugSession::from(&ended)
            .status
            .unwrap()
            .pending_renewal
            .is_none()
    );
    assert_eq!(rule(act(waits, &dora(), approve(), 3610)), "not allowed");
}

#[test]
fn s12_the_agents_ceiling_may_end_it_nearer_but_never_before_the_old_end() {
    let asked = act(active(), &alice(), renew("30m", "r1"), 100).unwrap();
    for (said, expected) in [(4000, 4000), (9000, 5410), (100, 3610)] {
        let said = Report {
            renewal: 1,
            expires_at: Some(at(said).wall),
            ..report(&asked, 120, Phase::Running)
        };
        assert_eq!(expires(&told(asked.clone(), &said, 121)), expected);
    }
}

#[test]
fn s12_a_renewal_needs_half_a_minute() {
    assert!(act(active(), &alice(), renew("1m", "r"), 3580).is_ok());
    assert_eq!(refused(&active(), "1m", 3581), [("renewal.margin", vec![])]);
    assert_eq!(
        rule(act(active(), &alice(), renew("1m", "r"), 3610)),
        "not allowed",
        "S11: no renewal after expiresAt"
    );
    let waits = act(under_approval(), &alice(), renew("30m", "r1"), 100).unwrap();
    assert_eq!(
        rule(act(waits, &dora(), approve(), 3581)),
        "renewal.margin",
        "nor is an approval of use any more"
    );
}

#[test]
fn the_most_that_can_be_added_is_told() {
    let session = active_with(json!({"maxDuration": "90m"}));
    assert_eq!(
        refused(&session, "31m", 100),
        [("constraints.maxDuration", vec!["30m".to_owned()])]
    );
    let longest = act(session, &alice(), renew("30m", "r"), 100).unwrap();
    let longest = acknowledged(longest, 1, 110);
    assert_eq!(
        refused(&longest, "1s", 120),
        [("constraints.maxDuration", vec![])]
    );
    assert!(!flags(&longest, &alice()).renew.is_set());
}

#[test]
fn three_times_where_the_template_says_nothing() {
    let mut session = active();
    for n in 1..=3 {
        let seconds = u64::from(n) * 100;
        session = act(session, &alice(), renew("1m", "r"), seconds).unwrap();
        session = acknowledged(session, n, seconds + 1);
    }
    assert_eq!(expires(&session), 3610 + 180);
    assert_eq!(
        refused(&session, "1m", 500),
        [("constraints.maxRenewals", vec![])]
    );
}

#[test]
fn every_violated_rule_is_told() {
    let session = active_with(json!({"renewalLimit": 0, "maxDuration": "1h"}));
    assert_eq!(
        refused(&session, "1h", 3600),
        [
            ("constraints.allowRenewal", vec![]),
            ("renewal.margin", vec![]),
            ("constraints.maxDuration", vec![])
        ]
    );
    for wrong in ["soon", "0s", "900ms", ""] {
        assert_eq!(
            refused(&active(), wrong, 100),
            [("extendBy", vec![])],
            "{wrong}"
        );
    }
}

#[test]
fn a_template_that_allows_no_renewal_says_so() {
    let session = active_with(json!({"allowRenewal": false, "maxRenewals": 5}));
    assert_eq!(
        refused(&session, "1m", 100),
        [("constraints.allowRenewal", vec![])]
    );
    let grant = grant::of(&session, &UserNames::default()).unwrap();
    assert_eq!(grant.last_end, at(3610).wall, "D2: nothing leads further");
}

#[test]
fn s07_one_approval_decides_that_renewal_once() {
    let waits = act(under_approval(), &alice(), renew("30m", "r1"), 100).unwrap();
    let grant = grant::of(&waits, &UserNames::default()).unwrap();
    assert_eq!((grant.renewal, grant.expires_at), (0, at(3610).wall));
    assert_eq!(refused(&waits, "1m", 110)[0].0, "renew.pendingRenewal");
    assert_eq!(
        rule(act(waits.clone(), &dora(), by_id("r0"), 120)),
        "approve.renewalId"
    );
    let agreed = act(waits, &dora(), by_id("r1"), 130).unwrap();
    let renewal = agreed.renewal().unwrap();
    assert_eq!(
        renewal.stage,
        RenewalStage::AwaitingAgent {
            expires_at: at(5410).wall
        }
    );
    assert_eq!(
        rule(act(agreed.clone(), &dora(), by_id("r1"), 131)),
        "not allowed"
    );
    assert_eq!(
        Session::try_from(&DebugSession::from(&agreed)).unwrap(),
        agreed
    );
    let counted = acknowledged(agreed, 1, 140);
    assert_eq!(rule(act(counted, &dora(), by_id("r1"), 141)), "not allowed");
}

#[test]
fn a_refused_renewal_leaves_the_old_end_and_may_be_asked_again() {
    let waits = act(under_approval(), &alice(), renew("30m", "r1"), 100).unwrap();
    let refused = act(waits, &dora(), reject(), 110).unwrap();
    assert_eq!(
        (refused.state.name(), expires(&refused)),
        (StateName::Active, 3610)
    );
    assert!(act(refused, &alice(), renew("20m", "r2"), 120).is_ok());
}

#[test]
fn d19_a_renewal_is_decided_before_invitations() {
    let session = act(under_approval(), &alice(), renew("30m", "r1"), 100).unwrap();
    let session = act(
        session,
        &alice(),
        invite(&["bob"], InvitedRole::Participant),
        101,
    )
    .unwrap();
    let session = act(session, &dora(), approve(), 102).unwrap();
    assert!(session.has_waiting_invitations() && !session.has_waiting_renewal());
    let session = act(session, &dora(), approve(), 103).unwrap();
    assert!(!session.has_waiting_invitations());
}

#[test]
fn s05_who_is_involved_decides_no_renewal_and_who_decided_stays_a_viewer() {
    let waits = act(under_approval(), &alice(), renew("30m", "r1"), 100).unwrap();
    let owner = caller("alice", &["sre-team", "sre-leads"]);
    assert_eq!(
        rule(act(waits.clone(), &owner, approve(), 110)),
        "approve.own"
    );
    let joined = act(waits.clone(), &dora(), join(None), 110).unwrap();
    assert_eq!(
        rule(act(joined, &dora(), approve(), 120)),
        "approve.involved"
    );
    let agreed = act(waits, &dora(), approve(), 110).unwrap();
    assert_eq!(
        rule(act(
            agreed.clone(),
            &alice(),
            invite(&["dora"], InvitedRole::Participant),
            120
        )),
        "invite.approver"
    );
    let invited = invited(agreed, "dora", InvitedRole::Participant);
    let wanted = join(Some(InvitedRole::Participant));
    assert_eq!(rule(act(invited, &dora(), wanted, 120)), "join.approver");
}

#[test]
fn s06_renewing_needs_todays_groups() {
    let moved = caller("alice", &["sales"]);
    assert_eq!(
        rule(act(active(), &moved, renew("1m", "r"), 100)),
        "renew.allowed"
    );
    assert_eq!(
        rule(act(active(), &admin(), renew("1m", "r"), 100)),
        "owner"
    );
}

#[test]
fn s07_what_is_no_longer_offered_is_not_renewed() {
    let gone = StillOffered::No {
        reason: "the template was deleted".into(),
    };
    let by = |session: Session, who: &_, command: Command| {
        lifecycle::perform(session, &command, who, &gone, at(100))
    };
    let refusal = match by(active(), &alice(), renew("1m", "r")) {
        Err(Declined::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    };
    assert_eq!(refusal.class, Class::Conflict);
    let waits = act(under_approval(), &alice(), renew("30m", "r1"), 50).unwrap();
    assert_eq!(
        rule(by(waits.clone(), &dora(), approve())),
        "approve.stillOffered"
    );
    assert!(by(waits, &dora(), reject()).is_ok());
}

#[test]
fn a_renewal_that_nobody_could_approve_is_refused() {
    let session = pending_with(json!({
        "approvers": null, "constraints": {"requireApprovalForRenewal": true}
    }));
    let session = lifecycle::submit(session, at(0)).unwrap();
    assert_eq!(
        refused(&session, "1m", 100),
        [("constraints.requireApprovalForRenewal", vec![])]
    );
}

#[test]
fn a_session_from_before_renewals_has_none() {
    let mut stored = DebugSession::from(&active());
    let resolved = stored.status.as_mut().unwrap().resolved.as_mut().unwrap();
    (resolved.allow_renewal, resolved.max_renewals) = (Some(false), Some(0));
    resolved.max_duration_seconds = resolved.duration_seconds;
    let session = Session::try_from(&stored).unwrap();
    assert_eq!(
        refused(&session, "1m", 100)[0].0,
        "constraints.allowRenewal"
    );
    assert_eq!(
        session.snapshot.terms.max_duration,
        Duration::from_secs(3600)
    );
}
