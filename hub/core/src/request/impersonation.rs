//! As whom the agent deploys (S10): the template's ServiceAccount, or the binding's where the template names none. Two
//! that differ are an error, not a choice.

use breakglass_protocol::kinds::impersonation::ServiceAccountRef;

use super::layers::Layers;
use crate::refusal::Violation;

/// The ServiceAccount that deploys; `None`: the agent itself.
///
/// # Errors
/// If the binding names another than the template.
pub fn deployer(layers: Layers<'_>) -> Result<Option<ServiceAccountRef>, Violation> {
    let mut named = layers
        .impersonation()
        .filter_map(|impersonation| impersonation.service_account_ref.as_ref());
    let Some(first) = named.next() else {
        return Ok(None);
    };
    match named.find(|other| *other != first) {
        None => Ok(Some(first.clone())),
        Some(other) => {
            let message = format!(
                "the template deploys as ServiceAccount {}/{}, and the binding names {}/{}; a binding may name one only where its template names none, or the same",
                first.namespace, first.name, other.namespace, other.name
            );
            Err(Violation::constraint(
                "bindingRef",
                "impersonation.serviceAccountRef",
                message,
            ))
        }
    }
}
