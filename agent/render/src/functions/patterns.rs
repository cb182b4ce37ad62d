//! Regular expressions, RE2's syntax.

use super::Function;

pub(super) const FUNCTIONS: &[Function] = &[];
