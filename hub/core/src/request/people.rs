//! The requester's name in the cluster, and whom they invite.

use breakglass_protocol::api::debug_session::CreateDebugSession;
use breakglass_protocol::kinds::cluster::UserNameClaim;
use breakglass_protocol::limits::MAX_PEOPLE_PER_SESSION;
use breakglass_protocol::person::check_person_name;

use super::Facts;
use crate::access::may_mean;
use crate::grant::{Claim, UserNames};
use crate::refusal::{Class, Violation};

/// The requester must have a usable name in the cluster (S5, S6): else the session would open for nobody.
pub(super) fn check_caller(facts: &Facts<'_>) -> Option<Violation> {
    let stored = facts.cluster.spec.user_names.clone().unwrap_or_default();
    let names = UserNames {
        prefix: stored.prefix.unwrap_or_default(),
        claim: match stored.claim.unwrap_or_default() {
            UserNameClaim::Name => Claim::Name,
            UserNameClaim::Email => Claim::Email,
            UserNameClaim::Sub => Claim::Sub,
        },
    };
    let cluster = &facts.asked.cluster;
    let message = match names.of(&facts.caller.identity) {
        None => format!(
            "cluster {cluster} knows people by their verified e-mail, and your token has none"
        ),
        Some(name) => match check_person_name(&name) {
            Ok(()) => return None,
            Err(error) => format!("your name in cluster {cluster}, {name:?}, {error}"),
        },
    };
    Some(Violation::new(
        Class::Forbidden,
        "cluster",
        "userNames",
        message,
    ))
}

/// The names, each once, in the order given.
pub(super) fn invited(asked: &CreateDebugSession) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in asked.invited_participants.iter().flatten() {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

pub(super) fn check_invited(facts: &Facts<'_>) -> Vec<Violation> {
    let given: &[String] = facts
        .asked
        .invited_participants
        .as_deref()
        .unwrap_or_default();
    // One place is the owner's.
    let limit = MAX_PEOPLE_PER_SESSION - 1;
    if given.len() > limit {
        let message = format!(
            "names {} people; at most {limit} can be invited",
            given.len()
        );
        return vec![Violation::constraint(
            "invitedParticipants",
            "invitedParticipants.limit",
            message,
        )];
    }
    let mut violations = Vec::new();
    for (i, name) in given.iter().enumerate() {
        let field = format!("invitedParticipants[{i}]");
        if let Err(error) = check_person_name(name) {
            violations.push(Violation::constraint(
                field,
                "invitedParticipants.name",
                format!("the name {error}"),
            ));
        } else if may_mean(name, &facts.caller.identity) {
            let message = "is you; the owner is in the session anyway";
            violations.push(Violation::constraint(
                field,
                "invitedParticipants.owner",
                message,
            ));
        }
    }
    violations
}
