//! Deliveries in the store → people.

use std::convert::Infallible;
use std::time::Duration;

use breakglass_hub_core::audit::{Action, Actor, AuditEvent, ObjectRef, Outcome};
use breakglass_hub_core::notice::delivery::{AfterFailure, Delivery};
use breakglass_hub_core::notice::{Notice, legible};
use serde::Serialize;

use crate::app::{App, Change, UpdateError};
use crate::jobs::pause_after;
use crate::outward::{Channel, Letter, SendError, Way};
use crate::store::typed::{self, Versioned};
use crate::store::{
    self, CommitError, Key, ListQuery, Object, ObjectKind, StoreError, Watch, WatchError, WatchFrom,
};

const JOB: &str = "deliveries";
/// Failures of one channel in a round before the rest waits: a server that is down is not asked for everybody.
const FAILURES_PER_ROUND: usize = 3;
/// Wake-ups may be lost, and the wall clock may be set: nothing waits longer than this.
const LONGEST_SLEEP: Duration = Duration::from_secs(15);

type Waiting = (Key, Versioned<Delivery>);

pub(crate) async fn run(app: &App) {
    loop {
        match work(app).await {
            Err(DeliverError::Store(StoreError::Closed)) => return,
            Ok(()) => {}
            Err(error) => pause_after(app, JOB, &error).await,
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum DeliverError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
    #[error(transparent)]
    Update(#[from] UpdateError<Infallible>),
}

/// Until the watch loses its place.
async fn work(app: &App) -> Result<(), DeliverError> {
    let mut watch = app.store.watch(WatchFrom::Now).await?;
    loop {
        round(app).await?;
        match wait(app, &mut watch).await? {
            Place::Kept => {}
            Place::Lost => return Ok(()),
        }
    }
}

/// Whether a watch still has its place.
enum Place {
    Kept,
    Lost,
}

/// Until a delivery is put or time has passed.
async fn wait(app: &App, watch: &mut Watch) -> Result<Place, DeliverError> {
    let mut timer = app.clock.sleep(LONGEST_SLEEP);
    loop {
        tokio::select! {
            () = &mut timer => return Ok(Place::Kept),
            change = watch.next() => match change {
                Ok(change) if is_new_delivery(&change) => return Ok(Place::Kept),
                Ok(_) => {}
                Err(WatchError::Closed) => return Err(StoreError::Closed.into()),
                Err(WatchError::Resync { .. }) => return Ok(Place::Lost),
                Err(WatchError::Store(error)) => return Err(error.into()),
            },
        }
    }
}

/// What this part itself writes wakes it not.
fn is_new_delivery(change: &store::Change) -> bool {
    let is_new = |object: &Object| {
        let delivery = object.read::<Delivery>();
        delivery.is_ok_and(|delivery| delivery.body.attempts == 0)
    };
    change.key.kind == ObjectKind::Delivery && change.object.as_deref().is_some_and(is_new)
}

/// Everything that is due, oldest first, every channel for itself.
async fn round(app: &App) -> Result<(), DeliverError> {
    let waiting = load(app).await?;
    app.notify_metrics.set_waiting(waiting.len());
    let now = app.now().wall;
    let due: Vec<Waiting> = waiting
        .into_iter()
        .filter(|(_, delivery)| delivery.object.due_at <= now)
        .collect();
    for (key, delivery) in &due {
        if !has_channel(app, &delivery.object) {
            give_up(app, key, delivery, "its channel is no longer configured").await?;
        }
    }
    let channels = app.outward.channels.iter();
    let rounds = channels.map(|channel| Box::pin(channel_round(app, channel, &due)));
    for result in futures_util::future::join_all(rounds).await {
        result?;
    }
    Ok(())
}

async fn load(app: &App) -> Result<Vec<Waiting>, StoreError> {
    let mut found = Vec::new();
    let mut query = ListQuery::all(ObjectKind::Delivery);
    loop {
        let page = app.store.list(query.clone()).await?;
        for object in page.objects {
            found.push((object.key.clone(), typed::decode(&object)?));
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(found),
        }
    }
}

fn has_channel(app: &App, delivery: &Delivery) -> bool {
    let mut channels = app.outward.channels.iter();
    channels.any(|channel| channel.name == delivery.channel)
}

async fn channel_round(app: &App, channel: &Channel, due: &[Waiting]) -> Result<(), DeliverError> {
    let mut failures = 0;
    let own = due
        .iter()
        .filter(|(_, delivery)| delivery.object.channel == channel.name);
    for (key, delivery) in own {
        match send(app, channel, key, &delivery.object).await {
            Ok(()) => {
                app.notify_metrics.count(&channel.name, "sent");
                forget(app, key, delivery, Vec::new()).await?;
            }
            Err(SendError::Permanent(message)) => give_up(app, key, delivery, &message).await?,
            Err(SendError::Temporary(message)) => {
                failures += 1;
                put_off(app, key, delivery, &message).await?;
                if failures == FAILURES_PER_ROUND {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// What a channel's webhook is sent.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    /// The same at every try.
    id: &'a str,
    notice: &'a Notice,
    recipients: &'a [String],
}

async fn send(
    app: &App,
    channel: &Channel,
    key: &Key,
    delivery: &Delivery,
) -> Result<(), SendError> {
    match &channel.way {
        Way::Mail(mail) => {
            let texts = &app.outward.texts;
            let text = texts
                .render(&delivery.notice)
                .map_err(SendError::Permanent)?;
            for to in &delivery.to {
                let letter = Letter {
                    id: &key.name,
                    to,
                    subject: &text.subject,
                    body: &text.body,
                };
                mail.send(&letter).await?;
            }
            Ok(())
        }
        Way::Webhook(webhook) => {
            let body = Body {
                id: &key.name,
                notice: &delivery.notice,
                recipients: &delivery.to,
            };
            let body = serde_json::to_string(&body)
                .map_err(|error| SendError::Permanent(error.to_string()))?;
            webhook.send(body, "application/json").await
        }
    }
}

async fn put_off(
    app: &App,
    key: &Key,
    delivery: &Versioned<Delivery>,
    message: &str,
) -> Result<(), DeliverError> {
    let again = match delivery.object.clone().failed(message, app.now().wall) {
        AfterFailure::GivenUp => return give_up(app, key, delivery, message).await,
        AfterFailure::Again(again) => again,
    };
    app.notify_metrics.count(&again.channel, "failed");
    tracing::warn!(channel = again.channel, session = again.notice.session, attempts = again.attempts,
        again_at = %again.due_at, error = message, "a notification was not taken; trying again");
    let written = app
        .update(key, |_: Delivery, _| {
            Ok(Change {
                object: (*again).clone(),
                events: Vec::new(),
            })
        })
        .await;
    match written {
        Ok(_) | Err(UpdateError::NotFound(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Dead: recorded, and forgotten.
async fn give_up(
    app: &App,
    key: &Key,
    delivery: &Versioned<Delivery>,
    message: &str,
) -> Result<(), DeliverError> {
    let Delivery {
        notice,
        channel,
        attempts,
        to,
        ..
    } = &delivery.object;
    app.notify_metrics.count(channel, "given-up");
    tracing::error!(
        channel,
        session = notice.session,
        error = message,
        "a notification is given up"
    );
    let namespace = Some(app.settings.namespace.as_str());
    let object = ObjectRef::new(
        ObjectKind::DebugSession.as_str(),
        namespace,
        &notice.session,
    );
    let actor = Actor::Hub {
        job: JOB.to_owned(),
    };
    let action = Action::NotificationFailed;
    let event = AuditEvent::new(app.now().wall, actor, action, object, Outcome::Failed)
        .with("channel", channel)
        .with("occasion", notice.occasion.as_str())
        .with("recipients", to.join(","))
        .with("attempts", attempts.saturating_add(1).to_string())
        .with("error", legible(message));
    forget(app, key, delivery, vec![event]).await
}

/// Somebody who was faster did the same.
async fn forget(
    app: &App,
    key: &Key,
    delivery: &Versioned<Delivery>,
    events: Vec<AuditEvent>,
) -> Result<(), DeliverError> {
    let commit = typed::delete(key.clone(), delivery.version, events);
    match app.store.commit(commit).await {
        Ok(_) => {
            app.notify_metrics.one_less();
            Ok(())
        }
        Err(CommitError::Conflict { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
