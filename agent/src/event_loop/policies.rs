//! Deny policies: what the hub says of them goes to the webhook at once and then to the journal, so that a restart
//! without the hub denies the same. Labels of namespaces, which their filters need, come from a watch.

use std::time::Duration;

use breakglass_agent_core::clock::Now;
use breakglass_agent_core::policies::{HeldPolicies, ReceivedPolicies, TakenPolicies};

use super::EventLoop;
use crate::journal::JournalError;

/// Pause between writes of the policies' record, if the last one failed or they change fast.
const SAVE_INTERVAL: Duration = Duration::from_secs(2);

/// What of the policies is on its way to the journal.
#[derive(Debug, Default)]
pub(super) struct SavingPolicies {
    /// Not before this (monotonic).
    from: Duration,
    in_flight: bool,
}

impl EventLoop {
    pub(super) fn take_policies(&mut self, received: ReceivedPolicies) {
        let revision = received.revision;
        match self.parts.policies.receive(received) {
            TakenPolicies::Changed => {
                tracing::info!(revision = revision.0, "deny policies taken in");
                self.publish_denied();
            }
            TakenPolicies::Same => {}
            TakenPolicies::Refused { why } => self.warn_of_policies(&why),
        }
        self.tell_status_soon();
    }

    pub(super) fn refuse_policies(&mut self, why: String) {
        self.warn_of_policies(&why);
        self.parts.policies.refuse(why);
        self.tell_status_soon();
    }

    fn warn_of_policies(&self, why: &str) {
        self.parts.metrics.frames_refused.inc();
        tracing::warn!(%why, "deny policies are not taken in; those before stay in force");
    }

    pub(super) fn publish_denied(&self) {
        let index = self.parts.policies.index(self.parts.holdings.ceiling());
        let policies = i64::try_from(index.policies()).unwrap_or(i64::MAX);
        self.parts.metrics.deny_policies.set(policies);
        self.parts.published.publish_denied(index);
    }

    /// Writes what the journal does not hold.
    pub(super) fn save_policies(&mut self, now: Now) {
        if self.saving_policies.in_flight || now.monotonic < self.saving_policies.from {
            return;
        }
        if let Some(held) = self.parts.policies.unsaved() {
            let sealed = self.parts.journal.seal_policies(held);
            self.saving_policies.in_flight = true;
            self.saving_policies.from = now.monotonic + SAVE_INTERVAL;
            let performer = self.performer.clone();
            self.jobs
                .spawn(performer.save_policies(held.clone(), sealed));
        }
    }

    /// When they want to be written, if they do.
    pub(super) fn policies_due(&self) -> Option<Duration> {
        let is_due = !self.saving_policies.in_flight && self.parts.policies.unsaved().is_some();
        is_due.then_some(self.saving_policies.from)
    }

    pub(super) fn handle_policies_saved(
        &mut self,
        held: &HeldPolicies,
        result: Result<(), JournalError>,
    ) {
        self.saving_policies.in_flight = false;
        match result {
            Ok(()) => self.parts.policies.handle_saved(held),
            Err(error) => tracing::warn!(%error, "the deny policies could not be stored"),
        }
    }
}
