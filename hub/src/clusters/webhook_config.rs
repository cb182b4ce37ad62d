//! What an API server needs to ask the agent's webhook (D20): the client made the key, the hub only carries the request,
//! the agent signs with a root of its own.

use std::convert::Infallible;

use breakglass_hub_core::audit::Action;
use breakglass_protocol::api::cluster::{WebhookConfig, WebhookConfigRequest};
use breakglass_protocol::ids::ClusterName;
use breakglass_protocol::kinds::cluster::Cluster;
use breakglass_protocol::wire::to_agent::{Ask, SignWebhookClient};
use breakglass_protocol::wire::to_hub::Answered;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{By, ClusterError, event, from_update, get};
use crate::app::{App, Change};
use crate::ca::{BadRequest, ProvenKey, request_der};
use crate::link::cluster_key;

/// Has the cluster's agent sign a client certificate for its API server.
///
/// # Errors
/// [`ClusterError::Invalid`] for a bad request, [`ClusterError::Call`] if the agent is not connected or declines.
pub async fn webhook_config(
    app: &App,
    by: &By,
    cluster: &ClusterName,
    body: WebhookConfigRequest,
) -> Result<WebhookConfig, ClusterError> {
    get(app, cluster).await?;
    let invalid = |error: BadRequest| ClusterError::Invalid {
        field: "csrPem",
        message: error.to_string(),
    };
    let csr_der = request_der(&body.csr_pem).map_err(invalid)?;
    // Refused here already, with the field's name, before the cluster is troubled.
    ProvenKey::from_der(&csr_der).map_err(invalid)?;
    let ask = Ask::SignWebhookClient(SignWebhookClient { csr_der });
    let Answered::WebhookClient(signed) = app.agents.registry.call(cluster, ask).await?;
    let expires_at = Timestamp::from_second(signed.expires_at).unwrap_or(Timestamp::MAX);
    app.update(&cluster_key(cluster), |mut object: Cluster, now| {
        let status = object.status.get_or_insert_default();
        status.webhook_client_expires_at = Some(Time(expires_at));
        Ok::<_, Infallible>(Change {
            object,
            events: vec![event(by, now, Action::WebhookClientSigned, cluster)],
        })
    })
    .await
    .map_err(|error| from_update(error, cluster))?;
    Ok(WebhookConfig {
        url: signed.url,
        ca_pem: signed.ca_pem,
        certificate_pem: signed.certificate_pem,
        expires_at: expires_at.to_string(),
    })
}
