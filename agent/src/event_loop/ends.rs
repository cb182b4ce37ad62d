//! Grants that end: access is closed first, whatever else takes its time.

use breakglass_agent_core::clock::Now;
use breakglass_protocol::ids::GrantUid;
use breakglass_protocol::wire::grant::EndReason;

use super::EventLoop;
use crate::telemetry::EndLabels;

impl EventLoop {
    /// The cluster's owner ends everything.
    pub(super) fn end_all(&mut self, now: Now) {
        let message = "the owner of the cluster ended all sessions (annotation end-all on the agent's ConfigMap)";
        let ended = self.parts.holdings.end_all(message, now);
        self.close(ended);
        let released = self.parts.holdings.release_all(now);
        self.clean_up(released, now);
    }

    /// What stayed after its end goes now.
    pub(super) fn clean_up(&mut self, released: Vec<GrantUid>, now: Now) {
        for uid in released {
            tracing::info!(%uid, "what stayed after the end is removed");
            self.work.entry(uid.clone()).or_default().begin_cleanup();
            self.wake(&uid, now.monotonic);
        }
    }

    /// Grants have just ended: they give nothing from this instant on, whatever else takes its time.
    pub(super) fn close(&mut self, ended: Vec<GrantUid>) {
        if ended.is_empty() {
            return;
        }
        let now = self.now();
        for uid in &ended {
            self.book.remove(uid);
        }
        self.parts.published.publish(self.book.index());
        self.unpublished = false;
        for uid in &ended {
            if let Some(end) = self
                .parts
                .holdings
                .get(uid)
                .and_then(|held| held.end.as_ref())
            {
                let reason = reason_name(end.reason);
                self.parts
                    .metrics
                    .grants_ended
                    .get_or_create(&EndLabels { reason })
                    .inc();
                tracing::info!(%uid, reason, message = end.message.as_deref(), "grant ended, access is closed");
            }
            self.work.entry(uid.clone()).or_default().begin_cleanup();
            self.wake(uid, now.monotonic);
        }
    }
}

fn reason_name(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Expired => "expired",
        EndReason::Terminated => "terminated",
        EndReason::Failed => "failed",
        EndReason::Withdrawn => "withdrawn",
    }
}
