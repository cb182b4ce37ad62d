//! The kinds of `apps/v1`: how many pods there are of how many, and of which revision.

use serde_json::Value;

use super::{Condition, Status, condition, number, text};

pub(super) fn deployment(object: &Value) -> Status {
    let progressing = condition(object, "Progressing");
    if let Some(progressing) = &progressing
        && text(progressing.0, "/reason") == "ProgressDeadlineExceeded"
    {
        return Status::failed(progressing.words());
    }
    let wanted = number(object, "/spec/replicas").unwrap_or(1);
    let of = |field: &str| number(object, &format!("/status/{field}")).unwrap_or(0);
    let replicas = of("replicas");
    let updated = of("updatedReplicas");
    if let Some(short) = short(wanted, replicas, "made")
        .or_else(|| short(wanted, updated, "updated"))
        .or_else(|| surplus(wanted, replicas))
        .or_else(|| short(updated, of("availableReplicas"), "available"))
        .or_else(|| short(wanted, of("readyReplicas"), "ready"))
    {
        return short;
    }
    if let Some(progressing) = progressing.filter(|it| !it.is_true()) {
        return Status::in_progress(progressing.words());
    }
    match condition(object, "Available").filter(|it| !it.is_true()) {
        Some(available) => Status::in_progress(available.words()),
        None => Status::current(),
    }
}

pub(super) fn daemon_set(object: &Value) -> Status {
    let of = |field: &str| number(object, &format!("/status/{field}"));
    let (Some(_), Some(wanted)) = (of("observedGeneration"), of("desiredNumberScheduled")) else {
        return Status::in_progress("its controller has not seen it");
    };
    let have = |field: &str| of(field).unwrap_or(0);
    let is_on_delete = text(object, "/spec/updateStrategy/type") == "OnDelete";
    short(wanted, have("currentNumberScheduled"), "made")
        .or_else(|| {
            short(wanted, have("updatedNumberScheduled"), "updated").filter(|_| !is_on_delete)
        })
        .or_else(|| short(wanted, have("numberAvailable"), "available"))
        .or_else(|| short(wanted, have("numberReady"), "ready"))
        .unwrap_or_else(Status::current)
}

pub(super) fn stateful_set(object: &Value) -> Status {
    // With this strategy nothing but somebody's deletes brings the new revision.
    if text(object, "/spec/updateStrategy/type") == "OnDelete" {
        return Status::current();
    }
    let wanted = number(object, "/spec/replicas").unwrap_or(1);
    let of = |field: &str| number(object, &format!("/status/{field}")).unwrap_or(0);
    let replicas = of("replicas");
    if let Some(short) = short(wanted, replicas, "made")
        .or_else(|| short(wanted, of("readyReplicas"), "ready"))
        .or_else(|| surplus(wanted, replicas))
    {
        return short;
    }
    let partition = number(object, "/spec/updateStrategy/rollingUpdate/partition");
    if let Some(partition) = partition.filter(|partition| *partition > 0) {
        return short(wanted - partition, of("updatedReplicas"), "updated")
            .unwrap_or_else(Status::current);
    }
    if let Some(short) = short(wanted, of("currentReplicas"), "current") {
        return short;
    }
    if text(object, "/status/currentRevision") == text(object, "/status/updateRevision") {
        Status::current()
    } else {
        Status::in_progress("not all pods are of the newest revision")
    }
}

pub(super) fn replica_set(object: &Value) -> Status {
    if let Some(failure) = condition(object, "ReplicaFailure").filter(Condition::is_true) {
        return Status::in_progress(failure.words());
    }
    let wanted = number(object, "/spec/replicas").unwrap_or(1);
    let of = |field: &str| number(object, &format!("/status/{field}")).unwrap_or(0);
    short(wanted, of("fullyLabeledReplicas"), "labelled")
        .or_else(|| short(wanted, of("availableReplicas"), "available"))
        .or_else(|| short(wanted, of("readyReplicas"), "ready"))
        .or_else(|| surplus(wanted, of("replicas")))
        .unwrap_or_else(Status::current)
}

fn short(wanted: i64, have: i64, what: &str) -> Option<Status> {
    (have < wanted).then(|| Status::in_progress(format!("{have} of {wanted} pods are {what}")))
}

fn surplus(wanted: i64, have: i64) -> Option<Status> {
    (have > wanted).then(|| Status::in_progress(format!("{} pods are to go", have - wanted)))
}
