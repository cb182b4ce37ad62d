//! `/cluster-bindings`: what is there to be looked at; writing is `manifests`. Who may know of which is `hub_core::offer`'s
//! answer.

pub mod get;
pub mod list;

use breakglass_hub_core::caller::Caller;
use breakglass_hub_core::ledger::Ledger;
use breakglass_hub_core::offer::{self, Knows};
use breakglass_protocol::kinds::debug_session_cluster_binding::DebugSessionClusterBinding;
use breakglass_protocol::kinds::debug_session_template::DebugSessionTemplate;

use crate::app::App;
use crate::catalogue::Offering;
use crate::store::{Key, ObjectKind, StoreError, typed};

/// What bindings are judged by, read once for all of a request.
struct Look {
    offering: Offering,
    templates: Vec<DebugSessionTemplate>,
}

impl Look {
    async fn load(app: &App) -> Result<Self, StoreError> {
        let (templates, _) = typed::list_all::<DebugSessionTemplate>(app.store.as_ref()).await?;
        Ok(Self {
            offering: Offering::load(app).await?,
            templates: templates.into_iter().map(|found| found.object).collect(),
        })
    }

    fn known_of(&self, binding: &DebugSessionClusterBinding, caller: &Caller) -> Knows {
        offer::known_of(binding, &self.templates, caller)
    }

    /// The binding with its status of now.
    async fn shown(
        &self,
        app: &App,
        binding: &DebugSessionClusterBinding,
        knows: Knows,
    ) -> Result<DebugSessionClusterBinding, StoreError> {
        let metadata = &binding.metadata;
        let part = |part: &Option<String>| part.clone().unwrap_or_default();
        let (namespace, name) = (part(&metadata.namespace), part(&metadata.name));
        let key = Key::namespaced(ObjectKind::Ledger, &namespace, &name);
        let store = app.store.as_ref();
        let ledger = typed::get::<Ledger>(store, key).await?;
        let ledger = ledger.map(|found| found.object).unwrap_or_default();
        let usage = app.sessions.usage(store, &namespace, &name).await?;
        let usage = usage.remembering(ledger);
        let supply = self.offering.as_supply();
        let status = offer::status(binding, &self.templates, supply, &usage, knows);
        Ok(DebugSessionClusterBinding {
            status: Some(status),
            ..binding.clone()
        })
    }
}
