//! The hub: stores, decides, approves; the only program that people's requests reach.
//!
//! The path of a request through this crate:
//! 1. [`api`] takes it on the users' listener, says who is asking, and decodes the body strictly.
//! 2. [`app::App`] reads what the decision needs from the [`store`], lets `breakglass_hub_core` decide (pure), and commits
//!    the result with its audit events if nobody else wrote in between; else it decides again.
//! 3. The store's watch wakes the [`link`] of the session's cluster, which sends the agent its grant.
//! 4. The agent's reports come back over the same link and change the session the same way, observed fields only.
//! 5. [`jobs`] do what time does: expiry, approval timeout, housekeeping. [`templates`] follows the folder of manifests.
//!
//! Everything is level-triggered: a wake-up may be lost or doubled, and the end state is the same.

pub mod api;
pub mod app;
pub mod args;
pub mod backup;
pub mod ca;
pub mod catalogue;
pub mod clock;
pub mod clusters;
pub mod intake;
pub mod jobs;
pub mod link;
pub mod notify;
pub mod outward;
pub mod pace;
pub mod people;
pub mod progress;
pub mod serve;
pub mod sessions;
pub mod ship;
pub mod state;
pub mod store;
pub mod telemetry;
pub mod templates;
pub mod users;
pub mod verify;
