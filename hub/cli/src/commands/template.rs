//! `bgctl debug template …`.

use anyhow::Result;
use breakglass_protocol::api::template::{Template as Body, TemplateList};

use crate::args::{Format, Template};
use crate::client::Client;
use crate::output::{self, Shown};

/// Runs one of the commands.
pub async fn run(client: &Client, format: Format, command: Template) -> Result<()> {
    match command {
        Template::List { all } => {
            let query = if all {
                vec![("includeUnavailable", "true".to_owned())]
            } else {
                Vec::new()
            };
            let list: TemplateList = client.get(&["debug-session-templates"], &query).await?;
            show(format, &list, &list.templates)
        }
        Template::Get { name } => {
            let template: Body = client.get(&["debug-session-templates", &name], &[]).await?;
            show(format, &template, std::slice::from_ref(&template))
        }
        Template::Clusters(args) => super::offer::clusters(client, format, &args).await,
        Template::Bindings { template, cluster } => {
            super::offer::bindings(client, format, &template, &cluster).await
        }
    }
}

fn show<T: serde::Serialize>(format: Format, whole: &T, templates: &[Body]) -> Result<()> {
    output::show(
        format,
        &Shown {
            whole,
            names: templates.iter().map(|t| t.name.clone()).collect(),
            columns: vec![
                "NAME",
                "DISPLAY_NAME",
                "MODE",
                "CLUSTERS",
                "TARGET_NAMESPACE",
                "REQUIRES_APPROVAL",
            ],
            rows: templates.iter().map(row).collect(),
        },
    )
}

fn row(template: &Body) -> Vec<String> {
    vec![
        template.name.clone(),
        template.display_name.clone(),
        template.mode.clone(),
        template.available_cluster_count.map_or_else(
            || {
                template
                    .allowed_clusters
                    .clone()
                    .unwrap_or_default()
                    .join(",")
            },
            |count| count.to_string(),
        ),
        template.target_namespace.clone().unwrap_or_default(),
        template.requires_approval.to_string(),
    ]
}
