//! Our own: names, quantities, safe scalars.

use super::Function;

pub(super) const FUNCTIONS: &[Function] = &[];
