//! Bounded waits for programs that are not ours and offer no event to wait for.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::process::Recorded;

/// Short beside what is waited for (seconds), long beside what one look costs (a kubectl call: 60 ms of a core).
const PAUSE: Duration = Duration::from_millis(150);
/// Enough to see why a program stopped, little enough to read in a terminal.
const LOG_LINES: usize = 15;

/// Looks until `look` gives a value or `limit` is over.
///
/// # Errors
/// `look`'s own error at once; or, when the time is over, what was waited for and what was seen last.
pub fn until<T>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Result<Look<T>>,
) -> Result<T> {
    let end = Instant::now() + limit;
    loop {
        match look()? {
            Look::Found(value) => return Ok(value),
            Look::NotYet(seen) if Instant::now() >= end => {
                bail!("{what}: not after {limit:?}; seen last: {seen}")
            }
            Look::NotYet(_) => pause(),
        }
    }
}

/// What one look saw.
pub enum Look<T> {
    Found(T),
    /// With what is there instead, for the error when the time is over.
    NotYet(String),
}

#[expect(
    clippy::disallowed_methods,
    reason = "other people's programs: there is no event to wait for, only their state to look at"
)]
fn pause() {
    std::thread::sleep(PAUSE);
}

/// An error at once when a program has died: no wait for it can end well.
pub(crate) fn still_alive(program: &Recorded) -> Result<()> {
    if program.is_alive() {
        return Ok(());
    }
    bail!(
        "{} stopped by itself; its last log lines:\n{}",
        program.name(),
        tail(program.log())
    )
}

/// Adds a program's last log lines to an error about it.
pub(crate) fn with_log<T>(result: Result<T>, program: &Recorded) -> Result<T> {
    result.map_err(|error| {
        error.context(format!(
            "the last log lines of {}:\n{}\n",
            program.name(),
            tail(program.log())
        ))
    })
}

/// The end of a log, indented.
pub(crate) fn tail(log: &Path) -> String {
    let text = match std::fs::read(log) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => return format!("    (could not read {}: {error})", log.display()),
    };
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(LOG_LINES);
    lines[from..]
        .iter()
        .map(|line| format!("    {line}\n"))
        .collect()
}
