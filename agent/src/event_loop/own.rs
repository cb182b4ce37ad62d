//! What the agent keeps and tells of itself: certificate, status, and the record beside the grants.

use std::time::Duration;

use breakglass_agent_core::abilities;
use breakglass_agent_core::authorize::Enforcement;
use breakglass_agent_core::clock::Now;
use breakglass_agent_core::link::LinkState;
use breakglass_agent_core::plan::outcome::ApiFailure;
use breakglass_protocol::ids::GrantUid;
use breakglass_protocol::wire::report::{AgentStatus, StrictEnforcement, WebhookOrder};
use breakglass_protocol::wire::to_agent::Certificate;
use breakglass_protocol::wire::to_hub::RenewCertificate;
use jiff::Timestamp;

use super::high_water::SavingMark;
use super::{EventLoop, Parts};
use crate::identity::Identity;
use crate::journal::JournalError;
use crate::link::enrol;

/// The hub is asked again for a certificate if it has not answered within this time.
const RENEW_AGAIN: Duration = Duration::from_secs(300);
/// The status is looked at this often; it changes with each of the API server's calls, and people want to see that it is
/// alive, not when.
const STATUS_INTERVAL: Duration = Duration::from_secs(60);
/// The API server's configuration changes rarely, and people who changed it wait for the answer.
const ORDER_INTERVAL: Duration = Duration::from_secs(30);
/// Pause between writes of the record beside the grants, if the last one failed or it changes fast.
const MEMORY_INTERVAL: Duration = Duration::from_secs(2);
/// What the agent tells of itself, and its certificate.
#[derive(Debug)]
pub(super) struct Own {
    status: Option<AgentStatus>,
    status_from: Duration,
    renew_at: Timestamp,
    renew_from: Duration,
    /// What the canary's question proved, and when it is put again.
    order: Option<WebhookOrder>,
    order_from: Duration,
    /// An identity that is to replace the present one once it is stored.
    storing: bool,
    pub(super) saving_mark: SavingMark,
}

impl Own {
    pub(super) fn new(parts: &Parts) -> Self {
        let identity = parts.identity.borrow();
        Self {
            status: None,
            status_from: Duration::ZERO,
            renew_at: renew_at(&identity),
            renew_from: Duration::ZERO,
            order: None,
            order_from: Duration::ZERO,
            storing: false,
            saving_mark: SavingMark::default(),
        }
    }
}

/// Half of the certificate's life; at once if it cannot be read.
fn renew_at(identity: &Identity) -> Timestamp {
    enrol::validity(&identity.certificate_pem).map_or(Timestamp::MIN, enrol::Validity::renew_at)
}

impl EventLoop {
    /// Remembers until when the API server's certificate counts.
    pub(super) fn note_signed(&mut self, expires_at: i64) {
        let mut identity = self.parts.identity.borrow().clone();
        identity.webhook_client_expires_at = Timestamp::from_second(expires_at).ok();
        self.store_identity(identity);
        self.own.status_from = Duration::ZERO;
    }

    /// Asks for a new certificate at half of the present one's life.
    pub(super) fn keep_certificate(&mut self, now: Now) {
        let online = self.parts.link.state() == LinkState::Online;
        if !online || now.wall < self.own.renew_at || now.monotonic < self.own.renew_from {
            return;
        }
        self.own.renew_from = now.monotonic + RENEW_AGAIN;
        let request = enrol::renewal_request(&self.parts.identity.borrow().key_pem);
        match request {
            Ok(csr_der) => {
                tracing::info!("asking the hub for a new certificate");
                self.parts
                    .link
                    .handle_renew_certificate(RenewCertificate { csr_der });
            }
            Err(error) => tracing::error!(%error, "no request for a new certificate can be made"),
        }
    }

    pub(super) fn take_certificate(&mut self, certificate: &Certificate) {
        let identity = self.parts.identity.borrow().clone();
        match enrol::accept_renewal(&identity, certificate) {
            Ok(identity) => self.store_identity(identity),
            Err(error) => tracing::error!(%error, "the hub's new certificate is not acceptable"),
        }
    }

    fn store_identity(&mut self, identity: Identity) {
        if self.own.storing {
            // Asked for again after RENEW_AGAIN; a signed webhook client only loses the date in the status.
            tracing::warn!("the identity is being stored; what came meanwhile is left out");
            return;
        }
        self.own.storing = true;
        let namespace = self.parts.namespace.clone();
        let performer = self.performer.clone();
        self.jobs
            .spawn(performer.save_identity(namespace, Box::new(identity)));
    }

    pub(super) fn handle_identity_saved(
        &mut self,
        identity: Identity,
        result: Result<(), JournalError>,
    ) {
        self.own.storing = false;
        if let Err(error) = result {
            tracing::error!(%error, "the agent's identity could not be stored");
            return;
        }
        self.own.renew_at = renew_at(&identity);
        self.own.status_from = Duration::ZERO;
        tracing::info!(renew_at = %self.own.renew_at, "the agent's identity was stored");
        self.parts.identity.send_replace(identity);
    }

    /// What the agent says of itself, when it has changed.
    pub(super) fn tell_status(&mut self, now: Now) {
        if now.monotonic < self.own.status_from {
            return;
        }
        self.own.status_from = now.monotonic + STATUS_INTERVAL;
        let status = self.status();
        if self.own.status.as_ref() != Some(&status) {
            self.parts.link.handle_status(&status);
            self.own.status = Some(status);
        }
    }

    /// Puts the canary's question.
    pub(super) fn ask_for_order(&mut self, now: Now) {
        if now.monotonic < self.own.order_from {
            return;
        }
        self.own.order_from = now.monotonic + ORDER_INTERVAL;
        let namespace = self.parts.namespace.clone();
        let performer = self.performer.clone();
        self.jobs.spawn(performer.ask_for_order(namespace));
    }

    pub(super) fn handle_order(&mut self, result: Result<Option<WebhookOrder>, ApiFailure>) {
        let order = match result {
            Ok(order) => order,
            Err(failure) => {
                tracing::warn!(error = %failure.message, "whether the webhook is asked before RBAC is not known");
                None
            }
        };
        if order != self.own.order {
            tracing::info!(?order, "the API server's order of webhook and RBAC");
            self.own.order = order;
            self.tell_status_soon();
        }
    }

    /// Something in the status has changed that people wait for.
    pub(super) fn tell_status_soon(&mut self) {
        self.own.status_from = Duration::ZERO;
        self.next_tick = self.next_tick.min(self.now().monotonic);
    }

    fn status(&self) -> AgentStatus {
        let identity = self.parts.identity.borrow();
        let validity = enrol::validity(&identity.certificate_pem);
        AgentStatus {
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            kubernetes_version: self.parts.kubernetes_version.clone(),
            capabilities: abilities::capabilities(self.parts.holdings.ceiling()),
            certificate_expires_at: validity.map_or(Timestamp::MIN, |validity| validity.not_after),
            ceiling: serde_json::to_value(self.parts.holdings.ceiling()).unwrap_or_default(),
            webhook_client_expires_at: identity.webhook_client_expires_at,
            webhook_called_at: self.parts.webhook.called_at(),
            webhook_order: self.own.order,
            enforcement: match self.parts.enforcement {
                Enforcement::Off => None,
                Enforcement::Strict => Some(StrictEnforcement::Strict),
            },
            deny_policies: Some(self.parts.policies.report(self.parts.holdings.ceiling())),
        }
    }

    /// Tombstones.
    pub(super) fn save_memory(&mut self, now: Now) {
        if self.memory_in_flight || now.monotonic < self.memory_from {
            return;
        }
        if let Some((version, memory)) = self.parts.holdings.unsaved_memory() {
            let sealed = self.parts.journal.seal_memory(memory);
            self.memory_in_flight = true;
            self.memory_from = now.monotonic + MEMORY_INTERVAL;
            self.jobs
                .spawn(self.performer.clone().save_memory(version, sealed));
        }
    }

    /// When that wants to be written, if it does.
    pub(super) fn memory_due(&self) -> Option<Duration> {
        let is_due = !self.memory_in_flight && self.parts.holdings.unsaved_memory().is_some();
        is_due.then_some(self.memory_from)
    }

    pub(super) fn handle_memory_saved(&mut self, version: u64, result: Result<(), JournalError>) {
        self.memory_in_flight = false;
        match result {
            Ok(()) => {
                self.parts.holdings.handle_memory_saved(version);
                self.forget_settled();
            }
            Err(error) => {
                tracing::warn!(%error, "what is remembered beside the grants could not be stored");
            }
        }
    }

    /// Records of settled grants go once the tombstones are stored: a crash in between must not bring a grant back. A record
    /// that is still being written goes after that: the write would bring it back, and nobody would look for it again.
    pub(super) fn forget_settled(&mut self) {
        if self.parts.holdings.unsaved_memory().is_some() {
            return;
        }
        let settled = std::mem::take(&mut self.settled);
        let (busy, idle) = settled.into_iter().partition(|uid| self.is_in_flight(uid));
        self.settled = busy;
        for uid in idle {
            self.jobs.spawn(self.performer.clone().forget(uid));
        }
    }

    pub(super) fn handle_forgotten(&mut self, uid: &GrantUid, result: Result<(), JournalError>) {
        if let Err(error) = result {
            tracing::warn!(%uid, %error, "the record of a settled grant could not be deleted");
            // Tried again at the next tick.
            self.settled.insert(uid.clone());
            return;
        }
        tracing::info!(%uid, "grant settled");
        if self.parts.holdings.get(uid).is_none() {
            self.parts.link.handle_forgotten(uid);
            self.drop_work(uid);
        }
    }
}
