use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use super::*;

fn run() -> Run {
    Run {
        now: "2025-03-09T14:05:06Z".parse().unwrap(),
        seed: [7; 32],
        limits: Limits::default(),
    }
}

fn render(text: &str, context: &Json) -> Result<String, TemplateError> {
    let template = parse("pod.tpl", text, &Limits::default())?;
    let rendered = template.render(&Value::from(context), &run())?;
    Ok(rendered.text)
}

fn error(text: &str, context: &Json) -> String {
    render(text, context).unwrap_err().to_string()
}

/// Constructs, and what Go writes for them.
#[test]
fn constructs_give_what_go_gives() {
    let context = json!({
        "a": {"b": {"c": "deep"}}, "s": "text", "n": 3, "list": ["x", "y"], "null": null, "t": true,
    });
    for (template, wanted) in [
        ("{{ .a.b.c }}{{ $.s }}", "deeptext"),
        ("a {{- .s -}} b", "atextb"),
        ("a {{- /* gone */ -}} b", "ab"),
        (
            "{{ if .missing }}1{{ else if .t }}2{{ else }}3{{ end }}",
            "2",
        ),
        (
            "{{ with .missing }}1{{ else with .a }}{{ .b.c }}{{ end }}",
            "deep",
        ),
        (
            "{{ range $i, $v := .list }}{{ $i }}{{ $v }} {{ end }}",
            "0x 1y ",
        ),
        (
            "{{ range $k, $v := .a.b }}{{ $k }}={{ $v }}{{ end }}",
            "c=deep",
        ),
        ("{{ range 3 }}{{ . }}{{ end }}", "012"),
        (
            "{{ range .list }}{{ if eq . \"y\" }}{{ break }}{{ end }}{{ . }}{{ end }}",
            "x",
        ),
        (
            "{{ range .list }}{{ if eq . \"x\" }}{{ continue }}{{ end }}{{ . }}{{ end }}",
            "y",
        ),
        ("{{ range .missing }}1{{ else }}none{{ end }}", "none"),
        (
            "{{ range 2 }}{{ range 0 }}{{ else }}{{ break }}{{ end }}{{ . }}{{ end }}",
            "01",
        ),
        (
            "{{ range 2 }}{{ range 0 }}{{ else }}{{ continue }}{{ end }}{{ . }}{{ end }}",
            "",
        ),
        (
            "{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ end }}{{ $x }}",
            "2",
        ),
        (
            "{{ $x := 1 }}{{ if true }}{{ $x := 2 }}{{ $x }}{{ end }}{{ $x }}",
            "21",
        ),
        (
            "{{ define \"t\" }}<{{ . }}>{{ end }}{{ template \"t\" .s }}",
            "<text>",
        ),
        ("{{ block \"t\" .a }}{{ .b.c }}{{ end }}", "deep"),
        ("{{ .s | }}", "text"),
        ("{{ (index .list 1) }}{{ (index .a \"b\").c }}", "ydeep"),
        (
            "{{ and .t .s }}{{ or .missing \"d\" }}{{ not .t }}",
            "textdfalse",
        ),
        (
            "{{ 0x10 }} {{ 1_000 }} {{ 017 }} {{ 'a' }} {{ 1e6 }} {{ 0x1p4 }}",
            "16 1000 15 97 1e+06 16",
        ),
        ("{{ \"\\u00e9\\x41\\101\" }}{{ `raw\\n` }}", "éAAraw\\n"),
        (
            "{{ printf \"%05.1f|%-4s|%q\" .n \"a\" \"b\" }}",
            "003.0|a   |\"b\"",
        ),
        (
            "{{ if .null }}1{{ end }}{{ if .missing.x.y }}1{{ end }}",
            "",
        ),
        (
            "{{ eq .n 3.0 }}{{ ne .missing \"x\" }}{{ eq 1 2 1 }}",
            "truetruetrue",
        ),
        (
            "{{ len .list }}{{ html \"<\" }}{{ js \"'\" }}{{ urlquery \"a b\" }}",
            "2&lt;\\'a+b",
        ),
    ] {
        assert_eq!(
            render(template, &context).as_deref(),
            Ok(wanted),
            "{template}"
        );
    }
}

/// Line and column, the action, and what to do.
#[test]
fn errors_have_place_expression_and_hint() {
    let context = json!({"vars": {"image": "x", "cpuLimit": "1"}, "s": "é", "null": null});
    for (template, wanted) in [
        (
            "a\n  é{{ .vars.imge }}",
            "pod.tpl:2:7: .vars.imge is not set in {{ .vars.imge }}; .vars has: cpuLimit, image; did you mean image?",
        ),
        (
            "{{ .s | upercase }}",
            "pod.tpl:1:9: no function \"upercase\" in {{ .s | upercase }}",
        ),
        (
            "{{ env \"HOME\" }}",
            "pod.tpl:1:4: no function \"env\" in {{ env \"HOME\" }}; templates do not read the environment; use a variable (.vars)",
        ),
        (
            "{{ $x }}",
            "pod.tpl:1:4: the variable $x is not defined in {{ $x }}; declare it before, with $x := …; a variable ends with the block that declares it",
        ),
        (
            "x\n{{ if .s }}\n",
            "pod.tpl:3:1: the template ends before the action is closed in {{ if .s }}; add {{ end }}",
        ),
        (
            "{{ .s }} {{ lt .vars.missing \"x\" }}",
            "pod.tpl:1:13: lt: a <nil> and a string cannot be compared in {{ lt .vars.missing \"x\" }}; a missing key has no value: give one with default",
        ),
        (
            "{{ .null.x }}",
            "pod.tpl:1:4: .null.x: there is null, which has no field x in {{ .null.x }}; ask with {{ if }} or {{ with }} before",
        ),
        (
            "{{ .s.x }}",
            "pod.tpl:1:4: .s.x: there is a string, which has no field x in {{ .s.x }}",
        ),
        (
            "{{ range .vars.n }}{{ else }}{{ printf .missing }}{{ end }}",
            "pod.tpl:1:40: argument 1 of printf: no value is given where a string is expected: .missing is not set in {{ printf .missing }}; . has: null, s, vars",
        ),
        (
            "{{ .s",
            "pod.tpl:1:6: the action is not closed: }} is missing in {{ .s",
        ),
        (
            "{{ end }}",
            "pod.tpl:1:8: this end closes nothing in {{ end }}",
        ),
        (
            "{{ template \"x\" }}",
            "pod.tpl:1:13: the template \"x\" is not defined in {{ template \"x\" }}; write {{ define \"x\" }} … {{ end }}",
        ),
    ] {
        assert_eq!(error(template, &context), wanted, "{template}");
    }
}

#[test]
fn what_go_refuses_is_refused() {
    for template in [
        "{{ }}",
        "{{ | print }}",
        "{{ 1 | 2 }}",
        "{{ \"a\" | . }}",
        "{{ nil }}",
        "{{ 1.x }}",
        "{{ .a | .b }}x{{ else }}",
        "{{ break }}",
        "{{ define \"a\" }}{{ break }}{{ end }}",
        "{{ if true }}{{ define \"a\" }}{{ end }}{{ end }}",
        "{{ define \"a\" }}1{{ end }}{{ define \"a\" }}2{{ end }}",
        "{{ range $a, $b, $c := . }}{{ end }}",
        "{{ $a, $b := . }}",
        "{{ if true }}{{ $x := 1 }}{{ end }}{{ $x }}",
        "{{ 08 }}",
        "{{ 1__0 }}",
        "{{ 'ab' }}",
        "{{ \"\\q\" }}",
        "{{ (print }}",
        "{{ print) }}",
        "{{ /* a */ }}",
        "{{- /* a }}",
        "{{ $x = 1 }}",
        "{{ range 1.5 }}{{ end }}",
        "{{ range $i, $v := 3 }}{{ end }}",
        "{{ eq 1 1.0 }}",
        "{{ eq 1 }}",
        "{{ and }}",
        "{{ 9223372036854775808 }}",
        "{{ call 1 }}",
        "{{ print 1 . | 3 }}",
    ] {
        assert!(render(template, &json!({"a": 1})).is_err(), "{template}");
    }
}

#[test]
fn a_runaway_template_ends_within_its_limits() {
    let nested = |count| "{{ if true }}".repeat(count) + &"{{ end }}".repeat(count);
    let parens = |count| "{{ ".to_owned() + &"(".repeat(count) + "1" + &")".repeat(count) + " }}";
    for (template, wanted) in [
        (
            "{{ define \"t\" }}{{ template \"t\" }}{{ end }}{{ template \"t\" }}".to_owned(),
            "deep",
        ),
        (
            "{{ range 1000000 }}{{ range 1000000 }}{{ end }}{{ end }}".to_owned(),
            "steps",
        ),
        (
            "{{ range 100000 }}0123456789abcdef0123456789abcdef{{ end }}".to_owned(),
            "writes more",
        ),
        (
            "{{ range 1000 }}{{ $x := printf \"%1000000d\" 1 }}{{ end }}".to_owned(),
            "bytes of values",
        ),
        (nested(200), "deep"),
        (parens(200), "deep"),
        ("x".repeat(1024 * 1024 + 1), "more than 1048576 bytes"),
    ] {
        let message = error(&template, &json!({}));
        assert!(message.contains(wanted), "{message}");
    }
}

#[test]
fn values_nested_by_a_loop_are_let_go_of() {
    let deep = "{{ $x := list }}{{ $y := dict }}{{ range 10000 }}{{ $x = list $x }}{{ $y = dict \"y\" $y }}{{ end }}x";
    assert_eq!(render(deep, &json!({})).as_deref(), Ok("x"));
}

#[test]
fn a_rendering_leaves_its_context_as_it_was() {
    let template =
        "{{ $_ := set . \"me\" . }}{{ $_ := set .a \"b\" 2 }}{{ $_ := unset . \"c\" }}{{ .a.b }}";
    let template = parse("t", template, &Limits::default()).unwrap();
    let json = json!({"a": {"b": 1}, "c": 3});
    let context = Value::from(&json);
    for _ in 0..2 {
        assert_eq!(template.render(&context, &run()).unwrap().text, "2");
        let mut meter = crate::limits::Meter::new(Limits::default());
        let left = crate::print::to_text(&context, &mut meter);
        assert_eq!(left.as_deref(), Ok("map[a:map[b:1] c:3]"));
    }
}

#[test]
fn as_deep_as_the_limits_allow_fits_the_stack() {
    let nested = "{{ ".to_owned() + &"(print ".repeat(95) + "1" + &")".repeat(95) + " }}";
    assert_eq!(render(&nested, &json!({})).as_deref(), Ok("1"));
    let blocks = "{{ with 1 }}{{ range 1 }}".repeat(45) + "x" + &"{{ end }}{{ end }}".repeat(45);
    assert_eq!(render(&blocks, &json!({})).as_deref(), Ok("x"));
}

#[test]
fn a_template_is_sent_and_kept() {
    fn is_sent<T: Send + Sync>() {}
    is_sent::<Template>();
}

#[test]
fn variables_are_found_where_they_are_written() {
    let text = "{{ .vars.a }}\n{{ if $.Vars.b }}{{ print (.vars.c.d) }}{{ end }}{{ .other.e }}\
                {{ define \"t\" }}{{ .vars.f }}{{ end }}";
    let template = parse("t", text, &Limits::default()).unwrap();
    let mut found = String::new();
    for (name, at) in template.variables() {
        write!(found, "{name} {}:{} ", at.line, at.column).unwrap();
    }
    assert_eq!(found, "a 1:4 b 2:7 c 2:28 f 2:83 ");
}

#[test]
fn origins_lead_back_to_the_template() {
    let template = parse("t", "a\n{{ .s }}\nb", &Limits::default()).unwrap();
    let context = Value::from(&json!({"s": "xx"}));
    let rendered = template.render(&context, &run()).unwrap();
    assert_eq!(rendered.text, "a\nxx\nb");
    let at = |line, column| Position { line, column };
    assert_eq!(
        rendered.origins,
        [(0, at(1, 1)), (2, at(2, 4)), (4, at(2, 9))]
    );
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2000))]

    #[test]
    fn no_text_panics(
        pieces in proptest::collection::vec(proptest::prop_oneof![
            proptest::sample::select(vec![
                "{{", "}}", "{{-", "-}}", " ", "(", ")", "|", ".", "$", "$x", ":=", "=", ",", "if", "else", "end",
                "range", "with", "define", "template", "block", "break", "continue", "\"a\"", "`", "'a'", "1", "-1.5e3",
                "0x1p-2", "nil", "true", ".a", ".a.b", "print", "index", "printf", "len", "eq", "and", "or", "/*", "*/",
                "é", "\n", "{{ end }}", "{{ if .a }}", "{{ range .a }}",
            ]).prop_map(str::to_owned),
            "\\PC{0,4}",
        ], 0..30),
    ) {
        let text: String = pieces.concat();
        for context in [json!({"a": {"b": [1, null, "x"]}}), json!(null), json!([{"a": 1}])] {
            let _ = render(&text, &context);
        }
    }
}

/// Any context that JSON can hold.
fn contexts() -> impl Strategy<Value = Json> {
    let leaf = proptest::prop_oneof![
        proptest::strategy::Just(Json::Null),
        proptest::prelude::any::<bool>().prop_map(Json::from),
        proptest::prelude::any::<f64>().prop_map(Json::from),
        "\\PC{0,6}".prop_map(Json::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        proptest::prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            proptest::collection::btree_map("[abc]", inner, 0..4)
                .prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    })
}

proptest::proptest! {
    #[test]
    fn no_context_panics(context in contexts(), function in proptest::sample::select(
        crate::functions::names().collect::<Vec<_>>()
    )) {
        let template = format!(
            "{{{{ .a.b }}}}{{{{ range $k, $v := .a }}}}{{{{ $k }}}}{{{{ $v }}}}{{{{ end }}}}{{{{ {function} .a .b }}}}"
        );
        let _ = render(&template, &context);
        let _ = render(&format!("{{{{ {function} .a }}}}"), &context);
        let _ = render(&format!("{{{{ .b | {function} .a .c }}}}"), &context);
    }
}

use proptest::strategy::Strategy;
