//! The six kinds and what the hub keeps beside them, as the store keeps them: the kind's own JSON, with the version beside
//! it instead of in `metadata.resourceVersion`.

use std::borrow::Cow;

use breakglass_hub_core::audit::Cursor;
use breakglass_hub_core::audit::agent::TakenRecords;
use breakglass_hub_core::audit::tally::Tally;
use breakglass_hub_core::ledger::Ledger;
use breakglass_hub_core::notice::Warned;
use breakglass_hub_core::notice::delivery::Delivery;
use breakglass_protocol::kinds::cluster::Cluster;
use breakglass_protocol::kinds::debug_pod_template::DebugPodTemplate;
use breakglass_protocol::kinds::debug_session::DebugSession;
use breakglass_protocol::kinds::debug_session_cluster_binding::DebugSessionClusterBinding;
use breakglass_protocol::kinds::debug_session_template::DebugSessionTemplate;
use breakglass_protocol::kinds::deny_policy::DenyPolicy;

use super::typed::Stored;
use super::{ObjectKind, Version};

macro_rules! stored_kind {
    ($($kind:ident),+ $(,)?) => {
        $(impl Stored for $kind {
            const KIND: ObjectKind = ObjectKind::$kind;

            fn stamp(&mut self, version: Version) {
                self.metadata.resource_version = Some(version.to_string());
            }

            fn unstamped(&self) -> Cow<'_, Self> {
                let mut object = self.clone();
                object.metadata.resource_version = None;
                Cow::Owned(object)
            }
        })+
    };
}

stored_kind!(
    Cluster,
    DebugPodTemplate,
    DebugSession,
    DebugSessionClusterBinding,
    DebugSessionTemplate,
    DenyPolicy,
);

impl Stored for Ledger {
    const KIND: ObjectKind = ObjectKind::Ledger;
}

impl Stored for Cursor {
    const KIND: ObjectKind = ObjectKind::Cursor;
}

impl Stored for Delivery {
    const KIND: ObjectKind = ObjectKind::Delivery;
}

impl Stored for TakenRecords {
    const KIND: ObjectKind = ObjectKind::AgentRecords;
}

impl Stored for Tally {
    const KIND: ObjectKind = ObjectKind::Tally;
}

impl Stored for Warned {
    const KIND: ObjectKind = ObjectKind::Warning;
}
