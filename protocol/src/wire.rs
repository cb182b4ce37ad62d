//! What hub and agent say to each other over one WebSocket, dialled by the agent.
//!
//! The conversation: the agent says [`to_hub::Hello`]; the hub answers [`to_agent::Welcome`] with the version both
//! speak, then a snapshot (`Policies`, `SnapshotBegin`, one `Grant` each, `SnapshotEnd`), then changes. The agent tells what it
//! sees with `Report`s. Everything is level-triggered: any frame may be lost or doubled, a reconnect starts over with
//! a snapshot, and the end state is the same. Only [`to_agent::Call`] expects an answer.
//!
//! Evolution: variants and struct fields are only ever *appended as new variants*; a struct that is on the wire never
//! changes (bincode is not self-describing). What must grow (grants, reports, status) travels as JSON bytes with
//! `requires`, the list of features without which the receiver must refuse it (D17).

pub mod access;
pub mod close;
pub mod codec;
pub mod enrol;
pub mod grant;
pub mod hello;
pub mod policy;
pub mod report;
pub mod to_agent;
pub mod to_hub;

/// The WebSocket subprotocol.
pub const SUBPROTOCOL: &str = "breakglass.v1.bincode";
/// Path of the link on the agents' listener.
pub const CONNECT_PATH: &str = "/agent/v1/connect";
/// Path of enrolment on the agents' listener.
pub const ENROL_PATH: &str = "/agent/v1/enrol";
/// Oldest protocol version this build speaks.
pub const VERSION_MIN: u32 = 1;
/// Newest protocol version this build speaks.
pub const VERSION_MAX: u32 = 1;

/// The highest version that both ends speak, if there is one.
#[must_use]
pub fn common_version(theirs_min: u32, theirs_max: u32) -> Option<u32> {
    let version = VERSION_MAX.min(theirs_max);
    (version >= VERSION_MIN && version >= theirs_min).then_some(version)
}
