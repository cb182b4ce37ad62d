//! Deny policies on their way to an agent: all that cover its cluster, in one frame. A set replaces the one before as a
//! whole, so none of it can be lost alone; the agent journals it and goes on with it while the hub is away.
//!
//! JSON inside [`super::to_agent::PoliciesFrame`]. An unknown field of a rule is refused with the set: an ignored term
//! would deny too little.

use serde::{Deserialize, Serialize};

use crate::kinds::deny_policy::DenyRule;
use crate::limits::{MAX_DENY_RULES_PER_CLUSTER, MAX_POLICIES_PER_CLUSTER};

/// Hello's word of an agent that judges by deny policies; Welcome's word of a hub that sends them in every snapshot.
pub const FEATURE: &str = "policies.v1";

/// What a cluster is to deny.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PolicySet {
    /// All of it; an empty list denies nothing.
    Policies(Vec<Policy>),
    /// The hub cannot send it, and why: what the agent holds stays.
    Withheld(String),
}

/// One `DenyPolicy`, with what decides in a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Policy {
    pub name: String,
    /// Lower ones are asked first; of equal ones the first by name.
    pub precedence: i32,
    pub rules: Vec<DenyRule>,
}

/// More than an agent takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooMuch {
    #[error(
        "{0} deny policies cover the cluster, over the limit of {MAX_POLICIES_PER_CLUSTER}; join some, or narrow spec.appliesTo"
    )]
    Policies(usize),
    #[error(
        "the deny policies that cover the cluster have {0} rules, over the limit of {MAX_DENY_RULES_PER_CLUSTER}; join some, or narrow spec.appliesTo"
    )]
    Rules(usize),
}

/// Checks the bounds that both ends keep.
///
/// # Errors
/// Which one is exceeded.
pub fn check_size(policies: &[Policy]) -> Result<(), TooMuch> {
    if policies.len() > MAX_POLICIES_PER_CLUSTER {
        return Err(TooMuch::Policies(policies.len()));
    }
    let rules = policies.iter().map(|policy| policy.rules.len()).sum();
    if rules > MAX_DENY_RULES_PER_CLUSTER {
        return Err(TooMuch::Rules(rules));
    }
    Ok(())
}
