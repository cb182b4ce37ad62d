//! What `GET /watch` sends: the data of its events, by the event's name.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::debug_session::Summary;

/// One event. Its `id` is how far the watch is: sent back as `Last-Event-ID`, the watch goes on after it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum WatchData {
    /// `event: session`: a session as it is now, for this caller.
    Session(Box<Summary>),
    /// `event: gone`: a session that the caller no longer sees, or that the filters no longer let through.
    Gone(Gone),
    /// `event: ready`, first: list after it, and nothing is missed. `event: resync`, last: what was missed is no longer
    /// known; list again and watch anew.
    Nothing(Nothing),
}

/// Which session is out of sight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Gone {
    pub name: String,
}

/// Nothing more to say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// Names of events.
pub mod event {
    pub const READY: &str = "ready";
    pub const SESSION: &str = "session";
    pub const GONE: &str = "gone";
    pub const RESYNC: &str = "resync";
}
