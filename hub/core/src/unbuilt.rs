//! Fields that decode but whose behaviour is not built yet (D10). The loader refuses a document that uses one; only values
//! that differ from "off" count.

use serde::{Deserialize, Serialize};

/// One field in use that nothing acts on yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unbuilt {
    /// Path in the document, such as `spec.kubectlDebug`.
    pub field: String,
    /// What to do about it.
    pub message: String,
}
