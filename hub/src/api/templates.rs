//! `/debug-session-templates` and `/debug-pod-templates`: what they share is how a template is shown to one caller. Whether
//! they may request it, and where, is `hub_core::offer`'s answer.

pub mod clusters;
pub mod get;
pub mod list;
pub mod pod_get;
pub mod pod_list;

use breakglass_hub_core::caller::Caller;
use breakglass_hub_core::offer::{Supply, approval, available_clusters};
use breakglass_hub_core::request::declared_variables;
use breakglass_hub_core::snapshot::Requirement;
use breakglass_protocol::api::template::Template;
use breakglass_protocol::kinds::debug_pod_template::DebugPodTemplate;
use breakglass_protocol::kinds::debug_session_template::DebugSessionTemplate;
use breakglass_protocol::kinds::variables::DeployVariable;

/// A template as this caller sees it, with the clusters on which they may request it now. Its variables are all that a
/// request may give, the pod template's too, each with the groups that may set or choose what.
fn shown(
    template: &DebugSessionTemplate,
    pod_template: Option<&DebugPodTemplate>,
    supply: Supply<'_>,
    caller: &Caller,
) -> Template {
    let spec = &template.spec;
    let name = template.metadata.name.clone().unwrap_or_default();
    let available = available_clusters(template, supply, caller);
    let allowed = spec.allowed.clone().unwrap_or_default();
    let variables = declared_variables(spec, pod_template.map(|pod| &pod.spec));
    let variables: Vec<DeployVariable> = variables.into_iter().cloned().collect();
    Template {
        display_name: spec.display_name.clone().unwrap_or_else(|| name.clone()),
        name,
        description: spec.description.clone(),
        mode: spec.mode.unwrap_or_default().as_str().to_owned(),
        workload_type: Some(spec.workload_type.unwrap_or_default().as_str().to_owned()),
        pod_template_ref: spec
            .pod_template_ref
            .as_ref()
            .map(|reference| reference.name.clone()),
        target_namespace: spec.target_namespace.clone(),
        constraints: spec.constraints.clone(),
        allowed_clusters: Some(allowed.clusters).filter(|list| !list.is_empty()),
        allowed_groups: Some(allowed.groups).filter(|list| !list.is_empty()),
        requires_approval: approval(template, supply, caller) == Requirement::Required,
        scheduling_options: spec.scheduling_options.clone(),
        namespace_constraints: spec.namespace_constraints.clone(),
        extra_deploy_variables: Some(variables).filter(|list| !list.is_empty()),
        priority: spec.priority,
        hidden: spec.hidden,
        deprecated: spec.deprecated,
        deprecation_message: spec.deprecation_message.clone(),
        has_available_clusters: !available.is_empty(),
        available_cluster_count: Some(available.len()),
    }
}
