//! Sprig's integer and float arithmetic.

use super::Function;

pub(super) const FUNCTIONS: &[Function] = &[];
