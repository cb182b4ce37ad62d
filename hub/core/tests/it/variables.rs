//! Values of variables: declarations, defaults, groups. What each input type takes is tested in the protocol.

use breakglass_hub_core::caller::Caller;
use breakglass_hub_core::refusal::{Class, Refusal};
use breakglass_hub_core::request::Resolved;
use breakglass_protocol::limits::MAX_VALUES_BYTES;
use breakglass_protocol::wire::grant::ValueOrigin;
use serde_json::{Value, json};

use crate::fixture::*;

fn resolve(variables: Value, values: Value, caller: &Caller) -> Result<Resolved, Refusal> {
    let mut asked = asked();
    asked.extra_deploy_values = serde_json::from_value(values).unwrap();
    let pod = json!({"template": {"spec": {"containers": [{"name": "c", "image": "x"}]}}});
    resolve_texts(
        &asked,
        json!({"extraDeployVariables": variables}),
        Some(pod),
        caller,
    )
}

/// Name, text and origin of what templates read.
fn values(resolved: Resolved) -> Vec<(String, String, ValueOrigin)> {
    let values = resolved.session.snapshot.terms.values;
    values
        .into_iter()
        .map(|(name, v)| (name, v.text, v.origin))
        .collect()
}

fn got(variables: Value, given: Value) -> Vec<(String, String, ValueOrigin)> {
    values(resolve(variables, given, &alice()).unwrap())
}

/// (field, rule, message) of each violation.
fn told(variables: Value, given: Value) -> Vec<(String, &'static str, String)> {
    let refusal = resolve(variables, given, &alice()).unwrap_err();
    let violations = refusal.violations.into_iter();
    violations.map(|v| (v.field, v.rule, v.message)).collect()
}

fn of(name: &str, text: &str, origin: ValueOrigin) -> (String, String, ValueOrigin) {
    (name.to_owned(), text.to_owned(), origin)
}

#[test]
fn defaults_are_filled_in_and_what_has_no_value_is_left_out() {
    let variables = json!([
        {"name": "image", "default": "alpine"},
        {"name": "cpu", "inputType": "number", "default": 2},
        {"name": "size", "inputType": "storageSize"},
        {"name": "hostNetwork", "inputType": "boolean"},
        {"name": "tools", "inputType": "multiSelect", "options": [{"value": "a"}, {"value": "b"}], "default": ["a", "b"]},
    ]);
    use ValueOrigin::{Constrained, FreeText};
    assert_eq!(
        got(variables.clone(), json!({})),
        [
            of("cpu", "2", Constrained),
            of("image", "alpine", Constrained),
            of("tools", "a,b", Constrained)
        ]
    );
    let given = json!({"image": "busybox", "cpu": "1.50", "size": "1Gi", "hostNetwork": true, "tools": "b"});
    assert_eq!(
        got(variables.clone(), given),
        [
            of("cpu", "1.5", Constrained),
            of("hostNetwork", "true", Constrained),
            of("image", "busybox", FreeText),
            of("size", "1Gi", Constrained),
            of("tools", "b", Constrained),
        ]
    );
    assert_eq!(
        got(variables, json!({"image": null})).len(),
        3,
        "null is how clients leave a field out"
    );
}

#[test]
fn s13_undeclared_variables_are_refused_with_the_declared_ones() {
    let variables = json!([{"name": "image"}, {"name": "cpuLimit"}]);
    let (field, rule, message) = told(variables.clone(), json!({"imge": "x"})).remove(0);
    assert_eq!(
        (field.as_str(), rule),
        ("extraDeployValues.imge", "extraDeployVariables")
    );
    assert_eq!(
        message,
        "is no variable of this template: image, cpuLimit; did you mean \"image\"?"
    );
    assert_eq!(
        told(json!([]), json!({"image": "x"}))[0].2,
        "is no variable of this template, which has none"
    );
    assert_eq!(
        told(variables.clone(), json!({"a\nb": 1}))[0].0,
        r#"extraDeployValues["a\nb"]"#
    );
    let many: serde_json::Map<String, Value> =
        (0..1000).map(|i| (format!("v{i}"), json!(1))).collect();
    assert_eq!(told(variables, many.into()).len(), 20, "a bounded answer");
}

#[test]
fn everything_wrong_with_the_values_is_told_at_once() {
    let variables = json!([
        {"name": "image", "required": true},
        {"name": "count", "inputType": "number", "validation": {"min": "1", "max": "3"}},
        {"name": "name", "validation": {"minLength": 3, "pattern": "[a-z]+", "patternError": "lower-case letters only"}},
        {"name": "flag", "inputType": "boolean"},
    ]);
    let told = told(
        variables,
        json!({"count": 9, "name": "A!", "flag": "yes", "other": 1}),
    );
    let expected = [
        ("extraDeployValues.other", "extraDeployVariables"),
        ("extraDeployValues.image", "required"),
        ("extraDeployValues.count", "validation.max"),
        ("extraDeployValues.name", "validation.minLength"),
        ("extraDeployValues.name", "validation.pattern"),
        ("extraDeployValues.flag", "inputType"),
    ];
    let short: Vec<(&str, &str)> = told
        .iter()
        .map(|(field, rule, _)| (field.as_str(), *rule))
        .collect();
    assert_eq!(short, expected);
    assert_eq!(told[4].2, "lower-case letters only");
}

#[test]
fn required_means_a_value_that_is_not_empty() {
    let variables = json!([{"name": "image", "required": true}]);
    for given in [json!({}), json!({"image": null}), json!({"image": ""})] {
        assert_eq!(
            told(variables.clone(), given)[0].2,
            "is required; give a value"
        );
    }
    let defaulted = json!([{"name": "image", "required": true, "default": "x"}]);
    assert_eq!(got(defaulted, json!({})).len(), 1);
}

#[test]
fn variables_and_options_are_for_their_groups() {
    let variables = json!([
        {"name": "level", "default": "low", "allowedGroups": ["sre-leads", "kings"]},
        {"name": "image", "inputType": "select", "default": "big", "options": [
            {"value": "small"},
            {"value": "big", "allowedGroups": ["sre-leads"]},
            {"value": "old", "disabled": true},
        ]},
    ]);
    let refusal = |given: Value| resolve(variables.clone(), given, &alice()).unwrap_err();
    let level = refusal(json!({"level": "low"}));
    assert_eq!(level.class, Class::Forbidden);
    assert_eq!(level.violations[0].allowed, ["sre-leads", "kings"]);
    assert_eq!(
        level.violations[0].message,
        "may be set by members of sre-leads, kings only; you are in none of them, so leave it out"
    );
    let big = refusal(json!({"image": "big"}));
    assert_eq!(
        big.violations[0].message,
        "the option \"big\" is for members of sre-leads only; you are in none of them"
    );
    assert_eq!(big.violations[0].allowed, ["small"]);
    let old = refusal(json!({"image": "old"}));
    assert_eq!(
        (old.class, old.violations[0].rule),
        (Class::Constraint, "options.disabled")
    );
    let defaults = values(resolve(variables.clone(), json!({}), &alice()).unwrap());
    assert_eq!(defaults[0].1, "big", "a default is the author's word");
    let lead = caller("lena", &["sre-team", "sre-leads"]);
    assert!(
        resolve(
            variables.clone(),
            json!({"level": "high", "image": "big"}),
            &lead
        )
        .is_ok()
    );
    let only = json!([{"name": "level", "required": true, "allowedGroups": ["kings"]}]);
    assert_eq!(
        told(only, json!({}))[0].2,
        "is required, and only members of kings may set it"
    );
}

#[test]
fn values_together_have_a_limit() {
    let names: Vec<String> = (0..5).map(|i| format!("v{i}")).collect();
    let variables: Vec<Value> = names.iter().map(|name| json!({"name": name})).collect();
    let each = "x".repeat(MAX_VALUES_BYTES / 4);
    let given: serde_json::Map<String, Value> =
        names.iter().map(|n| (n.clone(), json!(each))).collect();
    let told = told(json!(variables), given.into());
    assert_eq!(
        (told[0].0.as_str(), told[0].1),
        ("extraDeployValues", "size")
    );
}

#[test]
fn a_session_template_redeclares_a_variable_of_its_pod_template() {
    let pod = json!({
        "templateString": "containers: []",
        "extraDeployVariables": [{"name": "image", "default": "alpine"}, {"name": "cpu", "default": "1"}],
    });
    let changes = json!({"extraDeployVariables": [{"name": "extra", "default": "e"}, {"name": "image", "inputType": "select", "options": [{"value": "tools"}], "default": "tools"}]});
    let mut asked = asked();
    let resolved = resolve_texts(&asked, changes.clone(), Some(pod.clone()), &alice()).unwrap();
    let texts: Vec<(String, String)> = values(resolved)
        .into_iter()
        .map(|(n, t, _)| (n, t))
        .collect();
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(
        texts,
        [pair("cpu", "1"), pair("extra", "e"), pair("image", "tools")]
    );
    asked.extra_deploy_values = serde_json::from_value(json!({"image": "alpine"})).unwrap();
    let refusal = resolve_texts(&asked, changes, Some(pod), &alice()).unwrap_err();
    assert_eq!(refusal.violations[0].rule, "options");
}

#[test]
fn s20_a_refusal_does_not_repeat_a_free_text() {
    let variables = json!([{"name": "token", "validation": {"maxLength": 3, "pattern": "[a-z]+"}}]);
    let secret = "hunter2-hunter2";
    let refusal = resolve(variables, json!({"token": secret}), &alice()).unwrap_err();
    assert!(!format!("{refusal:?}").contains(secret), "{refusal:?}");
}
