//! Whether an object has become what was asked for, by the rules that Kubernetes tools share under the name kstatus:
//! special rules for Kubernetes's own kinds, conditions for all others.

use breakglass_protocol::wire::report::Readiness;
use jiff::Timestamp;
use serde_json::Value;

mod workloads;

/// How long a pod that no node takes counts as waiting; then somebody has to do something.
const SCHEDULING_SECONDS: i64 = 15;

/// What an object's own fields say of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    pub readiness: Readiness,
    /// What is missing, in a few words; empty for `Current`.
    pub message: String,
}

impl Status {
    fn new(readiness: Readiness, message: impl Into<String>) -> Self {
        Self {
            readiness,
            message: message.into(),
        }
    }

    fn current() -> Self {
        Self::new(Readiness::Current, "")
    }

    fn in_progress(message: impl Into<String>) -> Self {
        Self::new(Readiness::InProgress, message)
    }

    fn failed(message: impl Into<String>) -> Self {
        Self::new(Readiness::Failed, message)
    }
}

/// Judges an object as the API server returned it.
#[must_use]
pub fn status(object: &Value, now: Timestamp) -> Status {
    if let Some(status) = any_kind(object) {
        return status;
    }
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
    let (group, _) = crate::kinds::split(text("apiVersion"));
    match (group, text("kind")) {
        ("apps", "Deployment") => workloads::deployment(object),
        ("apps", "DaemonSet") => workloads::daemon_set(object),
        ("apps", "StatefulSet") => workloads::stateful_set(object),
        ("apps", "ReplicaSet") => workloads::replica_set(object),
        ("", "Pod") => pod(object, now),
        ("", "PersistentVolumeClaim") => claim(object),
        ("", "Service") => service(object),
        ("batch", "Job") => job(object),
        // A schedule and a budget are what they are as soon as they exist.
        ("batch", "CronJob") | ("policy", "PodDisruptionBudget") => Status::current(),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition(object),
        _ => by_ready(object),
    }
}

/// What holds for every kind; `None` if it says nothing.
fn any_kind(object: &Value) -> Option<Status> {
    if object
        .pointer("/metadata/deletionTimestamp")
        .is_some_and(|time| !time.is_null())
    {
        return Some(Status::new(Readiness::Terminating, "it is being deleted"));
    }
    let generation = number(object, "/metadata/generation");
    let observed = number(object, "/status/observedGeneration");
    if let (Some(generation), Some(observed)) = (generation, observed)
        && generation != observed
    {
        return Some(Status::in_progress(
            "its controller has not seen the newest change",
        ));
    }
    if let Some(reconciling) = condition(object, "Reconciling").filter(Condition::is_true) {
        return Some(Status::in_progress(reconciling.words()));
    }
    let stalled = condition(object, "Stalled").filter(Condition::is_true)?;
    Some(Status::failed(stalled.words()))
}

/// Custom resources, and kinds without rules of their own: `Ready`, if they have it.
fn by_ready(object: &Value) -> Status {
    match condition(object, "Ready") {
        Some(ready) if !ready.is_true() => Status::in_progress(ready.words()),
        Some(_) | None => Status::current(),
    }
}

fn pod(object: &Value, now: Timestamp) -> Status {
    match text(object, "/status/phase") {
        "Succeeded" => Status::current(),
        "Failed" => Status::failed("the pod failed"),
        "Running" if condition(object, "Ready").is_some_and(|ready| ready.is_true()) => {
            Status::current()
        }
        "Running" if is_crashing(object) => Status::failed("a container ends again and again"),
        "Running" => Status::in_progress("the pod is not ready"),
        "Pending" => pending(object, now),
        _ => Status::in_progress("no node has reported the pod"),
    }
}

fn pending(object: &Value, now: Timestamp) -> Status {
    let Some(scheduled) = condition(object, "PodScheduled").filter(|scheduled| {
        !scheduled.is_true() && text(scheduled.0, "/reason") == "Unschedulable"
    }) else {
        return Status::in_progress("the pod is being started");
    };
    let since: Option<Timestamp> = text(scheduled.0, "/lastTransitionTime").parse().ok();
    let waited = since.map_or(0, |since| now.as_second() - since.as_second());
    if waited > SCHEDULING_SECONDS {
        Status::failed(scheduled.words())
    } else {
        Status::in_progress(scheduled.words())
    }
}

fn is_crashing(object: &Value) -> bool {
    object
        .pointer("/status/containerStatuses")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .any(|status| text(status, "/state/waiting/reason") == "CrashLoopBackOff")
}

/// A claim of a class that waits for its first pod is `Pending` until there is one: in progress, no failure.
fn claim(object: &Value) -> Status {
    match text(object, "/status/phase") {
        "Bound" => Status::current(),
        phase => Status::in_progress(format!("the claim is not bound ({phase})")),
    }
}

fn service(object: &Value) -> Status {
    let is_waiting =
        text(object, "/spec/type") == "LoadBalancer" && text(object, "/spec/clusterIP").is_empty();
    if is_waiting {
        Status::in_progress("the Service has no address")
    } else {
        Status::current()
    }
}

/// A job that runs is what was asked for; whether it ever completes is its own matter.
fn job(object: &Value) -> Status {
    if let Some(failed) = condition(object, "Failed").filter(Condition::is_true) {
        return Status::failed(failed.words());
    }
    let is_complete = condition(object, "Complete").is_some_and(|complete| complete.is_true());
    if is_complete || !text(object, "/status/startTime").is_empty() {
        Status::current()
    } else {
        Status::in_progress("the job has not started")
    }
}

fn definition(object: &Value) -> Status {
    if let Some(names) = condition(object, "NamesAccepted").filter(Condition::is_false) {
        return Status::failed(names.words());
    }
    match condition(object, "Established") {
        Some(established) if established.is_true() => Status::current(),
        Some(established)
            if established.is_false() && text(established.0, "/reason") != "Installing" =>
        {
            Status::failed(established.words())
        }
        Some(_) | None => Status::in_progress("the kind is being installed"),
    }
}

/// An entry of `status.conditions`.
struct Condition<'a>(&'a Value);

impl Condition<'_> {
    fn is_true(&self) -> bool {
        text(self.0, "/status") == "True"
    }

    fn is_false(&self) -> bool {
        text(self.0, "/status") == "False"
    }

    /// Its message, or else its reason or type.
    fn words(&self) -> String {
        ["/message", "/reason", "/type"]
            .iter()
            .map(|field| text(self.0, field))
            .find(|words| !words.is_empty())
            .map(crate::pods::shortened)
            .unwrap_or_default()
    }
}

fn condition<'a>(object: &'a Value, kind: &str) -> Option<Condition<'a>> {
    object
        .pointer("/status/conditions")?
        .as_array()?
        .iter()
        .find(|condition| text(condition, "/type") == kind)
        .map(Condition)
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn number(object: &Value, pointer: &str) -> Option<i64> {
    object.pointer(pointer).and_then(Value::as_i64)
}

#[cfg(test)]
mod tests;
