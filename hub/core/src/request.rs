//! Asked × template × pod template × cluster × caller → a resolved session, or every violated rule by name.
//!
//! First who and what: does the template exist, is it fit for use, may this caller ask at all. Then all rules on what was
//! asked, each a small function over the same [`Facts`], so that a requester is told everything at once.

use std::collections::BTreeMap;
use std::time::Duration;

use breakglass_protocol::api::debug_session::CreateDebugSession;
use breakglass_protocol::ids::{GrantUid, Revision};
use breakglass_protocol::kinds::cluster::Cluster;
use breakglass_protocol::kinds::debug_pod_template::DebugPodTemplate;
use breakglass_protocol::kinds::debug_session::ResolvedValue;
use breakglass_protocol::kinds::debug_session_cluster_binding::DebugSessionClusterBinding;
use breakglass_protocol::kinds::debug_session_template::DebugSessionTemplate;
use breakglass_protocol::kinds::impersonation::ServiceAccountRef;
use jiff::Timestamp;

use binding::Way;

use crate::access::{BARRED, BARRED_MESSAGE};
use crate::caller::{Caller, Standing};
use crate::clock::{Now, later};
use crate::grant;
use crate::refusal::{Class, Refusal, Violation};
use crate::session::{Active, Running, Session, State};

mod admission;
mod assemble;
mod auxiliary;
mod binding;
pub(crate) mod defaults;
mod impersonation;
mod layers;
mod merged;
mod namespace;
mod people;
mod readiness;
mod reason;
mod scheduling;
mod still_offered;
mod time;
mod variables;

pub use admission::{Admission, Coverage, admits, covers};
pub(crate) use assemble::{reference_to, requirement};
pub use binding::{
    Candidate, Effect, MatchedBy, Wish, binding_readiness, candidates, display_name, effect,
    foremost, full_name, is_open_to, opens, reaches,
};
pub use impersonation::deployer;
pub use layers::Layers;
pub(crate) use namespace::{
    default as default_namespace, may_be_asked_for as namespace_may_be_asked_for,
};
pub use readiness::readiness;
pub use still_offered::still_offered;
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
    /// Every binding of the hub; the rules find the template's among them.
    pub bindings: &'a [DebugSessionClusterBinding],
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
    /// Through which the session is made; `None` where the template itself reaches the cluster.
    binding: Option<&'a DebugSessionClusterBinding>,
    /// The template's rules and the binding's.
    layers: Layers<'a>,
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
    let facts = gather(asked, catalogue, caller, now.wall)?;
    let mut violations = Vec::new();
    violations.extend(people::check_caller(&facts));
    violations.extend(people::check_invited(&facts));
    violations.extend(reason::check(&facts));
    let (duration, wrong) = apart(time::resolve(&facts));
    violations.extend(wrong);
    let (namespace, wrong) = apart(namespace::resolve(&facts));
    violations.extend(wrong);
    let (deployer, wrong) = apart(impersonation::deployer(facts.layers).map_err(|v| vec![v]));
    violations.extend(wrong);
    let (placement, wrong) = apart(scheduling::resolve(&facts));
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
        deployer: deployer.flatten(),
        placement: placement.unwrap_or_default(),
        values: values.unwrap_or_default(),
        auxiliary: auxiliary.unwrap_or_default(),
    };
    let session = assemble::assemble(&facts, found, ids, now)?;
    check_size(&session)?;
    Ok(Resolved {
        session,
        warnings: warnings(&facts),
    })
}

/// What the rules made of what was asked.
struct Found {
    duration: Duration,
    namespace: namespace::Chosen,
    /// `None`: the agent itself.
    deployer: Option<ServiceAccountRef>,
    placement: scheduling::Placement,
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
    now: Timestamp,
) -> Result<Facts<'a>, Refusal> {
    match caller.standing {
        Standing::User | Standing::Admin => {}
        Standing::Barred => {
            let why = Violation::new(Class::Forbidden, "requestedBy", BARRED, BARRED_MESSAGE);
            return Err(one(why));
        }
    }
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
    // A hidden template is not listed for those who may not use it; asking for it tells no more.
    if template.spec.hidden == Some(true) && !is_open_to(template, catalogue.bindings, caller) {
        return Err(unknown());
    }
    let wish = Wish {
        template,
        cluster_name: &asked.cluster,
        cluster: catalogue.cluster,
        caller,
        now,
    };
    let named = asked.binding_ref.as_deref();
    let binding = match binding::find_way(catalogue.bindings, named, &wish).map_err(one)? {
        Way::Through(binding) => Some(binding),
        Way::Direct => match admits(&template.spec, caller) {
            Admission::Yes => None,
            Admission::No => {
                return Err(one(admission::refuse(&template.spec, &asked.template_ref)));
            }
        },
    };
    let mut unready = readiness(template, catalogue.pod_template);
    if let Some(binding) = binding {
        let name = binding::full_name(binding);
        unready.extend(binding_readiness(&name, &binding.spec, &template.spec));
    }
    if let Some(refusal) = Refusal::from_violations(unready) {
        return Err(refusal);
    }
    if binding.is_none() {
        admission::check_reached(template, catalogue.cluster, &asked.cluster).map_err(one)?;
    }
    let cluster = admission::find_cluster(catalogue.cluster, &asked.cluster).map_err(one)?;
    Ok(Facts {
        asked,
        template,
        binding,
        layers: Layers {
            template: &template.spec,
            binding: binding.map(|binding| &binding.spec),
        },
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

/// A grant that no agent could hold is refused now, not when somebody has approved it.
fn check_size(session: &Session) -> Result<(), Refusal> {
    let terms = &session.snapshot.terms;
    let running = Running {
        starts_at: session.created_at,
        expires_at: later(session.created_at, terms.duration),
        renewals: 0,
    };
    let active = Session {
        state: State::Active(Active::new(running)),
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
