//! `bgctl debug pod-template …`.

use anyhow::Result;
use breakglass_protocol::api::template::PodTemplateList;
use breakglass_protocol::kinds::debug_pod_template::DebugPodTemplate;

use crate::args::{Format, PodTemplate};
use crate::client::Client;
use crate::output::{self, Shown};

/// Runs one of the commands.
pub async fn run(client: &Client, format: Format, command: PodTemplate) -> Result<()> {
    match command {
        PodTemplate::List => {
            let list: PodTemplateList = client.get(&["debug-pod-templates"], &[]).await?;
            output::show(
                format,
                &Shown {
                    whole: &list,
                    names: list.templates.iter().map(|t| t.name.clone()).collect(),
                    columns: vec!["NAME", "DISPLAY_NAME", "CONTAINERS"],
                    rows: list
                        .templates
                        .iter()
                        .map(|t| {
                            vec![
                                t.name.clone(),
                                t.display_name.clone(),
                                t.containers.to_string(),
                            ]
                        })
                        .collect(),
                },
            )
        }
        PodTemplate::Get { name } => {
            let template: DebugPodTemplate =
                client.get(&["debug-pod-templates", &name], &[]).await?;
            // A single pod template has no useful row: it is shown whole.
            let format = if format == Format::Table || format == Format::Wide {
                Format::Yaml
            } else {
                format
            };
            output::show(
                format,
                &Shown {
                    whole: &template,
                    names: vec![name],
                    columns: Vec::new(),
                    rows: Vec::new(),
                },
            )
        }
    }
}
