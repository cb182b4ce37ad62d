//! The one task that owns everything that changes: what is held, what is seen, and the index that the webhook reads. It
//! takes in events one at a time and waits for nothing else: calls to the API server run as jobs whose outcomes are
//! events again. So a slow API server or hub delays no expiry, and no two things change a grant at once.
//!
//! A turn: take an event in ([`hub`], [`outcomes`], [`audit`]) → whatever it touched is planned, its steps start as jobs ([`work`],
//! [`perform`]) → the index is published → changed reports go to the link ([`hub`], [`own`]) → frames go out as the socket takes
//! them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use breakglass_agent_core::authorize::Enforcement;
use breakglass_agent_core::clock::Now;
use breakglass_agent_core::grants::GrantBook;
use breakglass_agent_core::holdings::Holdings;
use breakglass_agent_core::link::Link;
use breakglass_agent_core::policies::Policies;
use breakglass_agent_core::recorder::Recorder;
use breakglass_protocol::ids::{GrantUid, Revision};
use breakglass_protocol::wire::{to_agent::ToAgent, to_hub::ToHub};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::cluster::view::{Touched, View};
use crate::cluster::watch::{KillSwitch, Sighting, Watched};
use crate::identity::Identity;
use crate::journal::Journal;
use crate::published::Published;
use crate::telemetry::{Health, Metrics};
use crate::webhook::WebhookHandle;
use crate::webhook::decisions::Decisions;

mod audit;
mod ends;
mod high_water;
mod hub;
mod outcomes;
mod own;
mod perform;
mod policies;
mod work;

use perform::{Done, Performer};
use work::Work;

/// Events from the link that may wait. A snapshot of many grants comes as fast as the socket gives it; a full queue
/// stops the reader, and so the hub, by TCP's own flow control.
pub const LINK_EVENTS: usize = 64;
/// Frames for the hub that may wait. Reports are made when there is room, so none is lost when it is full.
pub const LINK_FRAMES: usize = 64;

/// While grants run the clocks are read this often, so that a wall clock that jumps ahead (a machine that slept) ends
/// them; the ordinary end has a timer of its own.
const TICK_HOLDING: Duration = Duration::from_secs(1);
/// With nothing running only metrics and the certificate need a look.
const TICK_IDLE: Duration = Duration::from_secs(15);
/// Never spin, whatever a deadline says.
const SHORTEST_SLEEP: Duration = Duration::from_millis(5);
/// For the last words to the hub and the last record.
const SHUTDOWN: Duration = Duration::from_secs(2);

/// What the link's task tells the loop. The task only moves frames: every word, from Hello on, is the loop's.
#[derive(Debug)]
pub enum LinkEvent {
    /// A socket to the hub is open and nothing was said on it yet. Frames go into `frames`, a channel of this
    /// connection only, so that nothing meant for an older one is ever sent on it. Dropping it closes the socket in good
    /// order.
    Connected { frames: mpsc::Sender<ToHub> },
    /// The hub said something on the open socket.
    Frame(Box<ToAgent>),
    /// The hub gave a sign of life: a ping or a pong.
    Heard,
    /// The socket is gone, or could not be opened; why, for people.
    Disconnected { why: String },
}

/// What the loop is made of.
pub struct Parts {
    pub clock: Clock,
    pub cluster: Cluster,
    pub namespace: String,
    pub journal: Journal,
    /// What the journal held, restored.
    pub holdings: Holdings,
    /// As the journal held them.
    pub policies: Policies,
    /// What the webhook decides, and what of it the journal held.
    pub decisions: Decisions,
    pub recorder: Recorder,
    pub link: Link,
    pub identity: watch::Sender<Identity>,
    pub webhook: WebhookHandle,
    pub published: Arc<Published>,
    pub metrics: Metrics,
    pub health: Health,
    pub kubernetes_version: String,
    pub enforcement: Enforcement,
}

/// See the module's text.
struct EventLoop {
    parts: Parts,
    view: View,
    book: GrantBook,
    /// Whether the book differs from what is published.
    unpublished: bool,
    work: BTreeMap<GrantUid, Work>,
    /// When a grant wants to be planned again, by the monotonic clock.
    wakes: BTreeSet<(Duration, GrantUid)>,
    /// Grants whose report may have changed.
    unreported: BTreeSet<GrantUid>,
    reports_from: Duration,
    /// Revisions that the hub hears of once the journal holds the grant.
    acks: Vec<(GrantUid, Revision)>,
    /// Settled grants whose records go once their tombstones are saved.
    settled: BTreeSet<GrantUid>,
    /// Pause and state of writing what is beside the grants.
    memory_from: Duration,
    memory_in_flight: bool,
    saving_policies: policies::SavingPolicies,
    saving_audit: audit::SavingAudit,
    jobs: JoinSet<Done>,
    performer: Performer,
    frames: Option<mpsc::Sender<ToHub>>,
    waiting_frame: Option<ToHub>,
    own: own::Own,
    next_tick: Duration,
}

/// Runs until `stop`, then says goodbye to the hub.
///
/// `sightings` are what the watches see, `link` what the link's task tells; both end with this function.
pub async fn run(
    parts: Parts,
    mut sightings: mpsc::Receiver<Sighting>,
    mut link: mpsc::Receiver<LinkEvent>,
    stop: CancellationToken,
) {
    let mut this = EventLoop::new(parts);
    loop {
        this.finish_turn();
        let timer = tokio::time::Instant::from_std(this.next_timer());
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            () = tokio::time::sleep_until(timer) => this.handle_timers(),
            Some(Ok(done)) = this.jobs.join_next() => this.handle_done(done),
            Some(sighting) = sightings.recv() => this.handle_sighting(sighting),
            Some(event) = link.recv() => this.handle_link_event(event),
            Some(decisions) = this.parts.decisions.receive() => this.take_decisions(decisions),
            permit = room_for_frame(this.frames.clone()), if this.waiting_frame.is_some() => {
                if let (Some(permit), Some(frame)) = (permit, this.waiting_frame.take()) {
                    permit.send(frame);
                }
            }
        }
    }
    drop(sightings);
    this.shut_down(link).await;
}

async fn room_for_frame(frames: Option<mpsc::Sender<ToHub>>) -> Option<mpsc::OwnedPermit<ToHub>> {
    frames?.reserve_owned().await.ok()
}

impl EventLoop {
    fn new(parts: Parts) -> Self {
        let now = parts.clock.now();
        let performer = Performer::new(parts.cluster.clone(), parts.journal.clone());
        let own = own::Own::new(&parts);
        let held: Vec<GrantUid> = parts
            .holdings
            .iter()
            .map(|held| held.grant.uid.clone())
            .collect();
        let mut this = Self {
            parts,
            view: View::default(),
            book: GrantBook::default(),
            unpublished: false,
            work: BTreeMap::new(),
            wakes: BTreeSet::new(),
            unreported: BTreeSet::new(),
            reports_from: now.monotonic,
            acks: Vec::new(),
            settled: BTreeSet::new(),
            memory_from: now.monotonic,
            memory_in_flight: false,
            saving_policies: policies::SavingPolicies::default(),
            saving_audit: audit::SavingAudit::default(),
            jobs: JoinSet::new(),
            performer,
            frames: None,
            waiting_frame: None,
            own,
            next_tick: now.monotonic,
        };
        for uid in held {
            this.wake(&uid, now.monotonic);
        }
        this.publish_denied();
        this
    }

    fn now(&self) -> Now {
        self.parts.clock.now()
    }

    /// Everything that follows from what this turn took in.
    fn finish_turn(&mut self) {
        let now = self.now();
        self.drain_link(now);
        self.plan_due(now);
        if std::mem::take(&mut self.unpublished) {
            self.parts.published.publish(self.book.index());
        }
        self.make_reports(now);
        self.save_memory(now);
        self.save_mark(now);
        self.save_policies(now);
        self.drain_link(now);
        self.tell_audit(now);
        self.save_audit(now);
        self.send_frames();
    }

    fn next_timer(&self) -> Instant {
        let now = self.now().monotonic;
        let at = [
            Some(self.next_tick),
            self.parts.holdings.next_deadline(),
            self.parts.link.poll_timeout(),
            self.wakes.first().map(|(at, _)| *at),
            (!self.unreported.is_empty()).then_some(self.reports_from),
            self.memory_due(),
            self.mark_due(),
            self.policies_due(),
            self.audit_due(),
        ]
        .into_iter()
        .flatten()
        .min()
        .unwrap_or(self.next_tick);
        self.parts.clock.instant(at.max(now + SHORTEST_SLEEP))
    }

    fn handle_timers(&mut self) {
        let now = self.now();
        let expired = self.parts.holdings.handle_time(now);
        self.close(expired);
        let released = self.parts.holdings.release_old(now);
        self.clean_up(released, now);
        self.parts.link.handle_timeout(now);
        if now.monotonic >= self.next_tick {
            self.tick(now);
        }
    }

    fn tick(&mut self, now: Now) {
        let running = self.parts.holdings.iter().any(|held| !held.has_ended());
        let pause = if running { TICK_HOLDING } else { TICK_IDLE };
        self.next_tick = now.monotonic + pause;
        let metrics = &self.parts.metrics;
        let held = self.parts.holdings.iter().count();
        metrics
            .grants_held
            .set(i64::try_from(held).unwrap_or(i64::MAX));
        let allowed: usize = self.work.values().map(Work::allowed).sum();
        metrics
            .pods_allowed
            .set(i64::try_from(allowed).unwrap_or(i64::MAX));
        if let Some(progress) = self.parts.published.freshness().last_progress {
            let age = now.monotonic.saturating_sub(progress);
            metrics.watch_age_seconds.set(age.as_secs_f64());
        }
        self.forget_settled();
        self.keep_certificate(now);
        self.ask_for_order(now);
        self.tell_status(now);
    }

    fn handle_sighting(&mut self, sighting: Sighting) {
        let now = self.now();
        let is_pods = matches!(sighting.what, Watched::Pods(_));
        let was_synced = self.view.is_synced();
        match self.view.take(sighting.what) {
            Touched::None => {}
            Touched::Session(session) => self.touch_session(&session, now),
            Touched::All => self.touch_all(now),
            Touched::Namespaces => {
                let labels = self.view.namespace_labels();
                self.parts.published.publish_namespaces(labels);
            }
        }
        if self.view.kill_switch() == KillSwitch::On {
            self.end_all(now);
        }
        if is_pods && self.parts.enforcement == Enforcement::Strict {
            let pods = self.view.session_pods();
            self.parts.published.publish_session_pods(pods);
        }
        if !self.view.is_synced() {
            return;
        }
        if !was_synced {
            tracing::info!("everything that carries a session's label is known");
            self.touch_all(now);
            self.parts.health.set_ready();
        }
        if is_pods || !was_synced {
            // The index must hold what was seen before it counts as that fresh.
            self.plan_due(now);
            if std::mem::take(&mut self.unpublished) {
                self.parts.published.publish(self.book.index());
            }
            let seen = self.parts.clock.monotonic(sighting.at);
            self.parts.published.record_progress(seen);
        }
    }

    /// The last words, in bounded time. What is left undone is in the journal.
    async fn shut_down(mut self, link: mpsc::Receiver<LinkEvent>) {
        self.parts.health.set_unready("shutting down");
        let now = self.now();
        self.parts.holdings.handle_time(now);
        self.parts.link.handle_shutdown();
        if let Some(frames) = self.frames.take() {
            while let Some(frame) = self
                .waiting_frame
                .take()
                .or_else(|| self.parts.link.poll_frame())
            {
                if frames.try_send(frame).is_err() {
                    break;
                }
            }
        }
        // Both ends dropped: the link's task flushes, closes the socket and ends.
        drop(link);
        self.save_memory(now);
        self.save_mark(now);
        self.save_policies(now);
        self.save_audit_now();
        let last = async { while self.jobs.join_next().await.is_some() {} };
        if tokio::time::timeout(SHUTDOWN, last).await.is_err() {
            tracing::info!(
                "jobs at the API server are left unfinished; the next start goes on with them"
            );
        }
    }
}
