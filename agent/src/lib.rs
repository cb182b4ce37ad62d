//! The agent of one cluster.
//!
//! A session's way through it: [`link`](crate::event_loop::LinkEvent) brings frames from the hub → [`event_loop`] feeds
//! them to the pure `breakglass_agent_core::link` → a new grant is rendered, judged by the ceiling and written to the
//! [`journal`] → `plan(held, observed, now)` gives steps → [`cluster`] performs them at the API server, each recorded →
//! the watches of [`cluster`] tell what became of it → pods that pass enter the index in [`published`] → the webhook's own
//! thread answers the API server from that index and asks nobody → a report goes to the hub. At its end, by the hub's
//! word, the agent's own clock or the kill switch: first the index is swapped, then everything recorded is removed, then
//! the proof is reported until the hub says that it is stored.
//!
//! Nothing here decides: rules are in `breakglass_agent_core`, this crate only carries them out.

pub mod args;
pub mod clock;
pub mod cluster;
pub mod counters;
pub mod event_loop;
pub mod identity;
pub mod journal;
pub mod link;
pub mod published;
pub mod restored;
pub mod telemetry;
pub mod webhook;
