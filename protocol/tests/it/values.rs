//! Values of variables: every input type × what it takes, what it refuses, and with which words.

use breakglass_protocol::kinds::variables::DeployVariable;
use breakglass_protocol::limits::MAX_VALUE_BYTES;
use proptest::prelude::*;
use serde_json::{Value, json};

fn variable(spec: Value) -> DeployVariable {
    let mut whole = json!({"name": "x"});
    for (field, value) in spec.as_object().unwrap() {
        whole[field] = value.clone();
    }
    serde_json::from_value(whole).unwrap()
}

fn select(kind: &str, more: Value) -> DeployVariable {
    let options = json!([{"value": "alpine"}, {"value": "busybox"}, {"value": "tools"}]);
    variable(json!({"inputType": kind, "options": options, "validation": more}))
}

#[test]
fn each_input_type_becomes_its_text() {
    for (spec, value, text) in [
        (json!({}), json!("as it is: \"#\n\t"), "as it is: \"#\n\t"),
        (json!({}), json!(""), ""),
        (json!({"inputType": "boolean"}), json!(true), "true"),
        (json!({"inputType": "boolean"}), json!("false"), "false"),
        (json!({"inputType": "number"}), json!(3), "3"),
        (json!({"inputType": "number"}), json!(2.5), "2.5"),
        (
            json!({"inputType": "number"}),
            json!(1e21),
            "1000000000000000000000",
        ),
        (json!({"inputType": "number"}), json!("1e3"), "1000"),
        (json!({"inputType": "number"}), json!("-0"), "0"),
        (
            json!({"inputType": "number"}),
            json!(u64::MAX),
            "18446744073709551615",
        ),
        (
            json!({"inputType": "storageSize"}),
            json!("1.50Gi"),
            "1.50Gi",
        ),
        (json!({"inputType": "storageSize"}), json!(1024), "1024"),
    ] {
        assert_eq!(
            variable(spec.clone()).read_value(&value).as_deref(),
            Ok(text),
            "{spec} {value}"
        );
    }
    let (one, many) = (
        select("select", json!({})),
        select("multiSelect", json!({})),
    );
    assert_eq!(one.read_value(&json!("tools")).as_deref(), Ok("tools"));
    for (value, text) in [
        (json!(["tools", "alpine"]), "tools,alpine"),
        (json!("tools, alpine,tools"), "tools,alpine"),
        (json!([]), ""),
        (json!(""), ""),
    ] {
        assert_eq!(many.read_value(&value).as_deref(), Ok(text), "{value}");
    }
    assert_eq!(many.options_in("tools,alpine"), ["tools", "alpine"]);
    assert_eq!(many.options_in(""), Vec::<&str>::new());
}

#[test]
fn wrong_types_are_refused_with_what_is_wanted() {
    let anything = [
        json!(null),
        json!(true),
        json!(1),
        json!("x"),
        json!([]),
        json!(["x"]),
        json!({}),
    ];
    for (variable, taken, says) in [
        (variable(json!({})), vec![json!("x")], "must be a text"),
        (
            variable(json!({"inputType": "boolean"})),
            vec![json!(true)],
            "must be true or false",
        ),
        (
            variable(json!({"inputType": "number"})),
            vec![json!(1)],
            "must be a number such as 3",
        ),
        (
            variable(json!({"inputType": "storageSize"})),
            vec![json!(1)],
            "quantity",
        ),
        (
            select("select", json!({})),
            vec![],
            "the value of an option",
        ),
        (
            select("multiSelect", json!({})),
            vec![json!([])],
            "the value",
        ),
    ] {
        for value in &anything {
            let read = variable.read_value(value);
            if taken.contains(value) {
                assert!(read.is_ok(), "{variable:?} {value}");
            } else {
                let problems = read.unwrap_err();
                assert!(problems[0].message.contains(says), "{value}: {problems:?}");
            }
        }
    }
    for text in ["NaN", "inf", "0x1", "1 ", "", "1e999"] {
        let problems = variable(json!({"inputType": "number"})).read_value(&json!(text));
        assert_eq!(problems.unwrap_err()[0].rule, "inputType", "{text}");
    }
    let negative = variable(json!({"inputType": "storageSize"})).read_value(&json!("-1Gi"));
    assert_eq!(
        negative.unwrap_err()[0].message,
        "is negative; give a size such as 10Gi"
    );
}

#[test]
fn bounds_are_told_with_their_limit() {
    let text = json!({"minLength": 3, "maxLength": 5, "pattern": "[a-zé]+|x"});
    let friendly = json!({"pattern": "[a-z]+", "patternError": "lower-case letters only"});
    let sizes = json!({"minStorage": "1Gi", "maxStorage": "10Gi"});
    for (spec, value, rules) in [
        (
            json!({"validation": text}),
            json!("éé"),
            vec![("validation.minLength", "has 2 characters; write at least 3")],
        ),
        (
            json!({"validation": text}),
            json!("éééééé"),
            vec![("validation.maxLength", "has 6 characters; write at most 5")],
        ),
        (
            json!({"validation": text}),
            json!("abc\n"),
            vec![("validation.pattern", "does not match [a-zé]+|x")],
        ),
        (
            json!({"validation": text}),
            json!("xA"),
            vec![
                ("validation.minLength", "has 2 characters; write at least 3"),
                ("validation.pattern", "does not match [a-zé]+|x"),
            ],
        ),
        (
            json!({"validation": friendly}),
            json!("A"),
            vec![("validation.pattern", "lower-case letters only")],
        ),
        (
            json!({"inputType": "number", "validation": {"min": "1", "max": "5"}}),
            json!(0.5),
            vec![("validation.min", "0.5 is less than 1; give at least that")],
        ),
        (
            json!({"inputType": "number", "validation": {"min": "1", "max": "5"}}),
            json!("5.00000000000000000001"),
            vec![(
                "validation.max",
                "5.00000000000000000001 is more than 5; give at most that",
            )],
        ),
        (
            json!({"inputType": "storageSize", "validation": sizes}),
            json!("1023Mi"),
            vec![(
                "validation.minStorage",
                "is less than 1Gi; give at least that",
            )],
        ),
        (
            json!({"inputType": "storageSize", "validation": sizes}),
            json!("1Ti"),
            vec![(
                "validation.maxStorage",
                "is more than 10Gi; give at most that",
            )],
        ),
    ] {
        let problems = variable(spec.clone()).read_value(&value).unwrap_err();
        let told: Vec<(&str, &str)> = problems
            .iter()
            .map(|p| (p.rule, p.message.as_str()))
            .collect();
        assert_eq!(told, rules, "{spec} {value}");
    }
    let few = select("multiSelect", json!({"minItems": 1, "maxItems": 2}));
    assert_eq!(
        few.read_value(&json!([])).unwrap_err()[0].message,
        "names 0; choose at least 1"
    );
    let all = few.read_value(&json!("alpine,busybox,tools")).unwrap_err();
    assert_eq!(all[0].message, "names 3; choose at most 2");
    let twice = few.read_value(&json!(["alpine", "alpine", "tools"]));
    assert_eq!(twice.as_deref(), Ok("alpine,tools"), "counted once");
}

#[test]
fn s13_texts_are_bounded_and_without_control_characters() {
    let text = variable(json!({}));
    let large = text
        .read_value(&json!("x".repeat(MAX_VALUE_BYTES + 1)))
        .unwrap_err();
    assert_eq!(large[0].rule, "size");
    assert!(text.read_value(&json!("x".repeat(MAX_VALUE_BYTES))).is_ok());
    for hostile in [
        "a\0",
        "\u{1b}[2J",
        "a\rb",
        "a\r\nb",
        "\u{85}",
        "\u{7f}",
        "\u{9b}31m",
    ] {
        let problems = text.read_value(&json!(hostile)).unwrap_err();
        assert_eq!(problems[0].rule, "characters", "{hostile:?}");
        assert!(
            !problems[0].message.contains(hostile),
            "the value itself is not repeated"
        );
    }
}

#[test]
fn s13_a_pattern_matches_whole_values_whatever_it_is() {
    let of = |pattern: &str| variable(json!({"validation": {"pattern": pattern}}));
    for (pattern, no) in [
        ("a", "ba"),
        ("a", "a\n"),
        ("a|b", "ac"),
        ("(?m)^a$", "b\na\nb"),
        ("^a|b$", "xb"),
    ] {
        assert!(
            of(pattern).read_value(&json!(no)).is_err(),
            "{pattern} {no:?}"
        );
    }
    for broken in ["a)|(b", "[a", "(?x)a # "] {
        assert!(
            of(broken).read_value(&json!("a")).is_err(),
            "{broken} matches nothing"
        );
    }
}

proptest! {
    /// What is given either is refused or comes through unchanged.
    #[test]
    fn s13_hostile_texts_are_refused_or_unchanged(text in "\\PC{0,40}|[\\x00-\\x7f\u{80}-\u{9f}\u{2028}\u{2029}]{0,40}|(---|\\n- |: |#|\\{\\{|\\}\\}|\\$\\{|&a|\\*a|!!|%){1,8}") {
        match variable(json!({})).read_value(&json!(text)) {
            Ok(read) => prop_assert_eq!(read, text),
            Err(_) => prop_assert!(text.chars().any(|c| c.is_control() && c != '\n' && c != '\t')),
        }
    }

    /// Every other type gives only words of its own.
    #[test]
    fn s13_other_types_give_no_free_words(text in "\\PC{0,20}|[0-9eE+.-]{1,12}") {
        let value = json!(text);
        if let Ok(read) = variable(json!({"inputType": "number"})).read_value(&value) {
            prop_assert!(read.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b'-'), "{}", read);
        }
        if let Ok(read) = variable(json!({"inputType": "storageSize"})).read_value(&value) {
            prop_assert!(read.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b)), "{}", read);
        }
        if let Ok(read) = select("multiSelect", json!({})).read_value(&value) {
            prop_assert!(read.split(',').all(|o| ["", "alpine", "busybox", "tools"].contains(&o)), "{}", read);
        }
    }
}
