//! The agent's half of the conversation with the hub, without a socket: frames and time go in, frames and events come
//! out. The program carries bytes and performs events.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use breakglass_protocol::ids::{ClusterName, GrantUid, Revision};
use breakglass_protocol::wire::close::Close;
use breakglass_protocol::wire::hello::Welcome;
use breakglass_protocol::wire::report::{AgentStatus, Report};
use breakglass_protocol::wire::to_agent::{Call, Certificate, ToAgent};
use breakglass_protocol::wire::to_hub::{Answer, RenewCertificate, ToHub};

use crate::clock::Now;
use crate::holdings::Received;

/// What the agent says of itself in Hello.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkConfig {
    pub cluster: ClusterName,
    pub program_version: String,
    /// This process's id (a UUID).
    pub instance: String,
    /// What it can do ([`breakglass_protocol::wire::grant::feature`]).
    pub features: Vec<String>,
}

/// Where the conversation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// No connection. What is held goes on.
    Offline,
    /// Hello is said, Welcome not yet heard.
    Greeting,
    Online,
}

/// What the program is to do about the conversation.
#[derive(Clone, Debug, PartialEq)]
pub enum LinkEvent {
    /// The hub greeted; for the log, and for the difference of the clocks.
    Online(Welcome),
    /// Give it to [`crate::holdings::Holdings::receive`]; once the journal holds the result (or it changed nothing),
    /// call [`Link::handle_journaled`] with the same revision.
    Grant {
        received: Box<Received>,
        revision: Revision,
    },
    /// A frame of a grant that could not be taken in; for log, metrics and the hub (already queued as a report where
    /// the grant's UID is known).
    Refused {
        uid: GrantUid,
        why: String,
    },
    /// Give it to [`crate::holdings::Holdings::withdraw_absent`].
    SnapshotComplete {
        present: BTreeSet<GrantUid>,
    },
    /// Give it to [`crate::holdings::Holdings::settle`].
    Settled(GrantUid),
    /// A question; answer with [`Link::handle_answer`].
    Call(Call),
    Certificate(Certificate),
    /// Send a WebSocket ping.
    Ping,
    /// Close the socket (after [`Link::poll_frame`] is drained), then call [`Link::handle_disconnected`].
    Disconnect(Disconnect),
}

/// Why the conversation is over and how long to wait before the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disconnect {
    /// The hub said so; its `retry_after_ms` wins over the program's backoff, `Superseded` and refusals wait 60 s.
    ByHub(Close),
    /// Silence, or the hub broke the protocol. Ordinary backoff.
    ByAgent { why: String },
}

/// See the module's text.
#[derive(Debug)]
pub struct Link {
    config: LinkConfig,
    state: LinkState,
    frames: VecDeque<ToHub>,
    events: VecDeque<LinkEvent>,
}

impl Link {
    #[must_use]
    pub fn new(config: LinkConfig) -> Self {
        Self {
            config,
            state: LinkState::Offline,
            frames: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    #[must_use]
    pub fn state(&self) -> LinkState {
        self.state
    }

    /// The WebSocket is open: says Hello.
    pub fn handle_connected(&mut self, now: Now) {
        let _ = (now, &self.config);
    }

    /// The WebSocket is gone. What is held and not yet told is kept for the next conversation.
    pub fn handle_disconnected(&mut self) {
        self.state = LinkState::Offline;
        self.frames.clear();
    }

    /// A frame came.
    pub fn handle_frame(&mut self, frame: ToAgent, now: Now) {
        let _ = (frame, now);
    }

    /// Bytes came that were not a frame of ours: they cannot be decoded.
    pub fn handle_garbage(&mut self, why: &str) {
        let _ = why;
    }

    /// Anything came: a ping, a pong.
    pub fn handle_heard(&mut self, now: Now) {
        let _ = now;
    }

    pub fn handle_timeout(&mut self, now: Now) {
        let _ = now;
    }

    /// The result of [`LinkEvent::Grant`] with this revision is in the journal.
    pub fn handle_journaled(&mut self, uid: &GrantUid, revision: Revision) {
        let _ = (uid, revision);
    }

    /// The newest report of a grant; sent now or when online, again on every new connection, until settled.
    pub fn handle_report(&mut self, report: &Report) {
        let _ = report;
    }

    /// What the agent says of itself; the newest is sent now or when online, and on every new connection.
    pub fn handle_status(&mut self, status: &AgentStatus) {
        let _ = status;
    }

    pub fn handle_answer(&mut self, answer: Answer) {
        let _ = answer;
    }

    pub fn handle_renew_certificate(&mut self, request: RenewCertificate) {
        let _ = request;
    }

    /// Nothing is held for this grant any more: its report is not repeated.
    pub fn handle_forgotten(&mut self, uid: &GrantUid) {
        let _ = uid;
    }

    /// The program goes down in good order.
    pub fn handle_shutdown(&mut self) {}

    /// The next frame to send. Take one at a time, when the socket can take it: what waits here is bounded.
    pub fn poll_frame(&mut self) -> Option<ToHub> {
        self.frames.pop_front()
    }

    pub fn poll_event(&mut self) -> Option<LinkEvent> {
        self.events.pop_front()
    }

    /// Monotonic instant at which [`Link::handle_timeout`] wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        None
    }
}
