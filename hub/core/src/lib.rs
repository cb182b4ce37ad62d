//! The hub's rules, and nothing else: no IO, no clock, no randomness. Time, ids and the stored objects are arguments.
//!
//! The path of a session through this crate:
//! 1. [`request::resolve`]: asked × template × pod template × cluster × caller → a [`session::Session`], or a
//!    [`refusal::Refusal`] that names every violated rule. Fields that nothing acts on yet were refused before, when the
//!    template was loaded ([`unbuilt`]), and so were texts that do not render ([`texts`]).
//! 2. [`ledger`] counts it against its limits; [`lifecycle`] moves it: submit, approve, join, terminate, expire ….
//!    [`access`] says who may ask for which of these, before the state is looked at.
//! 3. [`grant::of`] makes of an Active session what the cluster's agent needs; [`link`] is the hub's half of the
//!    conversation that carries it there.
//! 4. [`observed`] takes the agent's reports in: only what was observed, never what people decided.
//! 5. [`enrolment`] is how a cluster comes to speak for itself; [`offer`] what a template offers to whom.
//! 6. [`policy`] says which deny policies a cluster's agent is sent.
//! 7. [`audit`] is what is written down about each step; [`notice`] whom it is told to, and [`outward`] where the hub
//!    may call to tell it.

pub mod access;
pub mod audit;
pub mod bars;
pub mod caller;
pub mod clock;
pub mod enrolment;
pub mod explain;
pub mod grant;
pub mod history;
pub mod ledger;
pub mod lifecycle;
pub mod link;
pub mod notice;
pub mod observed;
pub mod offer;
pub mod outward;
pub mod pace;
pub mod placement;
pub mod policy;
pub mod reach;
pub mod refusal;
pub mod request;
pub mod session;
pub mod snapshot;
pub mod texts;
pub mod unbuilt;
