//! The clock's mark on its way to the journal (S12).

use std::time::Duration;

use breakglass_agent_core::clock::Now;
use breakglass_agent_core::high_water::Mark;

use super::EventLoop;
use crate::journal::JournalError;

/// Pause before it is tried again, if the last writing failed.
const AGAIN: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
pub(super) struct SavingMark {
    /// Not before this (monotonic).
    from: Duration,
    in_flight: bool,
}

impl EventLoop {
    /// Writes what the journal does not hold.
    pub(super) fn save_mark(&mut self, now: Now) {
        if self.own.saving_mark.in_flight || now.monotonic < self.own.saving_mark.from {
            return;
        }
        if let Some(mark) = self.parts.holdings.high_water().unsaved() {
            let sealed = self.parts.journal.seal_mark(mark);
            self.own.saving_mark.in_flight = true;
            self.own.saving_mark.from = now.monotonic + AGAIN;
            self.jobs
                .spawn(self.performer.clone().save_mark(mark, sealed));
        }
    }

    /// When it wants to be written, if it does.
    pub(super) fn mark_due(&self) -> Option<Duration> {
        let is_due =
            !self.own.saving_mark.in_flight && self.parts.holdings.high_water().unsaved().is_some();
        is_due.then_some(self.own.saving_mark.from)
    }

    pub(super) fn handle_mark_saved(&mut self, mark: Mark, result: Result<(), JournalError>) {
        self.own.saving_mark.in_flight = false;
        match result {
            Ok(()) => self.parts.holdings.high_water_mut().handle_saved(mark),
            Err(error) => tracing::warn!(%error, "the clock's mark could not be stored"),
        }
    }
}
