//! The templates folder (D22): what is in it belongs to its files. Every second the whole folder is read; a file counts
//! when it said the same at two looks. Where the folder or the stored catalogue changed, both are compared and the
//! difference is written. So no edit is lost that was made while another was being taken in, no half-written file is
//! believed, and what a crash left half done is done at the next look.
//!
//! * A document that cannot be used is refused alone, with file, line and path, logged once, and shown to admins; if an
//!   earlier version of it was good, that one stays in use and its condition `Ready` says so.
//! * A file that is gone takes its objects with it; a folder that cannot be read takes nothing.
//! * Conditions of objects that came through the API are kept right here too: references dangle for them as well.

pub mod by_admins;
mod condition;
mod document;
mod folder;
mod plan;
pub mod refusals;
mod settling;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::app::App;
use crate::store::{
    Commit, CommitError, ListQuery, Object, ObjectKind, Owner, StoreError, Watch, WatchError,
    WatchFrom, Write,
};
use condition::TextMemo;
use folder::Contents;
use plan::{FileDocuments, Folder, Plan};
use refusals::TemplateRefusal;
use settling::Settling;

/// How often the folder is looked at. Reading it costs some milliseconds at most (see `folder`).
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Pause between looks at start: far longer than writing a file takes.
const BETWEEN_LOOKS_AT_START: Duration = Duration::from_millis(50);
/// A file that is still being written after that many looks (2 s) is left for later.
const LOOKS_AT_START: u32 = 40;
/// The kinds that may come from files. Sessions come from the API only (S19), clusters from their registration.
const KINDS: [ObjectKind; 4] = [
    ObjectKind::DebugPodTemplate,
    ObjectKind::DebugSessionTemplate,
    ObjectKind::DebugSessionClusterBinding,
    ObjectKind::DenyPolicy,
];

/// Follows the folder.
pub struct Follower {
    app: Arc<App>,
    folder: Option<PathBuf>,
    settling: Settling,
    /// What each file said when it was last taken in.
    decoded: BTreeMap<String, FileDocuments>,
    /// Files that changed at the last look.
    moving: BTreeSet<String>,
    /// Why the folder could not be read at the last look.
    refusal: Option<TemplateRefusal>,
    memo: TextMemo,
}

/// What a look found in the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// There is no folder, it cannot be read, or it was seen only once.
    Nothing,
    AsBefore,
    News,
}

/// Whether a look left something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Settled,
    /// A write lost against another writer.
    Again,
}

impl Follower {
    #[must_use]
    pub fn new(app: Arc<App>, folder: Option<PathBuf>) -> Self {
        Self {
            app,
            folder,
            settling: Settling::default(),
            decoded: BTreeMap::new(),
            moving: BTreeSet::new(),
            refusal: None,
            memo: TextMemo::default(),
        }
    }

    /// Looks at the folder until it holds still, and takes in what it says. Done before the hub serves anybody, so that
    /// the first request meets the whole catalogue.
    ///
    /// # Errors
    /// If the store cannot be read. Refused documents are no error here; see [`App::template_errors`].
    pub async fn load(&mut self) -> Result<(), StoreError> {
        // The first look settles nothing, so that at least two are taken.
        for look in 0..LOOKS_AT_START {
            self.look(Reason::Asked).await?;
            if look > 0 && self.moving.is_empty() {
                break;
            }
            // Of a disk's writers, not of the rules: so by the machine's clock.
            tokio::time::sleep(BETWEEN_LOOKS_AT_START).await;
        }
        Ok(())
    }

    /// Follows the folder and the stored catalogue until the hub stops.
    pub async fn run(mut self) {
        let shutdown = self.app.shutdown.clone();
        shutdown.run_until_cancelled(self.follow()).await;
    }

    async fn follow(&mut self) {
        loop {
            let mut watch = match self.app.store.watch(WatchFrom::Now).await {
                Ok(watch) => watch,
                Err(StoreError::Closed) => return,
                Err(error) => {
                    tracing::error!(%error, "cannot watch the stored templates; trying again");
                    self.app.clock.sleep(LOOK_EVERY).await;
                    continue;
                }
            };
            // What changed before the watch began.
            let mut reason = Reason::Asked;
            loop {
                let again = match self.look(reason).await {
                    Ok(look) => look == Look::Again,
                    Err(error) => {
                        tracing::error!(%error, "cannot take in the templates folder; trying again");
                        true
                    }
                };
                let stored = match self.wait(&mut watch).await {
                    Ok(stored) => stored,
                    Err(WatchError::Closed) => return,
                    Err(WatchError::Resync { .. } | WatchError::Store(_)) => break,
                };
                reason = match stored {
                    Stored::Changed => Reason::Asked,
                    Stored::AsBefore if again => Reason::Asked,
                    Stored::AsBefore => Reason::Clock,
                };
            }
        }
    }

    /// Waits for the next look: until the clock says so. Tells whether stored templates changed meanwhile.
    async fn wait(&self, watch: &mut Watch) -> Result<Stored, WatchError> {
        let mut stored = Stored::AsBefore;
        let mut sleep = self.app.clock.sleep(LOOK_EVERY);
        loop {
            tokio::select! {
                () = &mut sleep => return Ok(stored),
                change = watch.next() => {
                    if KINDS.contains(&change?.key.kind) {
                        stored = Stored::Changed;
                    }
                }
            }
        }
    }

    async fn look(&mut self, reason: Reason) -> Result<Look, StoreError> {
        let (known, refusal) = match self.read_folder().await {
            Some(Ok(contents)) => (self.take_in(contents).await, None),
            Some(Err(refusal)) => (Known::Nothing, Some(refusal)),
            None => (Known::Nothing, None),
        };
        let before = std::mem::replace(&mut self.refusal, refusal);
        // A folder that became readable, or unreadable, is news too: what is told of it changes.
        let is_news = known == Known::News || before != self.refusal;
        if reason == Reason::Clock && !is_news {
            return Ok(Look::Settled);
        }
        let stored = stored(&self.app).await?;
        let folder = match known {
            Known::News | Known::AsBefore => Some(self.as_folder()),
            Known::Nothing => None,
        };
        let told_of_folder = folder.is_some();
        let mut plan = self.plan(folder, stored).await;
        // Where nothing is known of a file, what was wrong with it before still stands.
        let standing = self.app.template_errors().into_iter();
        plan.refusals
            .extend(standing.filter(|told| !told_of_folder || self.moving.contains(&told.file)));
        plan.refusals.extend(self.refusal.clone());
        self.carry_out(plan).await
    }

    /// Makes the plan where it may take its time: texts that changed are rendered with many samples.
    async fn plan(&mut self, folder: Option<Folder>, stored: Vec<Object<Value>>) -> Plan {
        let (now, mut memo) = (self.app.now().wall, std::mem::take(&mut self.memo));
        let known = self.app.outward.known();
        let planned = tokio::task::spawn_blocking(move || {
            let mut new_uid = || uuid::Uuid::new_v4().to_string();
            let plan = plan::plan(
                folder.as_ref(),
                &stored,
                known,
                &mut memo,
                now,
                &mut new_uid,
            );
            (plan, memo)
        });
        match planned.await {
            Ok((plan, memo)) => {
                self.memo = memo;
                plan
            }
            // Only a panic: all stays as it is until something changes.
            Err(error) => {
                tracing::error!(%error, "planning was aborted");
                Plan::default()
            }
        }
    }

    /// What is in the folder; `None` if the hub has none.
    async fn read_folder(&self) -> Option<Result<Contents, TemplateRefusal>> {
        let path = self.folder.clone()?;
        let read = tokio::task::spawn_blocking(move || folder::read(&path)).await;
        let refusal = |message: String| TemplateRefusal {
            file: ".".to_owned(),
            line: None,
            column: None,
            object: None,
            path: None,
            message: format!("{message}; what was loaded before stays"),
        };
        Some(match read {
            Ok(Ok(contents)) => Ok(contents),
            Ok(Err(error)) => Err(refusal(error.to_string())),
            Err(error) => Err(refusal(error.to_string())),
        })
    }

    /// Decodes the files that by now say something else than before.
    async fn take_in(&mut self, contents: Contents) -> Known {
        let Some(found) = self.settling.look(contents) else {
            return Known::Nothing;
        };
        // What was passed over while its file moved is looked at when it holds still, changed or not.
        let moved = found.moving != self.moving;
        let is_news = moved || !found.changed.is_empty() || !found.gone.is_empty();
        self.moving = found.moving;
        for file in &found.gone {
            self.decoded.remove(file);
        }
        for (file, content) in found.changed {
            let (name, namespace) = (file.clone(), self.app.settings.namespace.clone());
            let decoded =
                tokio::task::spawn_blocking(move || document::read(&name, &content, &namespace));
            match decoded.await {
                Ok(documents) => {
                    self.decoded.insert(file, documents);
                }
                // Only a panic: the last good version stays, as for any file that cannot be used.
                Err(error) => tracing::error!(%file, %error, "decoding was aborted"),
            }
        }
        if is_news {
            Known::News
        } else {
            Known::AsBefore
        }
    }

    fn as_folder(&self) -> Folder {
        let still = |file: &str| !self.moving.contains(file);
        Folder {
            files: self
                .decoded
                .iter()
                .filter(|(file, _)| still(file))
                .map(|(file, documents)| (file.clone(), documents.clone()))
                .collect(),
            unsettled: self.moving.clone(),
        }
    }

    async fn carry_out(&self, plan: Plan) -> Result<Look, StoreError> {
        let mut look = Look::Settled;
        let mut refusals = plan.refusals;
        for commit in plan.commits {
            let key = commit.key.clone();
            let (file, what) = told(&commit);
            match self.app.store.commit(commit).await {
                Ok(committed) => {
                    tracing::info!(object = %key, version = %committed.version, "{what}");
                }
                // Decided again at the next look, on what is there then.
                Err(CommitError::Conflict { .. }) => look = Look::Again,
                Err(CommitError::Store(error)) => return Err(error),
                Err(error @ (CommitError::TooLarge { .. } | CommitError::TooManyEvents { .. })) => {
                    refusals.insert(TemplateRefusal {
                        file,
                        line: None,
                        column: None,
                        object: Some(key.to_string()),
                        path: None,
                        message: error.to_string(),
                    });
                }
            }
        }
        self.tell(refusals);
        Ok(look)
    }

    fn tell(&self, refusals: BTreeSet<TemplateRefusal>) {
        let standing = i64::try_from(refusals.len()).unwrap_or(i64::MAX);
        self.app.metrics.template_refusals.set(standing);
        for refusal in self.app.template_refusals.replace(refusals) {
            tracing::warn!(%refusal, "refused in the templates folder");
        }
    }
}

/// Everything that may come from files, whoever made it.
async fn stored(app: &App) -> Result<Vec<Object<Value>>, StoreError> {
    let mut stored = Vec::new();
    for kind in KINDS {
        let mut query = ListQuery::all(kind);
        loop {
            let page = app.store.list(query.clone()).await?;
            for object in page.objects {
                stored.push(object.read()?);
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => break,
            }
        }
    }
    Ok(stored)
}

/// Why the hub looks at the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    /// It is time: nothing is compared unless a file changed.
    Clock,
    /// Something else changed, or was left to do.
    Asked,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stored {
    Changed,
    AsBefore,
}

/// Which file a write comes from, and what to tell of it.
fn told(commit: &Commit) -> (String, &'static str) {
    match &commit.change {
        Write::Put {
            owner: Owner::File(file),
            ..
        } => (file.clone(), "taken in from the templates folder"),
        Write::Put {
            owner: Owner::Hub, ..
        } => (".".to_owned(), "its condition Ready was brought up to date"),
        Write::Delete => (".".to_owned(), "removed: its file no longer defines it"),
    }
}
