//! What lists show of a session and what they look for, small enough to hold for every stored session: about 300 bytes.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::Arc;

use breakglass_hub_core::access::{Flags, Openness, SeenBy, flags, openness, seen_by};
use breakglass_hub_core::caller::Caller;
use breakglass_hub_core::grant::is_wanted;
use breakglass_hub_core::session::{Session, StateName};
use breakglass_protocol::api::debug_session::{Can, Summary};
use breakglass_protocol::kinds::pod_operations::AllowedPodOperations;
use breakglass_protocol::person::Identity;
use jiff::Timestamp;

use crate::store::{Key, ObjectKind};

/// Where a session stands in lists: newest first, then by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    created_at: Reverse<Timestamp>,
    name: Arc<str>,
}

impl Place {
    #[must_use]
    pub fn new(created_at: Timestamp, name: &str) -> Self {
        Self {
            created_at: Reverse(created_at),
            name: name.into(),
        }
    }

    #[must_use]
    pub fn created_at(&self) -> Timestamp {
        self.created_at.0
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn shared_name(&self) -> Arc<str> {
        self.name.clone()
    }
}

/// An account, as owner or participant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Account {
    issuer: Arc<str>,
    subject: Arc<str>,
}

impl Account {
    pub(super) fn of(identity: &Identity) -> Self {
        Self::new(&identity.issuer, &identity.subject)
    }

    fn new(issuer: &str, subject: &str) -> Self {
        Self {
            issuer: issuer.into(),
            subject: subject.into(),
        }
    }

    fn is(&self, identity: &Identity) -> bool {
        *self.issuer == *identity.issuer && *self.subject == *identity.subject
    }
}

/// What sessions can have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Mark {
    Cluster(Arc<str>),
    Template(Arc<str>),
    RequestedBy(Arc<str>),
    State(StateName),
    Owner(Account),
    /// Made through this one.
    Binding {
        namespace: Arc<str>,
        name: Arc<str>,
    },
    /// One of [`SeenBy`].
    SeenByAccount(Account),
    SeenByName(Arc<str>),
    SeenByGroup(Arc<str>),
    /// Its cluster should hold a grant of it.
    Granted,
}

impl Mark {
    pub(super) fn binding(namespace: &str, name: &str) -> Self {
        Self::Binding {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl From<SeenBy<'_>> for Mark {
    fn from(key: SeenBy<'_>) -> Self {
        match key {
            SeenBy::Account { issuer, subject } => {
                Self::SeenByAccount(Account::new(issuer, subject))
            }
            SeenBy::Name(name) => Self::SeenByName(name.into()),
            SeenBy::Group(group) => Self::SeenByGroup(group.into()),
        }
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Card {
    place: Place,
    namespace: Arc<str>,
    template: Arc<str>,
    cluster: Arc<str>,
    target_namespace: Arc<str>,
    requested_by: Arc<str>,
    display_name: Option<Arc<str>>,
    message: Option<Arc<str>>,
    ran: Option<(Timestamp, Timestamp)>,
    ended_at: Option<Timestamp>,
    operations: Option<AllowedPodOperations>,
    present: Box<[Account]>,
    pods: u32,
    state: StateName,
    openness: Openness,
}

impl Card {
    /// What lists need of a session.
    #[must_use]
    pub(super) fn of(session: &Session, texts: &mut Texts) -> Self {
        let running = session.state.running();
        Self {
            place: Place::new(session.created_at, &session.name),
            namespace: texts.share(&session.namespace),
            template: texts.share(&session.spec.template_ref),
            cluster: texts.share(&session.spec.cluster),
            target_namespace: texts.share(&session.snapshot.terms.target_namespace),
            requested_by: texts.share(&session.requester.name),
            display_name: session
                .spec
                .requested_by_display_name
                .as_deref()
                .map(|name| texts.share(name)),
            message: session.message.as_deref().map(|text| texts.share(text)),
            ran: running.map(|ran| (ran.starts_at, ran.expires_at)),
            ended_at: session.state.end().map(|end| end.at),
            operations: session.snapshot.source.resolved.operations,
            present: session
                .present()
                .map(|participant| texts.account(&participant.identity))
                .collect(),
            pods: u32::try_from(session.observed.pods.len()).unwrap_or(u32::MAX),
            state: session.state.name(),
            openness: openness(session),
        }
    }

    /// What it can be found by.
    pub(super) fn marks(&self, session: &Session) -> HashSet<Mark> {
        let own = [
            Mark::Cluster(self.cluster.clone()),
            Mark::Template(self.template.clone()),
            Mark::RequestedBy(self.requested_by.clone()),
            Mark::State(self.state),
            Mark::Owner(Account::of(&session.requester)),
        ];
        let binding = session.spec.binding_ref.as_ref();
        let binding = binding.map(|binding| Mark::binding(&binding.namespace, &binding.name));
        let granted = is_wanted(session).then_some(Mark::Granted);
        own.into_iter()
            .chain(binding)
            .chain(granted)
            .chain(seen_by(session).map(Mark::from))
            .collect()
    }

    #[must_use]
    pub fn name(&self) -> &str {
        self.place.name()
    }

    pub(super) fn requested_by(&self) -> &str {
        &self.requested_by
    }

    pub(super) fn key(&self) -> Key {
        Key::namespaced(ObjectKind::DebugSession, &*self.namespace, self.name())
    }

    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    pub(super) fn ended_at(&self) -> Option<Timestamp> {
        self.ended_at
    }

    /// Whether its flags depend on who asks.
    #[must_use]
    pub fn openness(&self) -> Openness {
        self.openness
    }

    /// The line of a list for a caller who sees the session. `session` is the same session whole, which is needed where
    /// it is [`Openness::Open`]; without it no flag is set.
    #[must_use]
    pub fn summary(&self, session: Option<&Session>, caller: &Caller) -> Summary {
        let flags = session.map_or(Flags::NONE, |session| flags(session, caller));
        Summary {
            name: self.name().to_owned(),
            template_ref: self.template.to_string(),
            target_namespace: Some(self.target_namespace.to_string()),
            cluster: self.cluster.to_string(),
            requested_by: self.requested_by.to_string(),
            requested_by_display_name: self.display_name.as_deref().map(str::to_owned),
            state: self.state.as_str().to_owned(),
            status_message: self.message.as_deref().map(str::to_owned),
            starts_at: self.ran.map(|(start, _)| start.to_string()),
            expires_at: self.ran.map(|(_, end)| end.to_string()),
            participants: self.present.len(),
            is_participant: self.present.iter().any(|one| one.is(&caller.identity)),
            allowed_pods: usize::try_from(self.pods).unwrap_or(usize::MAX),
            allowed_pod_operations: self.operations,
            can: Can {
                can_approve: flags.approve.is_set(),
                can_reject: flags.reject.is_set(),
                can_join: flags.join.is_set(),
                can_renew: flags.renew.is_set(),
                can_terminate: flags.terminate.is_set(),
            },
        }
    }
}

/// The line of a list for one session, made from the session itself.
#[must_use]
pub fn summary(session: &Session, caller: &Caller) -> Summary {
    Card::of(session, &mut Texts::default()).summary(Some(session), caller)
}

/// Texts that many sessions share (clusters, templates, people) are held once.
#[derive(Debug, Default)]
pub(super) struct Texts {
    shared: HashSet<Arc<str>>,
    /// The unused are thrown out when there are this many.
    sweep_at: usize,
}

impl Texts {
    /// Below this many texts nothing is swept.
    const FEW: usize = 4_096;

    fn share(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.shared.get(text) {
            return known.clone();
        }
        if self.shared.len() >= self.sweep_at.max(Self::FEW) {
            self.shared.retain(|text| Arc::strong_count(text) > 1);
            self.sweep_at = self.shared.len() * 2;
        }
        let text: Arc<str> = text.into();
        self.shared.insert(text.clone());
        text
    }

    fn account(&mut self, identity: &Identity) -> Account {
        Account {
            issuer: self.share(&identity.issuer),
            subject: self.share(&identity.subject),
        }
    }
}
