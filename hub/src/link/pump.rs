//! One agent's connection: the shell round `hub_core::link`. It moves frames between socket and link, loads what the
//! link wants to send, stores what the agent tells, and ends when the agent may not speak any more.
//!
//! One task, one loop: nothing is shared with other connections but the store, the directory and the registry.

mod audit;
mod news;
mod policies;
mod record;
mod renewal;
mod reports;
mod socket;
mod status;

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use breakglass_hub_core::clock::{Now, between};
use breakglass_hub_core::enrolment::Enrolment;
use breakglass_hub_core::grant::{self, Prepared, UserNames};
use breakglass_hub_core::link::{Event, Greeting, HubLink};
use breakglass_protocol::ids::{CallId, ClusterName, GrantUid};
use breakglass_protocol::kinds::debug_session::DebugSession;
use breakglass_protocol::limits::RECONNECT_SUPERSEDED;
use breakglass_protocol::wire::close::CloseCode;
use breakglass_protocol::wire::to_hub::Answered;
use breakglass_protocol::wire::{access, policy};
use hyper::upgrade::Upgraded;
use jiff::Timestamp;
use tokio::sync::oneshot;

use self::audit::AuditIntake;
use self::socket::{Heard, Room, Socket};
use self::status::{Left, Shown};

use super::directory::Directory;
use super::identity::PeerCertificate;
use super::listener::Door;
use super::registry::{Pending, Place, Question, Unanswered};
use super::standing::{Standing, enrolment_key};
use crate::app::{App, Change, read_session};
use crate::store::{StoreError, typed};

pub(super) use self::status::show_nobody_connected;

/// An agent answers from memory; a signature takes it milliseconds.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// How long agents are asked to wait when the hub goes away: it may be back by then; spread, so that they do not all
/// come at once.
const AWAY_MS: std::ops::Range<u64> = 1_000..5_000;
/// Pause before an agent comes back after the hub could not store what it told.
const STORE_TROUBLE: Duration = Duration::from_secs(2);

/// Runs one agent's connection to its end.
pub(super) async fn run(
    door: &Door,
    certificate: PeerCertificate,
    standing: Standing,
    from: SocketAddr,
    upgraded: Upgraded,
) {
    let greeting = Greeting {
        cluster: certificate.cluster.clone(),
        program_version: env!("CARGO_PKG_VERSION").to_owned(),
        features: [policy::FEATURE, access::FEATURE]
            .map(str::to_owned)
            .to_vec(),
    };
    let mut pump = Pump {
        app: &door.app,
        directory: &door.directory,
        cluster: certificate.cluster.clone(),
        from,
        link: HubLink::new(greeting, door.app.now()),
        certificate,
        expires_at: standing.expires_at,
        names: standing.names,
        tenant: standing.tenant,
        place: None,
        calls: HashMap::new(),
        shown: Shown::default(),
        audit: AuditIntake::default(),
        renewed_at: None,
    };
    let mut socket = Socket::new(upgraded).await;
    pump.converse(&mut socket).await;
    let place = pump.place.take();
    // Whoever asks from here on is told that the cluster is not connected.
    let left = place.map(|place| {
        if place.is_current() {
            Left::Current
        } else {
            Left::Superseded
        }
    });
    socket.finish(&mut pump.link, door.app.now()).await;
    if let Some(left) = left {
        pump.show_departure(left).await;
    }
}

/// The state of one connection.
struct Pump<'a> {
    app: &'a Arc<App>,
    directory: &'a Directory,
    cluster: ClusterName,
    from: SocketAddr,
    link: HubLink,
    /// The newest certificate that this connection was given.
    certificate: PeerCertificate,
    expires_at: Timestamp,
    names: UserNames,
    /// Of the cluster: deny policies may be for one.
    tenant: Option<String>,
    /// Once the handshake is done.
    place: Option<Place>,
    /// Bounded by the link's limit of open questions.
    calls: HashMap<CallId, oneshot::Sender<Result<Answered, Unanswered>>>,
    shown: Shown,
    audit: AuditIntake,
    /// When this connection last asked for a certificate (monotonic).
    renewed_at: Option<Duration>,
}

/// What woke the loop.
enum Woken {
    Heard(Heard),
    Room(Room),
    Timeout,
    News(Pending),
    Question(Question),
    Superseded,
    Shutdown,
}

impl Pump<'_> {
    /// Until the link is closed. What it still has to say then is sent by [`Socket::finish`].
    async fn converse(&mut self, socket: &mut Socket) {
        loop {
            self.handle_events().await;
            self.provide_wanted().await;
            self.save_status_if_due().await;
            self.store_audit_if_due().await;
            if self.link.is_closed() {
                return self.handle_events().await;
            }
            let woken = self.wait(socket).await;
            let now = self.app.now();
            match woken {
                Woken::Room(Room::ForOne) => {
                    let next = self.link.poll_outgoing(now);
                    if let Err(message) = socket.mouth.offer(next, now) {
                        self.link.handle_disconnected(&message);
                    }
                    continue;
                }
                Woken::Room(Room::Flushed) => continue,
                Woken::Room(Room::Broken(message)) => self.link.handle_disconnected(&message),
                Woken::Heard(heard) => self.handle_heard(heard, now),
                Woken::Timeout => self.handle_timeout(socket, now),
                Woken::News(pending) => self.handle_news(pending).await,
                Woken::Question(question) => self.handle_question(question, now),
                Woken::Superseded => self.link.close(
                    CloseCode::Superseded,
                    "a newer connection for this cluster took over".to_owned(),
                    Some(RECONNECT_SUPERSEDED),
                ),
                Woken::Shutdown => self.link.close(
                    CloseCode::GoingAway,
                    "the hub goes away; connect again shortly".to_owned(),
                    Some(Duration::from_millis(rand::random_range(AWAY_MS))),
                ),
            }
            // Any of these may have given the link something to say.
            socket.mouth.open();
        }
    }

    async fn wait(&mut self, socket: &mut Socket) -> Woken {
        let deadline = self.deadline(socket, self.app.now());
        tokio::select! {
            heard = socket.ears.hear() => Woken::Heard(heard),
            room = socket.mouth.room() => Woken::Room(room),
            () = self.app.clock.sleep_until(deadline) => Woken::Timeout,
            woken = called(self.place.as_mut()) => woken,
            () = self.app.shutdown.cancelled() => Woken::Shutdown,
        }
    }

    /// When something is to be done although nothing happens (monotonic).
    fn deadline(&self, socket: &Socket, now: Now) -> Duration {
        let expiry = now
            .monotonic
            .saturating_add(between(now.wall, self.expires_at));
        [
            self.link.poll_timeout(),
            socket.mouth.stalled_at(),
            self.place.as_ref().map(|_| self.shown.due_at()),
            self.audit.due_at(),
        ]
        .into_iter()
        .flatten()
        .fold(expiry, Duration::min)
    }

    fn handle_timeout(&mut self, socket: &Socket, now: Now) {
        self.link.handle_timeout(now);
        if socket
            .mouth
            .stalled_at()
            .is_some_and(|at| at <= now.monotonic)
        {
            self.link
                .handle_disconnected("the agent does not read what it is sent");
        }
        if self.expires_at <= now.wall {
            let message = "the certificate of this connection has expired without a renewal";
            self.link
                .close(CloseCode::GoingAway, message.to_owned(), None);
        }
    }

    fn handle_heard(&mut self, heard: Heard, now: Now) {
        match heard {
            Heard::Frame(bytes) => self.link.handle_bytes(&bytes, now),
            Heard::Alive => self.link.handle_heard(now),
            // Not a frame of ours in any reading: the link says so and closes.
            Heard::Text => self.link.handle_bytes(&[], now),
            Heard::Unacceptable(message) => self.link.handle_unacceptable(message),
            Heard::Gone(message) => self.link.handle_disconnected(&message),
        }
    }

    async fn handle_events(&mut self) {
        while let Some(event) = self.link.poll_event() {
            match event {
                Event::Connected(hello) => self.enter(&hello.program_version).await,
                Event::StoreReport(report) => self.store_report(*report).await,
                Event::StoreStatus(status) => self.shown.agent_said(*status),
                Event::StoreAudit(batch) => self.audit.wait_with(batch),
                Event::Acknowledged(revision) => {
                    tracing::trace!(cluster = %self.cluster, revision = revision.0, "acknowledged");
                }
                Event::Unsupported { uid, missing } => self.fail_unsupported(&uid, &missing).await,
                Event::RenewCertificate { csr_der } => self.renew(&csr_der).await,
                Event::Answered { id, result } => {
                    if let Some(reply) = self.calls.remove(&id) {
                        // Nobody waits any more if the person's request was given up.
                        let _ = reply.send(result.map_err(Unanswered::Failed));
                    }
                }
                Event::Misbehaved { code, message } => {
                    self.record_misbehaviour(code, message).await
                }
                Event::Closed { message } => {
                    tracing::info!(cluster = %self.cluster, from = %self.from, reason = message, "an agent's connection ends");
                }
            }
        }
    }

    /// The handshake is done: this connection is the cluster's from now on.
    async fn enter(&mut self, agent_version: &str) {
        // First the place, then the list: what changes in between comes as news.
        self.place = Some(self.app.agents.registry.enter(&self.cluster));
        self.app.agents.metrics.connected.inc();
        let serial = self.certificate.serial.clone();
        let used = self
            .app
            .update(
                &enrolment_key(&self.cluster),
                |enrolment: Enrolment, now| {
                    Ok::<_, Infallible>(Change {
                        object: enrolment.used(&serial, now.wall),
                        events: Vec::new(),
                    })
                },
            )
            .await;
        if let Err(error) = used {
            return self.store_failed("the use of a certificate", &error);
        }
        if let Err(error) = self.directory.catch_up(self.app).await {
            return self.store_failed("the directory of sessions", &error);
        }
        if let Err(error) = self.send_policies().await {
            return self.store_failed("the deny policies", &error);
        }
        let (revision, uids) = self.directory.wanted(&self.cluster);
        tracing::info!(cluster = %self.cluster, from = %self.from, agent_version, grants = uids.len(), "an agent is connected");
        self.link.snapshot(revision, uids);
        self.shown.hello(agent_version);
        self.show_arrival().await;
    }

    /// Loads what the link has room for.
    async fn provide_wanted(&mut self) {
        while let Some(uid) = self.link.poll_wanted() {
            match self.prepare(&uid).await {
                Ok(prepared) => self.link.provide(&uid, prepared),
                Err(error) => return self.store_failed("a session", &error),
            }
        }
    }

    async fn prepare(&self, uid: &GrantUid) -> Result<Option<Prepared>, StoreError> {
        let Some(entry) = self
            .directory
            .entry(uid)
            .filter(|e| e.cluster == self.cluster)
        else {
            return Ok(None);
        };
        let key = self.app.session_key(&entry.session);
        let stored = typed::get::<DebugSession>(self.app.store.as_ref(), key.clone()).await?;
        let Some(stored) = stored else {
            return Ok(None);
        };
        let session = read_session(&key, &stored.object)?;
        if session.uid != *uid {
            return Ok(None);
        }
        match grant::prepare(&session, &self.names, stored.version.0) {
            Ok(prepared) => Ok(prepared),
            Err(error) => {
                tracing::error!(%error, "a session cannot be granted");
                Ok(None)
            }
        }
    }

    fn handle_question(&mut self, question: Question, now: Now) {
        let id = CallId::new(uuid::Uuid::now_v7().to_string());
        match self.link.ask(id.clone(), question.ask, CALL_TIMEOUT, now) {
            Ok(()) => {
                self.calls.insert(id, question.reply);
            }
            Err(error) => {
                // As above: nobody may be waiting any more.
                let _ = question.reply.send(Err(Unanswered::NotPut(error)));
            }
        }
    }

    /// The hub's own trouble: the agent comes back, says everything again, and the end state is the same.
    fn store_failed(&mut self, subject: &str, error: &dyn std::error::Error) {
        tracing::error!(cluster = %self.cluster, %error, "cannot read or write {subject}; the agent is to connect again");
        self.link.close(
            CloseCode::GoingAway,
            "the hub has trouble with its store; connect again shortly".to_owned(),
            Some(STORE_TROUBLE),
        );
    }
}

/// What the rest of the hub wants of this connection; nothing before the handshake is done.
async fn called(place: Option<&mut Place>) -> Woken {
    let Some(place) = place else {
        return pending().await;
    };
    tokio::select! {
        pending = place.news.next() => Woken::News(pending),
        question = place.questions.recv() => question.map_or(Woken::Superseded, Woken::Question),
        () = place.superseded.cancelled() => Woken::Superseded,
    }
}
