//! Whom a notice is for.

use std::collections::BTreeSet;

use breakglass_protocol::kinds::notification::Notification;
use breakglass_protocol::person::{Identity, is_mail_address};

use super::{AddressBook, Occasion};
use crate::session::Session;

/// People told of one event. A session has at most 200 people; who wants more people told uses a mailing list.
pub const MAX_RECIPIENTS: usize = 200;

/// Who is told of an occasion: addresses, each once.
pub(super) fn of(
    occasion: Occasion,
    session: &Session,
    layers: &[&Notification],
    book: &AddressBook,
) -> Vec<String> {
    let mut told = match occasion {
        Occasion::Request | Occasion::RenewalRequest | Occasion::InvitationRequest => {
            approvers(session, book)
        }
        Occasion::Approval
        | Occasion::Rejection
        | Occasion::TimedOut
        | Occasion::ExpiryNear
        | Occasion::Expired
        | Occasion::Terminated
        | Occasion::Failed
        | Occasion::RenewalApproval
        | Occasion::RenewalRejection
        | Occasion::InvitationApproval
        | Occasion::InvitationRejection => people(session, book),
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

/// Those who may decide, as far as the configuration knows their addresses: never the requester, nor who takes part, took
/// part or is invited (S5).
fn approvers(session: &Session, book: &AddressBook) -> Vec<String> {
    let terms = &session.snapshot.terms.approval;
    let of_groups = terms
        .groups
        .iter()
        .filter_map(|group| book.groups.get(group));
    let of_users = terms.users.iter().filter_map(|user| book.users.get(user));
    let involved = involved(session, book);
    of_groups
        .flatten()
        .chain(of_users)
        .filter(|address| !involved.contains(&address.to_lowercase()))
        .cloned()
        .collect()
}

/// The folded addresses of everybody who may not decide, as far as they are known.
fn involved(session: &Session, book: &AddressBook) -> BTreeSet<String> {
    let stays = session.participants.iter().map(|stay| &stay.identity);
    let people = std::iter::once(&session.requester).chain(stays);
    let invited = session.invitations.iter().map(|one| &one.user);
    people
        .filter_map(|identity| address_of(identity, book))
        // An invitation may name a person by their address.
        .chain(invited.map(|name| book.users.get(name).unwrap_or(name).clone()))
        .map(|address| address.to_lowercase())
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
