//! Fills the store: one session of each template is made through the API, the others are written as its likes.

use std::sync::Arc;

use breakglass_hub::sessions;
use breakglass_hub::state::database_in;
use breakglass_hub::store::sqlite::SqliteStore;
use breakglass_hub::store::{Expected, Key, ListQuery, ObjectKind, Owner, Store, typed};
use breakglass_hub_core::audit::{Action, Actor, AuditEvent, ObjectRef, Outcome};
use breakglass_hub_core::session::{End, Running, Session, Settled, State};
use breakglass_protocol::ids::GrantUid;
use breakglass_protocol::kinds::debug_session::{DebugSession, EndReason};
use breakglass_protocol::person::Identity;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio::task::JoinSet;

use crate::hub::{ADMIN, CLUSTERS, Hub, PEOPLE, TEMPLATES, cluster, name, template, token};
use crate::load::Line;

/// Writes under way: the store's own batches are no larger.
const WRITERS: usize = 64;
/// The ended ones were made over so many days; they are kept for 90.
const DAYS: i64 = 60;

/// Makes the sessions, and starts the hub on them.
pub(crate) async fn fill(hub: &mut Hub, sessions: usize, active: usize) {
    let mut line = Line::to(hub);
    for number in 0..CLUSTERS {
        let wish = json!({ "name": cluster(number) });
        line.post("/clusters", ADMIN, &wish).await.unwrap();
    }
    for number in 0..TEMPLATES {
        let wish = json!({ "templateRef": template(number), "cluster": cluster(0) });
        line.post("/debug-sessions", &token(0), &wish)
            .await
            .unwrap();
    }
    hub.stop();
    let store = Arc::new(SqliteStore::open(&database_in(&hub.state())).unwrap());
    let models = Arc::new(models(&store).await);
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (store, models) = (store.clone(), models.clone());
        writers.spawn(async move {
            for number in (writer..sessions.saturating_sub(TEMPLATES)).step_by(WRITERS) {
                write(&store, like(&models[number % models.len()], number, active)).await;
            }
        });
    }
    writers.join_all().await;
    drop(store);
    hub.start_again();
}

async fn models(store: &SqliteStore) -> Vec<Session> {
    let page = store.list(ListQuery::all(ObjectKind::DebugSession)).await;
    let objects = page.unwrap().objects.into_iter();
    objects
        .map(|object| sessions::read(&object).unwrap())
        .collect()
}

fn like(model: &Session, number: usize, active: usize) -> Session {
    let mut session = model.clone();
    let person = number * 7 % PEOPLE;
    let who = Identity {
        issuer: model.requester.issuer.clone(),
        subject: name(person),
        name: name(person),
        email: Some(name(person)),
        email_verified: model.requester.email_verified,
    };
    session.name = format!("debug-session-{}", suffix(number));
    session.uid = GrantUid::new(uuid::Uuid::new_v4().to_string());
    session.spec.cluster = cluster(number % CLUSTERS);
    session.spec.requested_by.clone_from(&who.name);
    for participant in &mut session.participants {
        participant.identity = who.clone();
    }
    session.requester = who;
    if number >= active {
        end(&mut session, number);
    }
    session
}

/// Asked for some time in the last weeks, ended by its owner after half an hour, and cleaned up.
fn end(session: &mut Session, number: usize) {
    let day = SignedDuration::from_hours(24);
    let back =
        day * i32::try_from(DAYS).unwrap() / 100_000 * i32::try_from(number % 100_000).unwrap();
    let starts_at = Timestamp::from_second((Timestamp::now() - back).as_second()).unwrap();
    let starts_at = starts_at - SignedDuration::from_hours(2);
    session.created_at = starts_at;
    for participant in &mut session.participants {
        participant.joined_at = starts_at;
    }
    let running = Running {
        starts_at,
        expires_at: starts_at + SignedDuration::from_hours(1),
        renewals: 0,
    };
    let end = End {
        reason: EndReason::Terminated,
        by: Some(session.requester.name.clone()),
        at: starts_at + SignedDuration::from_mins(30),
    };
    session.observed.reported_at = Some(end.at);
    session.observed.settled = Settled::Yes;
    session.state = State::Terminated(Some(running), end);
}

/// Six letters and digits that no other number has.
fn suffix(number: usize) -> String {
    // Scattered, so that names are in no order of time, as real ones.
    let mut left = number * 1_000_003 % 36_usize.pow(6);
    let mut text = String::new();
    for _ in 0..6 {
        let digit = u32::try_from(left % 36).unwrap();
        text.push(char::from_digit(digit, 36).unwrap());
        left /= 36;
    }
    text
}

async fn write(store: &SqliteStore, session: Session) {
    let key = Key::namespaced(ObjectKind::DebugSession, &session.namespace, &session.name);
    let object = ObjectRef::new("DebugSession", Some(&session.namespace), &session.name);
    let actor = Actor::Person(session.requester.clone());
    let (at, done) = (session.created_at, Outcome::Done);
    let events = vec![AuditEvent::new(at, actor, Action::Requested, object, done)];
    let session = DebugSession::from(&session);
    let commit = typed::put(key, &session, Owner::Hub, Expected::Absent, events).unwrap();
    store.commit(commit).await.unwrap();
}
