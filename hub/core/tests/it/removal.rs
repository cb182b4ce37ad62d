//! Who is removed or barred is out at once, and what stays after an end gives nothing (S11, D7).

use breakglass_hub_core::access::{Action, Decision, judge};
use breakglass_hub_core::bars::{Bars, Effect, apply};
use breakglass_hub_core::caller::{Caller, Standing};
use breakglass_hub_core::grant::{self, UserNames};
use breakglass_hub_core::lifecycle::{self, Command};
use breakglass_hub_core::observed::{Observation, observe};
use breakglass_hub_core::refusal::Class;
use breakglass_hub_core::session::{InvitedRole, Role, Session, StateName};
use breakglass_protocol::ids::{ClusterName, Revision};
use breakglass_protocol::kinds::debug_session::DebugSession;
use breakglass_protocol::wire::grant::{AtExpiry, Grant, feature};
use breakglass_protocol::wire::report::{Phase, Report};
use serde_json::json;

use crate::fixture::*;
use crate::observed::report;

const PARTICIPANT: InvitedRole = InvitedRole::Participant;

/// Bob is a participant of alice's session, mallory watches.
fn peopled() -> Session {
    let session = invited(waiting(), "bob", PARTICIPANT);
    let session = act(session, &carol(), approve(), 10).unwrap();
    let session = act(session, &bob(), join(None), 20).unwrap();
    act(session, &mallory(), join(None), 21).unwrap()
}

fn remove(who: &str) -> Command {
    Command::Remove {
        user: identity(who).name,
    }
}

fn grant(session: &Session) -> Grant {
    grant::of(session, &UserNames::default()).unwrap()
}

fn named(session: &Session) -> Vec<String> {
    let people = grant(session).people.into_iter();
    people.map(|p| p.user.replace("@example.com", "")).collect()
}

fn requires(session: &Session) -> Vec<String> {
    let prepared = grant::prepare(session, &UserNames::default(), Revision(1));
    prepared.unwrap().unwrap().requires
}

fn reread(session: &Session) {
    assert_eq!(
        Session::try_from(&DebugSession::from(session)).unwrap(),
        *session
    );
}

#[test]
fn s11_who_is_removed_is_out_and_the_pods_are_replaced() {
    assert!(!requires(&peopled()).contains(&feature::RECYCLE.to_owned()));
    let session = act(peopled(), &alice(), remove("bob"), 30).unwrap();
    assert_eq!(named(&session), ["alice", "mallory"]);
    assert_eq!(grant(&session).recycle, 1);
    assert!(
        requires(&session).contains(&feature::RECYCLE.to_owned()),
        "an agent that would not replace them must not take it"
    );
    let stay = &session.participants[1];
    assert_eq!(stay.left_at, Some(at(30).wall));
    assert_eq!(stay.removed_by, Some(identity("alice")));
    reread(&session);
    let again = act(session.clone(), &admin(), remove("bob"), 40).unwrap();
    assert_eq!(again, session, "removing twice is removing once");
}

#[test]
fn d07_the_agent_tells_when_the_pods_are_replaced() {
    let session = act(peopled(), &alice(), remove("bob"), 30).unwrap();
    let said = Report {
        recycled: 1,
        ..report(&session, 40, Phase::Running)
    };
    let cluster = ClusterName::new(CLUSTER);
    let Observation::Changed(session) = observe(session, &cluster, &said, at(41)).unwrap() else {
        panic!("that is news")
    };
    let told = DebugSession::from(&session).status.unwrap().pod_replacement;
    let told = told.unwrap();
    assert_eq!((told.requested, told.completed), (1, 1));
    reread(&session);
}

#[test]
fn s11_a_viewer_without_logs_has_no_stream_to_cut() {
    let session = act(peopled(), &alice(), remove("mallory"), 30).unwrap();
    assert_eq!(
        (named(&session), grant(&session).recycle),
        (vec!["alice".into(), "bob".into()], 0)
    );
    let logs = json!({"allowedPodOperations": {"logs": true}});
    let session = lifecycle::submit(pending_with(logs), at(0)).unwrap();
    let session = act(session, &carol(), approve(), 10).unwrap();
    let session = act(session, &mallory(), join(None), 20).unwrap();
    let session = act(session, &alice(), remove("mallory"), 30).unwrap();
    assert_eq!(grant(&session).recycle, 1);
}

#[test]
fn d07_leaving_replaces_nothing_and_removing_who_left_does() {
    let left = act(peopled(), &bob(), Command::Leave, 30).unwrap();
    assert_eq!(grant(&left).recycle, 0);
    let removed = act(left, &alice(), remove("bob"), 40).unwrap();
    assert_eq!(grant(&removed).recycle, 1);
    assert_eq!(removed.participants[1].left_at, Some(at(30).wall));
    assert_eq!(rule(act(removed, &bob(), join(None), 50)), "join.removed");
}

#[test]
fn s11_only_a_new_invitation_lets_in_again() {
    let session = act(peopled(), &alice(), remove("bob"), 30).unwrap();
    assert_eq!(
        rule(act(session.clone(), &bob(), join(None), 40)),
        "join.removed"
    );
    let mut by_mail = caller("bobby", &["sre-team"]);
    by_mail.identity.email = Some("BOB@example.com".into());
    assert_eq!(
        rule(act(session.clone(), &by_mail, join(None), 40)),
        "not found"
    );
    // Demotion: removed, and invited to watch.
    let session = act(session, &alice(), invite(&["bob"], InvitedRole::Viewer), 50).unwrap();
    assert_eq!(
        rule(act(session.clone(), &bob(), join(Some(PARTICIPANT)), 60)),
        "join.role"
    );
    let session = act(session, &bob(), join(None), 60).unwrap();
    assert_eq!(session.present().last().unwrap().role, Role::Viewer);
    reread(&session);
}

#[test]
fn s11_an_invitation_that_was_withdrawn_is_none() {
    let session = invited(waiting(), "eve", PARTICIPANT);
    assert_eq!(judge(Action::See, &session, &stranger()), Decision::Allow);
    let session = act(session, &alice(), remove("eve"), 5).unwrap();
    assert_eq!(
        judge(Action::See, &session, &stranger()),
        Decision::NotFound
    );
    let session = act(session, &carol(), approve(), 10).unwrap();
    assert_eq!(
        rule(act(session.clone(), &stranger(), join(None), 20)),
        "not found"
    );
    assert_eq!(grant(&session).recycle, 0);
    reread(&session);
}

#[test]
fn s05_withdrawing_an_invitation_does_not_make_its_approver_a_participant() {
    let dora = caller("dora", &["sre-leads", "sre-team"]);
    let session = act(active(), &alice(), invite(&["bob"], PARTICIPANT), 20).unwrap();
    let session = act(session, &dora, approve(), 30).unwrap();
    let session = act(session, &alice(), remove("bob"), 40).unwrap();
    let session = invited(session, "dora", PARTICIPANT);
    assert_eq!(
        rule(act(session, &dora, join(Some(PARTICIPANT)), 50)),
        "join.approver"
    );
}

#[test]
fn the_owner_is_not_removed_and_strangers_are_told() {
    for who in [alice(), admin()] {
        assert_eq!(
            rule(act(peopled(), &who, remove("alice"), 30)),
            "remove.owner"
        );
        assert_eq!(
            rule(act(peopled(), &who, remove("zoe"), 30)),
            "remove.participants"
        );
        assert!(act(peopled(), &who, remove("bob"), 30).is_ok());
    }
    assert_eq!(
        rule(act(peopled(), &bob(), remove("mallory"), 30)),
        "remove.owner"
    );
    assert_eq!(
        rule(act(peopled(), &stranger(), remove("bob"), 30)),
        "not found"
    );
    let ended = act(peopled(), &alice(), Command::Terminate, 30).unwrap();
    assert_eq!(rule(act(ended, &alice(), remove("bob"), 40)), "not allowed");
}

fn barred(names: &[&str]) -> Bars {
    let bar = |bars: Bars, name: &&str| bars.bar(name, None, &admin(), at(25)).unwrap();
    names.iter().fold(Bars::default(), bar)
}

#[test]
fn s11_barring_the_owner_ends_the_session() {
    let bars = barred(&["alice@example.com"]);
    for session in [waiting(), peopled(), pending_with(json!({}))] {
        let (ended, effects) = apply(&session, &bars, at(30)).unwrap();
        assert_eq!(ended.state.name(), StateName::Terminated);
        assert_eq!(
            ended.state.end().unwrap().by.as_deref(),
            Some("root@example.com")
        );
        let user = "alice@example.com".to_owned();
        assert_eq!(effects, [Effect::Ended { user }]);
        assert_eq!(apply(&ended, &bars, at(31)), None, "once");
    }
}

#[test]
fn s11_barring_somebody_removes_them_everywhere() {
    for name in ["bob@example.com", "BOB@EXAMPLE.COM", "subject-of-bob"] {
        let bars = barred(&[name]);
        let (session, effects) = apply(&peopled(), &bars, at(30)).unwrap();
        assert_eq!(
            (named(&session), grant(&session).recycle),
            (vec!["alice".into(), "mallory".into()], 1)
        );
        assert_eq!(effects.len(), 1);
        reread(&session);
        assert_eq!(apply(&session, &bars, at(31)), None, "once");
    }
    let bars = barred(&["zoe@example.com"]);
    assert_eq!(apply(&peopled(), &bars, at(30)), None);
    let (session, _) = apply(&invited(waiting(), "zoe", PARTICIPANT), &bars, at(30)).unwrap();
    assert!(session.invitations[0].withdrawn.is_some());
}

#[test]
fn s11_the_barred_may_look_and_leave_and_nothing_else() {
    let bar = |caller: Caller| Caller {
        standing: Standing::Barred,
        ..caller
    };
    for action in Action::ALL {
        let open = matches!(action, Action::See | Action::Leave);
        for who in [alice(), bob(), carol(), mallory(), admin()] {
            let answer = judge(action, &peopled(), &bar(who));
            assert!(open || answer != Decision::Allow, "{action:?}");
        }
    }
    assert_eq!(
        rule(act(peopled(), &bar(carol()), approve(), 30)),
        "person.barred"
    );
    let refusal = resolve_texts(&asked(), json!({}), None, &bar(alice())).unwrap_err();
    assert_eq!(
        (refusal.class, refusal.violations[0].rule),
        (Class::Forbidden, "person.barred")
    );
}

#[test]
fn the_list_of_the_barred_is_changed_with_care() {
    let bars = barred(&["bob@example.com"]);
    assert_eq!(
        bars.clone()
            .bar("bob@example.com", Some("again"), &admin(), at(50))
            .unwrap(),
        bars
    );
    let rule = |result: Result<Bars, breakglass_hub_core::refusal::Refusal>| {
        result.unwrap_err().violations[0].rule
    };
    assert_eq!(
        rule(bars.clone().bar("root@example.com", None, &admin(), at(1))),
        "person.own"
    );
    assert_eq!(
        rule(bars.clone().bar("system:node:a", None, &admin(), at(1))),
        "person.name"
    );
    assert_eq!(rule(bars.clone().unbar("zoe@example.com")), "person.barred");
    assert_eq!(bars.unbar("bob@example.com").unwrap(), Bars::default());
}

fn notify_only() -> Session {
    let session = pending_with(json!({"expirationBehavior": "notify-only", "approvers": null}));
    lifecycle::submit(session, at(10)).unwrap()
}

#[test]
fn s11_notify_only_ends_access_and_keeps_the_workload_until_it_is_terminated() {
    let session = notify_only();
    assert_eq!(grant(&session).at_expiry, AtExpiry::KeepWorkload);
    assert!(requires(&session).contains(&feature::NOTIFY_ONLY.to_owned()));
    let expired = lifecycle::expire(session, at(3610)).unwrap();
    assert_eq!(expired.state.name(), StateName::Expired);
    assert!(grant(&expired).people.is_empty());
    assert_eq!(grant(&expired).at_expiry, AtExpiry::KeepWorkload);
    assert!(
        expired
            .message
            .as_deref()
            .unwrap()
            .contains("the workload stays")
    );
    assert_eq!(
        rule(act(expired.clone(), &alice(), renew("1m", "r"), 3620)),
        "not allowed"
    );
    let asked = act(expired.clone(), &alice(), Command::Terminate, 3700).unwrap();
    assert_eq!(asked.state, expired.state, "it ended when it ended");
    assert_eq!(grant(&asked).at_expiry, AtExpiry::RemoveAll);
    reread(&asked);
    let again = act(asked.clone(), &admin(), Command::Terminate, 3800).unwrap();
    assert_eq!(again, asked);
}

#[test]
fn s11_what_is_terminated_in_time_goes_at_once() {
    let session = act(notify_only(), &alice(), Command::Terminate, 20).unwrap();
    assert_eq!(grant(&session).at_expiry, AtExpiry::RemoveAll);
}
