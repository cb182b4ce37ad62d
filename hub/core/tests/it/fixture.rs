//! People, times and sessions to test with.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use breakglass_hub_core::caller::{Caller, Standing};
use breakglass_hub_core::clock::{Now, later};
use breakglass_hub_core::lifecycle::{self, Command, Declined, StillOffered};
use breakglass_hub_core::refusal::Refusal;
use breakglass_hub_core::request::{self, Catalogue, Ids, Resolved};
use breakglass_hub_core::session::{Clearance, Invitation, InvitedRole, Session};
use breakglass_hub_core::snapshot::Requirement;
use breakglass_protocol::api::debug_session::CreateDebugSession;
use breakglass_protocol::ids::{GrantUid, RenewalId};
use breakglass_protocol::kinds::cluster::Cluster;
use breakglass_protocol::kinds::debug_pod_template::DebugPodTemplate;
use breakglass_protocol::kinds::debug_session_template::DebugSessionTemplate;
use breakglass_protocol::person::Identity;

pub(crate) const CLUSTER: &str = "cluster-a";

/// `seconds` after the time at which every fixture begins.
pub(crate) fn at(seconds: u64) -> Now {
    Now {
        wall: later(start(), Duration::from_secs(seconds)),
        monotonic: Duration::from_secs(1_000 + seconds),
    }
}

pub(crate) fn start() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

pub(crate) fn identity(name: &str) -> Identity {
    Identity {
        issuer: "dev-users".into(),
        subject: format!("subject-of-{name}"),
        name: format!("{name}@example.com"),
        email: Some(format!("{name}@example.com")),
        email_verified: true,
    }
}

pub(crate) fn caller(name: &str, groups: &[&str]) -> Caller {
    Caller {
        identity: identity(name),
        display_name: None,
        groups: groups.iter().map(|g| (*g).to_owned()).collect(),
        standing: Standing::User,
    }
}

/// Owner in the tests.
pub(crate) fn alice() -> Caller {
    caller("alice", &["sre-team"])
}
/// Admitted; often invited.
pub(crate) fn bob() -> Caller {
    caller("bob", &["sre-team"])
}
/// Approver.
pub(crate) fn carol() -> Caller {
    caller("carol", &["sre-leads"])
}
/// Admitted, not in the session.
pub(crate) fn mallory() -> Caller {
    caller("mallory", &["sre-team"])
}
/// Neither admitted nor approver.
pub(crate) fn stranger() -> Caller {
    caller("eve", &["sales"])
}
pub(crate) fn admin() -> Caller {
    Caller {
        standing: Standing::Admin,
        ..caller("root", &["admins"])
    }
}

/// The session template of the tests, as JSON to be changed; approved by the leads.
pub(crate) fn template_json() -> Value {
    json!({
        "apiVersion": "breakglass.t-caas.telekom.com/v1alpha1",
        "kind": "DebugSessionTemplate",
        "metadata": {"name": "standard-debug"},
        "spec": {
            "podTemplateRef": {"name": "standard-pod"},
            "allowed": {"groups": ["sre-team"], "clusters": ["cluster-*"]},
            "approvers": {"groups": ["sre-leads"]},
        }
    })
}

pub(crate) fn template(json: Value) -> DebugSessionTemplate {
    serde_json::from_value(json).unwrap()
}

pub(crate) fn pod_template(spec: Value) -> DebugPodTemplate {
    serde_json::from_value(json!({
        "apiVersion": "breakglass.t-caas.telekom.com/v1alpha1",
        "kind": "DebugPodTemplate",
        "metadata": {"name": "standard-pod"},
        "spec": {"template": {"spec": spec}}
    }))
    .unwrap()
}

pub(crate) fn standard_pod() -> DebugPodTemplate {
    pod_template(json!({"containers": [{"name": "debug", "image": "busybox:latest"}]}))
}

pub(crate) fn cluster(spec: Value) -> Cluster {
    serde_json::from_value(json!({
        "apiVersion": "breakglass.t-caas.telekom.com/v1alpha1",
        "kind": "Cluster",
        "metadata": {"name": CLUSTER, "labels": {"env": "dev"}},
        "spec": spec
    }))
    .unwrap()
}

pub(crate) fn asked() -> CreateDebugSession {
    CreateDebugSession {
        template_ref: "standard-debug".into(),
        cluster: CLUSTER.into(),
        ..CreateDebugSession::default()
    }
}

pub(crate) fn ids() -> Ids {
    Ids {
        name: "debug-session-abc123".into(),
        namespace: "breakglass".into(),
        uid: GrantUid::new("0199-uid"),
    }
}

/// Resolves what alice asks of one template, one pod and one cluster.
pub(crate) fn resolve_with(
    asked: &CreateDebugSession,
    template: &DebugSessionTemplate,
) -> Result<Resolved, Refusal> {
    let (pod, cluster) = (standard_pod(), cluster(json!({})));
    let catalogue = Catalogue {
        template: Some(template),
        pod_template: Some(&pod),
        cluster: Some(&cluster),
        bindings: &[],
    };
    request::resolve(asked, &catalogue, &alice(), ids(), at(0))
}

/// What alice asks of a template with these fields of `spec` changed, and of a pod template with this whole `spec`.
pub(crate) fn resolve_texts(
    asked: &CreateDebugSession,
    changes: Value,
    pod: Option<Value>,
    caller: &Caller,
) -> Result<Resolved, Refusal> {
    let mut json = template_json();
    for (field, value) in changes.as_object().unwrap() {
        json["spec"][field] = value.clone();
    }
    let (template, cluster) = (template(json), cluster(json!({})));
    let pod = pod.map(|spec| {
        let mut pod = standard_pod();
        pod.spec = serde_json::from_value(spec).unwrap();
        pod
    });
    let catalogue = Catalogue {
        template: Some(&template),
        pod_template: pod.as_ref(),
        cluster: Some(&cluster),
        bindings: &[],
    };
    request::resolve(asked, &catalogue, caller, ids(), at(0))
}

/// A new session of alice's from a template with these fields of `spec` changed.
pub(crate) fn pending_with(changes: Value) -> Session {
    let mut json = template_json();
    for (field, value) in changes.as_object().unwrap() {
        json["spec"][field] = value.clone();
    }
    resolve_with(&asked(), &template(json)).unwrap().session
}

/// A new session of alice's.
pub(crate) fn pending(requirement: Requirement) -> Session {
    match requirement {
        Requirement::Required => pending_with(json!({})),
        Requirement::NotRequired => pending_with(json!({"approvers": null})),
    }
}

pub(crate) fn invited(mut session: Session, name: &str, role: InvitedRole) -> Session {
    session.invitations.push(Invitation {
        user: identity(name).name,
        role,
        invited_by: identity("alice"),
        invited_at: session.created_at,
        clearance: Clearance::NotNeeded,
        withdrawn: None,
    });
    session
}

pub(crate) fn waiting() -> Session {
    lifecycle::submit(pending(Requirement::Required), at(0)).unwrap()
}

/// Approved by carol at +10 s, one hour long.
pub(crate) fn active() -> Session {
    act(waiting(), &carol(), approve(), 10).unwrap()
}

pub(crate) fn approve() -> Command {
    Command::Approve {
        reason: None,
        renewal: None,
    }
}

pub(crate) fn reject() -> Command {
    Command::Reject {
        reason: None,
        renewal: None,
    }
}

pub(crate) fn renew(extend_by: &str, id: &str) -> Command {
    Command::Renew {
        extend_by: extend_by.into(),
        id: RenewalId::new(id),
    }
}

pub(crate) fn join(role: Option<InvitedRole>) -> Command {
    Command::Join { role }
}

pub(crate) fn invite(names: &[&str], role: InvitedRole) -> Command {
    Command::Invite {
        users: names.iter().map(|n| identity(n).name).collect(),
        role: Some(role),
    }
}

/// Performs with a catalogue that still offers the session.
pub(crate) fn act(
    session: Session,
    who: &Caller,
    command: Command,
    seconds: u64,
) -> Result<Session, Declined> {
    lifecycle::perform(session, &command, who, &StillOffered::Yes, at(seconds))
}

/// The rule's name of a refusal.
pub(crate) fn rule(result: Result<Session, Declined>) -> &'static str {
    match result.unwrap_err() {
        Declined::NotFound => "not found",
        Declined::Forbidden(why) => why.rule,
        Declined::NotAllowed(_) => "not allowed",
        Declined::Refused(refusal) => refusal.violations[0].rule,
    }
}
