//! The agents' side: a [`fake_agent::FakeAgent`] speaks the real wire to the real listener.

mod audit;
mod backup;
mod connection;
mod enrolment;
mod fake_agent;
mod grants;
mod hub;
mod policies;
