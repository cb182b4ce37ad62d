//! Join, leave, invite, remove (S5, S11, D7, D12).

use jiff::Timestamp;

use breakglass_protocol::limits::MAX_PEOPLE_PER_SESSION;
use breakglass_protocol::person::{Identity, check_person_name};
use breakglass_protocol::wire::grant::Operation;

use super::approval::refused;
use super::{Declined, Verb, not_allowed};
use crate::access::{Forbidden, Relation};
use crate::caller::Caller;
use crate::refusal::{Class, Refusal, Violation};
use crate::session::{
    Active, Clearance, Invitation, InvitedRole, Participant, Role, Session, State, Verdict,
    Withdrawn, covers,
};
use crate::snapshot::Requirement;

/// Stays of one person in one session: enough for coming and going, too few to fill the record with.
const MAX_STAYS: usize = 10;

pub(super) fn join(
    mut session: Session,
    asked: Option<InvitedRole>,
    caller: &Caller,
    at: Timestamp,
) -> Result<Session, Declined> {
    let State::Active(Active { running, .. }) = session.state else {
        return Err(
            not_allowed(&session, Verb::Join, "only an Active session can be joined").into(),
        );
    };
    if at >= running.expires_at {
        return Err(not_allowed(&session, Verb::Join, "its time is over").into());
    }
    let relation = Relation::of(&session, caller);
    let role = match (asked, relation.may_participate()) {
        (Some(InvitedRole::Viewer), _) | (None, Err(_)) => InvitedRole::Viewer,
        (Some(InvitedRole::Participant) | None, Ok(())) => InvitedRole::Participant,
        (Some(InvitedRole::Participant), Err(why)) => return Err(Declined::Forbidden(why)),
    };
    match relation.role() {
        // In it already with as much: joining again changes nothing, and takes nothing away.
        Some(Role::Owner | Role::Participant) => return Ok(session),
        Some(Role::Viewer) if role == InvitedRole::Viewer => return Ok(session),
        Some(Role::Viewer) | None => {}
    }
    check_name(caller)?;
    check_room(&session, caller)?;
    for stay in session.participants.iter_mut() {
        if stay.left_at.is_none() && stay.identity.is_same_account(&caller.identity) {
            stay.left_at = Some(at);
        }
    }
    session.participants.push(Participant {
        identity: caller.identity.clone(),
        display_name: caller.display_name.clone(),
        role: match role {
            InvitedRole::Participant => Role::Participant,
            InvitedRole::Viewer => Role::Viewer,
        },
        joined_at: at,
        left_at: None,
        removed_by: None,
    });
    Ok(session)
}

/// S5, S6: sessions are for people whose names read as what they are.
fn check_name(caller: &Caller) -> Result<(), Declined> {
    check_person_name(&caller.identity.name).map_err(|error| {
        Declined::Forbidden(Forbidden {
            rule: "join.person",
            message: format!("your name {error}"),
        })
    })
}

fn check_room(session: &Session, caller: &Caller) -> Result<(), Declined> {
    let me = &caller.identity;
    let taken = session
        .present()
        .any(|p| p.identity.name == me.name && !p.identity.is_same_account(me));
    if taken {
        // In the cluster both would be one user, and one's end would be the other's.
        let message = "another account of the same name is in this session; clusters could not tell you apart";
        return Err(refused(Violation::new(
            Class::Conflict,
            "user",
            "join.name",
            message,
        )));
    }
    let stays = session
        .participants
        .iter()
        .filter(|p| p.identity.is_same_account(me))
        .count();
    if stays >= MAX_STAYS || session.participants.len() >= MAX_PEOPLE_PER_SESSION {
        let message = format!(
            "the session holds at most {MAX_PEOPLE_PER_SESSION} stays, {MAX_STAYS} of one person; request a session of your own"
        );
        return Err(refused(Violation::new(
            Class::Conflict,
            "user",
            "join.limit",
            message,
        )));
    }
    Ok(())
}

pub(super) fn leave(
    mut session: Session,
    caller: &Caller,
    at: Timestamp,
) -> Result<Session, Declined> {
    if !matches!(session.state, State::Active(_)) {
        return Err(not_allowed(
            &session,
            Verb::Leave,
            "only an Active session has people in it",
        )
        .into());
    }
    for stay in session.participants.iter_mut() {
        if stay.left_at.is_none() && stay.identity.is_same_account(&caller.identity) {
            stay.left_at = Some(at);
        }
    }
    Ok(session)
}

pub(super) fn invite(
    mut session: Session,
    users: &[String],
    role: Option<InvitedRole>,
    caller: &Caller,
    at: Timestamp,
) -> Result<Session, Declined> {
    if session.state.end().is_some() {
        return Err(not_allowed(&session, Verb::Invite, "it has ended").into());
    }
    let role = role.unwrap_or(InvitedRole::Viewer);
    let violations: Vec<Violation> = check_users(&session, users, role);
    if let Some(refusal) = Refusal::from_violations(violations) {
        return Err(refusal.into());
    }
    let clearance = clearance_now(&session, role);
    for user in users {
        let standing = session.invitations.iter().rev().find(|i| i.user == *user);
        // The same invitation again, or less than what stands: nothing is taken from anybody by inviting.
        if standing.is_some_and(|i| {
            covers(i.role, role)
                && i.withdrawn.is_none()
                && !matches!(i.clearance, Clearance::Rejected { .. })
        }) {
            continue;
        }
        session.invitations.push(Invitation {
            user: user.clone(),
            role,
            invited_by: caller.identity.clone(),
            invited_at: at,
            clearance: clearance.clone(),
            withdrawn: None,
        });
    }
    Ok(session)
}

/// Ends somebody's access, also that of who left already: their streams are cut by replacing the pods (S11, D7), and only
/// a new invitation lets them in again.
pub(super) fn remove(
    session: Session,
    user: &str,
    caller: &Caller,
    at: Timestamp,
) -> Result<Session, Declined> {
    if session.state.end().is_some() {
        let why = "it has ended, and nobody is in it";
        return Err(not_allowed(&session, Verb::Remove, why).into());
    }
    let wrong = |rule, message| Err(refused(Violation::constraint("user", rule, message)));
    if user == session.requester.name {
        return wrong(
            "remove.owner",
            "is the owner; terminate the session instead",
        );
    }
    let was_in_it = session.participants.iter().any(|p| p.identity.name == user);
    if !was_in_it && session.invitations.iter().all(|i| i.user != user) {
        return wrong(
            "remove.participants",
            "is neither in this session nor invited to it",
        );
    }
    Ok(cut_off(session, user, &caller.identity, at))
}

/// The same person removed again changes nothing.
pub(crate) fn cut_off(mut session: Session, user: &str, by: &Identity, at: Timestamp) -> Session {
    let operations = session.snapshot.terms.operations;
    let mut has_streams = false;
    for stay in &mut session.participants {
        if stay.identity.name != user || stay.removed_by.is_some() {
            continue;
        }
        has_streams |= match stay.role {
            Role::Owner | Role::Participant => {
                Operation::ALL.into_iter().any(|op| operations.allows(op))
            }
            // S4: they only follow logs.
            Role::Viewer => operations.logs,
        };
        stay.left_at.get_or_insert(at);
        stay.removed_by = Some(by.clone());
    }
    for invitation in &mut session.invitations {
        if invitation.user == user && invitation.withdrawn.is_none() {
            let by = by.clone();
            invitation.withdrawn = Some(Withdrawn { by, at });
        }
    }
    if has_streams && matches!(session.state, State::Active(_)) {
        session.recycle = session.recycle.saturating_add(1);
    }
    session
}

/// S5: where approval is required, participants invited after it wait for an approver.
fn clearance_now(session: &Session, role: InvitedRole) -> Clearance {
    let approved = session
        .decision
        .as_ref()
        .is_some_and(|d| d.verdict == Verdict::Approved);
    let required = session.snapshot.terms.approval.requirement == Requirement::Required;
    if role == InvitedRole::Participant && required && approved {
        Clearance::Waiting
    } else {
        Clearance::NotNeeded
    }
}

fn check_users(session: &Session, users: &[String], role: InvitedRole) -> Vec<Violation> {
    let mut violations = Vec::new();
    if users.is_empty() {
        violations.push(Violation::constraint(
            "users",
            "invite.users",
            "name at least one person to invite",
        ));
    }
    if session.invitations.len() + users.len() > MAX_PEOPLE_PER_SESSION {
        let message = format!(
            "a session has at most {MAX_PEOPLE_PER_SESSION} invitations and has {}",
            session.invitations.len()
        );
        violations.push(Violation::constraint("users", "invite.limit", message));
        return violations;
    }
    for (i, user) in users.iter().enumerate() {
        let field = format!("users[{i}]");
        if let Err(error) = check_person_name(user) {
            violations.push(Violation::constraint(
                field,
                "invite.name",
                format!("the name {error}"),
            ));
        } else if *user == session.requester.name {
            violations.push(Violation::constraint(
                field,
                "invite.owner",
                "is the owner, who is in the session already",
            ));
        } else if role == InvitedRole::Participant && is_approver_of_it(session, user) {
            let message =
                "approved this session, so can only be a viewer in it; invite with role viewer";
            violations.push(Violation::constraint(field, "invite.approver", message));
        }
    }
    violations
}

fn is_approver_of_it(session: &Session, user: &str) -> bool {
    let of_request = session
        .decision
        .as_ref()
        .is_some_and(|d| d.verdict == Verdict::Approved && d.by.name == user);
    of_request || session.renewal_approvals.iter().any(|a| a.by.name == user)
}
