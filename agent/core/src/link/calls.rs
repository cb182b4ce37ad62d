//! The hub's questions: a repeated id is answered again, never done again.

use std::collections::VecDeque;

use breakglass_protocol::ids::CallId;
use breakglass_protocol::wire::to_hub::{Answer, Blame, Declined};

/// Answers that are remembered for a hub that asks again after a reconnect.
const MAX_REMEMBERED: usize = 32;
/// Questions that run at once; each is one person waiting at a command line.
const MAX_RUNNING: usize = 16;

/// Kept over reconnects: a question that still runs is not begun again, its answer goes to the new connection.
#[derive(Debug, Default)]
pub(super) struct Calls {
    running: VecDeque<CallId>,
    answered: VecDeque<Answer>,
}

/// What a question is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    New,
    Running,
    Answered(Answer),
}

impl Calls {
    pub(super) fn ask(&mut self, id: &CallId) -> Asked {
        if let Some(answer) = self.answered.iter().find(|answer| answer.id == *id) {
            return Asked::Answered(answer.clone());
        }
        if self.running.contains(id) {
            return Asked::Running;
        }
        if self.running.len() >= MAX_RUNNING {
            return Asked::Answered(Answer {
                id: id.clone(),
                result: Err(Declined {
                    blame: Blame::Agent,
                    message: format!(
                        "the agent works on {MAX_RUNNING} questions already; try again in a moment"
                    ),
                }),
            });
        }
        self.running.push_back(id.clone());
        Asked::New
    }

    pub(super) fn answered(&mut self, answer: Answer) {
        self.running.retain(|id| *id != answer.id);
        self.answered.retain(|known| known.id != answer.id);
        if self.answered.len() >= MAX_REMEMBERED {
            self.answered.pop_front();
        }
        self.answered.push_back(answer);
    }
}
