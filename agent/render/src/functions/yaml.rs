//! YAML, as Helm's toYaml and fromYaml have it: what goes wrong becomes a value.

use super::json::{NoJson, as_list, as_map, error_map};
use super::{Args, Env, Function, Param};
use crate::error::Fault;
use crate::value::Value;
use read::NotYaml;

mod emit;
mod order;
mod passage;
mod read;
mod resolve;
mod scalar;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("toYaml", &[Param::Any], to_yaml),
    Function::new("fromYaml", &[Param::Str], from_yaml),
    Function::new("fromYamlArray", &[Param::Str], from_yaml_array),
];

fn to_yaml(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    match emit::document(args.any(0)?, env.meter) {
        Ok(mut text) => {
            if text.ends_with('\n') {
                text.pop();
            }
            Ok(Value::str(text))
        }
        // As Helm has it.
        Err(NoJson::Unsupported(_)) => Ok(Value::str("")),
        Err(NoJson::Limit(fault)) => Err(fault),
    }
}

/// Before what is wrong with a value that is not of the asked type, as Helm's users see it.
const WRONG_TYPE: &str = "error unmarshaling JSON: while decoding JSON: ";

fn from_yaml(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    match read::read(args.str(0)?, env.meter) {
        Ok(value) => Ok(as_map(value, WRONG_TYPE)),
        Err(NotYaml::Syntax(message)) => Ok(error_map(in_words(&message))),
        Err(NotYaml::Limit(fault)) => Err(fault),
    }
}

fn from_yaml_array(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    match read::read(args.str(0)?, env.meter) {
        Ok(value) => Ok(as_list(value, WRONG_TYPE)),
        Err(NotYaml::Syntax(message)) => Ok(Value::list(vec![Value::str(in_words(&message))])),
        Err(NotYaml::Limit(fault)) => Err(fault),
    }
}

fn in_words(message: &str) -> String {
    format!("error converting YAML to JSON: {message}")
}

/// Whether toYaml writes this text as it is.
pub(super) fn is_plain(text: &str) -> bool {
    scalar::style(text, scalar::Role::Other) == scalar::Style::Plain && passage::survives_json(text)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::rc::Rc;

    use proptest::prelude::*;

    use crate::functions::golden;
    use crate::value::Value;

    fn value() -> impl Strategy<Value = Value> {
        // Without what JSON and YAML together do not carry: control characters, and the end of a line of YAML 1.1.
        let text = "[ -~\\n\\té日😀]{0,90}";
        let leaf = prop_oneof![
            Just(Value::Nil),
            any::<bool>().prop_map(Value::Bool),
            any::<i32>().prop_map(|number| Value::Float(number.into())),
            (-1e300..1e300).prop_map(Value::Float),
            text.prop_map(Value::str),
            "[~nyo0-9:._+x-]{1,6}".prop_map(Value::str),
        ];
        leaf.prop_recursive(4, 40, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::list),
                prop::collection::btree_map(text.prop_map(Rc::<str>::from), inner, 0..5)
                    .prop_map(Value::map),
            ]
        })
    }

    fn text(name: &str, value: Value) -> String {
        match golden::call(name, &[value]) {
            Ok(Value::Str(text)) => text.to_string(),
            other => panic!("{other:?}"),
        }
    }

    proptest! {
        #[test]
        fn reads_what_it_writes(value in value()) {
            // Something follows: the last line break of all is cut off.
            let map = Value::map(BTreeMap::from([
                (Rc::from("v"), value),
                (Rc::from("z"), Value::Bool(true)),
            ]));
            let yaml = text("toYaml", map.clone());
            let back = golden::call("fromYaml", &[Value::str(yaml.as_str())]).unwrap();
            prop_assert_eq!(text("toJson", back), text("toJson", map), "{}", yaml);
        }

        #[test]
        fn reads_anything(text in "[ -~\\n\\t]{0,60}|\\PC{0,30}") {
            let _ = golden::call("fromYaml", &[Value::str(text.as_str())]);
            let _ = golden::call("fromYamlArray", &[Value::str(text.as_str())]);
            let _ = golden::call("fromJson", &[Value::str(text)]);
        }
    }

    #[test]
    fn reads_as_go() {
        golden::check(include_str!("yaml/read.jsonl"));
    }

    #[test]
    fn writes_as_go() {
        golden::check(include_str!("yaml/write.jsonl"));
    }
}
