//! What is frozen about the namespace and the deployer, as an agent reads it.

use breakglass_protocol::kinds::debug_session::{
    NamespaceTerms, NamespaceTermsLayer, ResolvedRequest,
};
use breakglass_protocol::wire::grant::{
    IfMissing, NamespaceLayer, NamespaceRule, ServiceAccountName,
};

pub(super) fn namespace_rule(resolved: &ResolvedRequest) -> Option<NamespaceRule> {
    let NamespaceTerms {
        layers,
        create_if_not_exists,
        namespace_labels,
        fail_mode,
    } = resolved.namespace_terms.as_ref()?;
    let if_missing = if *create_if_not_exists == Some(true) {
        IfMissing::Create {
            labels: namespace_labels.clone(),
        }
    } else {
        IfMissing::Fail {}
    };
    Some(NamespaceRule {
        layers: layers.iter().map(layer).collect(),
        if_missing,
        if_unreadable: fail_mode.unwrap_or_default(),
    })
}

fn layer(from: &NamespaceTermsLayer) -> NamespaceLayer {
    NamespaceLayer {
        place: from.place.clone(),
        allowed: from.allowed.clone(),
        denied: from.denied.clone(),
    }
}

pub(super) fn deployer(resolved: &ResolvedRequest) -> Option<ServiceAccountName> {
    let reference = resolved.impersonate.as_ref()?;
    Some(ServiceAccountName {
        namespace: reference.namespace.clone(),
        name: reference.name.clone(),
    })
}
