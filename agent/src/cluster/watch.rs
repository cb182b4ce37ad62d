//! Watches on what carries our session label, on nodes, and on the agent's own ConfigMap. Each is one task that lists, then follows,
//! and starts anew when the API server no longer has the past; it ends with the loop that listens.
//!
//! Written here rather than taken from a library because bookmarks must be seen: a watch that says nothing for a minute
//! must be told from one that is dead (S3).

use std::time::{Duration, Instant};

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;
use breakglass_agent_core::nodes::NodeFacts;
use breakglass_agent_core::observed::{OwnerFacts, PodFacts, WorkloadFacts};
use breakglass_agent_core::plan::Deployer;
use breakglass_agent_core::plan::outcome::ApiFailure;
use breakglass_protocol::labels;
use futures_util::{Stream, StreamExt};
use http::header::{ACCEPT, HeaderValue};
use http::{Method, Request};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Resource;
use kube::core::{ObjectList, WatchEvent};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use super::namespaces::NamespaceFacts;
use super::prune::form;
use super::{Cluster, bodyless, chain, failure, parse};
use crate::telemetry::{Metrics, WatchLabels};

mod scopes;

use scopes::{Content, Scope};
pub use scopes::{WatchNamespaces, start};

/// Changes that may wait for the loop. A rollout of hundreds of pods comes as a burst; beyond this the watch is simply
/// read later.
pub const WATCHED: usize = 256;
/// Slack for the end of a watch to arrive; after that the connection is taken for dead.
const SLACK: Duration = Duration::from_secs(5);
/// Longest pause after a failed list or watch: short, since nothing is allowed while the pod watch is down.
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// The annotation on the agent's ConfigMap that ends everything.
pub const END_ALL: &str = "breakglass.t-caas.telekom.com/end-all";

/// What a watch saw, and when: however long it waits for the loop, it counts as no fresher than that (S3).
#[derive(Debug)]
pub struct Sighting {
    pub at: Instant,
    pub what: Watched,
}

/// What a watch saw.
#[derive(Debug)]
pub enum Watched {
    Pods(Change<PodFacts>),
    ReplicaSets(Change<OwnerFacts>),
    DaemonSets(Change<WorkloadFacts>),
    Deployments(Change<WorkloadFacts>),
    Nodes(Change<NodeFacts>),
    KillSwitch(Change<KillSwitch>),
    Namespaces(Change<NamespaceFacts>),
}

/// A change of what one watch covers.
#[derive(Debug)]
pub enum Change<T> {
    /// Everything there is; replaces all that was told before.
    Listed(Vec<Labelled<T>>),
    Changed(Labelled<T>),
    Removed {
        uid: String,
    },
    /// The API server is heard: a bookmark, or the watch was opened anew.
    Progress,
}

/// An object's facts under its UID and the value of its session label.
#[derive(Debug)]
pub struct Labelled<T> {
    pub uid: String,
    pub session: String,
    pub facts: T,
}

/// The local kill switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KillSwitch {
    Off,
    /// The annotation says `"true"`.
    On,
}

impl KillSwitch {
    fn of(map: ConfigMap) -> Self {
        let annotations = map.metadata.annotations.unwrap_or_default();
        match annotations.get(END_ALL).map(String::as_str) {
            Some("true") => Self::On,
            Some(_) | None => Self::Off,
        }
    }
}

struct Watcher {
    cluster: Cluster,
    scope: Scope,
    changes: mpsc::Sender<Sighting>,
    metrics: Metrics,
}

/// Why following ended.
enum End {
    /// In good order; go on from this version.
    Resume(String),
    /// The API server no longer knows that version.
    Relist,
    /// Nobody listens any more.
    Stop,
}

impl Watcher {
    async fn run<K, T>(self, facts_of: fn(K) -> T, wrap: fn(Change<T>) -> Watched)
    where
        K: Resource + Clone + DeserializeOwned + Send + 'static,
        T: Send + 'static,
    {
        let mut pause = ExponentialBackoff {
            initial_interval: Duration::from_millis(500),
            max_interval: MAX_PAUSE,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        let mut version: Option<String> = None;
        while !self.changes.is_closed() {
            let turn = match version.take() {
                None => self.list(facts_of, wrap).await,
                Some(at) => self.follow(at, facts_of, wrap).await,
            };
            match turn {
                Ok(End::Resume(at)) => {
                    version = Some(at);
                    pause.reset();
                }
                Ok(End::Relist) => {}
                Ok(End::Stop) => return,
                Err((failure, at)) => {
                    version = at;
                    let kind = self.scope.kind;
                    self.metrics
                        .watch_restarts
                        .get_or_create(&WatchLabels { kind })
                        .inc();
                    tracing::warn!(kind, error = %failure.message, "watch failed, trying again");
                    let wait = pause.next_backoff().unwrap_or(MAX_PAUSE);
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        () = self.changes.closed() => return,
                    }
                }
            }
        }
    }

    /// Tells the loop; `Err` when it is gone.
    async fn tell(&self, what: Watched) -> Result<(), End> {
        let at = Instant::now();
        let sighting = Sighting { at, what };
        self.changes.send(sighting).await.map_err(|_| End::Stop)
    }

    /// Everything there is now.
    async fn list<K, T>(
        &self,
        facts_of: fn(K) -> T,
        wrap: fn(Change<T>) -> Watched,
    ) -> Result<End, (ApiFailure, Option<String>)>
    where
        K: Resource + Clone + DeserializeOwned,
    {
        let mut all = Vec::new();
        let mut next = String::new();
        loop {
            let page: ObjectList<K> = self.page(&next).await.map_err(|failure| (failure, None))?;
            all.extend(
                page.items
                    .into_iter()
                    .map(|object| labelled(object, facts_of)),
            );
            let version = page.metadata.resource_version.unwrap_or_default();
            match page.metadata.continue_ {
                Some(token) if !token.is_empty() => next = token,
                Some(_) | None => {
                    return Ok(match self.tell(wrap(Change::Listed(all))).await {
                        Ok(()) => End::Resume(version),
                        Err(_) => End::Stop,
                    });
                }
            }
        }
    }

    async fn page<K>(&self, next: &str) -> Result<ObjectList<K>, ApiFailure>
    where
        K: Clone + DeserializeOwned,
    {
        let target = &self.scope.target;
        let mut uri = format!("{}?limit={}", target.collection()?, self.scope.page);
        if !self.scope.selector.is_empty() {
            uri = format!("{uri}&{}", self.scope.selector);
        }
        if !next.is_empty() {
            uri = format!("{uri}&{}", form(&[("continue", next)]));
        }
        let text = self
            .cluster
            .call("list", target, self.get(uri, "PartialObjectMetadataList")?)
            .await?;
        parse("list", target, &text)
    }

    /// Changes after `version`, until the watch ends.
    async fn follow<K, T>(
        &self,
        version: String,
        facts_of: fn(K) -> T,
        wrap: fn(Change<T>) -> Watched,
    ) -> Result<End, (ApiFailure, Option<String>)>
    where
        K: Resource + Clone + DeserializeOwned + 'static,
    {
        let mut at = version;
        let opened = match self.open::<K>(&at).await {
            Ok(opened) => opened,
            Err(failure) if failure.code == 410 => return Ok(End::Relist),
            Err(failure) => return Err((failure, Some(at))),
        };
        let mut events = std::pin::pin!(opened);
        let mut change = Some(Change::Progress);
        loop {
            if let Some(change) = change.take()
                && self.tell(wrap(change)).await.is_err()
            {
                return Ok(End::Stop);
            }
            let next = tokio::time::timeout(self.scope.lifetime + SLACK, events.next());
            let event = tokio::select! {
                event = next => event,
                () = self.changes.closed() => return Ok(End::Stop),
            };
            match event {
                Ok(Some(Ok(event))) => match taken(event, facts_of) {
                    Ok((seen, told)) => {
                        at = seen;
                        change = Some(told);
                    }
                    Err(410) => return Ok(End::Relist),
                    Err(code) => return Err((self.broken(&format!("it was told {code}")), None)),
                },
                Ok(None) => return Ok(End::Resume(at)),
                Ok(Some(Err(kube::Error::Api(status)))) if status.code == 410 => {
                    return Ok(End::Relist);
                }
                Ok(Some(Err(error))) => return Err((self.broken(&chain(&error)), Some(at))),
                Err(_) => return Err((self.broken("the connection is silent"), Some(at))),
            }
        }
    }

    async fn open<K>(
        &self,
        version: &str,
    ) -> Result<impl Stream<Item = Result<WatchEvent<K>, kube::Error>> + use<K>, ApiFailure>
    where
        K: Clone + DeserializeOwned + 'static,
    {
        let target = &self.scope.target;
        let mut uri = format!(
            "{}?{}&watch=true&allowWatchBookmarks=true&timeoutSeconds={}",
            target.collection()?,
            form(&[("resourceVersion", version)]),
            self.scope.lifetime.as_secs(),
        );
        if !self.scope.selector.is_empty() {
            uri = format!("{uri}&{}", self.scope.selector);
        }
        let request = self.get(uri, "PartialObjectMetadata")?;
        let opening = self.cluster.client().request_events::<K>(request);
        match tokio::time::timeout(super::CALL_TIMEOUT, opening).await {
            Ok(Ok(events)) => Ok(events),
            Ok(Err(error)) => Err(failure(&Deployer::Agent, "watch", target, &error)),
            Err(_) => Err(self.broken("no answer to its opening")),
        }
    }

    /// `partial` is what the API server calls the answer that holds metadata only.
    fn get(&self, uri: String, partial: &str) -> Result<Request<Vec<u8>>, ApiFailure> {
        let mut request = bodyless(Method::GET, uri)?;
        if self.scope.content == Content::Metadata {
            let accepted = format!("application/json;as={partial};g=meta.k8s.io;v=v1");
            let accepted =
                HeaderValue::try_from(accepted).map_err(|error| self.broken(&error.to_string()))?;
            request.headers_mut().insert(ACCEPT, accepted);
        }
        Ok(request)
    }

    fn broken(&self, why: &str) -> ApiFailure {
        ApiFailure {
            code: 0,
            reason: "WatchBroken".to_owned(),
            message: format!("watch of {}s: {why}", self.scope.kind),
            remedy: None,
        }
    }
}

/// The version after an event and what it tells, or the code of an error.
fn taken<K: Resource, T>(
    event: WatchEvent<K>,
    facts_of: fn(K) -> T,
) -> Result<(String, Change<T>), u16> {
    let version = |object: &K| object.meta().resource_version.clone().unwrap_or_default();
    match event {
        WatchEvent::Added(object) | WatchEvent::Modified(object) => Ok((
            version(&object),
            Change::Changed(labelled(object, facts_of)),
        )),
        WatchEvent::Deleted(object) => {
            let uid = object.meta().uid.clone().unwrap_or_default();
            Ok((version(&object), Change::Removed { uid }))
        }
        WatchEvent::Bookmark(bookmark) => {
            Ok((bookmark.metadata.resource_version, Change::Progress))
        }
        WatchEvent::Error(status) => Err(status.code),
    }
}

fn labelled<K: Resource, T>(object: K, facts_of: fn(K) -> T) -> Labelled<T> {
    let meta = object.meta();
    let session = meta
        .labels
        .as_ref()
        .and_then(|all| all.get(labels::SESSION));
    Labelled {
        uid: meta.uid.clone().unwrap_or_default(),
        session: session.cloned().unwrap_or_default(),
        facts: facts_of(object),
    }
}
