//! The reason of a request. No `requestReason` block = no rule; `minLength` applies to a reason that is given or
//! mandatory (D13).

use breakglass_protocol::api::debug_session::CreateDebugSession;

use super::{Facts, defaults};
use crate::refusal::Violation;

/// Bound where the template has no rule, in characters: it travels with the grant and into records.
const BOUND: usize = 10_000;

/// The reason, if there is more than white space.
pub(super) fn given(asked: &CreateDebugSession) -> Option<&str> {
    asked
        .reason
        .as_deref()
        .map(str::trim)
        .filter(|reason| !reason.is_empty())
}

pub(super) fn check(facts: &Facts<'_>) -> Option<Violation> {
    let length = given(facts.asked).map_or(0, |reason| reason.chars().count());
    let wrong = |rule, message| Some(Violation::constraint("reason", rule, message));
    let Some(rule) = facts
        .layers
        .merged_request_reason()
        .as_ref()
        .map(defaults::request_reason)
    else {
        return if length > BOUND {
            wrong(
                "requestReason.maxLength",
                format!("has {length} characters; write at most {BOUND}"),
            )
        } else {
            None
        };
    };
    if length == 0 && rule.mandatory {
        let message = format!(
            "a reason of at least {} characters is needed",
            rule.min_length.max(1)
        );
        return wrong("requestReason.mandatory", message);
    }
    if length > 0 && length < rule.min_length {
        let message = format!(
            "has {length} characters; write at least {}",
            rule.min_length
        );
        return wrong("requestReason.minLength", message);
    }
    if length > rule.max_length {
        let message = format!("has {length} characters; write at most {}", rule.max_length);
        return wrong("requestReason.maxLength", message);
    }
    None
}
