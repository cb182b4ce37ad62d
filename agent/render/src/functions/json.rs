//! JSON, as Go's encoding/json writes it.

use super::Function;

pub(super) const FUNCTIONS: &[Function] = &[];
