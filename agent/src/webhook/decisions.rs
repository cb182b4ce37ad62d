//! From the webhook's thread to the loop: what it decided. Nothing waits here: what finds the channel full is counted,
//! and the count becomes a record (S20).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use breakglass_agent_core::authorize::{Decided, Decision};
use breakglass_agent_core::recorder::Lost;
use tokio::sync::mpsc;

/// Decisions that may wait for the loop, which takes them within milliseconds. Each is at most about 8 KiB.
const QUEUE: usize = 1_024;
/// Decisions that the loop takes in one turn, so that a flood leaves turns for everything else.
const AT_ONCE: usize = 128;

/// The webhook's end.
#[derive(Clone, Debug)]
pub struct DecisionSender {
    queue: mpsc::Sender<Decision>,
    lost: Arc<Counts>,
}

/// The loop's end.
#[derive(Debug)]
pub struct Decisions {
    queue: mpsc::Receiver<Decision>,
    lost: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    allows: AtomicU64,
    denials: AtomicU64,
}

/// A channel from the webhook to the loop.
#[must_use]
pub fn channel() -> (DecisionSender, Decisions) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let lost = Arc::<Counts>::default();
    (
        DecisionSender {
            queue: sender,
            lost: Arc::clone(&lost),
        },
        Decisions {
            queue: receiver,
            lost,
        },
    )
}

impl DecisionSender {
    /// Hands over a decision, or counts it.
    pub fn tell(&self, decision: Decision) {
        let Err(error) = self.queue.try_send(decision) else {
            return;
        };
        let count = match error.into_inner().decided {
            Decided::Allowed => &self.lost.allows,
            Decided::Denied(_) => &self.lost.denials,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

impl Decisions {
    /// The next ones; `None` once there is no webhook any more.
    pub async fn receive(&mut self) -> Option<Vec<Decision>> {
        let mut decisions = Vec::new();
        let count = self.queue.recv_many(&mut decisions, AT_ONCE).await;
        (count > 0).then_some(decisions)
    }

    /// What is there now.
    pub fn drain(&mut self) -> Vec<Decision> {
        std::iter::from_fn(|| self.queue.try_recv().ok()).collect()
    }

    /// What could not be handed over since this was last asked.
    #[must_use]
    pub fn take_lost(&self) -> Lost {
        Lost {
            allows: self.lost.allows.swap(0, Ordering::Relaxed),
            denials: self.lost.denials.swap(0, Ordering::Relaxed),
        }
    }
}
