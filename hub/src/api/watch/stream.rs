//! One open watch: takes changes from the store, tells what its caller may know, and says that it lives.

use std::sync::Arc;
use std::time::Duration;

use breakglass_protocol::api::watch::{Gone, Nothing, event};
use breakglass_protocol::ids::Revision;
use bytes::Bytes;
use serde::Serialize;
use tokio::sync::mpsc;

use super::places::Place;
use super::sight::{Sight, Told};
use crate::app::App;
use crate::store::{Change, Watch, WatchError};

/// Between signs of life: proxies cut what is silent for a minute.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// A reader that takes nothing for this long is gone; who comes back goes on after its last event.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Stream {
    pub(super) app: Arc<App>,
    pub(super) sight: Sight,
    pub(super) events: mpsc::Sender<Bytes>,
    /// How far the client knows to be.
    pub(super) told: Revision,
    pub(super) _place: Place,
}

/// Nobody listens any more, or nobody may.
struct Over;

impl Stream {
    /// Runs until one side has enough.
    pub(super) async fn run(mut self, watch: Watch, from: Revision) {
        self.told = from;
        let stop = self.app.shutdown.clone();
        let reader = self.events.clone();
        let end = self.app.clock.sleep(self.app.settings.watch_longest);
        tokio::select! {
            () = stop.cancelled() => {}
            () = reader.closed() => {}
            // Its place is for somebody else; who still wants it goes on after its last event.
            () = end => {}
            _over = self.follow(watch) => {}
        }
    }

    /// Says only that the client must list again.
    pub(super) async fn resync(self) {
        // A reader that is gone needs no telling.
        let _gone = self
            .send(frame(event::RESYNC, self.told, &Nothing {}))
            .await;
    }

    async fn follow(&mut self, mut watch: Watch) -> Result<(), Over> {
        self.send(frame(event::READY, self.told, &Nothing {}))
            .await?;
        let mut heartbeat = self.app.clock.sleep(HEARTBEAT);
        loop {
            tokio::select! {
                change = watch.next() => match change {
                    Ok(change) => self.tell(&change).await?,
                    Err(WatchError::Resync { .. }) => {
                        return self.send(frame(event::RESYNC, self.told, &Nothing {})).await;
                    }
                    Err(WatchError::Closed | WatchError::Store(_)) => return Err(Over),
                },
                () = &mut heartbeat => {
                    self.sight.caller(&self.app).ok_or(Over)?;
                    self.send(beat(self.told)).await?;
                    heartbeat = self.app.clock.sleep(HEARTBEAT);
                }
            }
        }
    }

    async fn tell(&mut self, change: &Change) -> Result<(), Over> {
        self.told = change.revision;
        match self.sight.look(&self.app, change) {
            Told::Session(summary) => self.send(frame(event::SESSION, self.told, &summary)).await,
            Told::Gone(name) => {
                self.send(frame(event::GONE, self.told, &Gone { name }))
                    .await
            }
            Told::Nothing => Ok(()),
            Told::End => Err(Over),
        }
    }

    async fn send(&self, frame: Bytes) -> Result<(), Over> {
        tokio::select! {
            sent = self.events.send(frame) => sent.map_err(|_| Over),
            () = self.app.clock.sleep(PATIENCE) => Err(Over),
        }
    }
}

/// One event. JSON has no line breaks, so its data is one line.
fn frame<T: Serialize>(name: &str, id: Revision, data: &T) -> Bytes {
    let data = serde_json::to_string(data).unwrap_or_default();
    Bytes::from(format!("event: {name}\nid: {}\ndata: {data}\n\n", id.0))
}

/// A sign of life that also says how far the watch is.
fn beat(id: Revision) -> Bytes {
    Bytes::from(format!(": alive\nid: {}\n\n", id.0))
}
