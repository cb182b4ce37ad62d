//! Records of the webhook's decisions on this conversation: only to a hub that takes them.

use breakglass_protocol::wire::access;
use breakglass_protocol::wire::hello::Welcome;
use breakglass_protocol::wire::to_hub::AuditFrame;

use super::{Link, Phase};

/// What the hub does with records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audit {
    Taken,
    Unknown,
}

impl Audit {
    pub(super) fn of(welcome: &Welcome) -> Self {
        if welcome.features.iter().any(|f| f == access::FEATURE) {
            Self::Taken
        } else {
            Self::Unknown
        }
    }
}

impl Link {
    /// Whether records of the webhook's decisions can be sent now.
    #[must_use]
    pub fn takes_audit(&self) -> bool {
        matches!(&self.phase, Phase::Online(online) if online.audit == Audit::Taken)
    }

    /// A batch of records, after [`Link::takes_audit`]; the next one after [`super::LinkEvent::AuditAccepted`]. It belongs
    /// to this conversation: on another one it is to be given anew.
    pub fn handle_audit(&mut self, frame: AuditFrame) {
        if self.takes_audit() {
            self.outbox.set_audit(frame);
        }
    }
}
