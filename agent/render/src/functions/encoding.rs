//! Base64, base32, hashes.

use super::Function;

pub(super) const FUNCTIONS: &[Function] = &[];
