//! Dates and durations, in Go's layouts.

use super::Function;

pub(super) const FUNCTIONS: &[Function] = &[];
