//! One line per step on standard error, with the seconds since the start.

use std::io::Write as _;
use std::time::Instant;

/// A started stopwatch that can speak. Cheap to copy into threads.
#[derive(Clone, Copy, Debug)]
pub struct Progress(Instant);

impl Progress {
    pub fn start() -> Progress {
        Progress(Instant::now())
    }

    pub fn say(self, line: impl AsRef<str>) {
        // Nobody to tell is no reason to stop.
        writeln!(
            std::io::stderr(),
            "[{:5.1}s] {}",
            self.0.elapsed().as_secs_f32(),
            line.as_ref()
        )
        .ok();
    }
}
