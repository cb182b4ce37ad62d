//! Asked × template × pod template × cluster × caller → a resolved session, or every violated rule by name.
//!
//! First who and what: does the template exist, is it fit for use, may this caller ask at all. Then all rules on what was
//! asked, each a small function over the same [`Facts`], so that a requester is told everything at once.

use std::collections::BTreeMap;
use std::time::Duration;

use breakglass_protocol::api::debug_session::CreateDebugSession;
use breakglass_protocol::duration::DurationText;
use breakglass_protocol::ids::{GrantUid, Revision};
use breakglass_protocol::kinds::cluster::Cluster;
use breakglass_protocol::kinds::debug_pod_template::DebugPodTemplate;
use breakglass_protocol::kinds::debug_session::{DebugSessionSpec, ResolvedRequest, ResolvedValue};
use breakglass_protocol::kinds::debug_session_template::DebugSessionTemplate;
use breakglass_protocol::kinds::pod_operations::AllowedPodOperations;

use crate::caller::Caller;
use crate::clock::{Now, later, whole_second};
use crate::grant;
use crate::lifecycle::StillOffered;
use crate::refusal::{Class, Refusal, Violation};
use crate::session::{
    Clearance, Invitation, InvitedRole, Observed, Participant, Role, Running, Session, State,
};
use crate::snapshot::{Requirement, Snapshot, Source};

mod admission;
mod auxiliary;
pub(crate) mod defaults;
mod namespace;
mod people;
mod readiness;
mod reason;
mod time;
mod unsupported;
mod variables;

pub use admission::{Admission, Coverage, admits, covers};
pub use readiness::readiness;
pub use variables::declared as declared_variables;

/// Most names told that a template does not know, and the longest part of one: a request may hold a megabyte of them.
const TOLD_UNKNOWN: usize = 20;
const SHOWN_OF_A_NAME: usize = 63;

/// What the catalogue holds of what a request names.
#[derive(Clone, Copy, Debug)]
pub struct Catalogue<'a> {
    /// By `templateRef`.
    pub template: Option<&'a DebugSessionTemplate>,
    /// By the template's `podTemplateRef`, if it has one.
    pub pod_template: Option<&'a DebugPodTemplate>,
    /// By `cluster`.
    pub cluster: Option<&'a Cluster>,
}

/// What only the shell can make: names and numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ids {
    /// `debug-session-` + six of `[a-z0-9]` (D16).
    pub name: String,
    pub namespace: String,
    pub uid: GrantUid,
}

/// A session to be submitted, and what its requester should know.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// Pending; [`crate::lifecycle::submit`] moves it on.
    pub session: Session,
    pub warnings: Vec<String>,
}

/// What the rules look at.
struct Facts<'a> {
    asked: &'a CreateDebugSession,
    template: &'a DebugSessionTemplate,
    /// `None` where the session template holds the pod itself.
    pod_template: Option<&'a DebugPodTemplate>,
    cluster: &'a Cluster,
    caller: &'a Caller,
}

/// Resolves a request.
///
/// # Errors
/// Every violated rule, but nothing about what the caller may not know.
pub fn resolve(
    asked: &CreateDebugSession,
    catalogue: &Catalogue<'_>,
    caller: &Caller,
    ids: Ids,
    now: Now,
) -> Result<Resolved, Refusal> {
    let facts = gather(asked, catalogue, caller)?;
    let mut violations = Vec::new();
    violations.extend(unsupported::check(facts.asked));
    violations.extend(people::check_caller(&facts));
    violations.extend(people::check_invited(&facts));
    violations.extend(reason::check(&facts));
    let (duration, wrong) = apart(time::resolve(&facts));
    violations.extend(wrong);
    let (namespace, wrong) = apart(namespace::resolve(&facts));
    violations.extend(wrong);
    let (values, wrong) = apart(variables::resolve(&facts));
    violations.extend(wrong);
    let (auxiliary, wrong) = apart(auxiliary::resolve(&facts));
    violations.extend(wrong);
    if let Some(refusal) = Refusal::from_violations(violations) {
        return Err(refusal);
    }
    // All are there where nothing is violated.
    let found = Found {
        duration: duration.unwrap_or_default(),
        namespace: namespace.unwrap_or_default(),
        values: values.unwrap_or_default(),
        auxiliary: auxiliary.unwrap_or_default(),
    };
    let session = assemble(&facts, found, ids, now)?;
    check_size(&session)?;
    Ok(Resolved {
        session,
        warnings: warnings(&facts),
    })
}

/// What the rules made of what was asked.
struct Found {
    duration: Duration,
    namespace: String,
    values: BTreeMap<String, ResolvedValue>,
    /// Names, in the template's order.
    auxiliary: Vec<String>,
}

fn apart<T>(result: Result<T, Vec<Violation>>) -> (Option<T>, Vec<Violation>) {
    match result {
        Ok(value) => (Some(value), Vec::new()),
        Err(violations) => (None, violations),
    }
}

/// Finds what the request names, and whether this caller may ask for it at all. Who may not is told no more than that.
fn gather<'a>(
    asked: &'a CreateDebugSession,
    catalogue: &Catalogue<'a>,
    caller: &'a Caller,
) -> Result<Facts<'a>, Refusal> {
    let unknown = || {
        let message = format!("there is no session template {:?}", asked.template_ref);
        one(Violation::new(
            Class::NotFound,
            "templateRef",
            "templateRef.exists",
            message,
        ))
    };
    let template = catalogue.template.ok_or_else(unknown)?;
    match admits(&template.spec, caller) {
        Admission::Yes => {}
        // A hidden template is not listed for those who may not use it; asking for it tells no more.
        Admission::No if template.spec.hidden == Some(true) => return Err(unknown()),
        Admission::No => return Err(one(admission::refuse(&template.spec, &asked.template_ref))),
    }
    if let Some(refusal) = Refusal::from_violations(readiness(template, catalogue.pod_template)) {
        return Err(refusal);
    }
    let cluster =
        admission::find_cluster(template, catalogue.cluster, &asked.cluster).map_err(one)?;
    Ok(Facts {
        asked,
        template,
        pod_template: catalogue.pod_template,
        cluster,
        caller,
    })
}

/// As much of a requester's name for something as a message repeats.
fn shortened(name: &str) -> String {
    name.chars().take(SHOWN_OF_A_NAME).collect()
}

fn one(violation: Violation) -> Refusal {
    Refusal {
        class: violation.class,
        violations: vec![violation],
    }
}

fn assemble(facts: &Facts<'_>, found: Found, ids: Ids, now: Now) -> Result<Session, Refusal> {
    let created_at = whole_second(now.wall);
    let spec = spec_of(facts);
    let source = Source {
        template: Box::new(facts.template.spec.clone()),
        pod_template: facts.pod_template.map(|pod| Box::new(pod.spec.clone())),
        resolved: Box::new(resolved_of(facts, found)),
        requirement: requirement(facts),
    };
    let snapshot = Snapshot::of(&spec, source).map_err(|error| {
        one(Violation::constraint(
            "templateRef",
            "resolvedTemplate",
            error.to_string(),
        ))
    })?;
    let owner = Participant {
        identity: facts.caller.identity.clone(),
        display_name: facts.caller.display_name.clone(),
        role: Role::Owner,
        joined_at: created_at,
        left_at: None,
    };
    Ok(Session {
        name: ids.name,
        namespace: ids.namespace,
        uid: ids.uid,
        created_at,
        requester: facts.caller.identity.clone(),
        snapshot,
        decision: None,
        participants: vec![owner],
        invitations: invitations(facts, &spec, created_at),
        spec,
        observed: Observed::default(),
        message: None,
        state: State::Pending,
    })
}

fn spec_of(facts: &Facts<'_>) -> DebugSessionSpec {
    let Facts {
        asked,
        caller,
        template,
        ..
    } = facts;
    DebugSessionSpec {
        cluster: asked.cluster.clone(),
        template_ref: asked.template_ref.clone(),
        requested_by: caller.identity.name.clone(),
        requested_by_email: caller.identity.email.clone(),
        requested_by_display_name: caller.display_name.clone(),
        user_groups: caller.groups.clone(),
        requested_duration: asked
            .requested_duration
            .clone()
            .and_then(|d| DurationText::parse(d).ok()),
        reason: reason::given(asked).map(str::to_owned),
        target_namespace: namespace::asked(asked).map(str::to_owned),
        invited_participants: people::invited(asked),
        selected_auxiliary_resources: asked
            .selected_auxiliary_resources
            .clone()
            .unwrap_or_default(),
        extra_deploy_values: asked.extra_deploy_values.clone().unwrap_or_default(),
        request_reason_config: template.spec.request_reason.clone(),
        approval_reason_config: template.spec.approval_reason.clone(),
        ..DebugSessionSpec::default()
    }
}

fn resolved_of(facts: &Facts<'_>, found: Found) -> ResolvedRequest {
    let spec = &facts.template.spec;
    let seconds = |d: Duration| i64::try_from(d.as_secs()).ok();
    let operations = defaults::operations(spec.allowed_pod_operations.as_ref());
    let approvers = spec.approvers.clone().unwrap_or_default();
    ResolvedRequest {
        mode: Some(spec.mode.unwrap_or_default()),
        workload_type: Some(spec.workload_type.unwrap_or_default()),
        replicas: Some(spec.replicas.unwrap_or(1)),
        target_namespace: Some(found.namespace),
        duration_seconds: seconds(found.duration),
        // Renewal is not built: the end of the first span is the last end.
        max_duration_seconds: seconds(found.duration),
        allow_renewal: Some(false),
        max_renewals: Some(0),
        operations: Some(AllowedPodOperations {
            exec: Some(operations.exec),
            attach: Some(operations.attach),
            logs: Some(operations.logs),
            port_forward: Some(operations.port_forward),
        }),
        approver_groups: approvers.groups,
        approver_users: approvers.users,
        labels: spec.labels.clone(),
        annotations: spec.annotations.clone(),
        // `clusterUserNames` stays out: how people read in a cluster is an administrator's setting of the cluster, and a
        // correction there must reach running sessions too.
        expiration_behavior: Some(spec.expiration_behavior.unwrap_or_default()),
        values: found.values,
        auxiliary_resources: found.auxiliary,
        ..ResolvedRequest::default()
    }
}

/// Required when the approver set names somebody and nothing approves by itself (spec 1 section 3).
fn requirement(facts: &Facts<'_>) -> Requirement {
    let Some(approvers) = &facts.template.spec.approvers else {
        return Requirement::NotRequired;
    };
    let named = !approvers.groups.is_empty() || !approvers.users.is_empty();
    let automatic = approvers.auto_approve_for.as_ref().is_some_and(|auto| {
        facts.caller.is_in_any(&auto.groups)
            || admission::matches_any(&auto.clusters, &facts.asked.cluster)
    });
    if named && !automatic {
        Requirement::Required
    } else {
        Requirement::NotRequired
    }
}

/// They stand in what is approved, so they need nobody's agreement later (S5).
fn invitations(facts: &Facts<'_>, spec: &DebugSessionSpec, at: jiff::Timestamp) -> Vec<Invitation> {
    let invite = |user: &String| Invitation {
        user: user.clone(),
        role: InvitedRole::Participant,
        invited_by: facts.caller.identity.clone(),
        invited_at: at,
        clearance: Clearance::NotNeeded,
    };
    spec.invited_participants.iter().map(invite).collect()
}

/// A grant that no agent could hold is refused now, not when somebody has approved it.
fn check_size(session: &Session) -> Result<(), Refusal> {
    let terms = &session.snapshot.terms;
    let running = Running {
        starts_at: session.created_at,
        expires_at: later(session.created_at, terms.duration),
        renewals: 0,
    };
    let active = Session {
        state: State::Active(running),
        ..session.clone()
    };
    match grant::prepare(&active, &grant::UserNames::default(), Revision(0)) {
        Ok(_) => Ok(()),
        Err(error) => Err(one(Violation::constraint(
            "templateRef",
            "grantSize",
            error.to_string(),
        ))),
    }
}

fn warnings(facts: &Facts<'_>) -> Vec<String> {
    let spec = &facts.template.spec;
    if spec.deprecated != Some(true) {
        return Vec::new();
    }
    let name = &facts.asked.template_ref;
    vec![match spec.deprecation_message.as_deref() {
        Some(message) => format!("session template {name} is deprecated: {message}"),
        None => format!("session template {name} is deprecated"),
    }]
}

/// Whether the catalogue of now still offers a session to its requester (S7): the template and its pod are there and fit
/// for use, the requester (with the groups of the request) is admitted, the cluster is covered. Edits that leave all of
/// this true change nothing: the snapshot is what runs.
#[must_use]
pub fn still_offered(session: &Session, catalogue: &Catalogue<'_>) -> StillOffered {
    let no = |reason: String| StillOffered::No { reason };
    let name = &session.spec.template_ref;
    let Some(template) = catalogue.template else {
        return no(format!("session template {name} was deleted"));
    };
    if let Some(problem) = readiness(template, catalogue.pod_template).first() {
        return no(format!(
            "session template {name} cannot be used now: {}",
            problem.message
        ));
    }
    let requester = Caller {
        identity: session.requester.clone(),
        display_name: None,
        groups: session.spec.user_groups.clone(),
        standing: crate::caller::Standing::User,
    };
    if admits(&template.spec, &requester) == Admission::No {
        return no(format!(
            "session template {name} no longer admits {}",
            session.requester.name
        ));
    }
    match admission::find_cluster(template, catalogue.cluster, &session.spec.cluster) {
        Ok(_) => StillOffered::Yes,
        Err(violation) => no(violation.message),
    }
}
