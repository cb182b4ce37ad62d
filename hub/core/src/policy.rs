//! Deny policies: which of them cover a cluster, what its agent is sent of them, and what the cluster shows of that. The
//! hub judges no request by them; the agent does, from memory (S16).

use breakglass_protocol::ids::{ClusterName, Revision};
use breakglass_protocol::kinds::deny_policy::{DenyPolicy, PolicyScope};
use breakglass_protocol::kinds::{Condition, Time};
use breakglass_protocol::limits::MAX_POLICIES_BYTES;
use breakglass_protocol::pattern::PatternSet;
use breakglass_protocol::wire::policy::{FEATURE, Policy, PolicySet, check_size};
use breakglass_protocol::wire::report::{
    DenyPolicyReport, DenyPolicyState, StrictEnforcement, WebhookOrder,
};
use jiff::Timestamp;

/// Of a policy that says none (spec 1 section 8).
const DEFAULT_PRECEDENCE: i32 = 100;
/// The condition of a cluster that tells whether deny policies are in force there.
pub const CONDITION: &str = "DenyPolicies";
/// The condition of a cluster that tells whether strict enforcement holds there.
pub const STRICT: &str = "Strict";
/// Longest message of a condition: a few sentences of an agent.
const MAX_MESSAGE_CHARS: usize = 1_000;

/// Policies on their way to an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreparedPolicies {
    pub revision: Revision,
    pub requires: Vec<String>,
    /// [`PolicySet`] as JSON, at most [`MAX_POLICIES_BYTES`].
    pub body: Vec<u8>,
    /// Why the agent is told to keep what it has, if it is.
    pub withheld: Option<String>,
}

/// Whether a policy is for this cluster. A scope without lists is every cluster, as an absent one.
#[must_use]
pub fn covers(scope: Option<&PolicyScope>, cluster: &ClusterName, tenant: Option<&str>) -> bool {
    let Some(scope) = scope.filter(|s| !s.clusters.is_empty() || !s.tenants.is_empty()) else {
        return true;
    };
    // Globs are checked at load; what is none all the same must not be what denies nothing.
    let names = |globs: &[String], name: &str| {
        PatternSet::new(globs).map_or(true, |globs| globs.matches(name))
    };
    names(&scope.clusters, cluster.as_str())
        || tenant.is_some_and(|tenant| names(&scope.tenants, tenant))
}

/// What the agent of a cluster is sent: every policy that covers it, in the order in which they are asked.
#[must_use]
pub fn prepare(
    policies: &[DenyPolicy],
    cluster: &ClusterName,
    tenant: Option<&str>,
    revision: Revision,
) -> PreparedPolicies {
    let mut covering: Vec<Policy> = policies
        .iter()
        .filter(|policy| covers(policy.spec.applies_to.as_ref(), cluster, tenant))
        .map(|policy| Policy {
            name: policy.metadata.name.clone().unwrap_or_default(),
            precedence: policy.spec.precedence.unwrap_or(DEFAULT_PRECEDENCE),
            rules: policy.spec.rules.clone(),
        })
        .collect();
    covering.sort_by(|a, b| (a.precedence, &a.name).cmp(&(b.precedence, &b.name)));
    match encode(covering) {
        Ok(body) => PreparedPolicies {
            revision,
            requires: vec![FEATURE.to_owned()],
            body,
            withheld: None,
        },
        Err(why) => withhold(why, revision),
    }
}

/// The agent is to keep what it has, and why.
#[must_use]
pub fn withhold(why: String, revision: Revision) -> PreparedPolicies {
    let set = PolicySet::Withheld(why.clone());
    PreparedPolicies {
        revision,
        requires: vec![FEATURE.to_owned()],
        // A text in JSON: nothing in it can fail.
        body: serde_json::to_vec(&set).unwrap_or_default(),
        withheld: Some(why),
    }
}

/// Sent whole or not at all: an agent with half of its policies would deny too little and look well.
fn encode(policies: Vec<Policy>) -> Result<Vec<u8>, String> {
    check_size(&policies).map_err(|error| error.to_string())?;
    let body = serde_json::to_vec(&PolicySet::Policies(policies))
        .map_err(|error| format!("the deny policies cannot be written: {error}"))?;
    if body.len() > MAX_POLICIES_BYTES {
        return Err(format!(
            "the deny policies that cover the cluster have {} bytes, over the limit of {MAX_POLICIES_BYTES}; shorten their lists, or narrow spec.appliesTo",
            body.len()
        ));
    }
    Ok(body)
}

/// What the hub knows of a cluster's deny policies.
#[derive(Clone, Copy, Debug)]
pub struct PolicyFacts<'a> {
    /// What was sent on this connection; `None` if its agent knows no deny policies.
    pub sent: Option<&'a PreparedPolicies>,
    /// What the agent said last.
    pub report: Option<&'a DenyPolicyReport>,
    /// What the agent proved of the API server's order.
    pub order: Option<WebhookOrder>,
}

struct Told {
    status: &'static str,
    reason: &'static str,
    message: String,
}

/// The condition [`CONDITION`], by the first thing that keeps policies from being in force. Its time is that of the
/// condition before unless `status` changes.
#[must_use]
pub fn condition(facts: PolicyFacts<'_>, before: Option<&Condition>, now: Timestamp) -> Condition {
    made(CONDITION, told(facts), before, now)
}

/// The condition [`STRICT`], where the agent's enforcement is strict (S15).
#[must_use]
pub fn strict_condition(
    enforcement: Option<StrictEnforcement>,
    order: Option<WebhookOrder>,
    before: Option<&Condition>,
    now: Timestamp,
) -> Option<Condition> {
    let StrictEnforcement::Strict = enforcement?;
    let told = match order {
        Some(WebhookOrder::BeforeRbac) => Told {
            status: "True",
            reason: "Effective",
            message: "the API server asks the agent before RBAC".to_owned(),
        },
        Some(WebhookOrder::BehindRbac) => Told {
            status: "False",
            reason: "NotEffective",
            message: "strict: not effective: the API server does not ask the agent before RBAC; lay the files of `bgctl cluster webhook-config --strict`".to_owned(),
        },
        None => Told {
            status: "Unknown",
            reason: "NotProven",
            message: "strict: not effective as far as is known: the agent could not ask the API server about its canary".to_owned(),
        },
    };
    Some(made(STRICT, told, before, now))
}

fn made(kind: &str, told: Told, before: Option<&Condition>, now: Timestamp) -> Condition {
    let Told {
        status,
        reason,
        message,
    } = told;
    let since = before
        .filter(|before| before.status == status)
        .map_or(Time(now), |before| before.last_transition_time.clone());
    Condition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: visible(&message),
        last_transition_time: since,
        observed_generation: None,
    }
}

fn told(facts: PolicyFacts<'_>) -> Told {
    let not = |reason, message: String| Told {
        status: "False",
        reason,
        message,
    };
    let Some(sent) = facts.sent else {
        let message = "the agent knows no deny policies, so none is in force; upgrade it";
        return not("AgentTooOld", message.to_owned());
    };
    if let Some(why) = &sent.withheld {
        let message = format!("{why}; the policies sent before stay in force");
        return not("Withheld", message);
    }
    let waiting = |message: &str| Told {
        status: "Unknown",
        reason: "NotReported",
        message: message.to_owned(),
    };
    let Some(report) = facts.report else {
        return waiting("the agent has not said yet whether it applies them");
    };
    let message = report.message.clone().unwrap_or_default();
    match report.state {
        DenyPolicyState::HeldBack => not("HeldBack", message),
        DenyPolicyState::Outdated => {
            let message = format!("{message}; the policies taken in before stay in force");
            not("Refused", message)
        }
        DenyPolicyState::Applied if report.revision == Some(sent.revision) => {
            in_force(report.policies, facts.order)
        }
        DenyPolicyState::Applied => waiting("the newest policies are on their way"),
    }
}

/// Policies that the API server asks about only after RBAC has not allowed something refuse nothing.
fn in_force(policies: usize, order: Option<WebhookOrder>) -> Told {
    let (status, reason, message) = if policies == 0 {
        (
            "True",
            "Applied",
            "no deny policy covers this cluster".to_owned(),
        )
    } else {
        match order {
            Some(WebhookOrder::BeforeRbac) => (
                "True",
                "Applied",
                format!("{policies} deny policies are in force"),
            ),
            Some(WebhookOrder::BehindRbac) => (
                "False",
                "BehindRbac",
                format!(
                    "{policies} deny policies are held, but the API server does not ask the agent before RBAC; lay the files of `bgctl cluster webhook-config --deny-policies`"
                ),
            ),
            None => (
                "Unknown",
                "OrderNotProven",
                format!(
                    "{policies} deny policies are held; whether the API server asks the agent before RBAC is not known yet"
                ),
            ),
        }
    };
    Told {
        status,
        reason,
        message,
    }
}

/// An agent's words are data: bounded, without control characters.
fn visible(message: &str) -> String {
    let plain = message.chars().filter(|c| !c.is_control());
    plain.take(MAX_MESSAGE_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use breakglass_protocol::kinds::deny_policy::{DenyPolicySpec, DenyRule};

    use super::*;

    fn west() -> ClusterName {
        ClusterName::new("west")
    }

    fn policy(name: &str, precedence: Option<i32>, scope: serde_json::Value) -> DenyPolicy {
        let rules = vec![DenyRule {
            verbs: vec!["*".into()],
            api_groups: vec!["*".into()],
            resources: vec!["secrets".into()],
            ..DenyRule::default()
        }];
        let spec = DenyPolicySpec {
            applies_to: serde_json::from_value(scope).unwrap(),
            precedence,
            rules,
            ..DenyPolicySpec::default()
        };
        DenyPolicy::new(name, spec)
    }

    fn names(policies: &[DenyPolicy], tenant: Option<&str>) -> Vec<String> {
        let body = prepare(policies, &west(), tenant, Revision(1)).body;
        match serde_json::from_slice(&body).unwrap() {
            PolicySet::Policies(policies) => policies.into_iter().map(|p| p.name).collect(),
            PolicySet::Withheld(why) => vec![why],
        }
    }

    #[test]
    fn s16_exactly_the_policies_that_cover_a_cluster_are_sent_in_their_order() {
        use serde_json::json;
        let policies = [
            policy("everywhere", None, json!(null)),
            policy("no-lists", Some(50), json!({})),
            policy("by-name", Some(100), json!({"clusters": ["we*"]})),
            policy("by-tenant", Some(0), json!({"tenants": ["team-a"]})),
            policy(
                "either",
                Some(200),
                json!({"clusters": ["east"], "tenants": ["team-*"]}),
            ),
            policy("elsewhere", Some(1), json!({"clusters": ["east"]})),
        ];
        let with = ["by-tenant", "no-lists", "by-name", "everywhere", "either"];
        assert_eq!(names(&policies, Some("team-a")), with);
        let without = ["no-lists", "by-name", "everywhere"];
        assert_eq!(names(&policies, None), without);
        assert_eq!(names(&policies, Some("team")), without);
    }

    #[test]
    fn s16_what_is_too_much_is_withheld_whole_and_told() {
        let many: Vec<DenyPolicy> = (0..501)
            .map(|n| policy(&format!("p{n}"), None, serde_json::Value::Null))
            .collect();
        let prepared = prepare(&many, &west(), None, Revision(1));
        assert!(prepared.withheld.is_some());
        assert!(names(&many, None)[0].contains("501 deny policies"));
        assert_eq!(names(&many[..500], None).len(), 500);
        let mut large = policy("large", None, serde_json::Value::Null);
        large.spec.rules[0].resource_names = vec!["x".repeat(MAX_POLICIES_BYTES)];
        assert!(names(&[large], None)[0].contains("over the limit"));
    }

    #[test]
    fn a_cluster_tells_what_keeps_policies_from_being_in_force() {
        let sent = prepare(&[], &west(), None, Revision(7));
        let withheld = PreparedPolicies {
            withheld: Some("too much".into()),
            ..sent.clone()
        };
        let report = |state, revision| DenyPolicyReport {
            revision: Some(Revision(revision)),
            policies: 3,
            state,
            message: Some("be\u{1b}cause".into()),
        };
        let applied = report(DenyPolicyState::Applied, 7);
        let older = report(DenyPolicyState::Applied, 6);
        let held_back = report(DenyPolicyState::HeldBack, 7);
        let outdated = report(DenyPolicyState::Outdated, 6);
        let now = Timestamp::UNIX_EPOCH;
        for (sent, report, status, reason, says) in [
            (None, None, "False", "AgentTooOld", "upgrade it"),
            (
                Some(&withheld),
                Some(&applied),
                "False",
                "Withheld",
                "too much",
            ),
            (Some(&sent), None, "Unknown", "NotReported", "not said yet"),
            (
                Some(&sent),
                Some(&older),
                "Unknown",
                "NotReported",
                "on their way",
            ),
            (
                Some(&sent),
                Some(&held_back),
                "False",
                "HeldBack",
                "because",
            ),
            (
                Some(&sent),
                Some(&outdated),
                "False",
                "Refused",
                "because; the",
            ),
            (
                Some(&sent),
                Some(&applied),
                "True",
                "Applied",
                "3 deny policies",
            ),
        ] {
            let facts = PolicyFacts {
                sent,
                report,
                order: Some(WebhookOrder::BeforeRbac),
            };
            let told = condition(facts, None, now);
            assert_eq!(
                (told.status.as_str(), told.reason.as_str()),
                (status, reason)
            );
            assert!(told.message.contains(says), "{}", told.message);
            let later = now + std::time::Duration::from_secs(60);
            let again = condition(facts, Some(&told), later);
            assert_eq!(again, told, "its time is that of the last change");
        }
    }

    #[test]
    fn s15_s16_what_the_api_server_does_not_ask_about_is_not_in_force() {
        let sent = prepare(&[], &west(), None, Revision(7));
        let now = Timestamp::UNIX_EPOCH;
        let told = |policies, order| {
            let report = DenyPolicyReport {
                revision: Some(Revision(7)),
                policies,
                state: DenyPolicyState::Applied,
                message: None,
            };
            let facts = PolicyFacts {
                sent: Some(&sent),
                report: Some(&report),
                order,
            };
            condition(facts, None, now).reason
        };
        assert_eq!(told(1, Some(WebhookOrder::BeforeRbac)), "Applied");
        assert_eq!(told(1, Some(WebhookOrder::BehindRbac)), "BehindRbac");
        assert_eq!(told(1, None), "OrderNotProven");
        assert_eq!(told(0, Some(WebhookOrder::BehindRbac)), "Applied");

        let strict = |order| {
            let enforced = Some(StrictEnforcement::Strict);
            let told = strict_condition(enforced, order, None, now).unwrap();
            (told.status, told.message.contains("strict: not effective"))
        };
        let before = Some(WebhookOrder::BeforeRbac);
        assert_eq!(strict(before), ("True".to_owned(), false));
        let behind = Some(WebhookOrder::BehindRbac);
        assert_eq!(strict(behind), ("False".to_owned(), true));
        assert_eq!(strict(None), ("Unknown".to_owned(), true));
        assert_eq!(strict_condition(None, before, None, now), None);
    }
}
