//! What administrators do with clusters: register, look, accept, revoke, and get what an API server needs to ask the
//! agent's webhook. The REST handlers have checked who is asking; each act is recorded with its object.

mod register;
mod webhook_config;

use breakglass_hub_core::access::Sight;
use breakglass_hub_core::audit::{Action, Actor, AuditEvent, ObjectRef, Outcome};
use breakglass_hub_core::clock::Now;
use breakglass_hub_core::enrolment::{AlreadySpeaks, Enrolment};
use breakglass_hub_core::session::StateName;
use breakglass_protocol::api::cluster::ClusterList;
use breakglass_protocol::api::problem::Detail;
use breakglass_protocol::ids::ClusterName;
use breakglass_protocol::kinds::cluster::Cluster;
use breakglass_protocol::person::Identity;
use http::StatusCode;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::app::{App, Change, UpdateError};
use crate::ca::CaError;
use crate::link::{CallError, cluster_key, enrolment_key};
use crate::sessions::Question;
use crate::store::{CommitError, StoreError, typed};

pub use register::{check, register};
pub use webhook_config::webhook_config;

/// Sessions named in a refusal: enough to begin with.
const TOLD_SESSIONS: usize = 5;

/// Who asks, as the record tells it.
#[derive(Clone, Debug)]
pub struct By {
    pub person: Identity,
    pub request_id: Option<String>,
    /// Where the request came from.
    pub source: Option<String>,
}

/// Why an act on a cluster did not happen.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// One field of the body is wrong; the message follows its path.
    #[error("{field} {message}")]
    Invalid {
        field: &'static str,
        message: String,
    },
    #[error("cluster {0} is not registered; `bgctl cluster list` shows those that are")]
    NotFound(ClusterName),
    #[error(transparent)]
    AlreadySpeaks(#[from] AlreadySpeaks),
    #[error("cluster {cluster} has sessions that did not end ({sessions}); terminate them first")]
    InUse {
        cluster: ClusterName,
        /// A few of them, comma-separated.
        sessions: String,
    },
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("cluster {0} was changed by others at the same time; try again")]
    Contended(ClusterName),
    #[error(transparent)]
    Ca(#[from] CaError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl ClusterError {
    /// For the one error body: status, stable code, message, and the wrong field if there is one.
    #[must_use]
    pub fn problem(&self) -> (StatusCode, &'static str, String, Vec<Detail>) {
        let (status, code) = match self {
            Self::Invalid { .. } => (StatusCode::BAD_REQUEST, "invalid"),
            Self::NotFound(_) => (StatusCode::NOT_FOUND, "notFound"),
            Self::AlreadySpeaks(_) => (StatusCode::CONFLICT, "clusterEnrolled"),
            Self::InUse { .. } => (StatusCode::CONFLICT, "inUse"),
            Self::Contended(_) => (StatusCode::CONFLICT, "conflict"),
            Self::Call(error) => (call_status(error), call_code(error)),
            Self::Ca(_) | Self::Store(_) | Self::Commit(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "internal")
            }
        };
        (status, code, self.to_string(), self.details())
    }

    fn details(&self) -> Vec<Detail> {
        match self {
            Self::Invalid { field, message } => vec![Detail {
                field: Some((*field).to_owned()),
                rule: None,
                message: message.clone(),
                allowed: Vec::new(),
            }],
            Self::NotFound(_)
            | Self::AlreadySpeaks(_)
            | Self::InUse { .. }
            | Self::Contended(_)
            | Self::Call(_)
            | Self::Ca(_)
            | Self::Store(_)
            | Self::Commit(_) => Vec::new(),
        }
    }
}

fn call_status(error: &CallError) -> StatusCode {
    match error {
        CallError::NotConnected { .. }
        | CallError::Busy { .. }
        | CallError::TimedOut { .. }
        | CallError::Disconnected { .. } => StatusCode::SERVICE_UNAVAILABLE,
        CallError::Declined { declined, .. } => match declined.blame {
            breakglass_protocol::wire::to_hub::Blame::Asker => StatusCode::BAD_REQUEST,
            breakglass_protocol::wire::to_hub::Blame::Cluster
            | breakglass_protocol::wire::to_hub::Blame::Agent => StatusCode::BAD_GATEWAY,
        },
    }
}

fn call_code(error: &CallError) -> &'static str {
    match error {
        CallError::NotConnected { .. } | CallError::Disconnected { .. } => "clusterNotConnected",
        CallError::Busy { .. } => "clusterBusy",
        CallError::TimedOut { .. } => "clusterTimeout",
        CallError::Declined { .. } => "clusterDeclined",
    }
}

/// Every cluster, by name.
///
/// # Errors
/// What the store says.
pub async fn list(app: &App) -> Result<ClusterList, ClusterError> {
    let (found, _) = typed::list_all::<Cluster>(app.store.as_ref()).await?;
    let clusters: Vec<Cluster> = found.into_iter().map(|it| it.object).collect();
    let total = clusters.len();
    Ok(ClusterList { clusters, total })
}

/// One cluster.
///
/// # Errors
/// [`ClusterError::NotFound`], or what the store says.
pub async fn get(app: &App, cluster: &ClusterName) -> Result<Cluster, ClusterError> {
    typed::get::<Cluster>(app.store.as_ref(), cluster_key(cluster))
        .await?
        .map(|found| found.object)
        .ok_or_else(|| ClusterError::NotFound(cluster.clone()))
}

/// Accepts a cluster that waits for it (`spec.accepted: false`). Once more changes nothing.
///
/// # Errors
/// [`ClusterError::NotFound`], or what the store says.
pub async fn accept(app: &App, by: &By, cluster: &ClusterName) -> Result<Cluster, ClusterError> {
    change(app, cluster, |mut object, now| {
        let waited = object.spec.accepted == Some(false);
        object.spec.accepted = Some(true);
        let events = waited.then(|| event(by, now, Action::ClusterAccepted, cluster));
        Change {
            object,
            events: events.into_iter().collect(),
        }
    })
    .await
}

/// Bars the cluster's certificates and its open join token, and cuts its connection. Once more changes nothing.
///
/// # Errors
/// [`ClusterError::NotFound`], or what the store says.
pub async fn revoke(app: &App, by: &By, cluster: &ClusterName) -> Result<Cluster, ClusterError> {
    get(app, cluster).await?;
    // First what bars (the connection's task sees it at once), then what shows.
    bar(app, by, cluster).await?;
    change(app, cluster, |mut object, now| {
        let status = object.status.get_or_insert_default();
        status.certificate_expires_at = None;
        status.revoked_at.get_or_insert(Time(now.wall));
        Change {
            object,
            events: Vec::new(),
        }
    })
    .await
}

/// Bars every certificate and the open join token of a cluster. Once more changes nothing.
///
/// # Errors
/// What the store says.
pub async fn bar(app: &App, by: &By, cluster: &ClusterName) -> Result<(), ClusterError> {
    let barred = app
        .update(&enrolment_key(cluster), |enrolment: Enrolment, now| {
            let object = enrolment.clone().revoke(now.wall);
            let events =
                (object != enrolment).then(|| event(by, now, Action::ClusterRevoked, cluster));
            Ok::<_, std::convert::Infallible>(Change {
                object,
                events: events.into_iter().collect(),
            })
        })
        .await;
    match barred {
        // Made by hand in the store and never registered: nothing speaks for it.
        Ok(_) | Err(UpdateError::NotFound(_)) => Ok(()),
        Err(error) => Err(from_update(error, cluster)),
    }
}

/// That no session of the cluster waits or runs: with its registration gone, nobody could end it but its agent's clock.
///
/// # Errors
/// [`ClusterError::InUse`] with some of them, or what the store says.
pub async fn check_unused(app: &App, cluster: &ClusterName) -> Result<(), ClusterError> {
    let question = Question {
        sight: Sight::Everything,
        cluster: Some(cluster.as_str()),
        template: None,
        user: None,
        owner: None,
        states: &[
            StateName::Pending,
            StateName::PendingApproval,
            StateName::Active,
        ],
        after: None,
        limit: TOLD_SESSIONS,
    };
    let found = app.sessions.find(app.store.as_ref(), &question).await?;
    let names = found.sessions.iter();
    let sessions: Vec<&str> = names.map(|found| found.card.name()).collect();
    if sessions.is_empty() {
        return Ok(());
    }
    Err(ClusterError::InUse {
        cluster: cluster.clone(),
        sessions: sessions.join(", "),
    })
}

async fn change(
    app: &App,
    cluster: &ClusterName,
    decide: impl Fn(Cluster, Now) -> Change<Cluster> + Send + Sync,
) -> Result<Cluster, ClusterError> {
    app.update(&cluster_key(cluster), |object: Cluster, now| {
        Ok::<_, std::convert::Infallible>(decide(object, now))
    })
    .await
    .map(|written| written.object)
    .map_err(|error| from_update(error, cluster))
}

fn from_update<E: Into<ClusterError>>(
    error: UpdateError<E>,
    cluster: &ClusterName,
) -> ClusterError {
    match error {
        UpdateError::NotFound(_) => ClusterError::NotFound(cluster.clone()),
        UpdateError::Refused(refused) => refused.into(),
        UpdateError::Contended { .. } => ClusterError::Contended(cluster.clone()),
        UpdateError::Commit(error) => error.into(),
        UpdateError::Store(error) => error.into(),
    }
}

impl From<std::convert::Infallible> for ClusterError {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

fn event(by: &By, now: Now, action: Action, cluster: &ClusterName) -> AuditEvent {
    let actor = Actor::Person(by.person.clone());
    let object = ObjectRef::new("Cluster", None, cluster.as_str());
    AuditEvent::new(now.wall, actor, action, object, Outcome::Done)
        .from(by.request_id.clone(), by.source.clone())
}
