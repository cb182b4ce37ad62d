//! Who is told of what happens to a session, and what they are told. A notice is made of an event of the audit log, which
//! is committed with what it tells of: so none is lost when the hub dies, and one that is made twice is the same.
//!
//! Recipients are mail addresses: of approvers those that the hub's configuration knows for their groups and names, of
//! the requester and participants their verified ones (S6).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use breakglass_protocol::kinds::notification::Notification;
use breakglass_protocol::person::{Identity, is_mail_address, is_unseen};

use crate::audit::{Action, Actor, AuditEvent, Outcome};
use crate::clock::{between, later};
use crate::session::{Session, State};

pub mod delivery;

/// People told of one event. A session has at most 200 people; who wants more people told uses a mailing list.
pub const MAX_RECIPIENTS: usize = 200;
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
}

impl Occasion {
    pub const ALL: [Self; 8] = [
        Self::Request,
        Self::Approval,
        Self::Rejection,
        Self::TimedOut,
        Self::ExpiryNear,
        Self::Expired,
        Self::Terminated,
        Self::Failed,
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
        }
    }

    /// The switch of a `notification` block that is about it.
    fn switch(self, layer: &Notification) -> Option<bool> {
        match self {
            Self::Request => layer.notify_on_request,
            Self::Approval | Self::Rejection | Self::TimedOut => layer.notify_on_approval,
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
        recipients: recipients(occasion, session, &layers, book),
    })
}

/// Which occasion an event is. A request that is decided already needs nobody's attention.
fn occasion(event: &AuditEvent, session: &Session) -> Option<Occasion> {
    let is_about_it = event.object.kind == "DebugSession" && event.object.name == session.name;
    if !is_about_it || event.outcome != Outcome::Done {
        return None;
    }
    match event.action {
        Action::Requested => (session.state == State::PendingApproval).then_some(Occasion::Request),
        Action::Approved => Some(Occasion::Approval),
        Action::Rejected => Some(Occasion::Rejection),
        Action::TimedOut => Some(Occasion::TimedOut),
        Action::ExpiryNear => Some(Occasion::ExpiryNear),
        Action::Expired => Some(Occasion::Expired),
        Action::Terminated => Some(Occasion::Terminated),
        Action::Failed => Some(Occasion::Failed),
        Action::Activated
        | Action::Invited
        | Action::Joined
        | Action::Left
        | Action::Removed
        | Action::RenewalRequested
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
        | Action::Gap => None,
    }
}

/// Every layer may switch off, none may switch on again (D3).
fn is_wanted(occasion: Occasion, layers: &[&Notification]) -> bool {
    layers
        .iter()
        .all(|layer| layer.enabled.unwrap_or(true) && occasion.switch(layer).unwrap_or(true))
}

fn recipients(
    occasion: Occasion,
    session: &Session,
    layers: &[&Notification],
    book: &AddressBook,
) -> Vec<String> {
    let mut told = match occasion {
        Occasion::Request => approvers(session, book),
        Occasion::Approval
        | Occasion::Rejection
        | Occasion::TimedOut
        | Occasion::ExpiryNear
        | Occasion::Expired
        | Occasion::Terminated
        | Occasion::Failed => people(session, book),
    };
    told.extend(
        layers
            .iter()
            .flat_map(|layer| layer.additional_recipients.iter().cloned()),
    );
    let excluded = Excluded::of(session, layers, book);
    let mut seen = BTreeSet::new();
    told.retain(|address| {
        is_mail_address(address)
            && !excluded.addresses.contains(&address.to_lowercase())
            && seen.insert(address.to_lowercase())
    });
    told.truncate(MAX_RECIPIENTS);
    told
}

/// Those who may decide, as far as the configuration knows their addresses; never the requester.
fn approvers(session: &Session, book: &AddressBook) -> Vec<String> {
    let terms = &session.snapshot.terms.approval;
    let of_groups = terms
        .groups
        .iter()
        .filter_map(|group| book.groups.get(group));
    let of_users = terms.users.iter().filter_map(|user| book.users.get(user));
    let requester = address_of(&session.requester, book);
    of_groups
        .flatten()
        .chain(of_users)
        .filter(|address| {
            requester
                .as_ref()
                .is_none_or(|own| !own.eq_ignore_ascii_case(address))
        })
        .cloned()
        .collect()
}

/// The requester and everybody present.
fn people(session: &Session, book: &AddressBook) -> Vec<String> {
    let present = session.present().map(|participant| &participant.identity);
    std::iter::once(&session.requester)
        .chain(present)
        .filter_map(|identity| address_of(identity, book))
        .collect()
}

/// A person's verified address, else the one that the configuration has for the name.
fn address_of(identity: &Identity, book: &AddressBook) -> Option<String> {
    let own = identity.email.as_ref().filter(|_| identity.email_verified);
    own.or_else(|| book.users.get(&identity.name)).cloned()
}

/// Who is not told, by folded address.
struct Excluded {
    addresses: BTreeSet<String>,
}

impl Excluded {
    /// People by their names and addresses. Groups: the addresses that the configuration has for them, and the requester,
    /// whose groups the session knows.
    fn of(session: &Session, layers: &[&Notification], book: &AddressBook) -> Self {
        let mut addresses = BTreeSet::new();
        let mut exclude = |address: &str| {
            addresses.insert(address.to_lowercase());
        };
        for excluded in layers
            .iter()
            .filter_map(|layer| layer.excluded_recipients.as_ref())
        {
            for user in &excluded.users {
                exclude(user);
                let present = session.present().map(|participant| &participant.identity);
                let named = std::iter::once(&session.requester)
                    .chain(present)
                    .filter(|identity| identity.name == *user)
                    .filter_map(|identity| address_of(identity, book));
                named.for_each(|address| exclude(&address));
                book.users
                    .get(user)
                    .into_iter()
                    .for_each(|address| exclude(address));
            }
            for group in &excluded.groups {
                book.groups
                    .get(group)
                    .into_iter()
                    .flatten()
                    .for_each(|address| exclude(address));
                if session.spec.user_groups.contains(group)
                    && let Some(address) = address_of(&session.requester, book)
                {
                    exclude(&address);
                }
            }
        }
        Self { addresses }
    }
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
        expires_at: session.state.running().map(|running| running.expires_at),
    }
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
