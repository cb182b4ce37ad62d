//! Words of the wire → words of the kind. Times are cut to what the kind stores, so that a repeated report is recognised.

use breakglass_protocol::kinds::MicroTime;
use breakglass_protocol::kinds::debug_session as kind;
use breakglass_protocol::wire::report::{Cleanup, ObjectRecord, ObservedPod, Remaining, Removed};

use crate::clock::{between, whole_microsecond};

pub(super) fn pod(from: &ObservedPod) -> kind::AllowedPod {
    let container =
        |status: &breakglass_protocol::wire::report::ContainerStatus| kind::ContainerStatus {
            waiting_reason: status.waiting_reason.clone(),
            waiting_message: status.waiting_message.clone(),
            last_termination_reason: status.last_termination_reason.clone(),
            restart_count: Some(status.restart_count),
        };
    kind::AllowedPod {
        namespace: from.namespace.clone(),
        name: from.name.clone(),
        uid: Some(from.uid.clone()),
        node_name: from.node_name.clone(),
        ready: Some(from.ready),
        phase: from.phase.clone(),
        container_status: from.container_status.as_ref().map(container),
    }
}

pub(super) fn deployed(from: &ObjectRecord) -> kind::DeployedResource {
    kind::DeployedResource {
        api_version: from.api_version.clone(),
        kind: from.kind.clone(),
        name: from.name.clone(),
        namespace: from.namespace.clone(),
        source: Some(from.source.clone()),
        uid: Some(from.uid.clone()),
    }
}

pub(super) fn cleanup(from: &Cleanup) -> kind::Cleanup {
    let micro = |t| MicroTime(whole_microsecond(t));
    let took = |finished| {
        i64::try_from(between(from.started_at, finished).as_millis()).unwrap_or(i64::MAX)
    };
    kind::Cleanup {
        started_at: Some(micro(from.started_at)),
        finished_at: from.finished_at.map(micro),
        duration_milliseconds: from.finished_at.map(took),
        pods_gone_at: from.pods_gone_at.map(micro),
        streams_cut: None,
        removed: from.removed.iter().map(removed).collect(),
        remaining: from.remaining.iter().map(remaining).collect(),
        kept: from.kept.iter().map(deployed).collect(),
    }
}

fn removed(from: &Removed) -> kind::RemovedObject {
    let object = &from.object;
    kind::RemovedObject {
        api_version: object.api_version.clone(),
        kind: object.kind.clone(),
        namespace: object.namespace.clone(),
        name: object.name.clone(),
        uid: Some(object.uid.clone()),
        removed_at: MicroTime(whole_microsecond(from.at)),
    }
}

fn remaining(from: &Remaining) -> kind::RemainingObject {
    let object = &from.object;
    kind::RemainingObject {
        api_version: object.api_version.clone(),
        kind: object.kind.clone(),
        namespace: object.namespace.clone(),
        name: object.name.clone(),
        uid: Some(object.uid.clone()),
        error: from.error.clone(),
    }
}
