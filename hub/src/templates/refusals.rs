//! What is wrong with the templates folder now, for the log (once each), the admins' API and the metrics.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// One thing wrong with one document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TemplateRefusal {
    /// Path below the templates folder.
    pub file: String,
    /// Line of the file, from 1, where it is known.
    pub line: Option<u64>,
    /// In characters, from 1, where it is known: inside a template's text.
    pub column: Option<u64>,
    /// The object, as `Kind name`, where the document got as far as having one.
    pub object: Option<String>,
    /// Path of the field, such as `spec.approvers`.
    pub path: Option<String>,
    pub message: String,
}

impl fmt::Display for TemplateRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
            if let Some(column) = self.column {
                write!(f, ":{column}")?;
            }
        }
        if let Some(object) = &self.object {
            write!(f, ": {object}")?;
        }
        if let Some(path) = &self.path {
            write!(f, ": {path}")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// The refusals that stand now.
#[derive(Default)]
pub struct TemplateRefusals {
    standing: Mutex<BTreeSet<TemplateRefusal>>,
}

impl TemplateRefusals {
    /// All of them, by file and line.
    #[must_use]
    pub fn list(&self) -> Vec<TemplateRefusal> {
        self.lock().iter().cloned().collect()
    }

    /// Takes in what is wrong now; gives back what was not wrong before, which is what the log has not told yet.
    pub fn replace(&self, now: BTreeSet<TemplateRefusal>) -> Vec<TemplateRefusal> {
        let mut standing = self.lock();
        let new = now.difference(&standing).cloned().collect();
        *standing = now;
        new
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<TemplateRefusal>> {
        // The set is only ever replaced whole.
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
