//! What can be asked for and is not built: refused, never ignored (D10).

use breakglass_protocol::api::debug_session::CreateDebugSession;

use crate::refusal::Violation;

pub(super) fn check(asked: &CreateDebugSession) -> Vec<Violation> {
    let set = |given: bool, field: &str, what: &str| {
        given.then(|| {
            let message = format!("{what} not supported yet; leave it out");
            Violation::constraint(field, "unbuilt", message)
        })
    };
    [set(
        asked.node_selector.as_ref().is_some_and(|s| !s.is_empty()),
        "nodeSelector",
        "node selectors are",
    )]
    .into_iter()
    .flatten()
    .collect()
}
