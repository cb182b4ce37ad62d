//! `POST /agent/v1/enrol`: a join token and a certificate request → a certificate for exactly the token's cluster (D8).

use breakglass_hub_core::audit::{Action, Actor, AuditEvent, ObjectRef, Outcome};
use breakglass_hub_core::enrolment::{
    Certificate, Enrolment, NotRedeemed, Token, check_cluster_name,
};
use breakglass_protocol::ids::ClusterName;
use breakglass_protocol::kinds::cluster::{AgentIdentity, Cluster};
use breakglass_protocol::limits::HANDSHAKE_TIMEOUT;
use breakglass_protocol::wire::enrol::{EnrolRequest, EnrolResponse};
use http::StatusCode;
use http_body_util::{BodyExt, Limited};
use hyper::Request;
use hyper::body::Incoming;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::metrics::Refused;
use super::request::{Peer, Refusal};
use super::standing::{self, cluster_key, enrolment_key};
use crate::app::{App, Change, UpdateError};
use crate::ca::{BadRequest, IssuedToAgent, ProvenKey};
use crate::store::typed;

/// A token, a secret and a request with a P-384 key are about 1 KiB.
const MAX_BODY_BYTES: usize = 16 * 1024;

impl From<NotRedeemed> for Refusal {
    fn from(refused: NotRedeemed) -> Self {
        let (status, code) = match &refused {
            NotRedeemed::Unknown => (StatusCode::UNAUTHORIZED, "tokenUnknown"),
            NotRedeemed::Used { .. } => (StatusCode::FORBIDDEN, "tokenUsed"),
            NotRedeemed::Expired { .. } => (StatusCode::FORBIDDEN, "tokenExpired"),
            NotRedeemed::AlreadySpeaks(_) => (StatusCode::CONFLICT, "clusterEnrolled"),
        };
        Self {
            status,
            code,
            message: refused.to_string(),
            counted: Refused::Token,
        }
    }
}

impl From<BadRequest> for Refusal {
    fn from(error: BadRequest) -> Self {
        bad_request(format!("csrPem {error}"))
    }
}

/// Answers an enrolment.
pub(super) async fn enrol(
    app: &App,
    peer: &Peer,
    request: Request<Incoming>,
    request_id: &str,
) -> Result<EnrolResponse, Refusal> {
    let asked = read(request).await?;
    let key = ProvenKey::from_pem(&asked.csr_pem)?;
    let cluster = cluster_of(&asked.token_id).ok_or(NotRedeemed::Unknown)?;
    let origin = Origin {
        from: peer.from.to_string(),
        request_id,
    };
    check_secret(app, &cluster, &asked, &origin).await?;
    standing::accepted(app, &cluster).await?;
    let issued = app
        .agents
        .authority
        .issue_agent(&key, &cluster, app.now().wall)
        .map_err(|e| Refusal::ours(&e))?;
    redeem(app, &cluster, &asked, &issued, &origin).await?;
    app.agents.metrics.certificates.inc();
    tracing::info!(%cluster, from = origin.from, serial = issued.serial, "a cluster has enrolled");
    show(app, &cluster, &issued).await;
    Ok(EnrolResponse {
        cluster: cluster.to_string(),
        certificate_pem: issued.certificate_pem,
        ca_pem: app.agents.authority.certificate_pem().to_owned(),
    })
}

struct Origin<'a> {
    from: String,
    request_id: &'a str,
}

impl Origin<'_> {
    fn event(
        &self,
        at: Timestamp,
        actor: Actor,
        cluster: &ClusterName,
        outcome: Outcome,
    ) -> AuditEvent {
        let object = ObjectRef::new("Cluster", None, cluster.as_str());
        AuditEvent::new(at, actor, Action::Enrolled, object, outcome)
            .from(Some(self.request_id.to_owned()), Some(self.from.clone()))
    }
}

async fn read(request: Request<Incoming>) -> Result<EnrolRequest, Refusal> {
    let body = Limited::new(request.into_body(), MAX_BODY_BYTES).collect();
    let bytes = tokio::time::timeout(HANDSHAKE_TIMEOUT, body)
        .await
        .map_err(|_| bad_request("the body did not arrive in time".to_owned()))?
        .map_err(|e| bad_request(format!("the body cannot be read: {e}")))?
        .to_bytes();
    serde_json::from_slice(&bytes)
        .map_err(|e| bad_request(format!("the body is not an enrolment: {e}")))
}

fn bad_request(message: String) -> Refusal {
    Refusal {
        status: StatusCode::BAD_REQUEST,
        code: "badRequest",
        message,
        counted: Refused::Request,
    }
}

/// A token's id is the cluster's name, a dot, and a random word: cluster names hold no dot.
fn cluster_of(token_id: &str) -> Option<ClusterName> {
    let (cluster, _) = token_id.split_once('.')?;
    check_cluster_name(cluster).ok()
}

/// The token's secret, compared in constant time.
fn knows_secret(token: Option<&Token>, asked: &EnrolRequest) -> bool {
    let told = hex::encode(Sha256::digest(asked.token_secret.as_bytes()));
    token
        .filter(|token| token.id == asked.token_id)
        .is_some_and(|token| token.secret_sha256.as_bytes().ct_eq(told.as_bytes()).into())
}

/// A wrong secret is written down, a few times per token.
async fn check_secret(
    app: &App,
    cluster: &ClusterName,
    asked: &EnrolRequest,
    origin: &Origin<'_>,
) -> Result<(), Refusal> {
    let key = enrolment_key(cluster);
    let stored = typed::get::<Enrolment>(app.store.as_ref(), key.clone())
        .await
        .map_err(|e| Refusal::ours(&e))?
        .ok_or(NotRedeemed::Unknown)?;
    if knows_secret(stored.object.token.as_ref(), asked) {
        return Ok(());
    }
    let missed = app
        .update(&key, |enrolment: Enrolment, now| {
            let (object, events) = match enrolment.clone().missed() {
                Some(counted) => {
                    let event = origin.event(now.wall, Actor::Unknown, cluster, Outcome::Refused);
                    (counted, vec![event.with("why", "wrong join token")])
                }
                None => (enrolment, Vec::new()),
            };
            Ok::<_, std::convert::Infallible>(Change { object, events })
        })
        .await;
    if let Err(error) = missed {
        tracing::warn!(%cluster, %error, "cannot write down a wrong join token");
    }
    Err(NotRedeemed::Unknown.into())
}

/// The one compare-and-set: the token is used up and the certificate counts, or neither.
async fn redeem(
    app: &App,
    cluster: &ClusterName,
    asked: &EnrolRequest,
    issued: &IssuedToAgent,
    origin: &Origin<'_>,
) -> Result<(), Refusal> {
    let redeemed = app
        .update(&enrolment_key(cluster), |enrolment: Enrolment, now| {
            // Another token may have taken this one's place since the secret was compared.
            if !knows_secret(enrolment.token.as_ref(), asked) {
                return Err(NotRedeemed::Unknown);
            }
            let object =
                enrolment.redeem(&asked.token_id, certificate(issued, now.wall), now.wall)?;
            let actor = Actor::Agent {
                cluster: cluster.clone(),
            };
            let event = origin
                .event(now.wall, actor, cluster, Outcome::Done)
                .with("serial", issued.serial.clone())
                .with("keyFingerprint", issued.key_fingerprint.clone());
            Ok(Change {
                object,
                events: vec![event],
            })
        })
        .await;
    match redeemed {
        Ok(_) => Ok(()),
        Err(UpdateError::Refused(refused)) => Err(refused.into()),
        Err(UpdateError::NotFound(_)) => Err(NotRedeemed::Unknown.into()),
        Err(
            error
            @ (UpdateError::Contended { .. } | UpdateError::Commit(_) | UpdateError::Store(_)),
        ) => Err(Refusal::ours(&error)),
    }
}

/// The certificate as the record keeps it.
pub(super) fn certificate(issued: &IssuedToAgent, now: Timestamp) -> Certificate {
    Certificate {
        serial: issued.serial.clone(),
        key_fingerprint: issued.key_fingerprint.clone(),
        issued_at: now,
        expires_at: issued.expires_at,
    }
}

/// Shows the new identity in the cluster's status. The enrolment stands without it: the agent's first connection shows
/// the rest.
async fn show(app: &App, cluster: &ClusterName, issued: &IssuedToAgent) {
    let shown = app
        .update(&cluster_key(cluster), |mut object: Cluster, now| {
            let status = object.status.get_or_insert_default();
            status.certificate_expires_at = Some(Time(issued.expires_at));
            status.revoked_at = None;
            status.agent_identity = Some(AgentIdentity {
                fingerprint: issued.key_fingerprint.clone(),
                enrolled_at: Some(Time(now.wall)),
            });
            Ok::<_, std::convert::Infallible>(Change {
                object,
                events: Vec::new(),
            })
        })
        .await;
    if let Err(error) = shown {
        tracing::warn!(%cluster, %error, "cannot show the enrolment in the cluster's status");
    }
}
