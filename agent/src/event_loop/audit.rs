//! What the webhook decided: from its thread into the core's recorder, to the hub, and what waits for the hub into the
//! journal.

use std::time::Duration;

use breakglass_agent_core::authorize::Decision;
use breakglass_agent_core::clock::Now;
use breakglass_agent_core::recorder::{HeldRecords, SAVE_AFTER};

use super::EventLoop;
use crate::journal::JournalError;

/// What of the records is on its way to the journal.
#[derive(Debug, Default)]
pub(super) struct SavingAudit {
    /// When what has changed is written (monotonic).
    at: Option<Duration>,
    in_flight: bool,
}

impl EventLoop {
    pub(super) fn take_decisions(&mut self, decisions: Vec<Decision>) {
        let now = self.now();
        for decision in decisions {
            self.parts.recorder.record(decision, now);
        }
        let lost = self.parts.decisions.take_lost();
        self.parts.recorder.lost(lost, now);
    }

    /// Sends what is due, one batch at a time.
    pub(super) fn tell_audit(&mut self, now: Now) {
        let recorder = &mut self.parts.recorder;
        if self.parts.link.takes_audit()
            && let Some(frame) = recorder.batch(now)
        {
            self.parts.link.handle_audit(frame);
        }
        let dropped = recorder.take_dropped();
        self.parts.metrics.count_dropped(dropped);
        let waiting = i64::try_from(recorder.waiting()).unwrap_or(i64::MAX);
        self.parts.metrics.audit_waiting.set(waiting);
    }

    /// Writes what the journal does not hold.
    pub(super) fn save_audit(&mut self, now: Now) {
        if self.saving_audit.in_flight {
            return;
        }
        if !self.parts.recorder.is_unsaved() {
            self.saving_audit.at = None;
            return;
        }
        let at = self
            .saving_audit
            .at
            .get_or_insert(now.monotonic + SAVE_AFTER);
        if now.monotonic >= *at {
            self.write_audit();
        }
    }

    /// Writes it at once, as the last thing before the end.
    pub(super) fn save_audit_now(&mut self) {
        let rest = self.parts.decisions.drain();
        self.take_decisions(rest);
        if self.parts.recorder.is_unsaved() {
            self.write_audit();
        }
    }

    fn write_audit(&mut self) {
        let (version, held) = self.parts.recorder.held();
        let sealed = self.parts.journal.seal_audit(&held);
        self.saving_audit = SavingAudit {
            at: None,
            in_flight: true,
        };
        let performer = self.performer.clone();
        self.jobs.spawn(performer.save_audit(version, held, sealed));
    }

    /// When there is something to send or to write.
    pub(super) fn audit_due(&self) -> Option<Duration> {
        let takes = self.parts.link.takes_audit();
        let send = self.parts.recorder.due().filter(|_| takes);
        let save = self
            .saving_audit
            .at
            .filter(|_| !self.saving_audit.in_flight);
        send.into_iter().chain(save).min()
    }

    pub(super) fn handle_audit_saved(
        &mut self,
        version: u64,
        held: &HeldRecords,
        result: Result<(), JournalError>,
    ) {
        self.saving_audit.in_flight = false;
        match result {
            Ok(()) => self.parts.recorder.handle_saved(version, held),
            Err(error) => {
                tracing::warn!(%error, "what waits for the hub's audit log could not be stored")
            }
        }
    }
}
