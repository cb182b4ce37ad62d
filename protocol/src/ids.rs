//! Names and numbers that identify things. One newtype each, so that a session's name can never be passed where a
//! cluster's is meant.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            #[must_use]
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:?})", stringify!($name), self.0)
            }
        }
    };
}

text_id! {
    /// A cluster's registered name: a DNS label, unique in the hub.
    ClusterName
}
text_id! {
    /// The UID of a session and of the one grant that comes from it (a UUID). Never used twice: an ended UID is
    /// remembered by the agent and never deployed again (S12).
    GrantUid
}
text_id! {
    /// The id of one renewal that was asked for (a UUID): an approval decides this one and no other (S7).
    RenewalId
}
text_id! {
    /// The id of a question that expects one answer. A repeated id is answered again, never done again.
    CallId
}

/// A point in the hub's sequence of changes; grows by at least one with each commit.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Revision(pub u64);
