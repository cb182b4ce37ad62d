//! `bgctl cluster …`.

use std::path::Path;

use anyhow::{Context, Result};
use breakglass_protocol::api::cluster::{
    ClusterList, ClusterRegistered, RegisterCluster, WebhookConfig, WebhookConfigRequest,
};
use breakglass_protocol::api::debug_session::NoFields;
use breakglass_protocol::kinds::cluster::Cluster as ClusterKind;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

use crate::args::{Cluster, Format, Register, WebhookConfig as WebhookArgs};
use crate::client::Client;
use crate::output::{self, Shown};
use crate::webhook_files::Order;

/// Runs one of the commands.
pub async fn run(client: &Client, format: Format, command: Cluster) -> Result<()> {
    match command {
        Cluster::Register(args) => register(client, format, args).await,
        Cluster::List => {
            let list: ClusterList = client.get(&["clusters"], &[]).await?;
            show(format, &list, &list.clusters)
        }
        Cluster::Get { name } => {
            let cluster: ClusterKind = client.get(&["clusters", &name], &[]).await?;
            show(format, &cluster, std::slice::from_ref(&cluster))
        }
        Cluster::Accept { name } => {
            let cluster: ClusterKind = client
                .post(&["clusters", &name, "accept"], &NoFields {})
                .await?;
            show(format, &cluster, std::slice::from_ref(&cluster))
        }
        Cluster::Revoke { name, yes } => {
            if !yes {
                super::confirm(&format!(
                    "Cut off cluster {name}? Its agent must be enrolled again afterwards."
                ))?;
            }
            let cluster: ClusterKind = client
                .post(&["clusters", &name, "revoke"], &NoFields {})
                .await?;
            output::note(&format!(
                "cluster {name} is revoked: its connection is cut and its certificates are barred"
            ));
            show(format, &cluster, std::slice::from_ref(&cluster))
        }
        Cluster::WebhookConfig(args) => webhook_config(client, &args).await,
    }
}

async fn register(client: &Client, format: Format, args: Register) -> Result<()> {
    let body = RegisterCluster {
        name: args.name,
        display_name: args.display_name,
        environment: args.environment,
        location: args.location,
        site: None,
        tenant: None,
        labels: super::key_values("--label", &args.labels)?,
    };
    let answer: ClusterRegistered = client.post(&["clusters"], &body).await?;
    match format {
        Format::Json | Format::Yaml => output::show(
            format,
            &Shown {
                whole: &answer,
                names: Vec::new(),
                columns: Vec::new(),
                rows: Vec::new(),
            },
        ),
        Format::Name => output::write_out(&format!("{}\n", output::printable(&body.name))),
        Format::Table | Format::Wide => {
            output::note(&format!(
                "cluster {} is registered. The join token works once, until {}. With a kubeconfig of that cluster, run:\n",
                body.name, answer.expires_at
            ));
            output::write_out(&format!("{}\n", answer.helm_command))
        }
    }
}

fn show<T: serde::Serialize>(format: Format, whole: &T, clusters: &[ClusterKind]) -> Result<()> {
    let rows = clusters.iter().map(row).collect();
    let names = clusters
        .iter()
        .map(|c| c.metadata.name.clone().unwrap_or_default())
        .collect();
    let mut columns = vec![
        "NAME",
        "CONNECTED",
        "LAST_SEEN",
        "AGENT",
        "KUBERNETES",
        "ENVIRONMENT",
        "LOCATION",
    ];
    if format == Format::Wide {
        columns.extend(["DISPLAY_NAME", "CERTIFICATE_EXPIRES", "CAPABILITIES"]);
    }
    let mut rows: Vec<Vec<String>> = rows;
    for row in &mut rows {
        row.truncate(columns.len());
    }
    output::show(
        format,
        &Shown {
            whole,
            names,
            columns,
            rows,
        },
    )
}

fn row(cluster: &ClusterKind) -> Vec<String> {
    let status = cluster.status.clone().unwrap_or_default();
    let spec = &cluster.spec;
    vec![
        cluster.metadata.name.clone().unwrap_or_default(),
        if status.connected == Some(true) {
            "True"
        } else {
            "False"
        }
        .to_owned(),
        status
            .last_seen
            .map(|t| t.0.to_string())
            .unwrap_or_default(),
        status.agent_version.unwrap_or_default(),
        status.kubernetes_version.unwrap_or_default(),
        spec.environment.clone().unwrap_or_default(),
        spec.location.clone().unwrap_or_default(),
        spec.display_name.clone().unwrap_or_default(),
        status
            .certificate_expires_at
            .map(|t| t.0.to_string())
            .unwrap_or_default(),
        status.capabilities.join(","),
    ]
}

/// The key is made here and never leaves this machine except in the printed kubeconfig; only the request travels (D20).
async fn webhook_config(client: &Client, args: &WebhookArgs) -> Result<()> {
    let key = KeyPair::generate().context("cannot make a key")?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "kube-apiserver");
    let csr_pem = params
        .serialize_request(&key)
        .and_then(|csr| csr.pem())
        .context("cannot make a certificate request")?;
    let config: WebhookConfig = client
        .post(
            &["clusters", &args.name, "webhook-config"],
            &WebhookConfigRequest { csr_pem },
        )
        .await?;
    let kubeconfig = crate::webhook_files::kubeconfig(&config, &key.serialize_pem());
    let order = if args.strict {
        Order::Strict {
            namespaces: args.strict_namespaces.clone(),
        }
    } else if args.deny_policies {
        Order::BeforeRbac
    } else {
        Order::BehindRbac
    };
    let authorization = crate::webhook_files::authorization(&args.kubeconfig_path, &order);
    match &args.out {
        Some(dir) => write_files(dir, &authorization, &kubeconfig, &config.expires_at),
        None => output::write_out(&format!(
            "# file: authorization.yaml\n{authorization}---\n# file: {}\n{kubeconfig}",
            args.kubeconfig_path
        )),
    }
}

fn write_files(dir: &Path, authorization: &str, kubeconfig: &str, expires_at: &str) -> Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make --out {}", dir.display()))?;
    crate::webhook_files::write_private(&dir.join("authorization.yaml"), authorization)?;
    crate::webhook_files::write_private(&dir.join("webhook.kubeconfig"), kubeconfig)?;
    output::note(&format!(
        "wrote authorization.yaml and webhook.kubeconfig to {}; the client certificate ends at {expires_at}",
        dir.display()
    ));
    Ok(())
}
