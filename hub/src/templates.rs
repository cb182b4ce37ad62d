//! The templates folder (D22): what is in it belongs to its files. Every second the whole folder is read; where it or the
//! stored catalogue changed, both are compared and the difference is written. So no edit is lost that was made while
//! another was being taken in, and what a crash left half done is done at the next look.
//!
//! * A document that cannot be used is refused alone, with file, line and path, logged once, and shown to admins; if an
//!   earlier version of it was good, that one stays in use and its condition `Ready` says so.
//! * A file that is gone takes its objects with it, at the second look that misses it.
//! * Conditions of objects that came through the API are kept right here too: references dangle for them as well.

mod condition;
mod document;
mod folder;
mod plan;
pub mod refusals;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::store::{
    CommitError, ListQuery, Object, ObjectKind, Owner, StoreError, Watch, WatchError, WatchFrom,
};
use folder::FileContent;
use plan::{FileDocuments, Folder, Plan};
use refusals::TemplateRefusal;

/// How often the folder is looked at. Reading it costs some milliseconds at most (see `folder`).
const LOOK_EVERY: Duration = Duration::from_secs(1);
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
    /// What each file said when it was last decoded.
    decoded: BTreeMap<String, (FileContent, FileDocuments)>,
    /// Owning files that the look before did not find.
    missing: BTreeSet<String>,
}

/// Whether a look left something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Settled,
    /// A write lost against another writer, or a file is missing for the first time.
    Again,
}

impl Follower {
    #[must_use]
    pub fn new(app: Arc<App>, folder: Option<PathBuf>) -> Self {
        Self {
            app,
            folder,
            decoded: BTreeMap::new(),
            missing: BTreeSet::new(),
        }
    }

    /// Looks at the folder once and takes in what it says. Done before the hub serves anybody, so that the first request
    /// meets the whole catalogue.
    ///
    /// # Errors
    /// If the store cannot be read. Refused documents are no error here; see [`App::template_errors`].
    pub async fn load(&mut self) -> Result<(), StoreError> {
        self.look(Reason::Asked).await.map(|_| ())
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
        let read = self.read_folder().await;
        let changed = match &read {
            Some(Ok(contents)) => self.decode(contents).await,
            Some(Err(_)) | None => Changed::No,
        };
        if reason == Reason::Clock && changed == Changed::No && !matches!(read, Some(Err(_))) {
            return Ok(Look::Settled);
        }
        let stored = self.stored().await?;
        let folder = matches!(read, Some(Ok(_))).then(|| self.as_folder(&stored));
        let mut plan = plan::plan(folder.as_ref(), &stored, self.app.now().wall, &mut || {
            uuid::Uuid::new_v4().to_string()
        });
        if let Some(Err(refusal)) = read {
            // Nothing is known of the files: what was wrong with them before still stands.
            plan.refusals.extend(self.app.template_errors());
            plan.refusals.insert(refusal);
        }
        let look = match folder {
            Some(folder) if !folder.just_missing.is_empty() => Look::Again,
            Some(_) | None => Look::Settled,
        };
        let carried_out = self.carry_out(plan).await?;
        Ok(if carried_out == Look::Again {
            Look::Again
        } else {
            look
        })
    }

    /// What is in the folder; `None` if the hub has none.
    async fn read_folder(&self) -> Option<Result<folder::Contents, TemplateRefusal>> {
        let path = self.folder.clone()?;
        let read = tokio::task::spawn_blocking(move || folder::read(&path)).await;
        let refusal = |message: String| TemplateRefusal {
            file: ".".to_owned(),
            line: None,
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

    /// Decodes the files that say something else than before.
    async fn decode(&mut self, contents: &folder::Contents) -> Changed {
        let before = self.decoded.len();
        self.decoded.retain(|file, _| contents.contains_key(file));
        let mut changed = if self.decoded.len() == before {
            Changed::No
        } else {
            Changed::Yes
        };
        for (file, content) in contents {
            if self
                .decoded
                .get(file)
                .is_some_and(|(known, _)| known == content)
            {
                continue;
            }
            changed = Changed::Yes;
            let (name, text) = (file.clone(), content.clone());
            let namespace = self.app.settings.namespace.clone();
            let decoded =
                tokio::task::spawn_blocking(move || document::read(&name, &text, &namespace)).await;
            match decoded {
                Ok(documents) => {
                    self.decoded
                        .insert(file.clone(), (content.clone(), documents));
                }
                Err(error) => tracing::error!(%file, %error, "decoding stopped; trying again"),
            }
        }
        changed
    }

    fn as_folder(&mut self, stored: &[Object]) -> Folder {
        let owning: BTreeSet<&String> = stored
            .iter()
            .filter_map(|object| match &object.owner {
                Owner::File(file) => Some(file),
                Owner::Hub => None,
            })
            .collect();
        let missing: BTreeSet<String> = owning
            .into_iter()
            .filter(|file| !self.decoded.contains_key(*file))
            .cloned()
            .collect();
        let just_missing = missing.difference(&self.missing).cloned().collect();
        self.missing = missing;
        let files = self
            .decoded
            .iter()
            .map(|(file, (_, documents))| (file.clone(), documents.clone()))
            .collect();
        Folder {
            files,
            just_missing,
        }
    }

    async fn stored(&self) -> Result<Vec<Object>, StoreError> {
        let mut stored = Vec::new();
        for kind in KINDS {
            let mut query = ListQuery::all(kind);
            loop {
                let page = self.app.store.list(query.clone()).await?;
                stored.extend(page.objects);
                match page.next {
                    Some(next) => query.after = Some(next),
                    None => break,
                }
            }
        }
        Ok(stored)
    }

    async fn carry_out(&self, plan: Plan) -> Result<Look, StoreError> {
        let mut look = Look::Settled;
        let mut refusals = plan.refusals;
        for commit in plan.commits {
            let key = commit.key.clone();
            let file = owning_file(&commit);
            match self.app.store.commit(commit).await {
                Ok(committed) => {
                    tracing::info!(object = %key, version = %committed.version, "taken in from the templates folder");
                }
                // Decided again at the next look, on what is there then.
                Err(CommitError::Conflict { .. }) => look = Look::Again,
                Err(CommitError::Store(error)) => return Err(error),
                Err(error @ (CommitError::TooLarge { .. } | CommitError::TooManyEvents { .. })) => {
                    refusals.insert(TemplateRefusal {
                        file,
                        line: None,
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

/// Why the hub looks at the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    /// It is time: nothing is compared unless a file changed.
    Clock,
    /// Something else changed, or was left to do.
    Asked,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Changed {
    Yes,
    No,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stored {
    Changed,
    AsBefore,
}

fn owning_file(commit: &crate::store::Commit) -> String {
    match &commit.change {
        crate::store::Write::Put {
            owner: Owner::File(file),
            ..
        } => file.clone(),
        crate::store::Write::Put {
            owner: Owner::Hub, ..
        }
        | crate::store::Write::Delete => ".".to_owned(),
    }
}
