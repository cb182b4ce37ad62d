//! The deny policies that the agent holds: what the hub said last, what of it the journal has, and whether the webhook
//! judges by it. A set that cannot be taken changes nothing: what was denied stays denied.

use std::sync::Arc;

use breakglass_protocol::ids::Revision;
use breakglass_protocol::wire::policy::{Policy, PolicySet};
use breakglass_protocol::wire::report::{DenyPolicyReport, DenyPolicyState};
use serde::{Deserialize, Serialize};

use crate::authorize::DenyIndex;
use crate::ceiling::Ceiling;

/// A set as the journal holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldPolicies {
    pub revision: Revision,
    pub policies: Vec<Policy>,
}

/// A set as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedPolicies {
    pub revision: Revision,
    pub set: PolicySet,
    /// Features that the set requires and this agent lacks.
    pub missing_features: Vec<String>,
}

/// What became of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TakenPolicies {
    /// The index is another one now.
    Changed,
    /// They deny what was denied before.
    Same,
    Refused {
        why: String,
    },
}

/// See the module's text.
#[derive(Debug, Default)]
pub struct Policies {
    held: Option<HeldPolicies>,
    index: Arc<DenyIndex>,
    /// Why the newest set is not the one that is held.
    refused: Option<String>,
    /// What the journal holds is older.
    unsaved: bool,
}

impl Policies {
    /// What the journal held at start.
    #[must_use]
    pub fn restore(held: Option<HeldPolicies>) -> Self {
        let Some(held) = held else {
            return Self::default();
        };
        match DenyIndex::new(&held.policies) {
            Ok(index) => Self {
                held: Some(held),
                index: Arc::new(index),
                ..Self::default()
            },
            // Written by a build that understood them.
            Err(error) => Self {
                refused: Some(format!("the journal's deny policies: {error}")),
                ..Self::default()
            },
        }
    }

    /// The journal has a set that cannot be believed.
    pub fn refuse(&mut self, why: String) {
        self.refused = Some(why);
    }

    /// Takes a set in.
    pub fn receive(&mut self, received: ReceivedPolicies) -> TakenPolicies {
        match self.judge(received) {
            Ok(taken) => {
                self.refused = None;
                taken
            }
            Err(why) => {
                self.refused = Some(why.clone());
                TakenPolicies::Refused { why }
            }
        }
    }

    fn judge(&mut self, received: ReceivedPolicies) -> Result<TakenPolicies, String> {
        if !received.missing_features.is_empty() {
            return Err(format!(
                "this agent lacks what the deny policies require: {}; upgrade it",
                received.missing_features.join(", ")
            ));
        }
        let policies = match received.set {
            PolicySet::Policies(policies) => policies,
            PolicySet::Withheld(why) => return Err(why),
        };
        let known = self.held.as_ref().map(|held| &held.policies);
        let taken = if known == Some(&policies) {
            TakenPolicies::Same
        } else {
            self.index = Arc::new(DenyIndex::new(&policies).map_err(|error| error.to_string())?);
            TakenPolicies::Changed
        };
        let held = HeldPolicies {
            revision: received.revision,
            policies,
        };
        // A set that only got a newer revision is not worth a write to the journal.
        self.unsaved |= taken == TakenPolicies::Changed;
        self.held = Some(held);
        Ok(taken)
    }

    /// What the webhook judges by: nothing, if the cluster's owner wants it so.
    #[must_use]
    pub fn index(&self, ceiling: &Ceiling) -> Arc<DenyIndex> {
        if ceiling.deny_policies {
            Arc::clone(&self.index)
        } else {
            Arc::default()
        }
    }

    /// What the journal does not hold yet.
    #[must_use]
    pub fn unsaved(&self) -> Option<&HeldPolicies> {
        self.held.as_ref().filter(|_| self.unsaved)
    }

    /// The journal holds the set of this revision.
    pub fn handle_saved(&mut self, saved: &HeldPolicies) {
        let held = self.held.as_ref().map(|held| &held.policies);
        if held == Some(&saved.policies) {
            self.unsaved = false;
        }
    }

    /// What the hub is told.
    #[must_use]
    pub fn report(&self, ceiling: &Ceiling) -> DenyPolicyReport {
        let (state, message) = match (&self.refused, ceiling.deny_policies) {
            (_, false) => (
                DenyPolicyState::HeldBack,
                Some(
                    "the cluster's owner does not want deny policies (chart value ceiling.denyPolicies)"
                        .to_owned(),
                ),
            ),
            (Some(why), true) => (DenyPolicyState::Outdated, Some(why.clone())),
            (None, true) => (DenyPolicyState::Applied, None),
        };
        DenyPolicyReport {
            revision: self.held.as_ref().map(|held| held.revision),
            policies: self.held.as_ref().map_or(0, |held| held.policies.len()),
            state,
            message,
        }
    }
}

#[cfg(test)]
mod tests {
    use breakglass_protocol::kinds::deny_policy::DenyRule;
    use breakglass_protocol::kinds::namespace_filter::NamespaceFilter;

    use super::*;
    use crate::authorize::{NamespaceLabels, ResourceFacts};

    fn policy(name: &str) -> Policy {
        let any = || vec!["*".to_owned()];
        Policy {
            name: name.to_owned(),
            precedence: 100,
            rules: vec![DenyRule {
                verbs: any(),
                api_groups: any(),
                resources: any(),
                ..DenyRule::default()
            }],
        }
    }

    fn received(revision: u64, set: PolicySet) -> ReceivedPolicies {
        ReceivedPolicies {
            revision: Revision(revision),
            set,
            missing_features: Vec::new(),
        }
    }

    fn refusing(policies: &Policies) -> Option<String> {
        let index = policies.index(&Ceiling::default());
        let request = ResourceFacts {
            verb: "get".into(),
            resource: "secrets".into(),
            ..ResourceFacts::default()
        };
        index
            .refusing(&request, &NamespaceLabels::default())
            .map(str::to_owned)
    }

    #[test]
    fn s16_a_set_that_cannot_be_taken_leaves_the_one_before_in_force() {
        let mut policies = Policies::default();
        let set = PolicySet::Policies(vec![policy("a")]);
        assert_eq!(
            policies.receive(received(1, set.clone())),
            TakenPolicies::Changed
        );
        assert_eq!(
            policies.receive(received(2, set.clone())),
            TakenPolicies::Same
        );
        let mut wrong = policy("b");
        wrong.rules[0].namespaces = Some(NamespaceFilter {
            patterns: vec!["a[".into()],
            ..NamespaceFilter::default()
        });
        let mut lacking = received(4, PolicySet::Policies(Vec::new()));
        lacking.missing_features = vec!["policies.v9".into()];
        for (strange, says) in [
            (
                received(3, PolicySet::Withheld("too large".into())),
                "too large",
            ),
            (lacking, "policies.v9"),
            (
                received(5, PolicySet::Policies(vec![wrong])),
                "rules[0].namespaces",
            ),
            (
                received(6, PolicySet::Policies(vec![policy("c"); 501])),
                "over the limit of 500",
            ),
        ] {
            let TakenPolicies::Refused { why } = policies.receive(strange) else {
                panic!("must be refused");
            };
            assert!(why.contains(says), "{why}");
            assert_eq!(refusing(&policies).as_deref(), Some("a"));
            let report = policies.report(&Ceiling::default());
            assert_eq!(report.state, DenyPolicyState::Outdated);
            assert_eq!(report.revision, Some(Revision(2)));
        }
        assert_eq!(
            policies.receive(received(7, PolicySet::Policies(Vec::new()))),
            TakenPolicies::Changed
        );
        assert_eq!(refusing(&policies), None);
        assert_eq!(
            policies.report(&Ceiling::default()).state,
            DenyPolicyState::Applied
        );
    }

    #[test]
    fn s16_the_clusters_owner_may_hold_them_back() {
        let mut policies = Policies::default();
        policies.receive(received(1, PolicySet::Policies(vec![policy("a")])));
        let ceiling = Ceiling {
            deny_policies: false,
            ..Ceiling::default()
        };
        assert_eq!(policies.index(&ceiling).policies(), 0);
        let report = policies.report(&ceiling);
        assert_eq!(
            (report.state, report.policies),
            (DenyPolicyState::HeldBack, 1)
        );
    }

    #[test]
    fn what_was_saved_is_what_a_restart_denies() {
        let mut policies = Policies::default();
        assert_eq!(policies.unsaved(), None);
        policies.receive(received(1, PolicySet::Policies(vec![policy("a")])));
        let record = policies.unsaved().unwrap().clone();
        policies.receive(received(2, PolicySet::Policies(vec![policy("b")])));
        policies.handle_saved(&record);
        let newest = policies.unsaved().unwrap().clone();
        assert_eq!(newest.revision, Revision(2), "an older record was saved");
        policies.handle_saved(&newest);
        assert_eq!(policies.unsaved(), None);
        let json = serde_json::to_vec(&newest).unwrap();
        let again = Policies::restore(Some(serde_json::from_slice(&json).unwrap()));
        assert_eq!(refusing(&again).as_deref(), Some("b"));
        assert_eq!(again.unsaved(), None);
    }
}
