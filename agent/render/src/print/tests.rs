use serde_json::Value as Json;

use crate::limits::{Limits, Meter};
use crate::value::{IntKind, Value};

/// A typed value as the cases' generator writes it: type, text, integer, bits of a float, items.
fn read(json: &Json) -> Value {
    let int = json["I"].as_i64().unwrap_or(0);
    let items = || json["L"].as_array().cloned().unwrap_or_default();
    let text = |json: &Json| json["S"].as_str().unwrap().to_owned();
    match json["T"].as_str().unwrap() {
        "nil" => Value::Nil,
        "s" => Value::str(text(json)),
        "i" => Value::int(int),
        "i64" => Value::int64(int),
        "u8" => Value::Int(int, IntKind::Uint8),
        "u64" => Value::Int(int, IntKind::Uint64),
        "f" => Value::Float(f64::from_bits(json["F"].as_u64().unwrap())),
        "b" => Value::Bool(int != 0),
        "d" => Value::Duration(int),
        "l" => Value::list(items().iter().map(read).collect()),
        "ls" => Value::strings(items().iter().map(text)),
        "m" => Value::map(
            items()
                .iter()
                .enumerate()
                .map(|(place, item)| (format!("k{place}").into(), read(item)))
                .collect(),
        ),
        other => panic!("a case has the unknown type {other}"),
    }
}

/// Each line: a format, arguments, and what Go's Sprintf, Sprint and Sprintln make of them.
#[test]
fn prints_what_go_prints() {
    for line in include_str!("cases.jsonl").lines() {
        let case: Json = serde_json::from_str(line).unwrap();
        let args: Vec<Value> = case["a"].as_array().unwrap().iter().map(read).collect();
        let mut meter = Meter::new(Limits::default());
        let format = case["f"].as_str().unwrap();
        if let Err(fault) = super::sprintf(format, &args, &mut meter).map(|text| {
            assert_eq!(text, case["o"].as_str().unwrap(), "{line}");
        }) {
            assert!(fault.message.contains("address"), "{line}: {fault:?}");
        }
        let text = super::print(&args, &mut meter).unwrap();
        assert_eq!(text, case["p"].as_str().unwrap(), "{line}");
        let text = super::println(&args, &mut meter).unwrap();
        assert_eq!(text, case["l"].as_str().unwrap(), "{line}");
    }
}

#[test]
fn a_width_beyond_the_limits_is_an_error_before_it_is_made() {
    let mut meter = Meter::new(Limits::default());
    let wide = "%1000000d".repeat(100);
    let args = vec![Value::int(1); 100];
    assert!(super::sprintf(&wide, &args, &mut meter).is_err());
}

#[test]
fn a_map_that_holds_itself_is_an_error() {
    let map = crate::value::Map::new(crate::value::MapKind::Any, Default::default());
    map.insert("me".into(), Value::Map(map.clone()));
    let mut meter = Meter::new(Limits::default());
    assert!(super::to_text(&Value::Map(map.clone()), &mut meter).is_err());
    map.remove("me");
}
