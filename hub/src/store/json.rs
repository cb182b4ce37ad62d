//! An object's JSON, as the store keeps it: a text. Whoever needs a type reads it as that type, without a tree of values
//! in between; all that follow a change share one text.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// See the module.
#[derive(Clone, PartialEq, Eq)]
pub struct Json(Arc<str>);

impl Json {
    /// What a type says.
    ///
    /// # Errors
    /// If it does not go into JSON (a map whose keys are no texts).
    pub fn of(value: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(Self(serde_json::to_string(value)?.into()))
    }

    /// What was [`Json::of`] when it was written.
    pub(super) fn stored(text: String) -> Self {
        Self(text.into())
    }

    /// Reads it as a type.
    ///
    /// # Errors
    /// If it does not fit.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.0)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Value> for Json {
    fn from(value: Value) -> Self {
        Self(value.to_string().into())
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
