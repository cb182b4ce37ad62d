//! Every verb on every state is done, or is a 409 that names the state (spec 1 section 3).

use std::time::Duration;

use serde_json::json;

use crate::harness::{Answer, TestHub, name_of};

/// How a session of alice's came to be, with bob in it or invited.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Past {
    Waiting,
    Running,
    Withdrawn,
    Rejected,
    /// Ran; the cluster has not yet said that nothing is left.
    Ended,
    RanOut,
}

impl Past {
    const ALL: [Self; 6] = [
        Self::Waiting,
        Self::Running,
        Self::Withdrawn,
        Self::Rejected,
        Self::Ended,
        Self::RanOut,
    ];

    fn state(self) -> &'static str {
        match self {
            Self::Waiting => "PendingApproval",
            Self::Running => "Active",
            Self::Withdrawn | Self::Ended => "Terminated",
            Self::Rejected => "Failed",
            Self::RanOut => "Expired",
        }
    }

    async fn of_a_session(self, hub: &TestHub) -> String {
        let wish = json!({ "templateRef": "approved-debug", "cluster": "west", "invitedParticipants": ["bob@example.com"] });
        let name = name_of(&hub.alice().post("/debug-sessions", wish).await.created());
        match self {
            Self::Waiting => {}
            Self::Running => running(hub, &name).await,
            Self::Withdrawn => drop(hub.alice().verb("terminate", &name).await.ok()),
            Self::Rejected => drop(hub.carol().verb("reject", &name).await.ok()),
            Self::Ended => {
                running(hub, &name).await;
                hub.alice().verb("terminate", &name).await.ok();
            }
            Self::RanOut => {
                running(hub, &name).await;
                hub.clock.advance(Duration::from_secs(3600));
                hub.until("the expiry", || async {
                    hub.alice().sees(&name).await.ok()["status"]["state"] == "Expired"
                })
                .await;
            }
        }
        name
    }
}

async fn running(hub: &TestHub, name: &str) {
    hub.carol().verb("approve", name).await.ok();
    hub.bob().verb("join", name).await.ok();
}

#[derive(Clone, Copy, Debug)]
enum Verb {
    Approve,
    Reject,
    Invite,
    Join,
    Leave,
    Terminate,
}

impl Verb {
    const ALL: [Self; 6] = [
        Self::Approve,
        Self::Reject,
        Self::Invite,
        Self::Join,
        Self::Leave,
        Self::Terminate,
    ];

    /// Done by somebody who may.
    async fn by_the_right_person(self, hub: &TestHub, name: &str) -> Answer {
        match self {
            Self::Approve => hub.carol().verb("approve", name).await,
            Self::Reject => hub.carol().verb("reject", name).await,
            Self::Invite => {
                let path = format!("/debug-sessions/{name}/invite");
                hub.alice()
                    .post(&path, json!({ "users": ["mallory@example.com"] }))
                    .await
            }
            Self::Join => hub.bob().verb("join", name).await,
            Self::Leave => hub.bob().verb("leave", name).await,
            Self::Terminate => hub.alice().verb("terminate", name).await,
        }
    }
}

/// What the verb leads to; `None` if the state does not admit it.
fn expected(past: Past, verb: Verb) -> Option<&'static str> {
    match (past, verb) {
        (Past::Waiting, Verb::Approve) => Some("Active"),
        (Past::Waiting, Verb::Reject) => Some("Failed"),
        (Past::Waiting, Verb::Invite) => Some("PendingApproval"),
        (Past::Waiting | Past::Running, Verb::Terminate) => Some("Terminated"),
        (Past::Running, Verb::Invite | Verb::Join | Verb::Leave) => Some("Active"),
        // S11: it cleans up what is left and changes no state.
        (Past::Ended, Verb::Terminate) => Some("Terminated"),
        (Past::RanOut, Verb::Terminate) => Some("Expired"),
        (Past::Waiting, Verb::Join | Verb::Leave)
        | (Past::Running, Verb::Approve | Verb::Reject) => None,
        (Past::Withdrawn | Past::Rejected, _) => None,
        (
            Past::Ended | Past::RanOut,
            Verb::Approve | Verb::Reject | Verb::Invite | Verb::Join | Verb::Leave,
        ) => None,
    }
}

/// Who never got in cannot leave: that is told before the state is looked at.
fn is_not_in_it(past: Past, verb: Verb) -> bool {
    matches!(
        (past, verb),
        (
            Past::Waiting | Past::Withdrawn | Past::Rejected,
            Verb::Leave
        )
    )
}

#[tokio::test]
async fn every_verb_on_every_state_is_done_or_names_the_state() {
    let hub = TestHub::start().await;
    for past in Past::ALL {
        for verb in Verb::ALL {
            let session = past.of_a_session(&hub).await;
            let before = hub.alice().sees(&session).await.ok();
            assert_eq!(before["status"]["state"], past.state());
            let answer = verb.by_the_right_person(&hub, &session).await;
            let after = hub.alice().sees(&session).await.ok();
            match expected(past, verb) {
                Some(state) => {
                    assert_eq!(
                        answer.ok()["status"]["state"],
                        state,
                        "{verb:?} on {past:?}"
                    );
                    assert_eq!(after["status"]["state"], state);
                }
                None if is_not_in_it(past, verb) => {
                    answer.refused(403, "forbidden");
                    assert_eq!(after, before);
                }
                None => {
                    let refused = answer.refused(409, "state");
                    assert!(
                        refused.message.contains(past.state()),
                        "{verb:?} on {past:?}: {}",
                        refused.message
                    );
                    assert_eq!(after, before, "what is refused changes nothing");
                }
            }
        }
    }
}
