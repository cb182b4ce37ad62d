//! Sprig's list functions.

use super::Function;

pub(super) const FUNCTIONS: &[Function] = &[];
