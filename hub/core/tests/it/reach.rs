//! What is told of a session whose cluster does not hear of it.

use breakglass_hub_core::lifecycle::Command;
use breakglass_hub_core::reach::{Reach, unreachable, warning};
use breakglass_hub_core::session::{Session, Settled};
use serde_json::json;

use crate::fixture::*;

fn told(session: &Session, reach: Reach) -> String {
    warning(session, reach).unwrap_or_default()
}

#[test]
fn a_revoked_clusters_session_says_until_when_it_can_last() {
    let revoked = Reach::Revoked(at(500).wall);
    let active = active();
    let end = active.state.running().unwrap().expires_at;
    let said = told(&active, revoked);
    assert!(
        said.contains(&format!("until {end} at the latest"))
            && said.contains(&format!("revoked at {}", at(500).wall)),
        "{said}"
    );
    let condition = unreachable(&active, revoked).unwrap();
    assert_eq!((condition.since, condition.message), (at(500).wall, said));

    // A renewal that the agent may have taken in before the link was cut counts.
    let renewed = pending_with(json!({"constraints": {"allowRenewal": true}}));
    let renewed = breakglass_hub_core::lifecycle::submit(renewed, at(0)).unwrap();
    let renewed = act(renewed, &carol(), approve(), 10).unwrap();
    let renewed = act(renewed, &alice(), renew("30m", "r1"), 100).unwrap();
    let later = told(&renewed, revoked);
    assert!(
        later.contains(&at(10 + 90 * 60).wall.to_string()),
        "{later}"
    );
}

#[test]
fn what_is_left_to_be_done_is_told_and_nothing_else() {
    let revoked = Reach::Revoked(at(500).wall);
    assert!(told(&waiting(), revoked).contains("cannot start there"));
    assert!(told(&waiting(), Reach::Away).contains("once it is"));
    let withdrawn = act(waiting(), &alice(), Command::Terminate, 20).unwrap();
    let ended = act(active(), &alice(), Command::Terminate, 20).unwrap();
    let mut settled = ended.clone();
    settled.observed.settled = Settled::Yes;
    assert!(told(&ended, revoked).contains("is not known here"));
    assert!(told(&ended, Reach::Away).contains("once it is"));
    for done in [&withdrawn, &settled] {
        for reach in [revoked, Reach::Away] {
            assert_eq!(warning(done, reach), None);
            assert_eq!(unreachable(done, reach), None);
        }
    }
    for session in [&waiting(), &active(), &ended] {
        assert_eq!(warning(session, Reach::Connected), None);
        assert_eq!(unreachable(session, Reach::Away), None, "it comes back");
    }
}
