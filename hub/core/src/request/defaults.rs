//! Every default of the product, once (D13). Spec 1 completes spec 4's.

use std::time::Duration;

use breakglass_protocol::kinds::constraints::Constraints;
use breakglass_protocol::kinds::pod_operations::AllowedPodOperations;
use breakglass_protocol::kinds::quota::SessionQuota;
use breakglass_protocol::kinds::reasons::{ApprovalReason, RequestReason};
use breakglass_protocol::wire::grant::{Operations, Quota};

use crate::snapshot::ApprovalReasonTerms;

/// `constraints.defaultDuration`.
pub(super) const DEFAULT_DURATION: Duration = Duration::from_secs(3600);
/// `constraints.maxDuration`.
pub(super) const MAX_DURATION: Duration = Duration::from_secs(4 * 3600);
/// `constraints.maxConcurrentSessions`.
pub(super) const MAX_CONCURRENT_SESSIONS: u32 = 2;
/// `constraints.maxRenewals`.
pub(super) const MAX_RENEWALS: u32 = 3;
/// `requestReason.minLength`, `approvalReason.minLength`, in characters.
pub(super) const REASON_MIN: usize = 10;
/// `requestReason.maxLength`, `approvalReason.maxLength`; also the bound where there is no such block.
pub(crate) const REASON_MAX: usize = 1_000;

/// `requestReason` with its defaults. Lengths in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestReasonTerms {
    pub(crate) mandatory: bool,
    pub(crate) min_length: usize,
    pub(crate) max_length: usize,
}

pub(crate) fn max_duration(constraints: Option<&Constraints>) -> Duration {
    let given = constraints.and_then(|c| c.max_duration.as_ref());
    given.map_or(MAX_DURATION, |d| d.duration())
}

/// Never over the maximum: a template that lowers only `maxDuration` below the default means that for both.
pub(crate) fn default_duration(constraints: Option<&Constraints>) -> Duration {
    let given = constraints.and_then(|c| c.default_duration.as_ref());
    given
        .map_or(DEFAULT_DURATION, |d| d.duration())
        .min(max_duration(constraints))
}

pub(crate) fn max_concurrent_sessions(constraints: Option<&Constraints>) -> u32 {
    let given = constraints.and_then(|c| c.max_concurrent_sessions);
    given
        .and_then(|n| u32::try_from(n).ok())
        .unwrap_or(MAX_CONCURRENT_SESSIONS)
}

/// In either spelling.
pub(crate) fn max_renewals(constraints: Option<&Constraints>) -> i32 {
    let given = constraints.and_then(Constraints::renewals);
    given.unwrap_or(i32::try_from(MAX_RENEWALS).unwrap_or(i32::MAX))
}

pub(crate) fn operations(given: Option<&AllowedPodOperations>) -> Operations {
    let given = given.copied().unwrap_or_default();
    Operations {
        exec: given.exec.unwrap_or(true),
        attach: given.attach.unwrap_or(true),
        logs: given.logs.unwrap_or(false),
        port_forward: given.port_forward.unwrap_or(true),
    }
}

pub(crate) fn request_reason(given: &RequestReason) -> RequestReasonTerms {
    RequestReasonTerms {
        mandatory: given.mandatory.unwrap_or(false),
        min_length: length(given.min_length, REASON_MIN),
        max_length: length(given.max_length, REASON_MAX),
    }
}

pub(crate) fn approval_reason(given: &ApprovalReason) -> ApprovalReasonTerms {
    ApprovalReasonTerms {
        mandatory: given.mandatory.unwrap_or(false),
        mandatory_for_rejection: given.mandatory_for_rejection.unwrap_or(true),
        min_length: length(given.min_length, REASON_MIN),
        max_length: length(given.max_length, REASON_MAX),
    }
}

/// A length as the kinds hold it.
pub(super) fn length_text(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
}

/// Where a `resourceQuota` block is given, what it does not say is enforced.
pub(crate) fn quota(given: &SessionQuota) -> Quota {
    Quota {
        max_pods: given.max_pods.and_then(|n| u32::try_from(n).ok()),
        max_cpu: given.max_cpu.clone(),
        max_memory: given.max_memory.clone(),
        max_storage: given.max_storage.clone(),
        enforce_requests: given.enforce_resource_requests.unwrap_or(true),
        enforce_limits: given.enforce_resource_limits.unwrap_or(true),
    }
}

fn length(given: Option<i32>, default: usize) -> usize {
    given
        .and_then(|n| usize::try_from(n).ok())
        .unwrap_or(default)
}
