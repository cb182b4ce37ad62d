//! The agent's rules, pure: no IO, no clock, no randomness. The program around it (`breakglass-agent`) performs what
//! is decided here.
//!
//! The path of a grant: [`link::Link`] takes the hub's frames apart → [`holdings::Holdings`] holds the grant with its
//! deadline ([`deadline`]) and remembers ended UIDs ([`tombstones`]) → [`workload::render`] makes its manifests from its
//! texts, once → [`ceiling::judge_grant`] says whether this cluster's owner permits them → [`plan::plan`] compares the grant
//! ([`held::Held`]) with what is seen ([`observed::Observed`]) and names the next steps, after [`namespace::judge`] looked at the live namespace; the program performs them and
//! tells the outcome to [`plan::outcome`] → [`pods::judge_pod`] proves which pods are the session's, [`kstatus`] how far
//! the objects beside them are ([`resources`]) →
//! [`report::report`] says all of it to the hub.
//!
//! Beside grants, the hub sends deny policies: [`policies::Policies`] holds them and compiles the index.
//!
//! The path of a question from the API server: [`authorize::authorize`] reads one immutable [`grants::GrantIndex`], one
//! immutable [`authorize::DenyIndex`] with the labels of namespaces, and nothing else. What of its verdicts the hub is told
//! waits in [`recorder::Recorder`].

pub mod abilities;
pub mod authorize;
pub mod ceiling;
pub mod clock;
pub mod deadline;
pub mod grants;
pub mod held;
pub mod high_water;
pub mod holdings;
pub mod kinds;
pub mod kstatus;
pub mod link;
pub mod namespace;
pub mod nodes;
pub mod observed;
pub mod plan;
pub mod pods;
pub mod policies;
pub mod quota;
pub mod recorder;
pub mod recycle;
pub mod report;
pub mod resources;
pub mod session_pods;
pub mod tombstones;
pub mod workload;

#[cfg(test)]
mod sample;
