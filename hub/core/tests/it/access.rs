//! The access matrix as a golden file, reviewed like code. `UPDATE_GOLDEN=1 cargo test -p breakglass-hub-core` writes it anew.

use std::fmt::Write as _;

use breakglass_hub_core::access::{Action, Decision, flags, judge};
use breakglass_hub_core::caller::Caller;
use breakglass_hub_core::lifecycle;
use breakglass_hub_core::session::{InvitedRole, Session, StateName};

use crate::fixture::*;

/// Everybody who can stand in some relation to a session.
fn people() -> Vec<(&'static str, Caller)> {
    let mut namesake = caller("alice", &["sre-leads", "sre-team"]);
    namesake.identity.subject = "another-account".into();
    let approver_in_it = caller("dora", &["sre-leads", "sre-team"]);
    vec![
        ("owner", alice()),
        (
            "owner in the approvers' group",
            caller("alice", &["sre-team", "sre-leads"]),
        ),
        ("owner's name, other account, approver", namesake),
        ("participant", bob()),
        ("viewer", caller("victor", &["sre-team"])),
        ("left", caller("leo", &["sre-team"])),
        ("invited as participant", caller("ida", &["sre-team"])),
        ("invited, not in allowed", caller("ivan", &["sales"])),
        ("invited approver", approver_in_it),
        ("approver", carol()),
        ("in allowed only", mallory()),
        ("stranger", stranger()),
        ("admin", admin()),
    ]
}

fn peopled() -> Session {
    let mut session = lifecycle::submit(
        pending(breakglass_hub_core::snapshot::Requirement::Required),
        at(0),
    )
    .unwrap();
    for (name, role) in [
        ("bob", InvitedRole::Participant),
        ("victor", InvitedRole::Viewer),
        ("leo", InvitedRole::Participant),
        ("ida", InvitedRole::Participant),
        ("ivan", InvitedRole::Viewer),
        ("dora", InvitedRole::Viewer),
    ] {
        session = invited(session, name, role);
    }
    let session = act(session, &caller("conrad", &["sre-leads"]), approve(), 10).unwrap();
    let session = act(session, &bob(), join(None), 20).unwrap();
    let session = act(session, &caller("victor", &["sre-team"]), join(None), 21).unwrap();
    let leo = caller("leo", &["sre-team"]);
    let session = act(session, &leo, join(None), 22).unwrap();
    act(
        session,
        &leo,
        breakglass_hub_core::lifecycle::Command::Leave,
        23,
    )
    .unwrap()
}

fn matrix() -> String {
    let session = peopled();
    let mut out =
        String::from("# who × action, whatever the state (see hub/core/src/access.rs)\n\n");
    for (who, caller) in people() {
        writeln!(out, "{who}:").unwrap();
        for action in Action::ALL {
            let answer = match judge(action, &session, &caller) {
                Decision::Allow => "yes".to_owned(),
                Decision::NotFound => "404".to_owned(),
                Decision::Forbidden(why) => format!("403 {}", why.rule),
            };
            writeln!(out, "  {:<10} {answer}", action.as_str()).unwrap();
        }
    }
    out.push_str("\n# what the state lets through: flags of those who may\n\n");
    for state in StateName::ALL {
        let mut session = peopled();
        session.state = state_of(state, &session);
        for (who, caller) in people() {
            let flags = flags(&session, &caller);
            let set: Vec<&str> = [
                ("approve", flags.approve),
                ("reject", flags.reject),
                ("join", flags.join),
                ("renew", flags.renew),
                ("terminate", flags.terminate),
            ]
            .into_iter()
            .filter_map(|(name, flag)| flag.is_set().then_some(name))
            .collect();
            if !set.is_empty() {
                writeln!(out, "{state}, {who}: {}", set.join(" ")).unwrap();
            }
        }
    }
    out
}

fn state_of(name: StateName, session: &Session) -> breakglass_hub_core::session::State {
    use breakglass_hub_core::session::{Active, End, EndReason, State};
    let running = *session.state.running().unwrap();
    let end = |reason| End {
        reason,
        by: None,
        at: running.expires_at,
    };
    match name {
        StateName::Pending => State::Pending,
        StateName::PendingApproval => State::PendingApproval,
        StateName::Active => State::Active(Active::new(running)),
        StateName::Expired => State::Expired(running, end(EndReason::Expired)),
        StateName::Terminated => State::Terminated(None, end(EndReason::Terminated)),
        StateName::Failed => State::Failed(None, end(EndReason::Failed)),
    }
}

#[test]
fn access_matrix_is_the_reviewed_one() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/golden/access_matrix.txt"
    );
    let now = matrix();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &now).unwrap();
    }
    let golden = std::fs::read_to_string(path).unwrap();
    assert_eq!(
        now, golden,
        "the access matrix changed: review it, then run with UPDATE_GOLDEN=1"
    );
}

#[test]
fn s06_what_forbids_compares_people_loosely() {
    let session = waiting();
    let mut by_mail = caller("someone", &["sre-leads"]);
    by_mail.identity.email = Some("ALICE@example.com".into());
    assert_eq!(
        rule(act(session.clone(), &by_mail, approve(), 5)),
        "approve.own"
    );
    by_mail.identity.email_verified = false;
    assert!(
        act(session, &by_mail, approve(), 5).is_ok(),
        "an unverified e-mail means nobody"
    );
}

#[test]
fn s06_what_permits_compares_accounts() {
    let mut namesake = alice();
    namesake.identity.subject = "another-account".into();
    assert_eq!(
        judge(Action::Terminate, &active(), &namesake),
        Decision::NotFound
    );
}

#[test]
fn s06_groups_of_now_count() {
    let demoted = caller("carol", &["sales"]);
    assert_eq!(rule(act(waiting(), &demoted, approve(), 5)), "not found");
}
