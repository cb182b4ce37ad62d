//! Who sees a session, as keys: a session carries those under which it shows itself, a caller has their own, and one in
//! common is enough. Said this way, a program can look for what a caller sees instead of judging every session.

use crate::caller::{Caller, Standing};
use crate::session::Session;

/// One reason to see a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SeenBy<'a> {
    /// The account that asked for it or ever took part in it.
    Account { issuer: &'a str, subject: &'a str },
    /// The name that is invited to it, or is among its approvers, byte for byte.
    Name(&'a str),
    /// A group among its approvers.
    Group(&'a str),
}

/// What a caller sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight<'a> {
    /// Admins see every session.
    Everything,
    /// Sessions that carry one of these.
    Only(Vec<SeenBy<'a>>),
}

/// The keys under which a session shows itself; some may come more than once.
pub fn seen_by(session: &Session) -> impl Iterator<Item = SeenBy<'_>> {
    let took_part = session.participants.iter().map(|p| &p.identity);
    let accounts = std::iter::once(&session.requester)
        .chain(took_part)
        .map(|identity| SeenBy::Account {
            issuer: &identity.issuer,
            subject: &identity.subject,
        });
    let approval = &session.snapshot.terms.approval;
    let open = session.invitations.iter().filter(|i| i.withdrawn.is_none());
    let invited = open.map(|i| i.user.as_str());
    let names = invited
        .chain(approval.users.iter().map(String::as_str))
        .map(SeenBy::Name);
    let groups = approval.groups.iter().map(|group| SeenBy::Group(group));
    accounts.chain(names).chain(groups)
}

/// The keys of a caller, with their groups of now (S6).
#[must_use]
pub fn sight(caller: &Caller) -> Sight<'_> {
    match caller.standing {
        Standing::Admin => Sight::Everything,
        Standing::User | Standing::Barred => {
            let me = &caller.identity;
            let account = SeenBy::Account {
                issuer: &me.issuer,
                subject: &me.subject,
            };
            let groups = caller.groups.iter().map(|group| SeenBy::Group(group));
            Sight::Only(
                [account, SeenBy::Name(&me.name)]
                    .into_iter()
                    .chain(groups)
                    .collect(),
            )
        }
    }
}

impl Sight<'_> {
    /// Whether a session is seen.
    #[must_use]
    pub fn reaches(&self, session: &Session) -> bool {
        match self {
            Self::Everything => true,
            Self::Only(keys) => seen_by(session).any(|key| keys.contains(&key)),
        }
    }
}
