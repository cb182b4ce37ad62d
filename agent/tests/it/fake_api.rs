//! An API server as far as the agent can see one: create, apply, get, list, watch, delete with preconditions, and the
//! part of the controllers that a test wants. In memory, so that it outlives the agent that talks to it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use breakglass_agent::cluster::Cluster;
use breakglass_agent_core::ceiling::Ceiling;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

type Answer = Response<StreamBody<BoxStream<'static, Result<Frame<Bytes>, Infallible>>>>;
/// Plural, namespace (empty for none), name.
type Key = (String, String, String);

/// What a test lets go wrong: the first request that matches is answered with this status and forgotten.
struct Fault {
    method: Method,
    path_part: &'static str,
    status: u16,
    reason: &'static str,
    message: String,
}

/// Requests with this method whose path holds `path_part` wait for a test before anything happens.
struct Hold {
    method: Method,
    path_part: &'static str,
    opened: watch::Receiver<bool>,
}

#[derive(Default)]
struct World {
    objects: BTreeMap<Key, Value>,
    version: u64,
    /// Everything that happened: version, key, event line.
    history: Vec<(u64, Key, Value)>,
    watchers: Vec<(Asked, mpsc::UnboundedSender<Bytes>)>,
    log: Vec<String>,
    bodies: Vec<Value>,
    /// Path and user of every request that was made as somebody else.
    impersonated: Vec<(String, String)>,
    /// What the cluster's owner permits.
    ceiling: Ceiling,
    faults: Vec<Fault>,
    holds: Vec<Hold>,
    /// Path of a group and version → its kinds, as discovery tells them.
    kinds: BTreeMap<String, Vec<Value>>,
    /// Writes that are still answered; after them the world changes but nobody hears of it.
    answered_writes: Option<usize>,
}

/// What a list or watch asks for.
#[derive(Clone, Default)]
struct Asked {
    plural: String,
    namespace: String,
    label: Option<(String, Option<String>)>,
    name: Option<String>,
}

impl Asked {
    fn covers(&self, key: &Key, object: &Value) -> bool {
        let labelled = self.label.as_ref().is_none_or(|(label, value)| {
            let found = object["metadata"]["labels"][label.as_str()].as_str();
            match value {
                Some(value) => found == Some(value),
                None => found.is_some(),
            }
        });
        key.0 == self.plural
            && (self.namespace.is_empty() || self.namespace == key.1)
            && self.name.as_ref().is_none_or(|name| *name == key.2)
            && labelled
    }
}

/// The API server. Clones share one world.
#[derive(Clone)]
pub(crate) struct FakeApi {
    world: Arc<Mutex<World>>,
    changes: watch::Sender<u64>,
}

impl FakeApi {
    /// With the namespaces that the agent needs.
    pub(crate) fn new() -> Self {
        let api = Self {
            world: Arc::default(),
            changes: watch::Sender::new(0),
        };
        for name in ["breakglass-agent", "breakglass-debug"] {
            api.put(
                "namespaces",
                "",
                json!({
                    "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name }
                }),
            );
        }
        api
    }

    pub(crate) fn cluster(&self) -> Cluster {
        let api = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let api = api.clone();
            async move { Ok::<_, Infallible>(api.answer(request).await) }
        });
        Cluster::new(Client::new(service, "default"))
    }

    /// The next request with this method whose path holds `path_part` fails.
    pub(crate) fn fail_next(
        &self,
        method: Method,
        path_part: &'static str,
        status: u16,
        reason: &'static str,
        message: &str,
    ) {
        self.world.lock().unwrap().faults.push(Fault {
            method,
            path_part,
            status,
            reason,
            message: message.to_owned(),
        });
    }

    /// Requests with this method whose path holds `path_part` do nothing until the sender says `true`.
    pub(crate) fn hold(&self, method: Method, path_part: &'static str) -> watch::Sender<bool> {
        let (open, opened) = watch::channel(false);
        self.world.lock().unwrap().holds.push(Hold {
            method,
            path_part,
            opened,
        });
        open
    }

    /// Of so many more writes the last one is done but never answered: as far as the agent can tell, the moment
    /// before or after it. `None` answers everything again.
    pub(crate) fn answer_writes(&self, count: Option<usize>) {
        self.world.lock().unwrap().answered_writes = count;
    }

    /// Whether a write was done that will never be answered.
    pub(crate) fn is_silent(&self) -> bool {
        self.world.lock().unwrap().answered_writes == Some(0)
    }

    /// The cluster has this kind from now on.
    pub(crate) fn install(&self, api_version: &str, kind: &str, plural: &str, is_namespaced: bool) {
        let entry = json!({ "name": plural, "singularName": "", "kind": kind, "namespaced": is_namespaced, "verbs": [] });
        let part = json!({ "name": format!("{plural}/status"), "singularName": "", "kind": kind,
            "namespaced": is_namespaced, "verbs": [] });
        let mut world = self.world.lock().unwrap();
        let kinds = world.kinds.entry(format!("/apis/{api_version}"));
        kinds.or_default().extend([entry, part]);
    }

    /// Sets an object as somebody else would.
    pub(crate) fn put(&self, plural: &str, namespace: &str, object: Value) -> Value {
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let key = (plural.to_owned(), namespace.to_owned(), name);
        self.world.lock().unwrap().put(&key, object, &self.changes)
    }

    /// Takes an object away as somebody else would.
    pub(crate) fn remove(&self, plural: &str, namespace: &str, name: &str) {
        let key = (plural.to_owned(), namespace.to_owned(), name.to_owned());
        self.world.lock().unwrap().remove(&key, &self.changes);
    }

    pub(crate) fn get(&self, plural: &str, namespace: &str, name: &str) -> Option<Value> {
        let key = (plural.to_owned(), namespace.to_owned(), name.to_owned());
        self.world.lock().unwrap().objects.get(&key).cloned()
    }

    pub(crate) fn all(&self, plural: &str) -> Vec<Value> {
        let world = self.world.lock().unwrap();
        let objects = world.objects.iter().filter(|(key, _)| key.0 == plural);
        objects.map(|(_, object)| object.clone()).collect()
    }

    /// `METHOD path` of every request so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.world.lock().unwrap().log.clone()
    }

    /// Bodies of every request that had one.
    pub(crate) fn bodies(&self) -> Vec<Value> {
        self.world.lock().unwrap().bodies.clone()
    }

    /// What was asked as somebody else: `METHOD path as USER`.
    pub(crate) fn impersonated(&self) -> Vec<String> {
        let world = self.world.lock().unwrap();
        let all = world.impersonated.iter();
        all.map(|(what, user)| format!("{what} as {user}"))
            .collect()
    }

    /// What the cluster's owner permits, for agents that start from now on.
    pub(crate) fn set_ceiling(&self, ceiling: Ceiling) {
        self.world.lock().unwrap().ceiling = ceiling;
    }

    pub(crate) fn ceiling(&self) -> Ceiling {
        self.world.lock().unwrap().ceiling.clone()
    }

    /// Waits until the world fulfils a condition; looks again at every change of it.
    pub(crate) async fn until(&self, what: &str, fulfilled: impl Fn(&Self) -> bool) {
        let mut changes = self.changes.subscribe();
        let seen = async {
            while !fulfilled(self) {
                changes.changed().await.unwrap();
            }
        };
        let patience = std::time::Duration::from_secs(20);
        if tokio::time::timeout(patience, seen).await.is_err() {
            panic!("never came: {what}\n{}", self.log().join("\n"));
        }
    }

    /// Counts up at every request and change.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    async fn answer(&self, request: Request<Body>) -> Answer {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let path = parts.uri.path().to_owned();
        if path.ends_with("/subjectaccessreviews") {
            // A question, though it comes by POST: this API server asks the webhook before RBAC.
            return object(&json!({ "status": { "allowed": false, "denied": true } }));
        }
        let query = parts.uri.query().unwrap_or_default().to_owned();
        let is_write = parts.method != Method::GET;
        let held_back = {
            let mut world = self.world.lock().unwrap();
            world.log.push(format!("{} {path}", parts.method));
            let mut holds = world.holds.iter();
            let hold =
                holds.find(|hold| hold.method == parts.method && path.contains(hold.path_part));
            hold.map(|hold| hold.opened.clone())
        };
        if let Some(mut opened) = held_back {
            self.changes.send_modify(|count| *count += 1);
            opened.wait_for(|opened| *opened).await.unwrap();
        }
        let (answer, is_heard) = {
            let mut world = self.world.lock().unwrap();
            if let Some(user) = parts.headers.get("impersonate-user") {
                let user = user.to_str().unwrap().to_owned();
                let what = format!("{} {path}", parts.method);
                world.impersonated.push((what, user));
            }
            if !body.is_null() {
                world.bodies.push(body.clone());
            }
            let was_silent = world.answered_writes == Some(0);
            if was_silent && is_write {
                // The agent is as good as dead; what it still has in flight does not arrive.
                (failure(503, "ServiceUnavailable", "dead"), false)
            } else {
                let answer = world.answer(&parts.method, &path, &query, body, &self.changes);
                if let Some(count) = world.answered_writes.as_mut().filter(|_| is_write) {
                    *count -= 1;
                }
                (answer, world.answered_writes != Some(0) || !is_write)
            }
        };
        self.changes.send_modify(|count| *count += 1);
        if !is_heard {
            std::future::pending::<()>().await;
        }
        answer
    }
}

impl World {
    fn answer(
        &mut self,
        method: &Method,
        path: &str,
        query: &str,
        body: Value,
        changes: &watch::Sender<u64>,
    ) -> Answer {
        let fault = self
            .faults
            .iter()
            .position(|fault| fault.method == *method && path.contains(fault.path_part));
        if let Some(fault) = fault.map(|at| self.faults.remove(at)) {
            return failure(fault.status, fault.reason, &fault.message);
        }
        if path == "/version" {
            return object(&json!({ "gitVersion": "v1.34.4" }));
        }
        if path.matches('/').count() < 4 && path.starts_with("/apis/") {
            return match self.kinds.get(path) {
                Some(kinds) => object(
                    &json!({ "kind": "APIResourceList", "groupVersion": "", "resources": kinds }),
                ),
                None => failure(
                    404,
                    "NotFound",
                    "the server could not find the requested resource",
                ),
            };
        }
        let (asked, name) = read_path(path, query);
        let key = (asked.plural.clone(), asked.namespace.clone(), name.clone());
        match (method.as_str(), name.is_empty()) {
            ("GET", true) if query.contains("watch=true") => self.watch(asked, query),
            ("GET", true) => self.list(&asked),
            ("GET", false) => match self.objects.get(&key) {
                Some(found) => object(found),
                None => not_found(&key),
            },
            ("POST", _) => self.create(&asked, body, changes),
            ("PATCH", _) => self.patch(&key, body, changes),
            ("DELETE", _) => self.delete(&key, &body, changes),
            other => panic!("the agent asked {other:?} {path}"),
        }
    }

    fn create(&mut self, asked: &Asked, body: Value, changes: &watch::Sender<u64>) -> Answer {
        let name = body["metadata"]["name"].as_str().unwrap().to_owned();
        let key = (asked.plural.clone(), asked.namespace.clone(), name);
        if self.objects.contains_key(&key) {
            return failure(
                409,
                "AlreadyExists",
                &format!("{} \"{}\" already exists", key.0, key.2),
            );
        }
        if key.0 == "namespaces" {
            // What Kubernetes puts into each.
            for (plural, kind, name) in [
                ("serviceaccounts", "ServiceAccount", "default"),
                ("configmaps", "ConfigMap", "kube-root-ca.crt"),
            ] {
                let own = (plural.to_owned(), key.2.clone(), name.to_owned());
                let default =
                    json!({ "apiVersion": "v1", "kind": kind, "metadata": { "name": name } });
                self.put(&own, default, changes);
            }
        }
        object(&self.put(&key, body, changes))
    }

    fn patch(&mut self, key: &Key, body: Value, changes: &watch::Sender<u64>) -> Answer {
        let wanted = body["metadata"]["uid"].as_str();
        match (self.objects.get(key), wanted) {
            (None, Some(_)) => return failure(409, "Conflict", "uid mismatch"),
            (Some(found), Some(uid)) if found["metadata"]["uid"] != uid => {
                // A real one's words (1.34), which say what happened only there.
                let words = format!("metadata.uid: Invalid value: \"{uid}\": field is immutable");
                return failure(422, "Invalid", &words);
            }
            (None | Some(_), _) => {}
        }
        let mut merged = self.objects.get(key).cloned().unwrap_or_else(|| json!({}));
        merge(&mut merged, &body);
        object(&self.put(key, merged, changes))
    }

    fn delete(&mut self, key: &Key, options: &Value, changes: &watch::Sender<u64>) -> Answer {
        let Some(found) = self.objects.get(key).cloned() else {
            return not_found(key);
        };
        if let Some(uid) = options["preconditions"]["uid"].as_str()
            && found["metadata"]["uid"] != uid
        {
            return failure(409, "Conflict", "Precondition failed: UID in precondition");
        }
        if key.0 == "pods" {
            // The kubelet's two steps.
            let mut deleting = found.clone();
            deleting["metadata"]["deletionTimestamp"] = json!("2026-11-23T08:00:00Z");
            deleting["metadata"]["deletionGracePeriodSeconds"] = json!(2);
            self.put(key, deleting, changes);
        }
        if key.0 == "namespaces" {
            let inside: Vec<Key> = self.objects.keys().cloned().collect();
            for inner in inside.iter().filter(|inner| inner.1 == key.2) {
                self.remove(inner, changes);
            }
        }
        self.remove(key, changes);
        object(&json!({ "kind": "Status", "status": "Success" }))
    }

    fn put(&mut self, key: &Key, mut new: Value, changes: &watch::Sender<u64>) -> Value {
        self.version += 1;
        let old = self.objects.get(key);
        let metadata = new["metadata"].as_object_mut().unwrap();
        let kept = |field: &str, otherwise: Value| {
            old.and_then(|old| old["metadata"].get(field).cloned())
                .unwrap_or(otherwise)
        };
        let uid = format!("00000000-0000-4000-8000-{:012}", self.version);
        let uid = metadata.get("uid").cloned().unwrap_or(json!(uid));
        metadata.insert("uid".into(), kept("uid", uid));
        metadata.insert(
            "creationTimestamp".into(),
            kept("creationTimestamp", json!("2026-11-23T07:00:00Z")),
        );
        let generation = kept("generation", json!(0)).as_i64().unwrap();
        let changed = old.is_none_or(|old| old["spec"] != new["spec"]);
        let metadata = new["metadata"].as_object_mut().unwrap();
        metadata.insert("generation".into(), json!(generation + i64::from(changed)));
        metadata.insert("resourceVersion".into(), json!(self.version.to_string()));
        if !key.1.is_empty() {
            metadata.insert("namespace".into(), json!(key.1));
        }
        let kind = if old.is_some() { "MODIFIED" } else { "ADDED" };
        self.objects.insert(key.clone(), new.clone());
        self.tell(key, kind, &new, changes);
        new
    }

    fn remove(&mut self, key: &Key, changes: &watch::Sender<u64>) {
        if let Some(mut gone) = self.objects.remove(key) {
            self.version += 1;
            gone["metadata"]["resourceVersion"] = json!(self.version.to_string());
            self.tell(key, "DELETED", &gone, changes);
        }
    }

    fn tell(&mut self, key: &Key, kind: &str, of: &Value, changes: &watch::Sender<u64>) {
        let event = json!({ "type": kind, "object": of });
        let line = Bytes::from(format!("{event}\n"));
        self.history.push((self.version, key.clone(), event));
        self.watchers.retain(|(asked, watcher)| {
            !asked.covers(key, of) || watcher.send(line.clone()).is_ok()
        });
        changes.send_modify(|count| *count += 1);
    }

    fn list(&self, asked: &Asked) -> Answer {
        let items: Vec<&Value> = self
            .objects
            .iter()
            .filter(|(key, object)| asked.covers(key, object))
            .map(|(_, object)| object)
            .collect();
        object(&json!({
            "kind": "List", "apiVersion": "v1",
            "metadata": { "resourceVersion": self.version.to_string() },
            "items": items,
        }))
    }

    fn watch(&mut self, asked: Asked, query: &str) -> Answer {
        let after: u64 = parameter(query, "resourceVersion")
            .unwrap()
            .parse()
            .unwrap();
        let (sender, receiver) = mpsc::unbounded_channel();
        for (version, key, event) in &self.history {
            if *version > after && asked.covers(key, &event["object"]) {
                sender.send(Bytes::from(format!("{event}\n"))).unwrap();
            }
        }
        self.watchers.push((asked, sender));
        let lines = stream::unfold(receiver, |mut receiver| async {
            let line = receiver.recv().await?;
            Some((Ok(Frame::data(line)), receiver))
        });
        Response::new(StreamBody::new(lines.boxed()))
    }
}

/// Objects are merged, everything else is replaced: enough of server-side apply and merge patch for what is sent here.
fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

fn read_path(path: &str, query: &str) -> (Asked, String) {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let rest = if parts[0] == "api" {
        &parts[2..]
    } else {
        &parts[3..]
    };
    let (namespace, rest) = match rest {
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
        rest => ("", rest),
    };
    let label = parameter(query, "labelSelector").map(|selector| match selector.split_once('=') {
        Some((label, value)) => (label.to_owned(), Some(value.to_owned())),
        None => (selector, None),
    });
    let name = parameter(query, "fieldSelector")
        .and_then(|selector| selector.strip_prefix("metadata.name=").map(str::to_owned));
    let asked = Asked {
        plural: rest[0].to_owned(),
        namespace: namespace.to_owned(),
        label,
        name,
    };
    (
        asked,
        rest.get(1).map_or(String::new(), |name| (*name).to_owned()),
    )
}

fn parameter(query: &str, name: &str) -> Option<String> {
    query.split('&').find_map(|pair| {
        let value = pair.strip_prefix(name)?.strip_prefix('=')?;
        Some(
            value
                .replace("%2F", "/")
                .replace("%3D", "=")
                .replace("%2C", ","),
        )
    })
}

fn object(value: &Value) -> Answer {
    whole(StatusCode::OK, value)
}

fn not_found(key: &Key) -> Answer {
    failure(
        404,
        "NotFound",
        &format!("{} \"{}\" not found", key.0, key.2),
    )
}

fn failure(status: u16, reason: &str, message: &str) -> Answer {
    whole(
        StatusCode::from_u16(status).unwrap(),
        &json!({
            "kind": "Status", "apiVersion": "v1", "status": "Failure",
            "code": status, "reason": reason, "message": message,
        }),
    )
}

fn whole(status: StatusCode, value: &Value) -> Answer {
    let bytes = Bytes::from(value.to_string());
    let body = stream::once(async { Ok(Frame::data(bytes)) });
    let mut response = Response::new(StreamBody::new(body.boxed()));
    *response.status_mut() = status;
    response
}
