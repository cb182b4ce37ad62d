//! The hub's half of the conversation with one agent, sans-IO: frames and time come in, frames and events go out. The
//! shell (`hub/src/link/pump.rs`) owns the socket and the store; one thread can run this half against an agent's half.
//!
//! 1. The agent's `Hello` is checked ; `Welcome` goes out, [`Event::Connected`] comes out.
//! 2. The shell answers with [`HubLink::snapshot`]: the UIDs that the cluster should hold. The link asks for each
//!    grant when there is room for it ([`HubLink::poll_wanted`]), so that no more than a few are in memory.
//! 3. [`HubLink::changed`] says that a session has moved; the same asking follows. Only the newest state is sent.
//! 4. Reports come out as events; once the shell has stored a final one it says [`HubLink::settle`].
//!
//! Everything is level-triggered: a new connection starts at 1 and ends in the same state.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use jiff::Timestamp;

use breakglass_protocol::ids::{CallId, ClusterName, GrantUid, Revision};
use breakglass_protocol::limits::{DEAD_AFTER, HANDSHAKE_TIMEOUT, PING_INTERVAL};
use breakglass_protocol::wire::close::{Close, CloseCode};
use breakglass_protocol::wire::policy;
use breakglass_protocol::wire::to_agent::{
    Ask, AuditAccepted, Call, Certificate, GrantFrame, PoliciesFrame, Settled, ToAgent,
};

use crate::clock::{Now, between};
use crate::policy::PreparedPolicies;

mod audit;
mod desired;
mod event;
mod incoming;

pub use event::{AskError, CallFailure, Event, Outgoing};

/// Frames that wait for the socket. Grants are asked for only while there are fewer, so this bounds memory at about
/// 32 × [`breakglass_protocol::limits::MAX_GRANT_BYTES`] = 16 MiB in the worst case, a few hundred KiB in life.
const QUEUE_FOR_GRANTS: usize = 32;
/// Frames over the former: answers, settlements, close. A peer that lets this many pile up does not read.
const MAX_QUEUE: usize = 4_096;
/// Events that wait for the shell, which drains them after every call; reports of one grant replace each other.
const MAX_EVENTS: usize = 4_096;
/// Questions open at once. Administrators ask by hand.
const MAX_CALLS: usize = 64;

/// What one connection starts with.
#[derive(Clone, Debug)]
pub struct Greeting {
    /// The cluster that the certificate names: the only truth about who speaks (invariant 6).
    pub cluster: ClusterName,
    pub program_version: String,
    /// What the hub understands in reports.
    pub features: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    /// Waits for `Hello` until then (monotonic).
    Greeting {
        until: Duration,
    },
    Online {
        features: BTreeSet<String>,
    },
    Closed,
}

/// A snapshot being sent.
#[derive(Clone, Debug)]
struct Snapshot {
    revision: Revision,
    /// All of it, for starting over.
    all: Vec<GrantUid>,
    /// Still to be asked for, in order.
    left: VecDeque<GrantUid>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Started {
    No,
    Yes,
}

#[derive(Clone, Debug)]
enum Queued {
    Frame(ToAgent),
    /// The remaining time is computed when it leaves (S12).
    Grant {
        frame: GrantFrame,
        expires_at: Timestamp,
    },
}

/// See the module's text.
#[derive(Debug)]
pub struct HubLink {
    greeting: Greeting,
    phase: Phase,
    queue: VecDeque<Queued>,
    ping_due: Duration,
    heard_at: Duration,
    ping_wanted: bool,
    /// A snapshot was asked for on this connection; from then on changes count.
    started: Started,
    snapshot: Option<Snapshot>,
    /// Changed since they were last sent, outside the snapshot.
    dirty: BTreeSet<GrantUid>,
    /// Asked from the shell and not provided yet.
    wanted: Option<GrantUid>,
    events: VecDeque<Event>,
    calls: BTreeMap<CallId, Duration>,
    /// What was said of deny policies on this connection.
    policies: Option<PreparedPolicies>,
    /// How the batch of audit records that is being stored is accepted.
    audit: Option<AuditAccepted>,
}

impl HubLink {
    #[must_use]
    pub fn new(greeting: Greeting, now: Now) -> Self {
        Self {
            greeting,
            phase: Phase::Greeting {
                until: now.monotonic + HANDSHAKE_TIMEOUT,
            },
            queue: VecDeque::new(),
            ping_due: now.monotonic + PING_INTERVAL,
            heard_at: now.monotonic,
            ping_wanted: false,
            started: Started::No,
            snapshot: None,
            dirty: BTreeSet::new(),
            wanted: None,
            events: VecDeque::new(),
            calls: BTreeMap::new(),
            policies: None,
            audit: None,
        }
    }

    /// Whether the agent judges by deny policies.
    #[must_use]
    pub fn knows_policies(&self) -> bool {
        match &self.phase {
            Phase::Online { features } => features.contains(policy::FEATURE),
            Phase::Greeting { .. } | Phase::Closed => false,
        }
    }

    /// The deny policies of the cluster as they are now: to be told before [`Self::snapshot`], and when they may have
    /// changed. Only what differs from what was said is sent, and only to an agent that knows them.
    pub fn policies(&mut self, prepared: PreparedPolicies) {
        let is_said = self
            .policies
            .as_ref()
            .is_some_and(|said| said.body == prepared.body);
        if is_said || !self.knows_policies() {
            return;
        }
        // What still waits is overtaken.
        self.queue
            .retain(|queued| !matches!(queued, Queued::Frame(ToAgent::Policies(_))));
        self.push(Queued::Frame(ToAgent::Policies(PoliciesFrame {
            revision: prepared.revision,
            requires: prepared.requires.clone(),
            body: prepared.body.clone(),
        })));
        self.policies = Some(prepared);
    }

    /// The deny policies that were sent on this connection.
    #[must_use]
    pub fn sent_policies(&self) -> Option<&PreparedPolicies> {
        self.policies.as_ref()
    }

    /// Whether the conversation is over; the shell drops it once its queues are drained.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// Anything was heard from the peer: a frame, a ping, a pong.
    pub fn handle_heard(&mut self, now: Now) {
        self.heard_at = now.monotonic;
    }

    /// Lets time act: handshake timeout, silence, questions without an answer, the next ping.
    pub fn handle_timeout(&mut self, now: Now) {
        let time = now.monotonic;
        match &self.phase {
            Phase::Closed => return,
            Phase::Greeting { until } if time >= *until => {
                return self.misbehaved(CloseCode::ProtocolError, "no Hello in time".to_owned());
            }
            Phase::Greeting { .. } | Phase::Online { .. } => {}
        }
        if time >= self.heard_at + DEAD_AFTER {
            return self.finish(format!(
                "nothing was heard from the agent for {} s",
                DEAD_AFTER.as_secs()
            ));
        }
        if time >= self.ping_due {
            self.ping_wanted = true;
            self.ping_due = time + PING_INTERVAL;
        }
        let late: Vec<CallId> = self
            .calls
            .iter()
            .filter(|(_, until)| time >= **until)
            .map(|(id, _)| id.clone())
            .collect();
        for id in late {
            self.calls.remove(&id);
            self.event(Event::Answered {
                id,
                result: Err(CallFailure::TimedOut),
            });
        }
    }

    /// When [`Self::handle_timeout`] has something to do (monotonic).
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        let handshake = match &self.phase {
            Phase::Closed => return None,
            Phase::Greeting { until } => Some(*until),
            Phase::Online { .. } => None,
        };
        let alive = [self.ping_due, self.heard_at + DEAD_AFTER];
        self.calls
            .values()
            .copied()
            .chain(alive)
            .chain(handshake)
            .min()
    }

    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// What goes on the socket next.
    pub fn poll_outgoing(&mut self, now: Now) -> Option<Outgoing> {
        match self.queue.pop_front() {
            Some(Queued::Frame(frame)) => return Some(Outgoing::Frame(frame)),
            Some(Queued::Grant {
                mut frame,
                expires_at,
            }) => {
                let remaining = between(now.wall, expires_at).as_millis();
                frame.remaining_ms = u64::try_from(remaining).unwrap_or(u64::MAX);
                return Some(Outgoing::Frame(ToAgent::Grant(frame)));
            }
            None => {}
        }
        match self.phase {
            Phase::Closed => Some(Outgoing::Hangup),
            Phase::Greeting { .. } | Phase::Online { .. } => {
                std::mem::take(&mut self.ping_wanted).then_some(Outgoing::Ping)
            }
        }
    }

    /// The final report of this grant is stored.
    pub fn settle(&mut self, uid: GrantUid) {
        self.push_online(ToAgent::Settled(Settled { uid }));
    }

    /// The certificate that the agent asked for.
    pub fn certificate(&mut self, certificate: Certificate) {
        self.push_online(ToAgent::Certificate(certificate));
    }

    /// Puts a question; the answer comes as [`Event::Answered`] at the latest after `timeout`. The same id again changes
    /// nothing.
    ///
    /// # Errors
    /// If the agent is not there, or too many questions are open.
    pub fn ask(
        &mut self,
        id: CallId,
        ask: Ask,
        timeout: Duration,
        now: Now,
    ) -> Result<(), AskError> {
        if !matches!(self.phase, Phase::Online { .. }) {
            return Err(AskError::NotConnected);
        }
        if self.calls.contains_key(&id) {
            return Ok(());
        }
        if self.calls.len() >= MAX_CALLS {
            return Err(AskError::Busy);
        }
        self.calls.insert(id.clone(), now.monotonic + timeout);
        self.push(Queued::Frame(ToAgent::Call(Call { id, ask })));
        Ok(())
    }

    /// Ends the conversation from this side: superseded, revoked, going away.
    pub fn close(&mut self, code: CloseCode, message: String, retry_after: Option<Duration>) {
        if self.is_closed() {
            return;
        }
        let retry_after_ms = retry_after.map(|d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX));
        // What waits is stale by the time the agent is back; the close must not wait behind it.
        self.queue.clear();
        self.queue.push_back(Queued::Frame(ToAgent::Close(Close {
            code,
            message: message.clone(),
            retry_after_ms,
        })));
        self.finish(message);
    }

    fn misbehaved(&mut self, code: CloseCode, message: String) {
        self.event(Event::Misbehaved {
            code,
            message: message.clone(),
        });
        self.close(code, message, None);
    }

    /// The socket is gone, or about to be.
    pub fn handle_disconnected(&mut self, message: &str) {
        if !self.is_closed() {
            self.queue.clear();
            self.finish(message.to_owned());
        }
    }

    fn finish(&mut self, message: String) {
        if self.is_closed() {
            return;
        }
        self.phase = Phase::Closed;
        self.snapshot = None;
        self.dirty.clear();
        self.wanted = None;
        for (id, _) in std::mem::take(&mut self.calls) {
            self.events.push_back(Event::Answered {
                id,
                result: Err(CallFailure::Disconnected),
            });
        }
        self.events.push_back(Event::Closed { message });
    }

    fn push_online(&mut self, frame: ToAgent) {
        if matches!(self.phase, Phase::Online { .. }) {
            self.push(Queued::Frame(frame));
        }
    }

    fn push(&mut self, queued: Queued) {
        if self.queue.len() >= MAX_QUEUE {
            let message = format!("{MAX_QUEUE} frames wait; the agent reads too slowly");
            return self.close(CloseCode::Overloaded, message, None);
        }
        self.queue.push_back(queued);
    }

    fn event(&mut self, event: Event) {
        if self.events.len() >= MAX_EVENTS && !self.is_closed() {
            let message =
                format!("{MAX_EVENTS} events wait; the hub cannot keep up with this agent");
            return self.close(CloseCode::Overloaded, message, None);
        }
        self.events.push_back(event);
    }
}
