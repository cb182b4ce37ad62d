//! What type a value has.

use super::Function;

pub(super) const FUNCTIONS: &[Function] = &[];
