//! `bgctl debug binding …`.

use anyhow::Result;
use breakglass_protocol::api::binding::ClusterBindingList;
use breakglass_protocol::kinds::debug_session_cluster_binding::DebugSessionClusterBinding;

use crate::args::{Binding, Format};
use crate::client::Client;
use crate::output::{self, Shown};

/// Runs one of the commands.
pub async fn run(client: &Client, format: Format, command: Binding) -> Result<()> {
    match command {
        Binding::List { template } => {
            let query: Vec<(&str, String)> =
                template.into_iter().map(|t| ("templateRef", t)).collect();
            list(client, format, &query).await
        }
        Binding::ForCluster { cluster, template } => {
            let template = template.into_iter().map(|t| ("templateRef", t));
            let query: Vec<(&str, String)> = template.chain([("cluster", cluster)]).collect();
            list(client, format, &query).await
        }
        Binding::Get { name, namespace } => {
            let (namespace, name) = match name.split_once('/') {
                Some((namespace, name)) => (namespace.to_owned(), name.to_owned()),
                None => (namespace, name),
            };
            let binding: DebugSessionClusterBinding = client
                .get(&["cluster-bindings", &namespace, &name], &[])
                .await?;
            // One binding has more to say than a row.
            let format = match format {
                Format::Table | Format::Wide => Format::Yaml,
                Format::Json | Format::Yaml | Format::Name => format,
            };
            output::show(
                format,
                &Shown {
                    whole: &binding,
                    names: vec![full_name(&binding)],
                    columns: Vec::new(),
                    rows: Vec::new(),
                },
            )
        }
    }
}

async fn list(client: &Client, format: Format, query: &[(&str, String)]) -> Result<()> {
    let list: ClusterBindingList = client.get(&["cluster-bindings"], query).await?;
    output::show(
        format,
        &Shown {
            whole: &list,
            names: list.bindings.iter().map(full_name).collect(),
            columns: vec![
                "NAME",
                "DISPLAY_NAME",
                "TEMPLATES",
                "CLUSTERS",
                "ACTIVE",
                "SESSIONS",
                "READY",
            ],
            rows: list.bindings.iter().map(row).collect(),
        },
    )
}

fn full_name(binding: &DebugSessionClusterBinding) -> String {
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    let metadata = &binding.metadata;
    format!("{}/{}", part(&metadata.namespace), part(&metadata.name))
}

fn row(binding: &DebugSessionClusterBinding) -> Vec<String> {
    let status = binding.status.clone().unwrap_or_default();
    let ready = status.conditions.iter().find(|c| c.type_ == "Ready");
    let names = |names: Vec<String>| names.join(",");
    vec![
        full_name(binding),
        status.effective_display_name.unwrap_or_default(),
        names(
            status
                .resolved_templates
                .into_iter()
                .map(|t| t.name)
                .collect(),
        ),
        names(
            status
                .resolved_clusters
                .into_iter()
                .map(|c| c.name)
                .collect(),
        ),
        status.is_active.unwrap_or(false).to_string(),
        status.active_session_count.unwrap_or(0).to_string(),
        ready.map(|c| c.status.clone()).unwrap_or_default(),
    ]
}
