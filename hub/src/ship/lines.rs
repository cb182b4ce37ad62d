//! JSON lines in a file or on standard output.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use crate::outward::SendError;

/// Appends, and waits until the disk has it. Opened anew each time: whoever rotates logs may move the file away.
pub(super) async fn append(path: PathBuf, text: String) -> Result<(), SendError> {
    let told = path.display().to_string();
    blocking(told, move || {
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_data()
    })
    .await
}

pub(super) async fn print(text: String) -> Result<(), SendError> {
    blocking("standard output".to_owned(), move || {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    })
    .await
}

async fn blocking(
    place: String,
    write: impl FnOnce() -> io::Result<()> + Send + 'static,
) -> Result<(), SendError> {
    match tokio::task::spawn_blocking(write).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(SendError::Temporary(format!("{place}: {error}"))),
        Err(error) => Err(SendError::Temporary(format!("{place}: {error}"))),
    }
}
