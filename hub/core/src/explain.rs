//! Why something would be allowed or refused, told from the very decisions that allow and refuse: a request is resolved
//! as if it were made, an operation is judged as if it were tried. No rule lives here, only their order and words.

use breakglass_protocol::api::debug_session::CreateDebugSession;
use breakglass_protocol::api::explain::{
    ExplainedApproval, Explanation, Operation, RuleVerdict, RuleWord, WouldBe,
};
use breakglass_protocol::duration;
use breakglass_protocol::wire::grant as wire;

use crate::access::{Action, Decision, judge};
use crate::caller::Caller;
use crate::clock::Now;
use crate::grant::wire_role;
use crate::lifecycle;
use crate::refusal::{Refusal, Violation};
use crate::request::Resolved;
use crate::session::{Role, Session, State};
use crate::snapshot::Requirement;

/// Fields of a request in the order in which rules look at them. The first three say who may ask for what at all; where
/// one of them is refused, no other is looked at.
const FIRST: [&str; 3] = ["templateRef", "cluster", "bindingRef"];
const THEN: [&str; 8] = [
    "requestedDuration",
    "targetNamespace",
    "reason",
    "invitedParticipants",
    "selectedSchedulingOption",
    "nodeSelector",
    "extraDeployValues",
    "selectedAuxiliaryResources",
];

/// What came of a request that was resolved and not made.
#[derive(Debug)]
pub enum Outcome {
    Refused(Refusal),
    /// The rules accept it, and no place is left for it.
    NoPlace(Box<Resolved>, Violation),
    Accepted(Box<Resolved>),
}

/// Explains a request.
#[must_use]
pub fn request(asked: &CreateDebugSession, outcome: &Outcome) -> Explanation {
    match outcome {
        Outcome::Refused(refusal) => Explanation {
            allowed: false,
            message: format!("the request would be refused: {refusal}"),
            rules: verdicts(&refusal.violations),
            approval: None,
            would_be: None,
            warnings: Vec::new(),
        },
        Outcome::NoPlace(resolved, violation) => {
            let mut rules = verdicts(&[]);
            rules.push(refused_by(violation));
            Explanation {
                allowed: false,
                message: format!("the request would be refused: {}", violation.message),
                rules,
                ..accepted(asked, resolved)
            }
        }
        Outcome::Accepted(resolved) => accepted(asked, resolved),
    }
}

fn accepted(asked: &CreateDebugSession, resolved: &Resolved) -> Explanation {
    let terms = &resolved.session.snapshot.terms;
    let approval = ExplainedApproval {
        required: terms.approval.requirement == Requirement::Required,
        approver_groups: terms.approval.groups.clone(),
        approver_users: terms.approval.users.clone(),
    };
    let message = if approval.required {
        "the request would be accepted, and wait for an approver"
    } else {
        "the request would be accepted, and the session active at once"
    };
    let binding = resolved.session.spec.binding_ref.as_ref();
    Explanation {
        allowed: true,
        message: message.to_owned(),
        rules: verdicts(&[]),
        approval: Some(approval),
        would_be: Some(WouldBe {
            template_ref: asked.template_ref.clone(),
            binding_ref: binding.map(|binding| format!("{}/{}", binding.namespace, binding.name)),
            cluster: asked.cluster.clone(),
            target_namespace: terms.target_namespace.clone(),
            duration: duration::format(terms.duration),
        }),
        warnings: resolved.warnings.clone(),
    }
}

/// Each field with what its rules said; what refused stands under its rule's own name.
fn verdicts(violations: &[Violation]) -> Vec<RuleVerdict> {
    let is_about = |violation: &Violation, field: &str| {
        let rest = violation.field.strip_prefix(field);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    let known = |violation: &Violation| {
        FIRST
            .iter()
            .chain(&THEN)
            .any(|field| is_about(violation, field))
    };
    let is_first = |violation: &Violation| FIRST.iter().any(|field| is_about(violation, field));
    let stopped = !violations.is_empty() && violations.iter().all(is_first);
    let mut told = Vec::new();
    for field in FIRST.into_iter().chain(THEN) {
        let before = told.len();
        told.extend(
            violations
                .iter()
                .filter(|violation| is_about(violation, field))
                .map(refused_by),
        );
        if told.len() == before {
            let looked_at = !stopped || FIRST.contains(&field);
            let verdict = if looked_at {
                RuleWord::Passed
            } else {
                RuleWord::NotLookedAt
            };
            told.push(plain(field, verdict));
        }
    }
    let others = violations.iter().filter(|violation| !known(violation));
    told.extend(others.map(refused_by));
    told
}

fn refused_by(violation: &Violation) -> RuleVerdict {
    RuleVerdict {
        rule: violation.rule.to_owned(),
        verdict: RuleWord::Refused,
        message: Some(format!("{}: {}", violation.field, violation.message)),
        allowed: violation.allowed.clone(),
    }
}

fn plain(rule: &str, verdict: RuleWord) -> RuleVerdict {
    RuleVerdict {
        rule: rule.to_owned(),
        verdict,
        message: None,
        allowed: Vec::new(),
    }
}

/// Explains what a person may do in a session that the asker sees.
#[must_use]
pub fn operation(
    session: &Session,
    person: &Caller,
    operation: Operation,
    now: Now,
) -> Explanation {
    let rules = match kind(operation) {
        Asked::Verb(action) => vec![
            access_rule(session, person, action),
            state_rule(session, action),
        ],
        Asked::OnPods(operation) => vec![
            role_rule(session, person, operation),
            running_rule(session, now),
            template_rule(session, operation),
            pods_rule(session),
        ],
    };
    let (name, word) = (&person.identity.name, operation.as_str());
    let refusal = rules.iter().find(|rule| rule.verdict == RuleWord::Refused);
    let message = match refusal {
        None => format!("{name} may {word} in {} now", session.name),
        Some(rule) => format!(
            "{name} may not {word} in {} now: {}",
            session.name,
            rule.message.as_deref().unwrap_or(&rule.rule)
        ),
    };
    Explanation {
        allowed: refusal.is_none(),
        message,
        rules,
        approval: None,
        would_be: None,
        warnings: Vec::new(),
    }
}

/// Whether the groups of the person count, which only their own token tells.
#[must_use]
pub fn needs_groups(operation: Operation) -> bool {
    match kind(operation) {
        Asked::Verb(_) => true,
        Asked::OnPods(_) => false,
    }
}

enum Asked {
    Verb(Action),
    OnPods(wire::Operation),
}

fn kind(operation: Operation) -> Asked {
    match operation {
        Operation::See => Asked::Verb(Action::See),
        Operation::Approve => Asked::Verb(Action::Approve),
        Operation::Reject => Asked::Verb(Action::Reject),
        Operation::Join => Asked::Verb(Action::Join),
        Operation::Leave => Asked::Verb(Action::Leave),
        Operation::Renew => Asked::Verb(Action::Renew),
        Operation::Invite => Asked::Verb(Action::Invite),
        Operation::Terminate => Asked::Verb(Action::Terminate),
        Operation::ReadAudit => Asked::Verb(Action::ReadAudit),
        Operation::Exec => Asked::OnPods(wire::Operation::Exec),
        Operation::Attach => Asked::OnPods(wire::Operation::Attach),
        Operation::Logs => Asked::OnPods(wire::Operation::Logs),
        Operation::PortForward => Asked::OnPods(wire::Operation::PortForward),
    }
}

fn said(rule: &str, verdict: RuleWord, message: impl Into<String>) -> RuleVerdict {
    RuleVerdict {
        message: Some(message.into()),
        ..plain(rule, verdict)
    }
}

fn access_rule(session: &Session, person: &Caller, action: Action) -> RuleVerdict {
    match judge(action, session, person) {
        Decision::Allow => plain("access", RuleWord::Passed),
        Decision::Forbidden(why) => said(why.rule, RuleWord::Refused, why.message),
        Decision::NotFound => said(
            "see",
            RuleWord::Refused,
            "does not take part in the session, is not invited, and is not among its approvers",
        ),
    }
}

fn state_rule(session: &Session, action: Action) -> RuleVerdict {
    if lifecycle::is_open_to(session, action) {
        plain("state", RuleWord::Passed)
    } else {
        let state = session.state.name();
        said(
            "state",
            RuleWord::Refused,
            format!("the session is {state}"),
        )
    }
}

/// As the agent's grant has it: who joined and has not left, under their role.
fn role_rule(session: &Session, person: &Caller, operation: wire::Operation) -> RuleVerdict {
    let Some(stay) = session.present_entry(&person.identity) else {
        let message = "is not in the session; who is invited, or may join, joins first";
        return said("participants", RuleWord::Refused, message);
    };
    let role = match stay.role {
        Role::Owner => "owner",
        Role::Participant => "participant",
        Role::Viewer => "viewer",
    };
    if wire_role(stay.role).permits(operation) {
        said(
            "role",
            RuleWord::Passed,
            format!("is in the session as {role}"),
        )
    } else {
        let message = format!("is in the session as {role}; viewers watch, they do not type");
        said("role", RuleWord::Refused, message)
    }
}

fn running_rule(session: &Session, now: Now) -> RuleVerdict {
    match &session.state {
        State::Active(active) if now.wall < active.running.expires_at => said(
            "state",
            RuleWord::Passed,
            format!("the session is Active until {}", active.running.expires_at),
        ),
        State::Active(active) => said(
            "state",
            RuleWord::Refused,
            format!("the session ended at {}", active.running.expires_at),
        ),
        State::Pending
        | State::PendingApproval
        | State::Expired(..)
        | State::Terminated(..)
        | State::Failed(..) => {
            let state = session.state.name();
            said(
                "state",
                RuleWord::Refused,
                format!("the session is {state}; only Active gives access"),
            )
        }
    }
}

fn template_rule(session: &Session, operation: wire::Operation) -> RuleVerdict {
    let rule = match operation {
        wire::Operation::Exec => "allowedPodOperations.exec",
        wire::Operation::Attach => "allowedPodOperations.attach",
        wire::Operation::Logs => "allowedPodOperations.logs",
        wire::Operation::PortForward => "allowedPodOperations.portForward",
    };
    if session.snapshot.terms.operations.allows(operation) {
        plain(rule, RuleWord::Passed)
    } else {
        said(
            rule,
            RuleWord::Refused,
            "the session's template does not open it",
        )
    }
}

fn pods_rule(session: &Session) -> RuleVerdict {
    let pods = session.observed.pods.len();
    if pods > 0 {
        said("allowedPods", RuleWord::Passed, format!("on {pods} pods"))
    } else {
        let message = "the session's cluster has told of no pod that is open yet";
        said("allowedPods", RuleWord::Refused, message)
    }
}
