//! `bgctl debug template clusters` and `bindings`: where a template can be requested, and through what.

use anyhow::{Result, bail};
use breakglass_protocol::api::offer::{
    BindingOption, ClusterOffer, Offer, OfferedBinding, TemplateClusters,
};

use crate::args::{Format, Sought};
use crate::client::Client;
use crate::output::{self, Shown};

/// `debug template clusters`.
pub async fn clusters(client: &Client, format: Format, args: &Sought) -> Result<()> {
    let query: Vec<(&str, String)> = [
        ("environment", &args.environment),
        ("location", &args.location),
        ("bindingName", &args.binding),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value.clone()?)))
    .collect();
    let offers = load(client, &args.name, &query).await?;
    output::show(
        format,
        &Shown {
            whole: &offers,
            names: offers.clusters.iter().map(|c| c.name.clone()).collect(),
            columns: vec![
                "NAME",
                "DISPLAY_NAME",
                "ENVIRONMENT",
                "BINDINGS",
                "MAX_DURATION",
                "APPROVAL",
            ],
            rows: offers.clusters.iter().map(cluster_row).collect(),
        },
    )
}

/// `debug template bindings`: what `--binding` can name on one cluster.
pub async fn bindings(
    client: &Client,
    format: Format,
    template: &str,
    cluster: &str,
) -> Result<()> {
    let offers = load(client, template, &[]).await?;
    let Some(offer) = offers.clusters.iter().find(|c| c.name == cluster) else {
        bail!(
            "you cannot request {template} on cluster {cluster} now; `bgctl debug template clusters {template}` lists where you can"
        );
    };
    let options = offer.binding_options.clone().unwrap_or_default();
    if options.is_empty() {
        output::note(&format!(
            "{template} reaches cluster {cluster} itself, without a binding"
        ));
    }
    output::show(
        format,
        &Shown {
            whole: &options,
            names: options.iter().map(|o| full_name(&o.binding_ref)).collect(),
            columns: vec![
                "NAME",
                "DISPLAY_NAME",
                "MAX_DURATION",
                "APPROVAL",
                "DEFAULT",
            ],
            rows: options.iter().map(|o| option_row(o, offer)).collect(),
        },
    )
}

async fn load(
    client: &Client,
    template: &str,
    query: &[(&str, String)],
) -> Result<TemplateClusters> {
    client
        .get(&["debug-session-templates", template, "clusters"], query)
        .await
}

fn full_name(binding: &OfferedBinding) -> String {
    format!("{}/{}", binding.namespace, binding.name)
}

fn cluster_row(cluster: &ClusterOffer) -> Vec<String> {
    let bindings = cluster.binding_options.iter().flatten();
    let bindings: Vec<String> = bindings.map(|o| full_name(&o.binding_ref)).collect();
    let (max_duration, approval) = limits(&cluster.offer);
    vec![
        cluster.name.clone(),
        cluster.display_name.clone().unwrap_or_default(),
        cluster.environment.clone().unwrap_or_default(),
        bindings.join(","),
        max_duration,
        approval,
    ]
}

fn option_row(option: &BindingOption, cluster: &ClusterOffer) -> Vec<String> {
    let (max_duration, approval) = limits(&option.offer);
    let is_default = cluster.binding_ref.as_ref() == Some(&option.binding_ref);
    vec![
        full_name(&option.binding_ref),
        option.display_name.clone().unwrap_or_default(),
        max_duration,
        approval,
        is_default.to_string(),
    ]
}

/// MAX_DURATION and APPROVAL.
fn limits(offer: &Offer) -> (String, String) {
    let constraints = offer.constraints.as_ref();
    let max_duration = constraints.and_then(|c| c.max_duration.as_ref());
    let approval = match &offer.approval {
        Some(approval) if approval.required => "required",
        Some(_) => "not-required",
        None => "",
    };
    (
        max_duration.map(ToString::to_string).unwrap_or_default(),
        approval.to_owned(),
    )
}
