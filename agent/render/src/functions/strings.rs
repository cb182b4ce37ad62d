//! Sprig's string functions.

use super::Function;

pub(super) const FUNCTIONS: &[Function] = &[];
