//! Whether a certificate speaks for its cluster now, by what the store knows. Asked when an agent connects and again
//! whenever something about the cluster changes: that is how a revocation cuts a running connection.

use breakglass_hub_core::enrolment::Enrolment;
use breakglass_hub_core::grant::{Claim, UserNames};
use breakglass_protocol::ids::ClusterName;
use breakglass_protocol::kinds::cluster::{self, Cluster, ClusterSpec, UserNameClaim};
use jiff::Timestamp;

use super::identity::{self, PeerCertificate, PeerRefusal};
use super::request::Refusal;
use crate::app::App;
use crate::store::typed::{self, Stored};
use crate::store::{Key, ObjectKind, StoreError};

impl Stored for Enrolment {
    const KIND: ObjectKind = ObjectKind::Enrolment;
}

/// The key of a cluster's enrolment.
pub(crate) fn enrolment_key(cluster: &ClusterName) -> Key {
    Key::cluster_scoped(ObjectKind::Enrolment, cluster.as_str())
}

/// The key of a cluster.
pub(crate) fn cluster_key(cluster: &ClusterName) -> Key {
    Key::cluster_scoped(ObjectKind::Cluster, cluster.as_str())
}

/// What a connection needs to know of its cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// How people read there.
    pub(super) names: UserNames,
    /// Whose it is.
    pub(super) tenant: Option<String>,
    /// The end of the certificate that was judged.
    pub(super) expires_at: Timestamp,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoStanding {
    #[error(transparent)]
    Refused(#[from] PeerRefusal),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<NoStanding> for Refusal {
    fn from(error: NoStanding) -> Self {
        match error {
            NoStanding::Refused(refusal) => refusal.into(),
            NoStanding::Store(error) => Self::ours(&error),
        }
    }
}

/// Judges a certificate.
///
/// # Errors
/// [`NoStanding::Refused`] if it does not speak for its cluster now.
pub(super) async fn of(app: &App, peer: &PeerCertificate) -> Result<Standing, NoStanding> {
    let store = app.store.as_ref();
    let enrolment = typed::get::<Enrolment>(store, enrolment_key(&peer.cluster)).await?;
    let expires_at = identity::judge(peer, enrolment.as_ref().map(|e| &e.object), app.now().wall)?;
    let spec = accepted(app, &peer.cluster).await?;
    Ok(Standing {
        names: names(spec.user_names.as_ref()),
        tenant: spec.tenant,
        expires_at,
    })
}

/// Checks that the cluster is registered and accepted; what administrators say of it.
///
/// # Errors
/// [`NoStanding::Refused`] if it is not.
pub(super) async fn accepted(app: &App, cluster: &ClusterName) -> Result<ClusterSpec, NoStanding> {
    let stored = typed::get::<Cluster>(app.store.as_ref(), cluster_key(cluster)).await?;
    let Some(stored) = stored else {
        return Err(PeerRefusal::NotRegistered {
            cluster: cluster.clone(),
        }
        .into());
    };
    // Absent means accepted: registering is an administrator's act already.
    if stored.object.spec.accepted == Some(false) {
        return Err(PeerRefusal::NotAccepted {
            cluster: cluster.clone(),
        }
        .into());
    }
    Ok(stored.object.spec)
}

fn names(stored: Option<&cluster::UserNames>) -> UserNames {
    let Some(stored) = stored else {
        return UserNames::default();
    };
    UserNames {
        prefix: stored.prefix.clone().unwrap_or_default(),
        claim: match stored.claim.unwrap_or_default() {
            UserNameClaim::Name => Claim::Name,
            UserNameClaim::Email => Claim::Email,
            UserNameClaim::Sub => Claim::Sub,
        },
    }
}
