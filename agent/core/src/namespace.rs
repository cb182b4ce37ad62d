//! Whether the live namespace permits what is next (S17): asked before every object that is made or set right, and for
//! whatever else a session does in it. The hub looked at the name; labels live here.
//!
//! Rules in order, the first that has something to say decides; a refusal names its rule.

use std::collections::BTreeMap;
use std::time::Duration;

use breakglass_protocol::ids::ClusterName;
use breakglass_protocol::kinds::debug_session_template::FailMode;
use breakglass_protocol::kinds::selector::{LabelRequirement, LabelSelector, SelectorOperator};
use breakglass_protocol::wire::grant::{NamespaceLayer, NamespaceRule};
use jiff::Timestamp;

use crate::clock::Now;
use crate::deadline::millis_between;
use crate::held::Held;
use crate::observed::{NamespaceSeen, Observed};
use crate::workload::OwnNamespace;

mod remains;

pub use remains::{LOOKED_AT, Remains, is_foreign};
pub(crate) use remains::{plan_end, why_kept};

/// `ObjectRecord.source` of a namespace that the session made.
pub const NAMESPACE: &str = "namespace";
/// The label that the API server gives every namespace.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";
/// How long "forbidden" is taken for passing: see `plan::outcome`.
const UNREADABLE_PATIENCE: Duration = Duration::from_secs(20);
/// How long a session that may make its namespace waits for one of that name that is being deleted: a namespace needs
/// some seconds to go, and the session before may just have ended.
const TERMINATING_PATIENCE_MS: u64 = 120_000;

/// What the rules look at.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    pub name: &'a str,
    pub cluster: &'a ClusterName,
    /// `None`: nothing is open, and it must exist.
    pub rule: Option<&'a NamespaceRule>,
    pub seen: &'a NamespaceSeen,
    pub creation: Creation<'a>,
    /// When the grant came.
    pub received_at: Timestamp,
    pub now: Now,
}

/// What may be done about a namespace that is missing.
#[derive(Clone, Copy, Debug)]
pub enum Creation<'a> {
    /// The session's template does not ask for it.
    NotWanted,
    /// It is made, so.
    Permitted(&'a OwnNamespace),
    /// This cluster's owner does not permit it; why.
    Refused(&'a str),
    /// The session made it before: it was deleted under the session.
    MadeBefore,
}

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing stands against the next step.
    Proceed,
    /// Make the namespace first.
    Create,
    /// Not known yet, or it may pass: look at it (again).
    Look,
    Refuse(Refusal),
}

/// Why nothing is made in the namespace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} (rule {rule})")]
pub struct Refusal {
    /// Setting or fact that refuses.
    pub rule: &'static str,
    pub message: String,
}

type Rule = fn(&Facts<'_>) -> Option<Verdict>;

const RULES: [Rule; 6] = [
    not_looked_at,
    missing,
    terminating,
    unreadable,
    denied,
    not_allowed,
];

/// See the module's text.
#[must_use]
pub fn judge(facts: &Facts<'_>) -> Verdict {
    RULES
        .iter()
        .find_map(|rule| rule(facts))
        .unwrap_or(Verdict::Proceed)
}

/// The same for a grant as it is held.
#[must_use]
pub fn judge_held(held: &Held, observed: &Observed, now: Now) -> Verdict {
    judge(&Facts {
        name: &held.grant.target_namespace,
        cluster: &held.grant.cluster,
        rule: held.grant.namespace_rule.as_ref(),
        seen: &observed.namespace,
        creation: creation(held),
        received_at: held.received_at,
        now,
    })
}

fn creation(held: &Held) -> Creation<'_> {
    if held.namespace_record().is_some() {
        return Creation::MadeBefore;
    }
    let own = held.rendered.as_ref().and_then(|r| r.namespace.as_ref());
    match own.map(|own| (own, own.refused.as_deref())) {
        None => Creation::NotWanted,
        Some((_, Some(why))) => Creation::Refused(why),
        Some((own, None)) => Creation::Permitted(own),
    }
}

fn refuse(rule: &'static str, message: String) -> Option<Verdict> {
    Some(Verdict::Refuse(Refusal { rule, message }))
}

fn not_looked_at(facts: &Facts<'_>) -> Option<Verdict> {
    (*facts.seen == NamespaceSeen::Unread).then_some(Verdict::Look)
}

fn missing(facts: &Facts<'_>) -> Option<Verdict> {
    if *facts.seen != NamespaceSeen::Missing {
        return None;
    }
    let Facts { name, cluster, .. } = facts;
    match facts.creation {
        Creation::Permitted(own) => Some(would_be(facts, own)),
        Creation::NotWanted => refuse(
            "namespaceConstraints.createIfNotExists",
            format!(
                "namespace {name} does not exist in cluster {cluster}; create it or use another"
            ),
        ),
        Creation::Refused(why) => refuse(
            "ceiling.createNamespaces",
            format!(
                "namespace {name} does not exist in cluster {cluster} and cannot be made: {why}"
            ),
        ),
        Creation::MadeBefore => refuse(
            "namespace.exists",
            format!(
                "namespace {name}, which was made for this session, was deleted in cluster {cluster}; request a new session"
            ),
        ),
    }
}

/// A namespace that would be refused once it is there is not made.
fn would_be(facts: &Facts<'_>, own: &OwnNamespace) -> Verdict {
    let mut labels = own.labels();
    labels.insert(NAME_LABEL.to_owned(), facts.name.to_owned());
    let refused = layers(facts).iter().find_map(|layer| {
        denied_by(facts, layer, &labels).or_else(|| not_allowed_by(facts, layer, &labels))
    });
    match refused {
        None => Verdict::Create,
        Some(refusal) => Verdict::Refuse(Refusal {
            message: format!(
                "it does not exist, and as it would be made, with namespaceConstraints.namespaceLabels, {}",
                refusal.message
            ),
            ..refusal
        }),
    }
}

fn terminating(facts: &Facts<'_>) -> Option<Verdict> {
    if *facts.seen != NamespaceSeen::Terminating {
        return None;
    }
    let waited = millis_between(facts.received_at, facts.now.wall);
    match facts.creation {
        Creation::Permitted(_) if waited < TERMINATING_PATIENCE_MS => Some(Verdict::Look),
        Creation::Permitted(_)
        | Creation::NotWanted
        | Creation::Refused(_)
        | Creation::MadeBefore => refuse(
            "namespace.active",
            format!(
                "namespace {} is being deleted in cluster {}; use another",
                facts.name, facts.cluster
            ),
        ),
    }
}

/// `failMode`, for a namespace that cannot be read (never for one that can).
fn unreadable(facts: &Facts<'_>) -> Option<Verdict> {
    let NamespaceSeen::Unreadable(seen) = facts.seen else {
        return None;
    };
    if facts.now.monotonic.saturating_sub(seen.since) < UNREADABLE_PATIENCE {
        return Some(Verdict::Look);
    }
    let fail_mode = facts
        .rule
        .map_or(FailMode::Closed, |rule| rule.if_unreadable);
    match fail_mode {
        FailMode::Open => Some(Verdict::Proceed),
        FailMode::Closed => refuse(
            "failMode",
            format!(
                "namespace {} cannot be read, so it cannot be judged: {}",
                facts.name, seen.message
            ),
        ),
    }
}

fn denied(facts: &Facts<'_>) -> Option<Verdict> {
    let labels = live_labels(facts)?;
    layers(facts)
        .iter()
        .find_map(|layer| denied_by(facts, layer, labels))
        .map(Verdict::Refuse)
}

fn not_allowed(facts: &Facts<'_>) -> Option<Verdict> {
    let labels = live_labels(facts)?;
    layers(facts)
        .iter()
        .find_map(|layer| not_allowed_by(facts, layer, labels))
        .map(Verdict::Refuse)
}

fn live_labels<'a>(facts: &Facts<'a>) -> Option<&'a BTreeMap<String, String>> {
    match facts.seen {
        NamespaceSeen::Active(seen) => Some(&seen.labels),
        NamespaceSeen::Unread
        | NamespaceSeen::Missing
        | NamespaceSeen::Terminating
        | NamespaceSeen::Unreadable(_) => None,
    }
}

fn layers<'a>(facts: &Facts<'a>) -> &'a [NamespaceLayer] {
    facts.rule.map_or(&[], |rule| &rule.layers)
}

fn denied_by(
    facts: &Facts<'_>,
    layer: &NamespaceLayer,
    labels: &BTreeMap<String, String>,
) -> Option<Refusal> {
    let term = layer.denied.iter().find(|term| term.matches(labels))?;
    Some(Refusal {
        rule: "namespaceConstraints.deniedNamespaces",
        message: format!(
            "{} denies namespace {} for its labels: {}",
            layer.place,
            facts.name,
            words(term)
        ),
    })
}

fn not_allowed_by(
    facts: &Facts<'_>,
    layer: &NamespaceLayer,
    labels: &BTreeMap<String, String>,
) -> Option<Refusal> {
    let terms = layer.allowed.as_ref()?;
    if terms.iter().any(|term| term.matches(labels)) {
        return None;
    }
    let wanted: Vec<String> = terms.iter().map(words).collect();
    Some(Refusal {
        rule: "namespaceConstraints.allowedNamespaces",
        message: format!(
            "{} does not allow namespace {}: neither its name nor its labels are among the allowed ones; by labels it would be with {}",
            layer.place,
            facts.name,
            wanted.join(" or ")
        ),
    })
}

/// A term as `kubectl get namespaces -l` takes it.
fn words(term: &LabelSelector) -> String {
    let equal = term
        .match_labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"));
    let all: Vec<String> = equal
        .chain(term.match_expressions.iter().map(requirement))
        .collect();
    all.join(",")
}

fn requirement(requirement: &LabelRequirement) -> String {
    let LabelRequirement {
        key,
        operator,
        values,
    } = requirement;
    match operator {
        SelectorOperator::In => format!("{key} in ({})", values.join(",")),
        SelectorOperator::NotIn => format!("{key} notin ({})", values.join(",")),
        SelectorOperator::Exists => key.clone(),
        SelectorOperator::DoesNotExist => format!("!{key}"),
    }
}

/// For the people of a session that runs where nothing more may be written.
#[must_use]
pub(crate) fn why_nothing_more(held: &Held, observed: &Observed, now: Now) -> Option<String> {
    held.workload_record()?;
    match judge_held(held, observed, now) {
        Verdict::Refuse(refusal) => Some(format!(
            "Nothing more is made or set right in the cluster: {refusal}."
        )),
        Verdict::Proceed | Verdict::Create | Verdict::Look => None,
    }
}

#[cfg(test)]
mod tests;
