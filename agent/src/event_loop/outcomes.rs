//! What steps brought, taken into the grant's record, and when to go on.

use std::time::Duration;

use backoff::backoff::Backoff;
use breakglass_agent_core::clock::Now;
use breakglass_agent_core::observed::WorkloadFacts;
use breakglass_agent_core::plan::Step;
use breakglass_agent_core::plan::outcome::{Outcome, Retry, give_up_on, handle_outcome};
use breakglass_protocol::ids::GrantUid;
use breakglass_protocol::wire::grant::EndReason;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use serde_json::Value;

use super::EventLoop;
use super::perform::{Done, StepResult, step_name};
use super::work::LONGEST_PAUSE;
use crate::journal::JournalError;
use crate::telemetry::StepLabels;

/// What is seen may wake a grant before its pause is over, but not more often than this.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// A grant whose objects cannot be made for this long fails: somebody waits for its pods, and access is time-limited.
/// Room for an API server's restart or a control plane's upgrade.
const DEPLOY_PATIENCE: Duration = Duration::from_secs(300);

impl EventLoop {
    /// A job's outcome.
    pub(super) fn handle_done(&mut self, done: Done) {
        let now = self.now();
        match done {
            Done::Step { uid, step, result } => self.handle_step(&uid, &step, result, now),
            Done::Memory { version, result } => self.handle_memory_saved(version, result),
            Done::Mark { mark, result } => self.handle_mark_saved(mark, result),
            Done::Order { result } => self.handle_order(result),
            Done::Policies { held, result } => self.handle_policies_saved(&held, result),
            Done::Audit {
                version,
                held,
                result,
            } => self.handle_audit_saved(version, &held, result),
            Done::Forgotten { uid, result } => self.handle_forgotten(&uid, result),
            Done::Identity { identity, result } => self.handle_identity_saved(*identity, result),
            Done::Trouble { uid, trouble } => {
                if let Some(work) = self.work.get_mut(&uid)
                    && work.reads.trouble != trouble
                {
                    work.reads.trouble = trouble;
                    self.wake(&uid, now.monotonic);
                }
            }
        }
    }

    pub(super) fn handle_step(
        &mut self,
        uid: &GrantUid,
        step: &Step,
        result: StepResult,
        now: Now,
    ) {
        let had_ended = self.has_ended(uid);
        let failure = failure_of(&result);
        let (progress, retry) = match result {
            StepResult::Journaled(result) => {
                let retry = if result.is_ok() {
                    Retry::Now
                } else {
                    Retry::Later
                };
                (self.handle_journaled(uid, step, &result, now), retry)
            }
            StepResult::Namespace(Ok(seen)) => {
                let work = self.work.entry(uid.clone()).or_default();
                (work.reads.take_namespace(seen, now), Retry::Now)
            }
            StepResult::Deployer(Ok(seen)) => {
                let work = self.work.entry(uid.clone()).or_default();
                let is_news = work.reads.deployer != seen;
                work.reads.deployer = seen;
                (is_news, Retry::Now)
            }
            StepResult::Namespace(Err(failure)) | StepResult::Deployer(Err(failure)) => {
                self.take_outcome(uid, step, Outcome::Failed(failure), now)
            }
            StepResult::Outcome(outcome) => self.take_outcome(uid, step, outcome, now),
        };
        self.count(step, failure.as_deref(), retry);
        if let Some(failure) = &failure {
            tracing::warn!(%uid, step = step_name(step), error = %failure, "step failed");
        }
        if !had_ended && self.has_ended(uid) {
            self.close(vec![uid.clone()]);
        }
        let Some(work) = self.work.get_mut(uid) else {
            return;
        };
        if matches!(
            step,
            Step::CreateNamespace { .. } | Step::CreateFirst { .. } | Step::Apply { .. }
        ) {
            work.reads.forget_place();
        }
        work.batch.progress |= progress;
        work.batch.later |= retry == Retry::Later;
        work.batch.failure = work.batch.failure.take().or(failure);
        work.in_flight = work.in_flight.saturating_sub(1);
        if work.in_flight == 0 {
            self.finish_batch(uid, step, now);
            if self.settled.contains(uid) {
                self.forget_settled();
            }
        }
    }

    /// When to plan again. Without progress the same plan would come out, so it waits.
    fn finish_batch(&mut self, uid: &GrantUid, step: &Step, now: Now) {
        let ended = self.has_ended(uid);
        let incomplete = self.is_incomplete(uid);
        let Some(work) = self.work.get_mut(uid) else {
            return;
        };
        let batch = std::mem::take(&mut work.batch);
        let again = std::mem::take(&mut work.again);
        if batch.failure.is_none() {
            work.failing_since = None;
        }
        if batch.progress && !batch.later {
            work.pauses.reset();
            work.floor = now.monotonic;
            self.wake(uid, now.monotonic);
            return;
        }
        if batch.progress {
            work.pauses.reset();
        }
        let pause = work.pauses.next_backoff().unwrap_or(LONGEST_PAUSE);
        work.floor = now.monotonic + SHORTEST_PAUSE.min(pause);
        if let Some(failure) = batch.failure {
            let since = *work.failing_since.get_or_insert(now.monotonic);
            let lasted = now.monotonic.saturating_sub(since);
            if !ended && incomplete && lasted > DEPLOY_PATIENCE {
                let message = format!(
                    "the session could not be deployed for {} s: {} failed: {failure}",
                    lasted.as_secs(),
                    step_name(step)
                );
                self.give_up(uid, step, message, now);
                return;
            }
        }
        // The floor still holds for what was seen in the meantime.
        let pause = if again { Duration::ZERO } else { pause };
        self.wake(uid, now.monotonic + pause);
    }

    /// Ends a grant that cannot be deployed, or goes on without the object.
    fn give_up(&mut self, uid: &GrantUid, step: &Step, message: String, now: Now) {
        if let Some(held) = self.parts.holdings.get_mut(uid) {
            give_up_on(held, step, message, now);
        }
        if self.has_ended(uid) {
            self.close(vec![uid.clone()]);
        } else if let Some(work) = self.work.get_mut(uid) {
            work.failing_since = None;
            self.wake(uid, now.monotonic);
        }
    }

    fn take_outcome(
        &mut self,
        uid: &GrantUid,
        step: &Step,
        outcome: Outcome,
        now: Now,
    ) -> (bool, Retry) {
        if let Outcome::Object(object) = &outcome {
            self.note_written(uid, object);
        }
        let Some(held) = self.parts.holdings.get_mut(uid) else {
            return (false, Retry::Later);
        };
        let before = held.version();
        let retry = handle_outcome(held, step, outcome, now);
        (held.version() != before, retry)
    }

    /// What was just written is known before the watch tells of it.
    fn note_written(&mut self, uid: &GrantUid, object: &Value) {
        let Some(held) = self.parts.holdings.get(uid) else {
            return;
        };
        let session = held.grant.session.clone();
        let kind = object
            .get("kind")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let facts = match kind {
            "DaemonSet" => serde_json::from_value::<DaemonSet>(object.clone())
                .map(|set| WorkloadFacts::of_daemon_set(&set)),
            "Deployment" => serde_json::from_value::<Deployment>(object.clone())
                .map(|deployment| WorkloadFacts::of_deployment(&deployment)),
            _ => return,
        };
        if let Ok(facts) = facts {
            self.view.take_written(&session, kind, facts);
        }
    }

    /// The journal holds (or does not hold) a version of the record. Returns whether that is progress.
    fn handle_journaled(
        &mut self,
        uid: &GrantUid,
        step: &Step,
        result: &Result<(), JournalError>,
        now: Now,
    ) -> bool {
        let Some(held) = self.parts.holdings.get_mut(uid) else {
            return false;
        };
        match (result, step) {
            (Ok(()), Step::Journal { version }) => {
                held.handle_saved(*version);
                self.acknowledge(uid);
                true
            }
            (Err(error @ JournalError::TooLarge { .. }), _) if held.created.is_empty() => {
                // Nothing was made, so nothing is lost with the manifests, and the rest fits.
                held.rendered = None;
                held.end(EndReason::Failed, Some(error.to_string()), now);
                true
            }
            (Ok(()) | Err(_), _) => false,
        }
    }

    fn count(&self, step: &Step, failure: Option<&str>, retry: Retry) {
        let outcome = match (failure, retry) {
            (None, _) => "done",
            (Some(_), Retry::Later) => "retried",
            (Some(_), Retry::Now) => "refused",
        };
        let labels = StepLabels {
            step: step_name(step),
            outcome,
        };
        self.parts.metrics.steps.get_or_create(&labels).inc();
    }
}

fn failure_of(result: &StepResult) -> Option<String> {
    match result {
        StepResult::Journaled(Err(error)) => Some(error.to_string()),
        StepResult::Namespace(Err(failure))
        | StepResult::Deployer(Err(failure))
        | StepResult::Outcome(Outcome::Failed(failure)) => Some(failure.message.clone()),
        StepResult::Journaled(Ok(()))
        | StepResult::Namespace(Ok(_))
        | StepResult::Deployer(Ok(_))
        | StepResult::Outcome(
            Outcome::Object(_)
            | Outcome::Accepted
            | Outcome::Gone
            | Outcome::Present
            | Outcome::Pods(_)
            | Outcome::Inhabitants(_),
        ) => None,
    }
}
