//! Which clusters are connected to this hub, and how to reach them. One entry per cluster: a newer connection takes the
//! entry over and the older one is told that it was superseded (D8).

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use breakglass_hub_core::link::{AskError, CallFailure};
use breakglass_protocol::ids::{ClusterName, GrantUid};
use breakglass_protocol::wire::to_agent::Ask;
use breakglass_protocol::wire::to_hub::{Answered, Declined};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Questions that wait for one connection's task; it takes them at once, so more means that it is stuck.
const QUESTIONS: usize = 64;

/// See the module. Cheap to clone: all clones are one registry.
#[derive(Clone, Default)]
pub struct Registry {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    next: u64,
    connections: HashMap<ClusterName, Entry>,
}

struct Entry {
    id: u64,
    questions: mpsc::Sender<Question>,
    news: Arc<News>,
    superseded: CancellationToken,
}

/// A question on its way to an agent.
pub(super) struct Question {
    pub(super) ask: Ask,
    pub(super) reply: oneshot::Sender<Result<Answered, Unanswered>>,
}

/// Why the connection's task gave no answer.
#[derive(Debug)]
pub(super) enum Unanswered {
    NotPut(AskError),
    Failed(CallFailure),
}

/// Why a call to a cluster has no answer. Each names the cluster.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    #[error("cluster {cluster} is not connected; check that its agent runs and reaches this hub")]
    NotConnected { cluster: ClusterName },
    #[error("too many questions to cluster {cluster} are open; try again shortly")]
    Busy { cluster: ClusterName },
    #[error("the agent of cluster {cluster} did not answer in time; try again")]
    TimedOut { cluster: ClusterName },
    #[error("the connection to cluster {cluster} ended before it answered; try again")]
    Disconnected { cluster: ClusterName },
    #[error("cluster {cluster}: {}", declined.message)]
    Declined {
        cluster: ClusterName,
        declined: Declined,
    },
}

/// What a connection's task is woken for. Repeated news are one: only the newest state is ever sent.
#[derive(Default)]
pub(super) struct News {
    pending: Mutex<Pending>,
    wake: Notify,
}

#[derive(Default)]
pub(super) struct Pending {
    /// Sessions of the cluster that have changed; at most as many as the cluster has.
    pub(super) sessions: BTreeSet<GrantUid>,
    pub(super) standing: Standing,
    pub(super) policies: Policies,
    pub(super) extent: Extent,
}

/// Whether deny policies may be others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Policies {
    #[default]
    AsBefore,
    Changed,
}

/// Whether what the hub knows of the cluster itself (certificates, user names) may have changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Standing {
    #[default]
    AsBefore,
    LookAgain,
}

/// Whether single sessions changed, or changes were missed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Extent {
    #[default]
    Sessions,
    Everything,
}

impl News {
    fn tell(&self, what: impl FnOnce(&mut Pending)) {
        what(&mut lock(&self.pending));
        self.wake.notify_one();
    }

    /// Waits for news and takes them.
    pub(super) async fn next(&self) -> Pending {
        self.wake.notified().await;
        std::mem::take(&mut *lock(&self.pending))
    }
}

/// A connection's place in the registry; dropping it leaves.
pub(super) struct Place {
    registry: Registry,
    cluster: ClusterName,
    id: u64,
    pub(super) questions: mpsc::Receiver<Question>,
    pub(super) news: Arc<News>,
    pub(super) superseded: CancellationToken,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inner = lock(&self.registry.inner);
        if inner
            .connections
            .get(&self.cluster)
            .is_some_and(|entry| entry.id == self.id)
        {
            inner.connections.remove(&self.cluster);
        }
    }
}

impl Place {
    /// Whether this connection is still the cluster's.
    pub(super) fn is_current(&self) -> bool {
        !self.superseded.is_cancelled()
    }
}

impl Registry {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether an agent of this cluster is connected now.
    #[must_use]
    pub fn is_connected(&self, cluster: &ClusterName) -> bool {
        lock(&self.inner).connections.contains_key(cluster)
    }

    /// Asks the cluster's agent and waits for the answer; the connection's task ends the wait.
    ///
    /// # Errors
    /// Why there is no answer, with the cluster's name.
    pub async fn call(&self, cluster: &ClusterName, ask: Ask) -> Result<Answered, CallError> {
        let cluster = cluster.clone();
        let questions = lock(&self.inner)
            .connections
            .get(&cluster)
            .map(|entry| entry.questions.clone());
        let Some(questions) = questions else {
            return Err(CallError::NotConnected { cluster });
        };
        let (reply, answer) = oneshot::channel();
        match questions.try_send(Question { ask, reply }) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => return Err(CallError::Busy { cluster }),
            Err(mpsc::error::TrySendError::Closed(_)) => {
                return Err(CallError::NotConnected { cluster });
            }
        }
        match answer.await {
            Ok(Ok(answered)) => Ok(answered),
            Ok(Err(Unanswered::NotPut(AskError::NotConnected))) => {
                Err(CallError::NotConnected { cluster })
            }
            Ok(Err(Unanswered::NotPut(AskError::Busy))) => Err(CallError::Busy { cluster }),
            Ok(Err(Unanswered::Failed(CallFailure::Declined(declined)))) => {
                Err(CallError::Declined { cluster, declined })
            }
            Ok(Err(Unanswered::Failed(CallFailure::TimedOut))) => {
                Err(CallError::TimedOut { cluster })
            }
            Ok(Err(Unanswered::Failed(CallFailure::Disconnected))) | Err(_) => {
                Err(CallError::Disconnected { cluster })
            }
        }
    }

    /// Takes the cluster's place; an older connection learns that it was superseded.
    pub(super) fn enter(&self, cluster: &ClusterName) -> Place {
        let (sender, questions) = mpsc::channel(QUESTIONS);
        let news = Arc::new(News::default());
        let superseded = CancellationToken::new();
        let mut inner = lock(&self.inner);
        inner.next += 1;
        let id = inner.next;
        let entry = Entry {
            id,
            questions: sender,
            news: news.clone(),
            superseded: superseded.clone(),
        };
        if let Some(older) = inner.connections.insert(cluster.clone(), entry) {
            older.superseded.cancel();
        }
        drop(inner);
        Place {
            registry: self.clone(),
            cluster: cluster.clone(),
            id,
            questions,
            news,
            superseded,
        }
    }

    /// A session of this cluster has changed.
    pub(super) fn session_changed(&self, cluster: &ClusterName, uid: &GrantUid) {
        if let Some(news) = self.news_of(cluster) {
            news.tell(|pending| {
                pending.sessions.insert(uid.clone());
            });
        }
    }

    /// A deny policy has changed. Whom it covers, each connection's task finds out itself.
    pub(super) fn policies_changed(&self) {
        for entry in lock(&self.inner).connections.values() {
            entry
                .news
                .tell(|pending| pending.policies = Policies::Changed);
        }
    }

    /// What the hub knows of the cluster itself has changed.
    pub(super) fn cluster_changed(&self, cluster: &ClusterName) {
        if let Some(news) = self.news_of(cluster) {
            news.tell(|pending| pending.standing = Standing::LookAgain);
        }
    }

    /// Changes were missed: every connection looks at everything again.
    pub(super) fn everything_changed(&self) {
        let all: Vec<Arc<News>> = lock(&self.inner)
            .connections
            .values()
            .map(|entry| entry.news.clone())
            .collect();
        for news in all {
            news.tell(|pending| {
                pending.standing = Standing::LookAgain;
                pending.extent = Extent::Everything;
            });
        }
    }

    fn news_of(&self, cluster: &ClusterName) -> Option<Arc<News>> {
        lock(&self.inner)
            .connections
            .get(cluster)
            .map(|entry| entry.news.clone())
    }
}

/// Every critical section above is a few map operations; a panic elsewhere cannot leave them half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn west() -> ClusterName {
        ClusterName::new("west")
    }

    #[test]
    fn a_newer_connection_takes_the_place_and_the_older_leaves_without_harm() {
        let registry = Registry::new();
        let first = registry.enter(&west());
        let second = registry.enter(&west());
        assert!(!first.is_current() && second.is_current());
        drop(first);
        assert!(registry.is_connected(&west()));
        drop(second);
        assert!(!registry.is_connected(&west()));
    }

    #[tokio::test]
    async fn news_are_merged() {
        let registry = Registry::new();
        let place = registry.enter(&west());
        let uid = GrantUid::new("u1");
        registry.session_changed(&west(), &uid);
        registry.session_changed(&west(), &uid);
        registry.session_changed(&ClusterName::new("east"), &uid);
        registry.cluster_changed(&west());
        let pending = place.news.next().await;
        assert_eq!(pending.sessions.into_iter().collect::<Vec<_>>(), [uid]);
        assert_eq!(pending.standing, Standing::LookAgain);
        assert_eq!(pending.extent, Extent::Sessions);
    }

    #[tokio::test]
    async fn a_call_to_nobody_names_the_cluster() {
        let ask = Ask::SignWebhookClient(breakglass_protocol::wire::to_agent::SignWebhookClient {
            csr_der: Vec::new(),
        });
        let registry = Registry::new();
        assert_eq!(
            registry.call(&west(), ask.clone()).await,
            Err(CallError::NotConnected { cluster: west() })
        );
        let place = registry.enter(&west());
        let asked = tokio::spawn({
            let registry = registry.clone();
            async move { registry.call(&west(), ask).await }
        });
        tokio::task::yield_now().await;
        drop(place);
        assert!(asked.await.unwrap().is_err());
    }
}
