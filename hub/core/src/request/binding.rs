//! Through which binding a session is made (S1).

use breakglass_protocol::kinds::debug_session_cluster_binding::DebugSessionClusterBinding;
use breakglass_protocol::kinds::debug_session_template::DebugSessionTemplate;

/// What people read for the binding: its own `displayName`, else the template's behind its prefix.
#[must_use]
pub fn display_name(
    binding: &DebugSessionClusterBinding,
    template: &DebugSessionTemplate,
) -> String {
    if let Some(own) = &binding.spec.display_name {
        return own.clone();
    }
    let name = template.metadata.name.as_deref().unwrap_or_default();
    let of_template = template.spec.display_name.as_deref().unwrap_or(name);
    match &binding.spec.display_name_prefix {
        Some(prefix) => format!("{prefix}{of_template}"),
        None => of_template.to_owned(),
    }
}
