//! Watches. A watch is live (told by the writer) or catching up (reading from the file); it turns to catching up whenever
//! it fell behind, so a slow reader holds no memory and misses no object's newest state.

use std::collections::VecDeque;
use std::sync::Arc;

use breakglass_protocol::ids::Revision;
use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::reader::{self, Readers};
use crate::store::{Change, StoreError, Watch, WatchError, WatchFrom};

/// Announcements kept for watches that are slower than the writer: a burst of this many changes costs no reading.
/// With [`Announcement::LARGEST_BODY`] at most 64 MiB, and then only if every object is that large.
pub(super) const ANNOUNCEMENTS: usize = 1024;
const ATTEMPT: &str = "watching";

/// What the writer tells all watches after a commit.
#[derive(Clone, Debug)]
pub(super) enum Announcement {
    Change(Change),
    /// The object is too large to be kept for slow watches.
    ReadIt,
}

impl Announcement {
    /// Largest object (JSON) that is kept in the queue of announcements.
    const LARGEST_BODY: usize = 64 * 1024;

    pub(super) fn of(change: Change) -> Self {
        let body = change.object.as_ref().map(|object| object.body.as_str());
        if body.is_some_and(|body| body.len() > Self::LARGEST_BODY) {
            Self::ReadIt
        } else {
            Self::Change(change)
        }
    }
}

enum Mode {
    CatchingUp,
    Live,
    Ended,
}

struct Following {
    readers: Arc<Readers>,
    announcements: broadcast::Receiver<Announcement>,
    /// The newest revision that this watch has told.
    told: Revision,
    backlog: VecDeque<Change>,
    mode: Mode,
}

pub(super) async fn watch(
    readers: Arc<Readers>,
    announcements: broadcast::Receiver<Announcement>,
    from: WatchFrom,
) -> Result<Watch, StoreError> {
    let (told, mode) = match from {
        WatchFrom::Now => {
            let head = readers.read(ATTEMPT, reader::head).await?;
            (head.newest, Mode::Live)
        }
        WatchFrom::After(revision) => (revision, Mode::CatchingUp),
    };
    let following = Following {
        readers,
        announcements,
        told,
        backlog: VecDeque::new(),
        mode,
    };
    let changes = stream::unfold(following, |mut following| async {
        match following.next().await {
            Some(result) => {
                if result.is_err() {
                    following.mode = Mode::Ended;
                }
                Some((result, following))
            }
            None => None,
        }
    });
    Ok(Watch::new(changes.boxed()))
}

impl Following {
    async fn next(&mut self) -> Option<Result<Change, WatchError>> {
        loop {
            if let Some(change) = self.backlog.pop_front() {
                self.told = change.revision;
                return Some(Ok(change));
            }
            match self.mode {
                Mode::Ended => return None,
                Mode::CatchingUp => {
                    if let Err(error) = self.catch_up().await {
                        return Some(Err(error));
                    }
                }
                Mode::Live => match self.announcements.recv().await {
                    Ok(Announcement::Change(change)) if change.revision > self.told => {
                        self.told = change.revision;
                        return Some(Ok(change));
                    }
                    // Told already, from the file.
                    Ok(Announcement::Change(_)) => {}
                    Ok(Announcement::ReadIt) | Err(RecvError::Lagged(_)) => {
                        self.mode = Mode::CatchingUp;
                    }
                    Err(RecvError::Closed) => return Some(Err(WatchError::Closed)),
                },
            }
        }
    }

    /// Reads the next page of what changed; goes live when there is none.
    async fn catch_up(&mut self) -> Result<(), WatchError> {
        let told = self.told;
        let page = self
            .readers
            .read(ATTEMPT, move |connection| reader::backlog(connection, told))
            .await?;
        // Ahead of the store: the file was replaced by an older copy.
        if told < page.head.forgotten || told > page.head.newest {
            return Err(WatchError::Resync { after: told });
        }
        if page.changes.is_empty() {
            self.mode = Mode::Live;
        }
        self.backlog.extend(
            page.changes
                .into_iter()
                .map(|(revision, key, object)| Change {
                    revision,
                    key,
                    object: object.map(Arc::new),
                }),
        );
        Ok(())
    }
}
