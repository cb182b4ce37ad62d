//! Sprig's dict functions.

use super::Function;

pub(super) const FUNCTIONS: &[Function] = &[];
