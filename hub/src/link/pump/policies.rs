//! Deny policies to the cluster's agent: all that cover it, read anew whenever one of them or the cluster's tenant may have
//! changed.

use breakglass_hub_core::policy::{self, PolicyFacts};
use breakglass_protocol::ids::Revision;
use breakglass_protocol::kinds::Condition;
use breakglass_protocol::kinds::cluster::ClusterStatus;
use breakglass_protocol::kinds::deny_policy::DenyPolicy;
use jiff::Timestamp;

use super::Pump;
use crate::store::StoreError;
use crate::store::typed;

impl Pump<'_> {
    /// Tells the link what the agent should judge by now; the link sends what is new.
    pub(super) async fn send_policies(&mut self) -> Result<(), StoreError> {
        if !self.link.knows_policies() {
            return Ok(());
        }
        let prepared = match typed::list_all::<DenyPolicy>(self.app.store.as_ref()).await {
            Ok((stored, revision)) => {
                let policies: Vec<DenyPolicy> =
                    stored.into_iter().map(|found| found.object).collect();
                policy::prepare(&policies, &self.cluster, self.tenant.as_deref(), revision)
            }
            // Of a newer hub, say. Sessions must go on all the same, and the agent denies what it denied.
            Err(error @ StoreError::Unreadable { .. }) => {
                policy::withhold(error.to_string(), Revision::default())
            }
            Err(error) => return Err(error),
        };
        if let Some(why) = &prepared.withheld {
            tracing::error!(cluster = %self.cluster, %why, "the deny policies cannot be sent");
        }
        self.link.policies(prepared);
        self.shown.changed();
        Ok(())
    }

    /// Shows in the cluster's status whether they are in force, and whether strict enforcement is.
    pub(super) fn show_policies(&self, status: &mut ClusterStatus, now: Timestamp) {
        let facts = PolicyFacts {
            sent: self.link.sent_policies(),
            report: self.shown.policies(),
            order: self.shown.webhook_order(),
        };
        let before = take(status, policy::CONDITION);
        let told = policy::condition(facts, before.as_ref(), now);
        status.conditions.push(told);
        let before = take(status, policy::STRICT);
        let strict = self.shown.enforcement();
        let told = policy::strict_condition(strict, facts.order, before.as_ref(), now);
        status.conditions.extend(told);
    }
}

fn take(status: &mut ClusterStatus, kind: &str) -> Option<Condition> {
    let is_it = |condition: &Condition| condition.type_ == kind;
    let place = status.conditions.iter().position(is_it)?;
    Some(status.conditions.remove(place))
}
