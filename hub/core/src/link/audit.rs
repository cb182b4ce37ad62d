//! An agent's records for the audit log: one batch at a time, the next after the first was accepted. So who sends faster
//! than the store takes waits, and nothing piles up here.

use breakglass_protocol::wire::close::CloseCode;
use breakglass_protocol::wire::to_agent::{AuditAccepted, ToAgent};
use breakglass_protocol::wire::to_hub::AuditFrame;

use super::{Event, HubLink};
use crate::audit::agent::AuditBatch;

impl HubLink {
    pub(super) fn handle_audit(&mut self, frame: &AuditFrame) {
        if self.audit.is_some() {
            let message = "audit records before those sent last were accepted".to_owned();
            return self.misbehaved(CloseCode::ProtocolError, message);
        }
        match AuditBatch::read(frame) {
            Ok(batch) => {
                self.audit = Some(AuditAccepted {
                    boot: batch.boot.clone(),
                    through: batch.through(),
                });
                self.event(Event::StoreAudit(Box::new(batch)));
            }
            Err(why) => self.misbehaved(
                CloseCode::ProtocolError,
                format!("a batch of audit records is unreadable: {why}"),
            ),
        }
    }

    /// The batch of [`Event::StoreAudit`] is stored.
    pub fn accept_audit(&mut self) {
        if let Some(accepted) = self.audit.take() {
            self.push_online(ToAgent::AuditAccepted(accepted));
        }
    }
}
