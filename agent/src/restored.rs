//! What the journal held, as the rules take it.

use breakglass_agent_core::ceiling::Ceiling;
use breakglass_agent_core::clock::Now;
use breakglass_agent_core::holdings::Holdings;
use breakglass_agent_core::policies::Policies;
use breakglass_agent_core::recorder::Recorder;
use breakglass_protocol::ids::ClusterName;

use crate::journal::{Journal, JournalError};

/// See the module's text.
#[derive(Debug)]
pub struct Restored {
    pub holdings: Holdings,
    pub policies: Policies,
    pub recorder: Recorder,
}

impl Restored {
    /// Reads the journal. `instance` numbers the records of the audit log from now on. What cannot be believed is told in the
    /// log and left out.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub async fn load(
        journal: &Journal,
        cluster: &ClusterName,
        ceiling: Ceiling,
        instance: &str,
        now: Now,
    ) -> Result<Self, JournalError> {
        let loaded = journal.load().await?;
        for refused in &loaded.refused {
            tracing::error!("{refused}");
        }
        tracing::info!(grants = loaded.held.len(), %cluster, "journal loaded");
        let mut policies = Policies::default();
        match loaded.policies {
            Some(Ok(held)) => policies = Policies::restore(Some(held)),
            Some(Err(why)) => {
                tracing::error!(%why, "no deny policy is in force until the hub sends them anew");
                policies.refuse(why);
            }
            None => {}
        }
        let records = loaded.audit.transpose().unwrap_or_else(|why| {
            tracing::error!(%why, "what the webhook decided before this start is not delivered");
            None
        });
        let (records, marked) = (records.unwrap_or_default(), loaded.mark.high_water);
        Ok(Self {
            holdings: Holdings::restore(cluster.clone(), ceiling, loaded.held, loaded.memory, now),
            policies,
            recorder: Recorder::restore(instance, records, marked, now),
        })
    }
}
