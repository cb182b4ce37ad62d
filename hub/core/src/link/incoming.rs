//! Frames from the agent: the handshake first, then what it tells.

use breakglass_protocol::wire::close::CloseCode;
use breakglass_protocol::wire::codec::{self, CodecError};
use breakglass_protocol::wire::common_version;
use breakglass_protocol::wire::hello::{Hello, Welcome};
use breakglass_protocol::wire::report::{AgentStatus, Report};
use breakglass_protocol::wire::to_agent::ToAgent;
use breakglass_protocol::wire::to_hub::ToHub;

use super::{CallFailure, Event, HubLink, Phase, Queued};
use crate::clock::Now;

impl HubLink {
    /// A binary message came in.
    pub fn handle_bytes(&mut self, bytes: &[u8], now: Now) {
        match codec::decode::<ToHub>(bytes) {
            Ok(frame) => self.handle_frame(frame, now),
            Err(error) => self.handle_unreadable(&error),
        }
    }

    fn handle_unreadable(&mut self, error: &CodecError) {
        self.misbehaved(
            CloseCode::ProtocolError,
            format!("a frame from the agent is unreadable: {error}"),
        );
    }

    /// The peer broke what lies below or beside the frames (a message over every limit, say): recorded and closed.
    pub fn handle_unacceptable(&mut self, message: String) {
        self.misbehaved(CloseCode::ProtocolError, message);
    }

    /// A frame came in.
    pub fn handle_frame(&mut self, frame: ToHub, now: Now) {
        self.handle_heard(now);
        match (&self.phase, frame) {
            (Phase::Closed, _) => {}
            (Phase::Greeting { .. }, ToHub::Hello(hello)) => self.handle_hello(hello, now),
            (_, ToHub::Close(close)) => self.finish(format!("the agent closed: {}", close.message)),
            (
                Phase::Greeting { .. },
                ToHub::Report(_)
                | ToHub::Status(_)
                | ToHub::Acknowledged(_)
                | ToHub::Answer(_)
                | ToHub::Audit(_)
                | ToHub::RenewCertificate(_),
            ) => self.misbehaved(
                CloseCode::ProtocolError,
                "the first frame must be Hello".to_owned(),
            ),
            (Phase::Online { .. }, frame) => self.handle_online(frame),
        }
    }

    fn handle_hello(&mut self, hello: Hello, now: Now) {
        let cluster = &self.greeting.cluster;
        if hello.cluster != cluster.as_str() {
            let message = format!(
                "the certificate is for cluster {cluster}, the agent says {:?}; install the agent with that cluster's name",
                bounded(&hello.cluster)
            );
            return self.misbehaved(CloseCode::WrongCluster, message);
        }
        let Some(version) = common_version(hello.version_min, hello.version_max) else {
            let message = format!(
                "the agent speaks protocol versions {} to {}, the hub {} to {}; upgrade the older of them",
                hello.version_min,
                hello.version_max,
                breakglass_protocol::wire::VERSION_MIN,
                breakglass_protocol::wire::VERSION_MAX
            );
            return self.misbehaved(CloseCode::VersionMismatch, message);
        };
        self.phase = Phase::Online {
            features: hello.features.iter().cloned().collect(),
        };
        self.push(Queued::Frame(ToAgent::Welcome(Welcome {
            program_version: self.greeting.program_version.clone(),
            version,
            features: self.greeting.features.clone(),
            now_ms: now.wall.as_millisecond(),
        })));
        self.event(Event::Connected(hello));
    }

    fn handle_online(&mut self, frame: ToHub) {
        match frame {
            ToHub::Hello(_) => {
                self.misbehaved(CloseCode::ProtocolError, "a second Hello".to_owned())
            }
            ToHub::Report(frame) => match serde_json::from_slice::<Report>(&frame.body) {
                Ok(report) if report.uid == frame.uid => self.report(report),
                Ok(report) => self.misbehaved(
                    CloseCode::ProtocolError,
                    format!(
                        "a report for grant {} holds one for {}",
                        bounded(frame.uid.as_str()),
                        bounded(report.uid.as_str())
                    ),
                ),
                Err(error) => self.misbehaved(
                    CloseCode::ProtocolError,
                    format!("a report is unreadable: {error}"),
                ),
            },
            ToHub::Status(frame) => match serde_json::from_slice::<AgentStatus>(&frame.body) {
                Ok(status) => self.status(status),
                Err(error) => self.misbehaved(
                    CloseCode::ProtocolError,
                    format!("a status is unreadable: {error}"),
                ),
            },
            ToHub::Acknowledged(acknowledged) => {
                self.event(Event::Acknowledged(acknowledged.revision))
            }
            ToHub::Answer(answer) => {
                // A late or repeated answer finds no question any more, and that is fine.
                if self.calls.remove(&answer.id).is_some() {
                    let result = answer.result.map_err(CallFailure::Declined);
                    self.event(Event::Answered {
                        id: answer.id,
                        result,
                    });
                }
            }
            ToHub::RenewCertificate(ask) => self.event(Event::RenewCertificate {
                csr_der: ask.csr_der,
            }),
            ToHub::Audit(frame) => self.handle_audit(&frame),
            ToHub::Close(close) => self.finish(format!("the agent closed: {}", close.message)),
        }
    }

    /// The newest report of a grant replaces the one still waiting.
    fn report(&mut self, report: Report) {
        let uid = report.uid.clone();
        self.events
            .retain(|e| !matches!(e, Event::StoreReport(old) if old.uid == uid));
        self.event(Event::StoreReport(Box::new(report)));
    }

    fn status(&mut self, status: AgentStatus) {
        self.events.retain(|e| !matches!(e, Event::StoreStatus(_)));
        self.event(Event::StoreStatus(Box::new(status)));
    }
}

/// A peer's text in a message: short, and escaped by `{:?}` where it is shown.
fn bounded(text: &str) -> String {
    text.chars().take(64).collect()
}
