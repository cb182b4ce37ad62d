//! URLs and paths.

use super::Function;

pub(super) const FUNCTIONS: &[Function] = &[];
