//! YAML, as Helm's toYaml and fromYaml have it.

use super::Function;

pub(super) const FUNCTIONS: &[Function] = &[];
