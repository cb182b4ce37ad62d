//! Random functions, drawn from the grant's seed.

use super::Function;

pub(super) const FUNCTIONS: &[Function] = &[];
