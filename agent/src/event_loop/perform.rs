//! Steps of a plan as calls to the API server. Nothing here decides or remembers; outcomes go back to the loop.

use std::sync::Arc;
use std::time::Duration;

use breakglass_agent_core::high_water::Mark;
use breakglass_agent_core::observed::{DeployerSeen, NamespaceSeen};
use breakglass_agent_core::plan::Step;
use breakglass_agent_core::plan::outcome::{ApiFailure, Outcome};
use breakglass_agent_core::policies::HeldPolicies;
use breakglass_agent_core::recorder::HeldRecords;
use breakglass_protocol::ids::GrantUid;
use breakglass_protocol::wire::report::WebhookOrder;
use tokio::sync::{Semaphore, watch};

use crate::cluster::Cluster;
use crate::cluster::prune::target_of;
use crate::identity::Identity;
use crate::journal::{Journal, JournalError, Sealed};

/// Calls in flight for all grants together. Enough to delete a DaemonSet's pods within its grace on a large cluster,
/// few enough for the API server's fairness and for this process's memory (each may hold an answer).
const CALLS: usize = 24;
/// How long deletes of pods wait for the deletion of the workload to be accepted, which keeps its controller from
/// making new ones (D1). If that takes longer, ending streams comes first.
const WORKLOAD_FIRST: Duration = Duration::from_millis(500);

/// Longest wait for a look. The end of a grant waits for what is in flight, and some kinds are answered by somebody's own
/// server or conversion webhook: its slowness must not keep pods running.
const LOOK: Duration = Duration::from_secs(1);

/// What a job brought.
#[derive(Debug)]
pub(super) enum Done {
    Step {
        uid: GrantUid,
        step: Step,
        result: StepResult,
    },
    /// The record beside the grants.
    Memory {
        version: u64,
        result: Result<(), JournalError>,
    },
    /// The clock's mark.
    Mark {
        mark: Mark,
        result: Result<(), JournalError>,
    },
    /// The deny policies' record.
    Policies {
        held: HeldPolicies,
        result: Result<(), JournalError>,
    },
    /// The record of what waits for the hub's audit log.
    Audit {
        version: u64,
        held: HeldRecords,
        result: Result<(), JournalError>,
    },
    /// What the API server said of the canary.
    Order {
        result: Result<Option<WebhookOrder>, ApiFailure>,
    },
    /// A settled grant's record.
    Forgotten {
        uid: GrantUid,
        result: Result<(), JournalError>,
    },
    /// The identity with a renewed certificate, or with a newer signed webhook client.
    Identity {
        identity: Box<Identity>,
        result: Result<(), JournalError>,
    },
    /// Why a workload's pods are not made, in the cluster's words.
    Trouble { uid: GrantUid, trouble: Vec<String> },
}

/// What a step brought.
#[derive(Debug)]
pub(super) enum StepResult {
    Outcome(Outcome),
    Journaled(Result<(), JournalError>),
    Namespace(Result<NamespaceSeen, ApiFailure>),
    Deployer(Result<DeployerSeen, ApiFailure>),
}

/// Performs steps.
#[derive(Clone)]
pub(super) struct Performer {
    cluster: Cluster,
    journal: Journal,
    calls: Arc<Semaphore>,
}

/// Lets the steps of a batch wait for one of them.
#[derive(Clone)]
pub(super) struct After(Option<watch::Receiver<()>>);

impl After {
    /// Waits for nothing.
    pub(super) fn nothing() -> Self {
        Self(None)
    }

    /// Waits until the sender is dropped, but not for long.
    pub(super) fn workload() -> (watch::Sender<()>, Self) {
        let (sender, receiver) = watch::channel(());
        (sender, Self(Some(receiver)))
    }

    async fn wait(self) {
        if let Some(mut receiver) = self.0 {
            // Either way it is time to go on.
            let _ = tokio::time::timeout(WORKLOAD_FIRST, receiver.changed()).await;
        }
    }
}

impl Performer {
    pub(super) fn new(cluster: Cluster, journal: Journal) -> Self {
        Self {
            cluster,
            journal,
            calls: Arc::new(Semaphore::new(CALLS)),
        }
    }

    /// One step at the API server.
    pub(super) async fn perform(self, uid: GrantUid, step: Step, after: After) -> Done {
        after.wait().await;
        let _call = self.calls.acquire().await;
        let cluster = &self.cluster;
        let result = match &step {
            Step::ReadNamespace { namespace } => {
                StepResult::Namespace(cluster.read_namespace(namespace).await)
            }
            Step::ReadDeployer { account } => {
                StepResult::Deployer(cluster.read_deployer(account).await)
            }
            Step::CreateNamespace { manifest, deployer }
            | Step::CreateFirst {
                manifest, deployer, ..
            } => StepResult::Outcome(cluster.create_first(manifest, deployer).await),
            Step::FindOurs { manifest, .. } | Step::FindNamespace { manifest } => {
                StepResult::Outcome(cluster.find(manifest).await)
            }
            Step::ListInhabitants { namespace } => {
                StepResult::Outcome(cluster.inhabitants(namespace).await)
            }
            Step::Look { record, .. } => {
                let look = cluster.look(target_of(record));
                StepResult::Outcome(tokio::time::timeout(LOOK, look).await.unwrap_or_else(|_| {
                    Outcome::Failed(ApiFailure {
                        code: 0,
                        reason: "Timeout".to_owned(),
                        message: format!(
                            "{} {} did not show itself in time",
                            record.kind, record.name
                        ),
                        remedy: None,
                    })
                }))
            }
            Step::Apply {
                manifest,
                uid,
                deployer,
            } => StepResult::Outcome(cluster.apply(manifest, uid, deployer).await),
            Step::CapDeadline { pod, seconds } => {
                StepResult::Outcome(cluster.cap_deadline(pod, *seconds).await)
            }
            Step::DeleteWorkload { record } | Step::Delete { record } => {
                StepResult::Outcome(cluster.delete(record).await)
            }
            Step::DeletePod { pod } => StepResult::Outcome(cluster.delete_pod(pod).await),
            Step::ConfirmGone { record } => StepResult::Outcome(cluster.confirm_gone(record).await),
            Step::ConfirmPodsGone {
                namespace,
                selector,
            } => StepResult::Outcome(cluster.list_pods(namespace, selector).await),
            Step::CloseAccess
            | Step::Journal { .. }
            | Step::KeepNamespace { .. }
            | Step::Fail { .. }
            | Step::GiveUp => StepResult::Outcome(Outcome::Accepted),
        };
        Done::Step { uid, step, result }
    }

    /// The record of a grant, sealed when it was planned.
    pub(super) async fn save(
        self,
        uid: GrantUid,
        version: u64,
        sealed: Result<Sealed, JournalError>,
    ) -> Done {
        let _call = self.calls.acquire().await;
        let result = match sealed {
            Ok(sealed) => self.journal.save(sealed).await,
            Err(error) => Err(error),
        };
        Done::Step {
            uid,
            step: Step::Journal { version },
            result: StepResult::Journaled(result),
        }
    }

    pub(super) async fn save_memory(
        self,
        version: u64,
        sealed: Result<Sealed, JournalError>,
    ) -> Done {
        let result = match sealed {
            Ok(sealed) => self.journal.save(sealed).await,
            Err(error) => Err(error),
        };
        Done::Memory { version, result }
    }

    pub(super) async fn save_mark(self, mark: Mark, sealed: Result<Sealed, JournalError>) -> Done {
        let result = match sealed {
            Ok(sealed) => self.journal.save(sealed).await,
            Err(error) => Err(error),
        };
        Done::Mark { mark, result }
    }

    pub(super) async fn ask_for_order(self, namespace: String) -> Done {
        let result = self.cluster.webhook_order(&namespace).await;
        Done::Order { result }
    }

    pub(super) async fn save_policies(
        self,
        held: HeldPolicies,
        sealed: Result<Sealed, JournalError>,
    ) -> Done {
        let result = match sealed {
            Ok(sealed) => self.journal.save(sealed).await,
            Err(error) => Err(error),
        };
        Done::Policies { held, result }
    }

    pub(super) async fn save_audit(
        self,
        version: u64,
        held: HeldRecords,
        sealed: Result<Sealed, JournalError>,
    ) -> Done {
        let result = match sealed {
            Ok(sealed) => self.journal.save(sealed).await,
            Err(error) => Err(error),
        };
        Done::Audit {
            version,
            held,
            result,
        }
    }

    pub(super) async fn forget(self, uid: GrantUid) -> Done {
        let _call = self.calls.acquire().await;
        let result = self.journal.forget(&uid).await;
        Done::Forgotten { uid, result }
    }

    pub(super) async fn save_identity(self, namespace: String, identity: Box<Identity>) -> Done {
        let result = crate::journal::save_identity(&self.cluster, &namespace, &identity).await;
        Done::Identity { identity, result }
    }

    /// Looks for the newest warning about each owner. A refusal to read events is no trouble of the session's.
    pub(super) async fn look_for_trouble(
        self,
        uid: GrantUid,
        namespace: String,
        owners: Vec<String>,
    ) -> Done {
        let mut trouble = Vec::new();
        for owner in owners {
            match self.cluster.newest_warning(&namespace, &owner).await {
                Ok(Some(warning)) => trouble.push(warning),
                Ok(None) => {}
                Err(failure) => {
                    tracing::debug!(%uid, error = %failure.message, "events cannot be read");
                }
            }
        }
        Done::Trouble { uid, trouble }
    }
}

/// What metrics call a step.
pub(super) fn step_name(step: &Step) -> &'static str {
    match step {
        Step::CloseAccess => "close-access",
        Step::Journal { .. } => "journal",
        Step::ReadNamespace { .. } => "read-namespace",
        Step::ReadDeployer { .. } => "read-deployer",
        Step::CreateNamespace { .. } => "create-namespace",
        Step::FindNamespace { .. } => "find-namespace",
        Step::ListInhabitants { .. } => "list-inhabitants",
        Step::KeepNamespace { .. } => "keep-namespace",
        Step::CreateFirst { .. } => "create",
        Step::FindOurs { .. } => "find",
        Step::Look { .. } => "look",
        Step::Apply { .. } => "apply",
        Step::CapDeadline { .. } => "cap-deadline",
        Step::DeleteWorkload { .. } => "delete-workload",
        Step::DeletePod { .. } => "delete-pod",
        Step::Delete { .. } => "delete",
        Step::ConfirmGone { .. } => "confirm-gone",
        Step::ConfirmPodsGone { .. } => "confirm-pods-gone",
        Step::Fail { .. } => "fail",
        Step::GiveUp => "give-up",
    }
}
