//! Clusters that are marked connected although no link is there: a hub that was killed could not say so.

use std::convert::Infallible;
use std::time::Duration;

use breakglass_hub_core::audit::{Action, Actor, AuditEvent, ObjectRef, Outcome};
use breakglass_protocol::ids::ClusterName;
use breakglass_protocol::kinds::cluster::Cluster;
use breakglass_protocol::limits::DEAD_AFTER;

use super::pause_after;
use crate::app::{App, Change, UpdateError};
use crate::store::typed::{self, Versioned};
use crate::store::{Key, ObjectKind, StoreError};

const JOB: &str = "clusters";
/// As long as a silent link takes to be found dead: sooner would be told no more truly.
const EVERY: Duration = DEAD_AFTER;

pub(super) async fn run(app: &App) {
    loop {
        match mark_departed(app).await {
            Ok(()) => app.clock.sleep(EVERY).await,
            Err(error) => pause_after(app, JOB, &error).await,
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum MarkError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Update(#[from] UpdateError<Infallible>),
}

async fn mark_departed(app: &App) -> Result<(), MarkError> {
    let (clusters, _): (Vec<Versioned<Cluster>>, _) = typed::list_all(app.store.as_ref()).await?;
    for stored in clusters {
        let Some(name) = stored.object.metadata.name.as_deref() else {
            continue;
        };
        if is_stale(app, &stored.object, name) {
            mark(app, name).await?;
        }
    }
    Ok(())
}

fn is_stale(app: &App, cluster: &Cluster, name: &str) -> bool {
    let shown = cluster
        .status
        .as_ref()
        .is_some_and(|status| status.connected == Some(true));
    shown && !app.agents.registry.is_connected(&ClusterName::new(name))
}

async fn mark(app: &App, name: &str) -> Result<(), UpdateError<Infallible>> {
    let key = Key::cluster_scoped(ObjectKind::Cluster, name);
    let marked = app
        .update(&key, |mut object: Cluster, now| {
            let mut events = Vec::new();
            // Looked at again here: the agent may have come back meanwhile.
            if is_stale(app, &object, name)
                && let Some(status) = &mut object.status
            {
                status.connected = Some(false);
                let actor = Actor::Hub {
                    job: JOB.to_owned(),
                };
                let subject = ObjectRef::new(ObjectKind::Cluster.as_str(), None, name);
                let action = Action::ClusterDisconnected;
                events.push(AuditEvent::new(
                    now.wall,
                    actor,
                    action,
                    subject,
                    Outcome::Done,
                ));
            }
            Ok(Change { object, events })
        })
        .await;
    match marked {
        // Deleted meanwhile.
        Ok(_) | Err(UpdateError::NotFound(_)) => Ok(()),
        Err(error) => Err(error),
    }
}
