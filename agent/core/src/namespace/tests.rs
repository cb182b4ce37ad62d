use std::time::Duration;

use breakglass_protocol::kinds::selector::{LabelRequirement, SelectorOperator};
use breakglass_protocol::wire::grant::IfMissing;
use proptest::prelude::*;

use super::*;
use crate::observed::{Inhabitant, NamespaceFacts, Unreadable};
use crate::sample::at;

const KEYS: [&str; 3] = ["env", "protected", "team"];
const VALUES: [&str; 3] = ["dev", "prod", "true"];

fn layer(allowed: Option<Vec<LabelSelector>>, denied: Vec<LabelSelector>) -> NamespaceLayer {
    NamespaceLayer {
        place: "session template placed-debug".into(),
        allowed,
        denied,
    }
}

fn rule(layers: Vec<NamespaceLayer>) -> NamespaceRule {
    NamespaceRule {
        layers,
        ..NamespaceRule::default()
    }
}

fn active(labels: &[(&str, &str)]) -> NamespaceSeen {
    let labels = labels.iter().map(|(k, v)| ((*k).into(), (*v).into()));
    NamespaceSeen::Active(NamespaceFacts {
        labels: labels.collect(),
        ..NamespaceFacts::default()
    })
}

fn judged(rule: Option<&NamespaceRule>, seen: &NamespaceSeen, seconds: i64) -> Verdict {
    judge(&Facts {
        name: "team-a",
        cluster: &ClusterName::new("prod-1"),
        rule,
        seen,
        creation: Creation::NotWanted,
        received_at: at(0).wall,
        now: at(seconds),
    })
}

fn equal(key: &str, value: &str) -> LabelSelector {
    LabelSelector {
        match_labels: [(key.to_owned(), value.to_owned())].into(),
        match_expressions: Vec::new(),
    }
}

fn refused_by(verdict: Verdict) -> &'static str {
    let Verdict::Refuse(refusal) = verdict else {
        panic!("{verdict:?}");
    };
    refusal.rule
}

#[test]
fn s17_labels_of_the_live_namespace_decide() {
    // The sample's rules for a namespace whose name decides nothing.
    let expression = |key: &str, operator, values: &[&str]| LabelRequirement {
        key: key.into(),
        operator,
        values: values.iter().map(|v| (*v).to_owned()).collect(),
    };
    let tests = LabelSelector {
        match_labels: BTreeMap::new(),
        match_expressions: vec![
            expression(
                "environment",
                SelectorOperator::In,
                &["dev", "staging", "test"],
            ),
            expression("restricted", SelectorOperator::DoesNotExist, &[]),
        ],
    };
    let compliance = LabelSelector {
        match_labels: BTreeMap::new(),
        match_expressions: vec![expression(
            "compliance",
            SelectorOperator::In,
            &["pci-dss", "hipaa"],
        )],
    };
    let rule = rule(vec![layer(
        Some(vec![equal("debug-enabled", "true"), tests]),
        vec![equal("protected", "true"), compliance],
    )]);
    let (denied, allowed) = (
        "namespaceConstraints.deniedNamespaces",
        "namespaceConstraints.allowedNamespaces",
    );
    type Labels<'a> = &'a [(&'a str, &'a str)];
    let cases: [(Labels<'_>, Option<&str>); 8] = [
        (&[("debug-enabled", "true")], None),
        (&[("environment", "dev")], None),
        (&[("environment", "dev"), ("restricted", "")], Some(allowed)),
        (
            &[
                ("environment", "dev"),
                ("restricted", ""),
                ("debug-enabled", "true"),
            ],
            None,
        ),
        (&[("environment", "production")], Some(allowed)),
        (&[], Some(allowed)),
        (
            &[("debug-enabled", "true"), ("protected", "true")],
            Some(denied),
        ),
        (
            &[("environment", "dev"), ("compliance", "hipaa")],
            Some(denied),
        ),
    ];
    for (labels, refused) in cases {
        let verdict = judged(Some(&rule), &active(labels), 1);
        match refused {
            None => assert_eq!(verdict, Verdict::Proceed, "{labels:?}"),
            Some(by) => assert_eq!(refused_by(verdict), by, "{labels:?}"),
        }
    }
    let Verdict::Refuse(refusal) = judged(Some(&rule), &active(&[]), 1) else {
        panic!("refused")
    };
    let told = refusal.to_string();
    assert!(
        told.contains("debug-enabled=true or environment in (dev,staging,test),!restricted")
            && told.contains("session template placed-debug"),
        "{told}"
    );
}

#[test]
fn s17_every_layer_must_permit() {
    let open = layer(Some(vec![equal("env", "dev")]), vec![]);
    let strict = layer(
        Some(vec![equal("team", "a")]),
        vec![equal("protected", "true")],
    );
    let both = rule(vec![open.clone(), strict.clone()]);
    let labels = [("env", "dev"), ("team", "a")];
    assert_eq!(judged(Some(&both), &active(&labels), 1), Verdict::Proceed);
    for fewer in [&labels[..1], &labels[1..]] {
        assert!(matches!(
            judged(Some(&both), &active(fewer), 1),
            Verdict::Refuse(_)
        ));
    }
}

#[test]
fn s17_fail_mode_is_about_a_namespace_that_cannot_be_read() {
    let unreadable = NamespaceSeen::Unreadable(Unreadable {
        since: at(0).monotonic,
        message: "forbidden".into(),
        services: Vec::new(),
    });
    let mut rule = rule(vec![layer(None, vec![equal("protected", "true")])]);
    assert_eq!(judged(Some(&rule), &unreadable, 5), Verdict::Look);
    assert_eq!(refused_by(judged(Some(&rule), &unreadable, 25)), "failMode");
    assert_eq!(refused_by(judged(None, &unreadable, 25)), "failMode");
    rule.if_unreadable = FailMode::Open;
    assert_eq!(judged(Some(&rule), &unreadable, 5), Verdict::Look);
    assert_eq!(judged(Some(&rule), &unreadable, 25), Verdict::Proceed);
    let denied = judged(Some(&rule), &active(&[("protected", "true")]), 25);
    assert_eq!(
        refused_by(denied),
        "namespaceConstraints.deniedNamespaces",
        "open is never about one that is denied"
    );
    assert_eq!(
        refused_by(judged(Some(&rule), &NamespaceSeen::Missing, 25)),
        "namespaceConstraints.createIfNotExists",
        "nor does it make one"
    );
    assert!(UNREADABLE_PATIENCE < Duration::from_secs(25));
}

#[test]
fn s17_a_namespace_that_would_be_refused_is_not_made() {
    let own = OwnNamespace {
        manifest: serde_json::json!({ "metadata": { "labels": { "env": "dev" } } }),
        refused: None,
    };
    let verdict = |layers, seen: &NamespaceSeen, seconds| {
        let rule = NamespaceRule {
            layers,
            if_missing: IfMissing::Create {
                labels: BTreeMap::new(),
            },
            ..NamespaceRule::default()
        };
        judge(&Facts {
            name: "team-a",
            cluster: &ClusterName::new("prod-1"),
            rule: Some(&rule),
            seen,
            creation: Creation::Permitted(&own),
            received_at: at(0).wall,
            now: at(seconds),
        })
    };
    let missing = NamespaceSeen::Missing;
    assert_eq!(verdict(vec![], &missing, 1), Verdict::Create);
    let by_name = layer(
        Some(vec![equal("kubernetes.io/metadata.name", "team-a")]),
        vec![],
    );
    assert_eq!(verdict(vec![by_name], &missing, 1), Verdict::Create);
    assert_eq!(
        refused_by(verdict(
            vec![layer(Some(vec![equal("env", "prod")]), vec![])],
            &missing,
            1
        )),
        "namespaceConstraints.allowedNamespaces"
    );
    assert_eq!(
        refused_by(verdict(
            vec![layer(None, vec![equal("env", "dev")])],
            &missing,
            1
        )),
        "namespaceConstraints.deniedNamespaces"
    );
    // One that is just going is waited for, not for ever.
    assert_eq!(
        verdict(vec![], &NamespaceSeen::Terminating, 1),
        Verdict::Look
    );
    assert_eq!(
        refused_by(verdict(vec![], &NamespaceSeen::Terminating, 200)),
        "namespace.active"
    );
}

#[test]
fn s08_what_is_foreign_in_a_namespace() {
    let grant = crate::sample::grant(breakglass_protocol::wire::grant::WorkloadKind::DaemonSet);
    let object = |kind: &str, name: &str, session: Option<&str>, grant: Option<&str>| Inhabitant {
        kind: kind.into(),
        name: name.into(),
        session: session.map(str::to_owned),
        grant: grant.map(str::to_owned),
        deleting: false,
    };
    let (session, uid) = (Some(grant.session.as_str()), Some(grant.uid.as_str()));
    for (inhabitant, foreign) in [
        (object("ConfigMap", "kube-root-ca.crt", None, None), false),
        (object("Secret", "kube-root-ca.crt", None, None), true),
        (object("ServiceAccount", "default", None, None), false),
        (object("ServiceAccount", "app", None, None), true),
        (object("Pod", "x", session, uid), false),
        (object("Pod", "x", session, None), true),
        (object("Pod", "x", session, Some("another")), true),
        (object("Pod", "x", None, uid), true),
    ] {
        assert_eq!(is_foreign(&grant, &inhabitant), foreign, "{inhabitant:?}");
    }
    let going = Inhabitant {
        deleting: true,
        ..object("Pod", "x", None, None)
    };
    assert!(!is_foreign(&grant, &going));
}

fn selectors() -> impl Strategy<Value = Vec<LabelSelector>> {
    let pair = (0..3_usize, 0..3_usize);
    let labels = proptest::collection::vec(pair.clone(), 0..3);
    let expression = (pair, 0..4_usize).prop_map(|((key, value), operator)| {
        let (operator, values) = match operator {
            0 => (SelectorOperator::In, vec![VALUES[value].to_owned()]),
            1 => (SelectorOperator::NotIn, vec![VALUES[value].to_owned()]),
            2 => (SelectorOperator::Exists, vec![]),
            _ => (SelectorOperator::DoesNotExist, vec![]),
        };
        LabelRequirement {
            key: KEYS[key].to_owned(),
            operator,
            values,
        }
    });
    let term = (labels, proptest::collection::vec(expression, 0..3)).prop_map(
        |(labels, match_expressions)| LabelSelector {
            match_labels: labels
                .into_iter()
                .map(|(k, v)| (KEYS[k].to_owned(), VALUES[v].to_owned()))
                .collect(),
            match_expressions,
        },
    );
    proptest::collection::vec(term, 0..3)
}

/// Written a second time, from the spec's words.
fn says(term: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    for (key, value) in &term.match_labels {
        if labels.get(key) != Some(value) {
            return false;
        }
    }
    for expression in &term.match_expressions {
        let value = labels.get(&expression.key);
        let listed = matches!(value, Some(v) if expression.values.contains(v));
        let holds = match expression.operator {
            SelectorOperator::In => value.is_some() && listed,
            SelectorOperator::NotIn => value.is_none() || !listed,
            SelectorOperator::Exists => value.is_some(),
            SelectorOperator::DoesNotExist => value.is_none(),
        };
        if !holds {
            return false;
        }
    }
    true
}

proptest! {
    #[test]
    fn s17_denied_wins_terms_are_alternatives_and_all_of_a_term_holds(
        layers in proptest::collection::vec((proptest::option::of(selectors()), selectors()), 0..3),
        labels in proptest::collection::btree_map(0..3_usize, 0..3_usize, 0..3),
    ) {
        let labels: BTreeMap<String, String> =
            labels.into_iter().map(|(k, v)| (KEYS[k].to_owned(), VALUES[v].to_owned())).collect();
        let denied = layers.iter().any(|(_, denied)| denied.iter().any(|term| says(term, &labels)));
        let allowed = layers.iter().all(|(allowed, _)| {
            allowed.as_ref().is_none_or(|terms| terms.iter().any(|term| says(term, &labels)))
        });
        let rule = rule(layers.into_iter().map(|(a, d)| layer(a, d)).collect());
        let seen = NamespaceSeen::Active(NamespaceFacts { labels, ..NamespaceFacts::default() });
        let verdict = judged(Some(&rule), &seen, 1);
        let expected = match (denied, allowed) {
            (true, _) => Some("namespaceConstraints.deniedNamespaces"),
            (false, false) => Some("namespaceConstraints.allowedNamespaces"),
            (false, true) => None,
        };
        match expected {
            None => prop_assert_eq!(verdict, Verdict::Proceed),
            Some(by) => prop_assert_eq!(refused_by(verdict), by),
        }
    }
}
