//! One grant's work: what was read for it, what is in flight, when it is planned again. Level-triggered: whatever
//! happens to a grant only says "plan it", and the plan is made from what is held and seen then.

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;
use breakglass_agent_core::clock::Now;
use breakglass_agent_core::observed::{Observed, WorkloadSeen};
use breakglass_agent_core::plan::outcome::Outcome;
use breakglass_agent_core::plan::{Step, plan};
use breakglass_agent_core::pods::allowed_pods;
use breakglass_agent_core::workload::WORKLOAD;
use breakglass_protocol::ids::GrantUid;
use breakglass_protocol::wire::report::{ObservedPod, Report};

use super::EventLoop;
use super::perform::{After, StepResult};
use crate::cluster::view::Reads;

/// First and longest pause after something that must be tried again. Ends are watched closely at first: pods take two
/// or three seconds to go (D1).
const FIRST_PAUSE: Duration = Duration::from_millis(200);
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// The cluster is asked why pods are missing this long after they could be there, and then again in such intervals.
const TROUBLE_FIRST: Duration = Duration::from_secs(3);
const TROUBLE_AGAIN: Duration = Duration::from_secs(30);

/// See the module's text.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) reads: Reads,
    pub(super) in_flight: usize,
    /// Something happened while steps were in flight.
    pub(super) again: bool,
    /// When the present pause is over, and the earliest time at which something seen may cut it short.
    pub(super) floor: Duration,
    wake: Option<Duration>,
    pub(super) pauses: ExponentialBackoff,
    pub(super) batch: Batch,
    pub(super) failing_since: Option<Duration>,
    trouble_from: Option<Duration>,
    indexed: Option<(u64, Vec<ObservedPod>)>,
    pub(super) reported: Option<Report>,
}

/// What the steps that are in flight together brought so far.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) progress: bool,
    pub(super) later: bool,
    pub(super) failure: Option<String>,
}

impl Default for Work {
    fn default() -> Self {
        Self {
            reads: Reads::default(),
            in_flight: 0,
            again: false,
            floor: Duration::ZERO,
            wake: None,
            pauses: ExponentialBackoff {
                current_interval: FIRST_PAUSE,
                initial_interval: FIRST_PAUSE,
                multiplier: 1.6,
                max_interval: LONGEST_PAUSE,
                // How long is decided by what is tried: see DEPLOY_PATIENCE; ends are tried until they are done.
                max_elapsed_time: None,
                ..ExponentialBackoff::default()
            },
            batch: Batch::default(),
            failing_since: None,
            trouble_from: None,
            indexed: None,
            reported: None,
        }
    }
}

impl Work {
    /// Pods in the index.
    pub(super) fn allowed(&self) -> usize {
        self.indexed.as_ref().map_or(0, |(_, pods)| pods.len())
    }

    /// The grant has ended: no pause of its deployment counts any more.
    pub(super) fn begin_cleanup(&mut self) {
        self.pauses.reset();
        self.floor = Duration::ZERO;
        self.failing_since = None;
        self.indexed = None;
        self.reads.trouble.clear();
    }
}

impl EventLoop {
    /// Plans a grant at `at`, or sooner if it is already to be.
    pub(super) fn wake(&mut self, uid: &GrantUid, at: Duration) {
        let work = self.work.entry(uid.clone()).or_default();
        let at = at.max(work.floor);
        match work.wake {
            Some(sooner) if sooner <= at => return,
            Some(later) => {
                self.wakes.remove(&(later, uid.clone()));
            }
            None => {}
        }
        work.wake = Some(at);
        self.wakes.insert((at, uid.clone()));
    }

    /// Something about a session was seen.
    pub(super) fn touch_session(&mut self, session: &str, now: Now) {
        let uids: Vec<GrantUid> = self
            .parts
            .holdings
            .iter()
            .filter(|held| held.grant.session == session)
            .map(|held| held.grant.uid.clone())
            .collect();
        for uid in uids {
            self.wake(&uid, now.monotonic);
        }
    }

    pub(super) fn touch_all(&mut self, now: Now) {
        let uids: Vec<GrantUid> = self
            .parts
            .holdings
            .iter()
            .map(|held| held.grant.uid.clone())
            .collect();
        for uid in uids {
            self.wake(&uid, now.monotonic);
        }
    }

    /// Plans every grant whose time has come.
    pub(super) fn plan_due(&mut self, now: Now) {
        while let Some((at, uid)) = self.wakes.first().cloned() {
            if at > now.monotonic {
                return;
            }
            self.wakes.remove(&(at, uid.clone()));
            if let Some(work) = self.work.get_mut(&uid) {
                work.wake = None;
            }
            self.advance(&uid, now);
        }
    }

    pub(super) fn observed(&self, uid: &GrantUid) -> Observed {
        let reads = self.work.get(uid).map(|work| work.reads.clone());
        match self.parts.holdings.get(uid) {
            Some(held) => Observed {
                neighbour: self.parts.holdings.neighbour_of(uid),
                ..self.view.observed(held, &reads.unwrap_or_default())
            },
            None => Observed::default(),
        }
    }

    /// One turn of one grant: index, plan, start of the next steps.
    fn advance(&mut self, uid: &GrantUid, now: Now) {
        let observed = self.observed(uid);
        let Some(held) = self.parts.holdings.get_mut(uid) else {
            if !self.is_in_flight(uid) {
                self.drop_work(uid);
            }
            return;
        };
        held.handle_observed(&observed);
        self.unreported.insert(uid.clone());
        self.index(uid, &observed);
        self.watch_for_trouble(uid, &observed, now);
        // A step in flight may be a create: what it made must be recorded before anything is decided on. Each takes at
        // most one call's timeout.
        if let Some(work) = self.work.get_mut(uid)
            && work.in_flight > 0
        {
            work.again = true;
            return;
        }
        let Some(held) = self.parts.holdings.get(uid) else {
            return;
        };
        let ended = held.has_ended();
        let steps: Vec<Step> = plan(held, &observed, now)
            .into_iter()
            .filter(|step| *step != Step::CloseAccess)
            .collect();
        let steps = if ended { steps } else { next_steps(steps) };
        if steps.is_empty() {
            let next_look = held.next_look();
            self.calm(uid);
            if let Some(at) = next_look {
                self.wake(uid, at);
            }
            return;
        }
        self.start(uid, steps, now);
    }

    /// Nothing to do: whatever failed has passed.
    fn calm(&mut self, uid: &GrantUid) {
        if let Some(work) = self.work.get_mut(uid) {
            work.pauses.reset();
            work.failing_since = None;
        }
    }

    fn start(&mut self, uid: &GrantUid, steps: Vec<Step>, now: Now) {
        let has_workload = |step: &Step| matches!(step, Step::DeleteWorkload { .. });
        let (mut hold, after) = if steps.iter().any(has_workload) {
            let (sender, after) = After::workload();
            (Some(sender), after)
        } else {
            (None, After::nothing())
        };
        let mut immediate = Vec::new();
        for step in steps {
            let performer = self.performer.clone();
            let uid = uid.clone();
            match step {
                Step::Journal { version } => {
                    let Some(held) = self.parts.holdings.get(&uid) else {
                        continue;
                    };
                    let sealed = self.parts.journal.seal(held);
                    self.count_in(&uid);
                    self.jobs.spawn(performer.save(uid, version, sealed));
                }
                Step::CloseAccess
                | Step::KeepNamespace { .. }
                | Step::Fail { .. }
                | Step::GiveUp => immediate.push(step),
                Step::DeleteWorkload { .. } => {
                    let held_back = hold.take();
                    self.count_in(&uid);
                    self.jobs.spawn(async move {
                        let done = performer.perform(uid, step, After::nothing()).await;
                        drop(held_back);
                        done
                    });
                }
                Step::ReadNamespace { .. }
                | Step::ReadDeployer { .. }
                | Step::CreateNamespace { .. }
                | Step::FindNamespace { .. }
                | Step::ListInhabitants { .. }
                | Step::CreateFirst { .. }
                | Step::FindOurs { .. }
                | Step::Look { .. }
                | Step::Apply { .. }
                | Step::CapDeadline { .. }
                | Step::DeletePod { .. }
                | Step::Delete { .. }
                | Step::ConfirmGone { .. }
                | Step::ConfirmPodsGone { .. } => {
                    self.count_in(&uid);
                    self.jobs.spawn(performer.perform(uid, step, after.clone()));
                }
            }
        }
        for step in immediate {
            self.count_in(uid);
            let result = StepResult::Outcome(Outcome::Accepted);
            self.handle_step(uid, &step, result, now);
        }
    }

    fn count_in(&mut self, uid: &GrantUid) {
        self.work.entry(uid.clone()).or_default().in_flight += 1;
    }

    /// Whether steps of this grant, writes of its record among them, are not done yet.
    pub(super) fn is_in_flight(&self, uid: &GrantUid) -> bool {
        self.work.get(uid).is_some_and(|work| work.in_flight > 0)
    }

    pub(super) fn has_ended(&self, uid: &GrantUid) -> bool {
        self.parts
            .holdings
            .get(uid)
            .is_none_or(|held| held.has_ended())
    }

    /// Whether something is still to be made.
    pub(super) fn is_incomplete(&self, uid: &GrantUid) -> bool {
        let held = self.parts.holdings.get(uid);
        held.is_some_and(|held| !held.is_complete())
    }

    /// What the webhook may allow of this grant.
    fn index(&mut self, uid: &GrantUid, observed: &Observed) {
        let Some(held) = self.parts.holdings.get(uid) else {
            return;
        };
        // Owners may be missing until every watch has told all: judged then.
        let allowed = if self.view.is_synced() && !held.has_ended() {
            allowed_pods(held, observed)
        } else {
            Vec::new()
        };
        let work = self.work.entry(uid.clone()).or_default();
        let now = Some((held.version(), allowed));
        if work.indexed == now {
            return;
        }
        let allowed = now.as_ref().map_or(&[][..], |(_, pods)| pods.as_slice());
        self.book.set(held, allowed);
        work.indexed = now;
        self.unpublished = true;
    }

    /// Asks the cluster why pods are missing: a quota's refusal is only in events.
    fn watch_for_trouble(&mut self, uid: &GrantUid, observed: &Observed, now: Now) {
        let missing = matches!(&observed.workload, WorkloadSeen::Present(workload)
            if !workload.deleting && (workload.desired == 0 || workload.ready < workload.desired));
        let ended = self.has_ended(uid);
        let Some(work) = self.work.get_mut(uid) else {
            return;
        };
        if !missing || ended {
            work.trouble_from = None;
            work.reads.trouble.clear();
            return;
        }
        let from = *work
            .trouble_from
            .get_or_insert(now.monotonic + TROUBLE_FIRST);
        if now.monotonic < from {
            self.wake(uid, from);
            return;
        }
        work.trouble_from = Some(now.monotonic + TROUBLE_AGAIN);
        let Some(held) = self.parts.holdings.get(uid) else {
            return;
        };
        let mut owners: Vec<String> = held
            .created
            .iter()
            .filter(|record| record.source == WORKLOAD)
            .map(|record| record.uid.clone())
            .collect();
        owners.extend(held.replica_sets.iter().map(|set| set.uid.clone()));
        let namespace = held.grant.target_namespace.clone();
        let performer = self.performer.clone();
        self.jobs
            .spawn(performer.look_for_trouble(uid.clone(), namespace, owners));
        self.wake(uid, now.monotonic + TROUBLE_AGAIN);
    }

    /// Nothing is held under this UID any more.
    pub(super) fn drop_work(&mut self, uid: &GrantUid) {
        if let Some(work) = self.work.remove(uid)
            && let Some(at) = work.wake
        {
            self.wakes.remove(&(at, uid.clone()));
        }
        self.book.remove(uid);
        self.unreported.remove(uid);
        self.unpublished = true;
    }
}

/// While a grant runs: the first step alone, since each may change what comes next; steps about single pods, and looks, go
/// together.
fn next_steps(steps: Vec<Step>) -> Vec<Step> {
    let is_alone = |step: &Step| {
        !matches!(
            step,
            Step::CapDeadline { .. } | Step::DeletePod { .. } | Step::Look { .. }
        )
    };
    let together = steps.iter().take_while(|step| !is_alone(step)).count();
    steps.into_iter().take(together.max(1)).collect()
}
