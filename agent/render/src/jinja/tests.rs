use serde_json::{Value as Json, json};

use super::*;
use crate::context::Context;

fn render(text: &str, context: Json) -> Result<String, String> {
    let input = Input {
        context: Context::new(context),
        now: "2026-01-02T03:04:05Z".parse().unwrap(),
        seed: [7; 32],
        limits: Limits::default(),
    };
    parse("t", text, &input.limits)
        .and_then(|template| template.render(&input))
        .map(|rendered| rendered.text)
        .map_err(|error| error.to_string())
}

#[test]
fn booleans_and_null_print_as_yaml_has_them_and_nothing_is_escaped() {
    let context = json!({"vars": {"t": true, "n": null, "s": "<a&b>", "i": 3, "f": 1.5}});
    assert_eq!(
        render(
            "{{ vars.t }} {{ vars.n }} {{ vars.s }} {{ vars.i }} {{ vars.f }} {{ 1 == 2 }}\n",
            context
        ),
        Ok("true null <a&b> 3 1.5 false".to_owned())
    );
}

#[test]
fn our_functions_are_filters_with_the_piped_value_last() {
    let context = json!({"session": {"name": "debug-session-abc123"}, "vars": {"a": "My Team"}});
    assert_eq!(
        render(
            "{{ session.name|trunc(15) }} {{ vars.a|k8sName }} {{ vars.a|quote }} {{ Session.Name }}",
            context
        ),
        Ok("debug-session-a my-team \"My Team\" debug-session-abc123".to_owned())
    );
}

#[test]
fn what_is_undefined_is_an_error_with_its_place() {
    let told = render(
        "a: 1\nb: {{ vars.imge }}\n",
        json!({"vars": {"image": "x"}}),
    )
    .unwrap_err();
    assert!(told.starts_with("t:2:7: "), "{told}");
    assert!(told.contains("vars.imge"), "{told}");
    assert_eq!(
        render("{{ vars.imge|default('b') }}", json!({"vars": {}})),
        Ok("b".to_owned())
    );
}

#[test]
fn a_runaway_ends() {
    for text in [
        "{% for i in range(10000) %}{% for j in range(10000) %}{% endfor %}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{{ 'a' * 100000000 }}",
        "{% for i in range(9999) %}{{ 'a' * 1000 }}{% endfor %}",
    ] {
        assert!(render(text, json!({})).is_err(), "{text}");
    }
}

#[test]
fn the_variables_that_it_names_are_known() {
    let template = parse(
        "t",
        "{{ vars.a }}\n{% if Vars.b %}{% endif %}",
        &Limits::default(),
    )
    .unwrap();
    let names: Vec<_> = template
        .variables()
        .into_iter()
        .map(|(name, position)| (name, position.line))
        .collect();
    assert_eq!(names, [("a".to_owned(), 1), ("b".to_owned(), 2)]);
}
