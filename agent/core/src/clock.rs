//! Time as an argument.

use std::time::Duration;

use jiff::Timestamp;

/// One reading of both clocks, taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The wall clock; may jump.
    pub wall: Timestamp,
    /// Time since this process started; never jumps, stops mattering with the process.
    pub monotonic: Duration,
}
