//! What to do next for one grant: held × observed × now → steps. Level-triggered: any step may be lost, done twice or
//! done late, and the next plan sets it right. Nothing here remembers what was planned before.
//!
//! To the program: perform the steps in order. While the grant runs, stop at the first step that fails (a create must
//! not overtake its journal entry). Once it has ended, try every step whatever becomes of the others (D1: none waits
//! for another), deletes in parallel. Tell each outcome to [`outcome::handle_outcome`] and plan again.

use breakglass_protocol::wire::grant::ServiceAccountName;
use breakglass_protocol::wire::report::ObjectRecord;
use serde_json::Value;

use crate::clock::Now;
use crate::held::Held;
use crate::observed::Observed;

mod deploy;
mod end;
pub mod outcome;
mod placement;
mod recycle;

/// One thing for the program to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Take the grant out of the webhook's index, before anything else. Needs no API call.
    CloseAccess,
    /// Write the `Held` record; afterwards [`Held::handle_saved`] with this version.
    Journal { version: u64 },
    /// Read the namespace and the Services in it into `Observed.namespace`.
    ReadNamespace { namespace: String },
    /// GET the ServiceAccount into `Observed.deployer`.
    ReadDeployer { account: ServiceAccountName },
    /// As [`Step::CreateFirst`], the namespace itself. What is there already is looked at anew, whoever made it.
    CreateNamespace { manifest: Value, deployer: Deployer },
    /// POST with field manager `breakglass-agent`; on `AlreadyExists` read it by name and tell what was found (D5).
    CreateFirst {
        document: usize,
        manifest: Value,
        deployer: Deployer,
    },
    /// Read by name: was it made just before a crash?
    FindOurs { document: usize, manifest: Value },
    /// Read the namespace: was it made just before a crash?
    FindNamespace { manifest: Value },
    /// GET by name: how far is an object beside the workload? `Object`, or `Gone` if 404.
    Look {
        document: usize,
        record: ObjectRecord,
    },
    /// Server-side apply, forced, with `metadata.uid` in the body: somebody edited it.
    Apply {
        manifest: Value,
        uid: String,
        deployer: Deployer,
    },
    /// Merge-patch `spec.activeDeadlineSeconds` with `metadata.uid` in the body (D2).
    CapDeadline { pod: PodRef, seconds: i64 },
    /// Delete with UID precondition and Background propagation.
    DeleteWorkload { record: ObjectRecord },
    /// Delete with UID precondition and grace 2.
    DeletePod { pod: PodRef },
    /// Delete with UID precondition, Background propagation.
    Delete { record: ObjectRecord },
    /// GET by name: `Gone` if 404 or another UID, else `Present`.
    ConfirmGone { record: ObjectRecord },
    /// LIST (not from the watch) pods in this namespace with this label selector; tell their facts.
    ConfirmPodsGone { namespace: String, selector: String },
    /// LIST every kind of [`crate::namespace::LOOKED_AT`] in the namespace that the session made; all or nothing.
    ListInhabitants { namespace: String },
    /// No API call: give it to [`outcome::handle_outcome`] with `Accepted`; the namespace that the session made stays.
    KeepNamespace { why: String },
    /// No API call: give it to [`outcome::handle_outcome`] with `Accepted`; the grant ends as `Failed`.
    Fail { message: String },
    /// No API call: give it to [`outcome::handle_outcome`] with `Accepted`; leftovers are told about and left (S11).
    GiveUp,
}

/// As whom something is made. Reads, watches and deletes are always the agent's own (D22).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deployer {
    Agent,
    /// Impersonated; never the agent instead (S10).
    ServiceAccount(ServiceAccountName),
}

impl Deployer {
    fn of(held: &Held) -> Self {
        let account = held.grant.impersonate.clone();
        account.map_or(Self::Agent, Self::ServiceAccount)
    }
}

/// One very pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PodRef {
    pub namespace: String,
    pub name: String,
    pub uid: String,
}

/// The next steps, none if all is as it should be. See the module's text.
#[must_use]
pub fn plan(held: &Held, observed: &Observed, now: Now) -> Vec<Step> {
    if held.has_ended() {
        end::plan_end(held, observed, now)
    } else if held.deadline.has_passed(now) {
        // `Holdings::handle_time` ends it in its next turn; until then at least nothing opens.
        vec![Step::CloseAccess]
    } else {
        deploy::plan_deploy(held, observed, now)
    }
}

/// The journal entry, if it is not up to date.
fn journal(held: &Held) -> Option<Step> {
    (!held.is_saved()).then(|| Step::Journal {
        version: held.version(),
    })
}

#[cfg(test)]
mod tests;
