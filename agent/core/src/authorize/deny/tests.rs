use std::time::Duration;

use breakglass_protocol::pattern::Pattern;
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::authorize::{Enforcement, Freshness, Known, Verdict, authorize};
use crate::clock::Now;
use crate::grants::GrantIndex;
use crate::session_pods::SessionPods;

const AGENT: &str = "system:serviceaccount:breakglass-agent:breakglass-agent";

fn policy(name: &str, precedence: i32, rules: Value) -> Policy {
    Policy {
        name: name.to_owned(),
        precedence,
        rules: serde_json::from_value(rules).unwrap(),
    }
}

fn labels() -> NamespaceLabels {
    let of = |all: &[(&str, &str)]| {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        Arc::new(all.iter().map(owned).collect::<BTreeMap<_, _>>())
    };
    NamespaceLabels(BTreeMap::from([
        ("prod-eu".to_owned(), of(&[("tier", "prod")])),
        ("dev".to_owned(), of(&[("tier", "dev")])),
        ("bare".to_owned(), of(&[])),
    ]))
}

/// verb, resource[/subresource] with `.group`, namespace, name.
fn request(verb: &str, resource: &str, namespace: &str, name: &str) -> ResourceFacts {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
    ResourceFacts {
        verb: verb.into(),
        group: group.into(),
        resource: resource.into(),
        subresource: subresource.into(),
        namespace: namespace.into(),
        name: name.into(),
        ..ResourceFacts::default()
    }
}

fn denies(rule: &Value, request: &ResourceFacts) -> bool {
    let index = DenyIndex::new(&[policy("p", 100, json!([rule]))]).unwrap();
    index.refusing(request, &labels()).is_some()
}

#[test]
fn s16_what_could_include_a_denied_object_matches() {
    let secret = json!({"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"],
        "resourceNames": ["db"], "namespaces": ["prod-*"]});
    for (verb, resource, namespace, name, expected) in [
        ("get", "secrets", "prod-eu", "db", true),
        ("get", "secrets", "prod-eu", "other", false),
        ("get", "secrets", "dev", "db", false),
        ("get", "configmaps", "prod-eu", "db", false),
        ("get", "secrets.example.com", "prod-eu", "db", false),
        ("update", "secrets", "prod-eu", "db", false),
        // All of them: the denied one is among them.
        ("list", "secrets", "prod-eu", "", true),
        ("watch", "secrets", "prod-eu", "", true),
        ("list", "secrets", "", "", true),
        ("get", "secrets", "", "db", true),
        ("get", "secrets", "*", "db", true),
        ("get", "secrets", "prod-eu", "*", true),
        ("*", "secrets", "prod-eu", "db", true),
        ("get", "*", "prod-eu", "db", true),
        ("get", "*.*", "", "", true),
        ("get", "secrets.*", "prod-eu", "db", true),
        // Narrowed to another one.
        ("list", "secrets", "prod-eu", "other", false),
        ("list", "secrets", "dev", "", false),
        // Below it.
        ("get", "secrets/status", "prod-eu", "db", true),
    ] {
        let request = request(verb, resource, namespace, name);
        assert_eq!(denies(&secret, &request), expected, "{request:?}");
    }
    let delete = json!({"verbs": ["delete"], "apiGroups": ["apps"], "resources": ["deployments"], "resourceNames": ["db"]});
    assert!(denies(
        &delete,
        &request("deletecollection", "deployments.apps", "dev", "")
    ));
    assert!(!denies(
        &delete,
        &request("list", "deployments.apps", "dev", "")
    ));
}

#[test]
fn s16_absent_subresources_mean_the_resource_with_all_of_them() {
    let rule = |subresources: Value| {
        let mut rule = json!({"verbs": ["*"], "apiGroups": [""], "resources": ["pods"]});
        if !subresources.is_null() {
            rule["subresources"] = subresources;
        }
        rule
    };
    for (subresources, resource, expected) in [
        (json!(null), "pods", true),
        (json!(null), "pods/exec", true),
        (json!([]), "pods/exec", true),
        (json!(["*"]), "pods", true),
        (json!(["*"]), "pods/log", true),
        (json!(["exec"]), "pods/exec", true),
        (json!(["exec"]), "pods/log", false),
        (json!(["exec"]), "pods", false),
        (json!(["exec", ""]), "pods", true),
        (json!(["exec"]), "pods/*", true),
        (json!(["exec"]), "*", true),
        (json!(["exec"]), "services/exec", false),
    ] {
        let request = request("create", resource, "dev", "p");
        assert_eq!(
            denies(&rule(subresources.clone()), &request),
            expected,
            "{subresources} {resource}"
        );
    }
}

#[test]
fn s16_a_filter_that_cannot_be_evaluated_matches() {
    let rule = |namespaces: Value| json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": namespaces});
    let prod = json!({"selectorTerms": [{"matchLabels": {"tier": "prod"}}]});
    let both = json!({"patterns": ["dev"], "selectorTerms": [{"matchLabels": {"tier": "prod"}}]});
    let not_dev = json!({"selectorTerms": [{"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["dev"]}]}]});
    for (filter, namespace, expected) in [
        (&prod, "prod-eu", true),
        (&prod, "dev", false),
        (&prod, "bare", false),
        (&prod, "unknown", true),
        (&prod, "", true),
        (&both, "dev", true),
        (&both, "bare", false),
        (&not_dev, "bare", true),
        (&not_dev, "dev", false),
        (&json!(["prod-*"]), "unknown", false),
        (&json!({"selectorTerms": [{}]}), "bare", true),
        (&json!([]), "bare", true),
    ] {
        let request = request("get", "secrets", namespace, "x");
        assert_eq!(
            denies(&rule(filter.clone()), &request),
            expected,
            "{filter} {namespace:?}"
        );
    }
    let index = DenyIndex::new(&[policy("p", 1, json!([rule(prod.clone())]))]).unwrap();
    let dev = request("get", "secrets", "dev", "x");
    assert!(
        index.refusing(&dev, &NamespaceLabels::default()).is_some(),
        "no namespace is known yet"
    );
}

#[test]
fn s16_the_lowest_precedence_is_told_and_then_the_name() {
    let all = || json!([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]);
    let secrets = || json!([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["secrets"]}]);
    let index = DenyIndex::new(&[
        policy("c", 100, all()),
        policy("b", 100, secrets()),
        policy("a", 200, all()),
        policy(
            "z",
            50,
            json!([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["pods"]}]),
        ),
    ])
    .unwrap();
    let told = |resource| {
        let request = request("get", resource, "dev", "x");
        index.refusing(&request, &labels()).map(str::to_owned)
    };
    assert_eq!(told("secrets").as_deref(), Some("b"));
    assert_eq!(told("configmaps").as_deref(), Some("c"));
    assert_eq!(told("pods").as_deref(), Some("z"));
    assert_eq!(told("*").as_deref(), Some("z"));
}

fn verdict(review: &ReviewFacts) -> Verdict {
    let all = json!([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]);
    let index = DenyIndex::new(&[policy("everything", 1, all)]).unwrap();
    let known = Known {
        grants: &GrantIndex::default(),
        freshness: Freshness::default(),
        denied: &index,
        namespaces: &labels(),
        enforcement: Enforcement::Off,
        session_pods: &SessionPods::default(),
        agent: AGENT,
    };
    let now = Now {
        wall: Timestamp::UNIX_EPOCH,
        monotonic: Duration::ZERO,
    };
    authorize(known, review, now)
}

#[test]
fn s16_never_applied_to_the_clusters_own_parts_and_the_agent() {
    let review = |user: &str, groups: &[&str]| ReviewFacts {
        user: user.into(),
        groups: groups.iter().map(|&group| group.into()).collect(),
        resource: Some(request("get", "secrets", "dev", "x")),
    };
    for (user, groups, denied) in [
        ("alice@example.com", &["system:authenticated"][..], true),
        ("", &["sre"], true),
        (
            "system:serviceaccount:dev:default",
            &["system:serviceaccounts"],
            true,
        ),
        (
            "system:serviceaccount:kube-system-2:default",
            &["system:serviceaccounts"],
            true,
        ),
        (
            "system:serviceaccount:kube-system:coredns",
            &["system:serviceaccounts"],
            false,
        ),
        ("system:node:n1", &["system:nodes"], false),
        ("system:node:n1", &["sre"], true),
        ("alice@example.com", &["system:nodes"], true),
        ("system:kube-scheduler", &[], false),
        ("system:kube-controller-manager", &[], false),
        ("system:anonymous", &["system:unauthenticated"], true),
        (AGENT, &["system:serviceaccounts"], false),
    ] {
        let is_denied = matches!(verdict(&review(user, groups)), Verdict::Denied { .. });
        assert_eq!(is_denied, denied, "{user} {groups:?}");
    }
    let Verdict::Denied { reason } = verdict(&review("alice@example.com", &[])) else {
        panic!("must be denied");
    };
    assert_eq!(reason, "breakglass: denied by deny policy everything");
}

#[test]
fn s16_urls_that_are_no_resources_never_match() {
    let review = ReviewFacts {
        user: "alice@example.com".into(),
        ..ReviewFacts::default()
    };
    assert!(matches!(verdict(&review), Verdict::NoOpinion { .. }));
}

#[test]
fn s16_too_many_rules_are_refused_and_no_policy_is_half_taken() {
    let rule = json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]});
    let policies: Vec<Policy> = (0..21)
        .map(|n| policy(&format!("p{n}"), 1, Value::Array(vec![rule.clone(); 100])))
        .collect();
    let error = DenyIndex::new(&policies).unwrap_err();
    assert!(error.to_string().contains("2100 rules"), "{error}");
    assert!(DenyIndex::new(&policies[..20]).is_ok());
}

/// From the specification (spec 1 section 8, S16), without an index, with every word compared by itself.
fn reference(
    policies: &[Policy],
    request: &ResourceFacts,
    labels: &NamespaceLabels,
) -> Option<String> {
    let mut ordered: Vec<&Policy> = policies.iter().collect();
    ordered.sort_by_key(|policy| (policy.precedence, policy.name.clone()));
    let matches = |rule: &DenyRule| {
        let open = |text: &str| text.is_empty() || text == "*";
        let any_of =
            |list: &[String], text: &str| list.iter().any(|word| word == "*" || word == text);
        let verbs: &[&str] = match request.verb.as_str() {
            "list" => &["list", "get"],
            "watch" => &["watch", "get"],
            "deletecollection" => &["deletecollection", "delete"],
            other => &[other],
        };
        let verb = open(&request.verb) || verbs.iter().any(|verb| any_of(&rule.verbs, verb));
        let group = request.group == "*" || any_of(&rule.api_groups, &request.group);
        let resource = open(&request.resource) || any_of(&rule.resources, &request.resource);
        let name = rule.resource_names.is_empty()
            || open(&request.name)
            || any_of(&rule.resource_names, &request.name);
        let subresource = match rule.subresources.as_deref() {
            None | Some([]) => true,
            Some(listed) => {
                open(&request.resource)
                    || request.subresource == "*"
                    || any_of(listed, &request.subresource)
            }
        };
        let namespace = match &rule.namespaces {
            None => true,
            Some(filter) if filter.patterns.is_empty() && filter.selector_terms.is_empty() => true,
            Some(_) if open(&request.namespace) => true,
            Some(filter) => {
                let by_name = filter
                    .patterns
                    .iter()
                    .any(|glob| Pattern::new(glob).unwrap().matches(&request.namespace));
                let by_label = filter.selector_terms.iter().any(|term| {
                    labels
                        .0
                        .get(&request.namespace)
                        .is_none_or(|labels| term.matches(labels))
                });
                by_name || by_label
            }
        };
        verb && group && resource && name && subresource && namespace
    };
    ordered
        .into_iter()
        .find(|policy| policy.rules.iter().any(matches))
        .map(|policy| policy.name.clone())
}

fn some_of(words: &'static [&'static str], at_least: usize) -> impl Strategy<Value = Vec<String>> {
    let word = prop::sample::select(words).prop_map(str::to_owned);
    prop::collection::vec(word, at_least..3)
}

fn filters() -> impl Strategy<Value = Option<NamespaceFilter>> {
    let term = prop::sample::select(vec![
        json!({}),
        json!({"matchLabels": {"tier": "prod"}}),
        json!({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}),
        json!({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["dev"]}]}),
    ]);
    let filter = (
        some_of(&["prod-*", "dev", "*", "b?re"], 0),
        prop::collection::vec(term, 0..3),
    );
    prop::option::of(filter.prop_map(|(patterns, terms)| NamespaceFilter {
        patterns,
        selector_terms: serde_json::from_value(Value::Array(terms)).unwrap(),
    }))
}

fn rules() -> impl Strategy<Value = DenyRule> {
    (
        some_of(&["*", "get", "list", "delete", "create"], 1),
        some_of(&["*", "", "apps"], 1),
        some_of(&["*", "pods", "secrets", "nodes"], 1),
        some_of(&["*", "a", "b"], 0),
        prop::option::of(some_of(&["*", "exec", "log", ""], 0)),
        filters(),
    )
        .prop_map(
            |(verbs, api_groups, resources, resource_names, subresources, namespaces)| DenyRule {
                verbs,
                api_groups,
                resources,
                resource_names,
                subresources,
                namespaces,
            },
        )
}

fn requests() -> impl Strategy<Value = ResourceFacts> {
    let one = |words: &'static [&'static str]| prop::sample::select(words).prop_map(str::to_owned);
    (
        one(&[
            "*",
            "",
            "get",
            "list",
            "watch",
            "delete",
            "deletecollection",
            "create",
        ]),
        one(&["*", "", "apps", "batch"]),
        one(&["*", "", "pods", "secrets", "nodes", "jobs"]),
        one(&["*", "", "exec", "log", "status"]),
        one(&["*", "", "prod-eu", "dev", "bare", "unknown"]),
        one(&["*", "", "a", "b", "c"]),
    )
        .prop_map(
            |(verb, group, resource, subresource, namespace, name)| ResourceFacts {
                verb,
                group,
                resource,
                subresource,
                namespace,
                name,
                field_requirements: Vec::new(),
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn s16_the_index_says_what_the_specification_says(
        policies in prop::collection::vec((0_i32..3, prop::collection::vec(rules(), 0..4)), 0..5),
        request in requests(),
    ) {
        let policies: Vec<Policy> = policies
            .into_iter()
            .enumerate()
            .map(|(place, (precedence, rules))| Policy {
                name: format!("p{}", 9 - place),
                precedence,
                rules,
            })
            .collect();
        let index = DenyIndex::new(&policies).unwrap();
        let told = index.refusing(&request, &labels()).map(str::to_owned);
        prop_assert_eq!(told, reference(&policies, &request, &labels()));
    }
}
