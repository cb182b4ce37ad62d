//! How long a session lasts.

use std::time::Duration;

use breakglass_protocol::duration;

use super::{Facts, defaults};
use crate::refusal::Violation;

/// Shorter sessions end before their first pod runs; times are stored in whole seconds.
const MIN_DURATION: Duration = Duration::from_secs(1);

pub(super) fn resolve(facts: &Facts<'_>) -> Result<Duration, Vec<Violation>> {
    let constraints = facts.layers.merged_constraints();
    let constraints = constraints.as_ref();
    let Some(asked) = facts.asked.requested_duration.as_deref() else {
        return Ok(defaults::default_duration(constraints));
    };
    let wrong =
        |rule, message: String| vec![Violation::constraint("requestedDuration", rule, message)];
    let asked =
        duration::parse(asked).map_err(|error| wrong("requestedDuration", error.to_string()))?;
    let asked = Duration::from_secs(asked.as_secs());
    let max = defaults::max_duration(constraints);
    if asked < MIN_DURATION {
        return Err(wrong(
            "requestedDuration",
            "is less than a second; ask for at least 1s".to_owned(),
        ));
    }
    if asked > max {
        let max = duration::format(max);
        let message = format!(
            "is {}, over this template's limit of {max}",
            duration::format(asked)
        );
        let violations = wrong("constraints.maxDuration", message);
        return Err(violations
            .into_iter()
            .map(|v| v.allowing([max.clone()]))
            .collect());
    }
    Ok(asked)
}
