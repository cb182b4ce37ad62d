//! Who is told of what happens to a session, and what they are told. A notice is made of an event of the audit log, which
//! is committed with what it tells of: so none is lost when the hub dies, and one that is made twice is the same.
//!
//! Recipients are mail addresses: of approvers those that the hub's configuration knows for their groups and names, of
//! the requester and participants their verified ones (S6).

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use breakglass_protocol::duration;
use breakglass_protocol::kinds::notification::Notification;
use breakglass_protocol::person::is_unseen;

use crate::audit::{Action, Actor, AuditEvent, Outcome};
use crate::clock::{between, later};
use crate::session::{Session, State};

pub mod delivery;
mod recipients;

pub use recipients::MAX_RECIPIENTS;

/// Characters of a text of a person's in a notice; reasons are at most 1,000 long.
const MAX_TEXT: usize = 1_000;
/// `gracePeriodBeforeExpiry` if it is not given.
const DEFAULT_GRACE: Duration = Duration::from_secs(15 * 60);

/// Of what people are told. The words stand in webhooks' bodies and name the texts of mails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Occasion {
    /// Somebody is asked to decide.
    Request,
    Approval,
    Rejection,
    /// Nobody decided in time.
    TimedOut,
    /// It ends soon.
    ExpiryNear,
    Expired,
    Terminated,
    Failed,
    /// Somebody is asked to decide on more time.
    RenewalRequest,
    RenewalApproval,
    RenewalRejection,
    /// Somebody is asked to decide on people who were invited after the approval.
    InvitationRequest,
    InvitationApproval,
    InvitationRejection,
}

impl Occasion {
    pub const ALL: [Self; 14] = [
        Self::Request,
        Self::Approval,
        Self::Rejection,
        Self::TimedOut,
        Self::ExpiryNear,
        Self::Expired,
        Self::Terminated,
        Self::Failed,
        Self::RenewalRequest,
        Self::RenewalApproval,
        Self::RenewalRejection,
        Self::InvitationRequest,
        Self::InvitationApproval,
        Self::InvitationRejection,
    ];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Approval => "approval",
            Self::Rejection => "rejection",
            Self::TimedOut => "timedOut",
            Self::ExpiryNear => "expiryNear",
            Self::Expired => "expired",
            Self::Terminated => "terminated",
            Self::Failed => "failed",
            Self::RenewalRequest => "renewalRequest",
            Self::RenewalApproval => "renewalApproval",
            Self::RenewalRejection => "renewalRejection",
            Self::InvitationRequest => "invitationRequest",
            Self::InvitationApproval => "invitationApproval",
            Self::InvitationRejection => "invitationRejection",
        }
    }

    /// The switch of a `notification` block that is about it.
    fn switch(self, layer: &Notification) -> Option<bool> {
        match self {
            Self::Request | Self::RenewalRequest | Self::InvitationRequest => {
                layer.notify_on_request
            }
            Self::Approval
            | Self::Rejection
            | Self::TimedOut
            | Self::RenewalApproval
            | Self::RenewalRejection
            | Self::InvitationApproval
            | Self::InvitationRejection => layer.notify_on_approval,
            Self::ExpiryNear | Self::Expired => layer.notify_on_expiry,
            Self::Terminated | Self::Failed => layer.notify_on_termination,
        }
    }
}

/// The addresses that the hub's configuration knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressBook {
    pub groups: BTreeMap<String, Vec<String>>,
    pub users: BTreeMap<String, String>,
}

/// What is told, as texts of mails and bodies of webhooks see it. People's words are cleaned of what cannot be seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    pub occasion: Occasion,
    /// When it happened.
    pub at: Timestamp,
    pub session: String,
    pub cluster: String,
    pub template: String,
    pub namespace: String,
    pub requested_by: String,
    /// The requester's reason; empty: none.
    pub reason: String,
    /// Who did it; empty: the hub.
    pub by: String,
    /// The reason of who did it; empty: none.
    pub decision_reason: String,
    /// How long is asked for, in seconds.
    pub requested_seconds: u64,
    /// How much more is asked for, in seconds; 0 where it is not about a renewal.
    #[serde(default)]
    pub extend_by_seconds: u64,
    /// Who was invited; empty where it is not about invitations.
    #[serde(default)]
    pub users: String,
    /// `null` before it runs: texts ask for it.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
}

/// A notice and whom it is for: addresses, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addressed {
    pub notice: Notice,
    pub recipients: Vec<String>,
}

/// What is told of an event, if anything. `session` is as it stands now.
#[must_use]
pub fn of(event: &AuditEvent, session: &Session, book: &AddressBook) -> Option<Addressed> {
    let occasion = occasion(event, session)?;
    let layers: Vec<&Notification> = session.snapshot.source.layers().notification().collect();
    if !is_wanted(occasion, &layers) {
        return None;
    }
    Some(Addressed {
        notice: notice(occasion, event, session),
        recipients: recipients::of(occasion, session, &layers, book),
    })
}

/// Which occasion an event is. A request that is decided already needs nobody's attention.
fn occasion(event: &AuditEvent, session: &Session) -> Option<Occasion> {
    let is_about_it = event.object.kind == "DebugSession" && event.object.name == session.name;
    if !is_about_it || event.outcome != Outcome::Done {
        return None;
    }
    let renewal = event.detail.get("renewal");
    let users = event.detail.get("users");
    match event.action {
        Action::Requested => (session.state == State::PendingApproval).then_some(Occasion::Request),
        Action::RenewalRequested => waits(session, renewal?).then_some(Occasion::RenewalRequest),
        Action::Invited => decides_on(session, users?).then_some(Occasion::InvitationRequest),
        Action::Approved => Some(match (renewal, users) {
            (Some(_), _) => Occasion::RenewalApproval,
            (None, Some(_)) => Occasion::InvitationApproval,
            (None, None) => Occasion::Approval,
        }),
        Action::Rejected => Some(match (renewal, users) {
            (Some(_), _) => Occasion::RenewalRejection,
            (None, Some(_)) => Occasion::InvitationRejection,
            (None, None) => Occasion::Rejection,
        }),
        Action::TimedOut => Some(Occasion::TimedOut),
        Action::ExpiryNear => Some(Occasion::ExpiryNear),
        Action::Expired => Some(Occasion::Expired),
        Action::Terminated => Some(Occasion::Terminated),
        Action::Failed => Some(Occasion::Failed),
        Action::Activated
        | Action::Joined
        | Action::Left
        | Action::Removed
        | Action::Renewed
        | Action::CleanedUp
        | Action::TemplateLoaded
        | Action::TemplateRefused
        | Action::TemplateRemoved
        | Action::ClusterRegistered
        | Action::ClusterAccepted
        | Action::ClusterRevoked
        | Action::ClusterConnected
        | Action::ClusterDisconnected
        | Action::Enrolled
        | Action::CertificateRenewed
        | Action::WebhookClientSigned
        | Action::AgentRefused
        | Action::Login
        | Action::PersonBarred
        | Action::PersonUnbarred
        | Action::ManifestApplied
        | Action::ManifestDeleted
        | Action::AuditRead
        | Action::RequestRefused
        | Action::NotificationFailed
        | Action::Restored
        | Action::AccessAllowed
        | Action::AccessDenied
        | Action::Gap => None,
    }
}

/// Whether this renewal waits for an approver still.
fn waits(session: &Session, id: &str) -> bool {
    session.has_waiting_renewal() && session.renewal().is_some_and(|own| own.id.as_str() == id)
}

/// Whether an approver has still to decide on somebody of these. A name may hold the comma that stands between names.
fn decides_on(session: &Session, users: &str) -> bool {
    let mut waiting = session.waiting_invitations();
    waiting.any(|invitation| users.contains(&invitation.user))
}

/// Every layer may switch off, none may switch on again (D3).
fn is_wanted(occasion: Occasion, layers: &[&Notification]) -> bool {
    layers
        .iter()
        .all(|layer| layer.enabled.unwrap_or(true) && occasion.switch(layer).unwrap_or(true))
}

fn notice(occasion: Occasion, event: &AuditEvent, session: &Session) -> Notice {
    let by = match &event.actor {
        Actor::Person(identity) => legible(&identity.name),
        Actor::Agent { .. } | Actor::Hub { .. } | Actor::Unknown => String::new(),
    };
    Notice {
        occasion,
        at: event.at,
        session: legible(&session.name),
        cluster: legible(&session.spec.cluster),
        template: legible(&session.spec.template_ref),
        namespace: legible(&session.snapshot.terms.target_namespace),
        requested_by: legible(&session.requester.name),
        reason: legible(session.spec.reason.as_deref().unwrap_or_default()),
        by,
        decision_reason: legible(event.detail.get("reason").map_or("", String::as_str)),
        requested_seconds: session.snapshot.terms.duration.as_secs(),
        extend_by_seconds: extend_by(event),
        users: legible(event.detail.get("users").map_or("", String::as_str)),
        expires_at: session.state.running().map(|running| running.expires_at),
    }
}

/// In whole seconds. It was read before it was recorded.
fn extend_by(event: &AuditEvent) -> u64 {
    let text = event.detail.get("extendBy");
    text.and_then(|text| duration::parse(text).ok())
        .map_or(0, |asked| asked.as_secs())
}

/// A person's text on one line, without anything that cannot be seen, bounded (S20).
#[must_use]
pub fn legible(text: &str) -> String {
    let seen = text.chars().map(|c| if is_unseen(c) { ' ' } else { c });
    let words: String = seen.take(MAX_TEXT).collect();
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// When the people of an Active session are to be told of its end: `gracePeriodBeforeExpiry` before it, but not before
/// half of its time is over, so that a short session's warning means something.
#[must_use]
pub fn warning_at(session: &Session) -> Option<Timestamp> {
    let State::Active(active) = &session.state else {
        return None;
    };
    let running = active.running;
    let given = &session.snapshot.source.template.grace_period_before_expiry;
    let grace = given.as_ref().map_or(DEFAULT_GRACE, |d| d.duration());
    let whole = between(running.starts_at, running.expires_at);
    Some(later(running.starts_at, whole - grace.min(whole / 2)))
}

/// That the people of a session were told of its coming end: committed with the event that tells them, so that of many
/// who notice one tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Warned {
    /// For the end after this many renewals.
    pub renewals: u32,
}
