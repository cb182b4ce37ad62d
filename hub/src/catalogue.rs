//! What requests name, read from the store: a session template with its pod template, a cluster, and the
//! bindings.

use breakglass_hub_core::lifecycle::StillOffered;
use breakglass_hub_core::offer::Supply;
use breakglass_hub_core::request::{self, Catalogue};
use breakglass_hub_core::session::Session;
use breakglass_protocol::kinds::cluster::Cluster;
use breakglass_protocol::kinds::debug_pod_template::DebugPodTemplate;
use breakglass_protocol::kinds::debug_session_cluster_binding::DebugSessionClusterBinding;
use breakglass_protocol::kinds::debug_session_template::DebugSessionTemplate;
use jiff::Timestamp;

use crate::app::App;
use crate::store::typed::{self, Stored};
use crate::store::{Key, StoreError};

/// What one request names; what is not there is `None`, and `hub_core::request` says what that means.
pub struct Entries {
    template: Option<DebugSessionTemplate>,
    pod_template: Option<DebugPodTemplate>,
    cluster: Option<Cluster>,
    /// All of the hub: which of them open the template, the rules say. A hub has few (an administrator writes them).
    bindings: Vec<DebugSessionClusterBinding>,
}

impl Entries {
    /// Reads them.
    ///
    /// # Errors
    /// What the store says.
    pub async fn load(app: &App, template: &str, cluster: &str) -> Result<Self, StoreError> {
        let template: Option<DebugSessionTemplate> = find(app, template).await?;
        let pod_name = template
            .as_ref()
            .and_then(|t| t.spec.pod_template_ref.as_ref());
        let pod_template = match pod_name {
            Some(reference) => find(app, &reference.name).await?,
            None => None,
        };
        let (bindings, _) = typed::list_all(app.store.as_ref()).await?;
        Ok(Self {
            template,
            pod_template,
            cluster: find(app, cluster).await?,
            bindings: bindings.into_iter().map(|found| found.object).collect(),
        })
    }

    /// As the rules take it.
    #[must_use]
    pub fn as_catalogue(&self) -> Catalogue<'_> {
        Catalogue {
            template: self.template.as_ref(),
            pod_template: self.pod_template.as_ref(),
            cluster: self.cluster.as_ref(),
            bindings: &self.bindings,
        }
    }
}

/// What templates are offered with: every cluster and every binding, at one moment.
pub struct Offering {
    pub clusters: Vec<Cluster>,
    pub bindings: Vec<DebugSessionClusterBinding>,
    now: Timestamp,
}

impl Offering {
    /// Reads them.
    ///
    /// # Errors
    /// What the store says.
    pub async fn load(app: &App) -> Result<Self, StoreError> {
        let (clusters, _) = typed::list_all(app.store.as_ref()).await?;
        let (bindings, _) = typed::list_all(app.store.as_ref()).await?;
        Ok(Self {
            clusters: clusters.into_iter().map(|found| found.object).collect(),
            bindings: bindings.into_iter().map(|found| found.object).collect(),
            now: app.now().wall,
        })
    }

    /// As the rules take it.
    #[must_use]
    pub fn as_supply(&self) -> Supply<'_> {
        Supply {
            clusters: &self.clusters,
            bindings: &self.bindings,
            now: self.now,
        }
    }
}

async fn find<T: Stored>(app: &App, name: &str) -> Result<Option<T>, StoreError> {
    let key = Key::cluster_scoped(T::KIND, name);
    Ok(typed::get::<T>(app.store.as_ref(), key)
        .await?
        .map(|found| found.object))
}

/// Whether what was requested is still on offer (S7).
///
/// # Errors
/// What the store says.
pub async fn still_offered(app: &App, session: &Session) -> Result<StillOffered, StoreError> {
    let entries = Entries::load(app, &session.spec.template_ref, &session.spec.cluster).await?;
    Ok(request::still_offered(
        session,
        &entries.as_catalogue(),
        app.now().wall,
    ))
}
