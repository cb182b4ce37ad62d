//! The agent's half of the conversation with the hub, without a socket: frames and time go in, frames and events come
//! out. The program carries bytes and performs events.
//!
//! Level-triggered (D17): every connection starts with a whole snapshot. Within it, the newest revision of a grant
//! counts; what is older or doubled changes nothing. Only a complete snapshot removes, and one that is not complete
//! in time ends the connection, so that the next one starts over.

use std::collections::VecDeque;
use std::time::Duration;

use breakglass_protocol::ids::{GrantUid, Revision};
use breakglass_protocol::limits::{DEAD_AFTER, HANDSHAKE_TIMEOUT, PING_INTERVAL};
use breakglass_protocol::wire::close::{Close, CloseCode};
use breakglass_protocol::wire::hello::{Hello, Welcome};
use breakglass_protocol::wire::policy;
use breakglass_protocol::wire::report::{AgentStatus, Report};
use breakglass_protocol::wire::to_agent::{Call, GrantFrame, PoliciesFrame, ToAgent};
use breakglass_protocol::wire::to_hub::{Acknowledged, Answer, RenewCertificate, ToHub};
use breakglass_protocol::wire::{VERSION_MAX, VERSION_MIN};

use crate::clock::Now;

mod audit;
mod calls;
mod envelope;
mod event;
mod outbox;
mod snapshot;

use audit::Audit;
use calls::Calls;
use envelope::{read_grant, read_policies};
pub use event::{Disconnect, LinkConfig, LinkEvent, LinkState};
use outbox::Outbox;
use snapshot::{AwaitedPolicies, Counted, Ended, Sync};

/// The state with what belongs to it only.
#[derive(Debug)]
enum Phase {
    Offline,
    Greeting {
        until: Duration,
    },
    Online(Box<Online>),
    /// Over, but the socket is not closed yet: nothing is heard any more.
    Closing,
}

#[derive(Debug)]
struct Online {
    heard_at: Duration,
    pinged_at: Duration,
    sync: Sync,
    audit: Audit,
}

/// See the module's text. Events must be taken after every `handle_…`; what waits otherwise is bounded by one entry per
/// grant and the limits of [`outbox`] and [`calls`].
#[derive(Debug)]
pub struct Link {
    config: LinkConfig,
    phase: Phase,
    outbox: Outbox,
    calls: Calls,
    events: VecDeque<LinkEvent>,
}

impl Link {
    #[must_use]
    pub fn new(config: LinkConfig) -> Self {
        Self {
            config,
            phase: Phase::Offline,
            outbox: Outbox::default(),
            calls: Calls::default(),
            events: VecDeque::new(),
        }
    }

    #[must_use]
    pub fn state(&self) -> LinkState {
        match self.phase {
            Phase::Offline | Phase::Closing => LinkState::Offline,
            Phase::Greeting { .. } => LinkState::Greeting,
            Phase::Online(_) => LinkState::Online,
        }
    }

    /// The WebSocket is open: says Hello.
    pub fn handle_connected(&mut self, now: Now) {
        self.outbox.start_over();
        self.phase = Phase::Greeting {
            until: now.monotonic.saturating_add(HANDSHAKE_TIMEOUT),
        };
        self.outbox.push(ToHub::Hello(Hello {
            program_version: self.config.program_version.clone(),
            version_min: VERSION_MIN,
            version_max: VERSION_MAX,
            features: self.config.features.clone(),
            instance: self.config.instance.clone(),
            cluster: self.config.cluster.as_str().to_owned(),
        }));
    }

    /// The WebSocket is gone. What is held and not yet told is kept for the next conversation.
    pub fn handle_disconnected(&mut self) {
        self.phase = Phase::Offline;
        self.outbox.start_over();
    }

    /// A frame came.
    pub fn handle_frame(&mut self, frame: ToAgent, now: Now) {
        self.handle_heard(now);
        match (&mut self.phase, frame) {
            (Phase::Offline | Phase::Closing, _) => {}
            (Phase::Greeting { .. }, ToAgent::Welcome(welcome)) => self.welcome(welcome, now),
            (_, ToAgent::Close(close)) => {
                self.phase = Phase::Closing;
                self.events
                    .push_back(LinkEvent::Disconnect(Disconnect::ByHub(close)));
            }
            (Phase::Greeting { .. }, _) => self.disconnect(
                CloseCode::ProtocolError,
                "the hub spoke before it greeted".to_owned(),
            ),
            (Phase::Online(online), frame) => match frame {
                // A doubled greeting says nothing new.
                ToAgent::Welcome(_) | ToAgent::Close(_) => {}
                ToAgent::SnapshotBegin(begin) => online.sync.begin(&begin, now.monotonic),
                ToAgent::Grant(frame) => self.grant(frame, now),
                ToAgent::SnapshotEnd(end) => {
                    let ended = online.sync.end(end.revision);
                    self.snapshot_ended(ended);
                }
                ToAgent::Settled(settled) => {
                    online.sync.forget(&settled.uid);
                    self.outbox.forget_ended(&settled.uid);
                    self.events.push_back(LinkEvent::Settled(settled.uid));
                }
                ToAgent::Call(call) => self.call(call),
                ToAgent::Certificate(certificate) => {
                    self.outbox.certificate_came();
                    self.events.push_back(LinkEvent::Certificate(certificate));
                }
                ToAgent::Policies(frame) => self.policies(&frame),
                ToAgent::AuditAccepted(accepted) => {
                    self.events.push_back(LinkEvent::AuditAccepted(accepted));
                }
            },
        }
    }

    fn welcome(&mut self, welcome: Welcome, now: Now) {
        if !(VERSION_MIN..=VERSION_MAX).contains(&welcome.version) {
            let why = format!(
                "the hub wants to speak version {}, this agent speaks {VERSION_MIN} to {VERSION_MAX}; upgrade the older",
                welcome.version
            );
            self.disconnect(CloseCode::VersionMismatch, why);
            return;
        }
        // A hub that knows deny policies sends them with every snapshot: one without has lost them on the way.
        let awaited = if welcome.features.iter().any(|f| f == policy::FEATURE) {
            AwaitedPolicies::WithSnapshot
        } else {
            AwaitedPolicies::None
        };
        self.phase = Phase::Online(Box::new(Online {
            heard_at: now.monotonic,
            pinged_at: now.monotonic,
            sync: Sync::new(now.monotonic, awaited),
            audit: Audit::of(&welcome),
        }));
        self.outbox.open(now.monotonic);
        self.events.push_back(LinkEvent::Online(welcome));
    }

    fn grant(&mut self, frame: GrantFrame, now: Now) {
        let Phase::Online(online) = &mut self.phase else {
            return;
        };
        match online.sync.count(&frame.uid, frame.revision, now.monotonic) {
            Counted::Old => {}
            Counted::TooMany => self.disconnect(
                CloseCode::ProtocolError,
                "the hub sent more grants than a cluster may hold".to_owned(),
            ),
            Counted::New => {
                let event = match read_grant(&frame, &self.config.features) {
                    Ok(received) => LinkEvent::Grant {
                        received: Box::new(received),
                        revision: frame.revision,
                    },
                    Err(why) => {
                        online.sync.journaled(&frame.uid, frame.revision);
                        LinkEvent::Unreadable {
                            uid: frame.uid,
                            why,
                        }
                    }
                };
                self.events.push_back(event);
                self.acknowledge();
            }
        }
    }

    fn policies(&mut self, frame: &PoliciesFrame) {
        let Phase::Online(online) = &mut self.phase else {
            return;
        };
        match online.sync.count_policies(frame.revision) {
            Counted::Old | Counted::TooMany => {}
            Counted::New => {
                self.events
                    .push_back(match read_policies(frame, &self.config.features) {
                        Ok(received) => LinkEvent::Policies(received),
                        Err(why) => LinkEvent::UnreadablePolicies { why },
                    })
            }
        }
    }

    fn snapshot_ended(&mut self, ended: Ended) {
        match ended {
            Ended::Complete(present) => {
                self.events
                    .push_back(LinkEvent::SnapshotComplete { present });
                self.acknowledge();
            }
            Ended::Before => {}
            Ended::Incomplete { why } => self.disconnect(CloseCode::ProtocolError, why),
        }
    }

    fn call(&mut self, call: Call) {
        match self.calls.ask(&call.id) {
            calls::Asked::New => self.events.push_back(LinkEvent::Call(call)),
            calls::Asked::Running => {}
            calls::Asked::Answered(answer) => self.outbox.push(ToHub::Answer(answer)),
        }
    }

    fn acknowledge(&mut self) {
        if let Phase::Online(online) = &mut self.phase
            && let Some(revision) = online.sync.acknowledge()
        {
            self.outbox
                .acknowledge(ToHub::Acknowledged(Acknowledged { revision }));
        }
    }

    fn disconnect(&mut self, code: CloseCode, why: String) {
        self.phase = Phase::Closing;
        self.outbox.start_over();
        self.outbox.push(ToHub::Close(Close {
            code,
            message: why.clone(),
            retry_after_ms: None,
        }));
        self.events
            .push_back(LinkEvent::Disconnect(Disconnect::ByAgent { why }));
    }

    /// Bytes came that are not a frame of ours.
    pub fn handle_garbage(&mut self, why: &str) {
        match self.phase {
            Phase::Offline | Phase::Closing => {}
            Phase::Greeting { .. } | Phase::Online(_) => {
                let why = format!("the hub sent what is not a frame: {why}");
                self.disconnect(CloseCode::ProtocolError, why);
            }
        }
    }

    /// Anything came: a frame, a ping, a pong.
    pub fn handle_heard(&mut self, now: Now) {
        if let Phase::Online(online) = &mut self.phase {
            online.heard_at = now.monotonic;
        }
    }

    /// Time passed; to be called at [`Link::poll_timeout`], harmless at any other time.
    pub fn handle_timeout(&mut self, now: Now) {
        let over = |since: Duration, limit: Duration| now.monotonic >= since.saturating_add(limit);
        match &mut self.phase {
            Phase::Offline | Phase::Closing => {}
            Phase::Greeting { until } => {
                if now.monotonic >= *until {
                    let why = "the hub did not greet in time".to_owned();
                    self.disconnect(CloseCode::ProtocolError, why);
                }
            }
            Phase::Online(online) => {
                if over(online.heard_at, DEAD_AFTER) {
                    let why = format!("the hub was silent for {} s", DEAD_AFTER.as_secs());
                    self.disconnect(CloseCode::GoingAway, why);
                } else if let Some(why) = online.sync.overdue(now.monotonic) {
                    self.disconnect(CloseCode::ProtocolError, why);
                } else {
                    if over(online.pinged_at, PING_INTERVAL) {
                        online.pinged_at = now.monotonic;
                        self.events.push_back(LinkEvent::Ping);
                    }
                    self.outbox.handle_timeout(now.monotonic);
                }
            }
        }
    }

    /// The result of [`LinkEvent::Grant`] with this revision is in the journal.
    pub fn handle_journaled(&mut self, uid: &GrantUid, revision: Revision) {
        if let Phase::Online(online) = &mut self.phase {
            online.sync.journaled(uid, revision);
            self.acknowledge();
        }
    }

    /// The newest report of a grant; sent now or when online, again on every new connection, until settled.
    pub fn handle_report(&mut self, report: &Report) {
        self.outbox.set_report(report);
    }

    /// What the agent says of itself; the newest is sent now or when online, and on every new connection.
    pub fn handle_status(&mut self, status: &AgentStatus) {
        self.outbox.set_status(status);
    }

    /// The answer to a [`LinkEvent::Call`]; a repeated question gets it again.
    pub fn handle_answer(&mut self, answer: Answer) {
        self.calls.answered(answer.clone());
        if matches!(self.phase, Phase::Online(_)) {
            self.outbox.push(ToHub::Answer(answer));
        }
    }

    /// Asks for a new certificate, on every new connection again until one comes.
    pub fn handle_renew_certificate(&mut self, request: RenewCertificate) {
        self.outbox.set_renewal(request);
    }

    /// Nothing is held for this grant any more: its report is not repeated.
    pub fn handle_forgotten(&mut self, uid: &GrantUid) {
        self.outbox.forget(uid);
    }

    /// The program goes down in good order.
    pub fn handle_shutdown(&mut self) {
        match self.phase {
            Phase::Offline | Phase::Closing => {}
            Phase::Greeting { .. } | Phase::Online(_) => {
                self.disconnect(CloseCode::GoingAway, "the agent is going down".to_owned());
            }
        }
    }

    /// The next frame to send. Take one at a time, when the socket can take it: what waits here is bounded.
    pub fn poll_frame(&mut self) -> Option<ToHub> {
        match self.phase {
            Phase::Offline => None,
            Phase::Greeting { .. } | Phase::Closing => self.outbox.poll_first(),
            Phase::Online(_) => self.outbox.poll(),
        }
    }

    pub fn poll_event(&mut self) -> Option<LinkEvent> {
        self.events.pop_front()
    }

    /// Monotonic instant at which [`Link::handle_timeout`] wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        match &self.phase {
            Phase::Offline | Phase::Closing => None,
            Phase::Greeting { until } => Some(*until),
            Phase::Online(online) => [
                Some(online.heard_at.saturating_add(DEAD_AFTER)),
                Some(online.pinged_at.saturating_add(PING_INTERVAL)),
                online.sync.due(),
                self.outbox.poll_timeout(),
            ]
            .into_iter()
            .flatten()
            .min(),
        }
    }
}

#[cfg(test)]
mod tests;
