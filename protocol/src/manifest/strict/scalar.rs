//! Values that hold no others.

use serde_json::{Number, Value};

use super::super::suggest::did_you_mean;
use super::super::tree::{Content, Node};
use super::{Place, Reader};
use crate::duration;
use crate::quantity::Quantity;

impl Reader {
    pub(super) fn boolean(&mut self, node: &Node, place: Place<'_>) -> Option<Value> {
        let Content::Bool(value) = &node.content else {
            return self.wrong_type(node, "true or false", place);
        };
        Some(Value::Bool(*value))
    }

    pub(super) fn number(&mut self, node: &Node, place: Place<'_>) -> Option<Value> {
        let Content::Number(number) = &node.content else {
            return self.wrong_type(node, "a number", place);
        };
        Some(Value::Number(number.clone()))
    }

    pub(super) fn text(&mut self, node: &Node, schema: &Value, place: Place<'_>) -> Option<Value> {
        let Content::String(text) = &node.content else {
            let hint = match &node.content {
                Content::Bool(_) | Content::Number(_) => "; put it in quotes",
                Content::Null | Content::String(_) | Content::List(_) | Content::Map(_) => "",
            };
            self.refuse(
                place,
                format!("must be a text, not {}{hint}", describe(&node.content)),
            );
            return None;
        };
        let before = self.problems.len();
        self.size(
            text.chars().count(),
            ("minLength", "maxLength"),
            "characters",
            schema,
            place,
        );
        self.shape(text, schema, place);
        (self.problems.len() == before).then(|| Value::String(text.clone()))
    }

    /// Pattern and format of a text.
    fn shape(&mut self, text: &str, schema: &Value, place: Place<'_>) {
        if schema.get("x-check").is_some() {
            if let Err(error) = duration::parse(text) {
                self.refuse(place, error.to_string());
            }
            return;
        }
        if schema.get("format").and_then(Value::as_str) == Some("date-time")
            && text.parse::<jiff::Timestamp>().is_err()
        {
            self.refuse(
                place,
                format!("{text:?} is not a time such as 2026-01-31T12:00:00Z"),
            );
        }
        let pattern = schema.get("pattern").and_then(Value::as_str);
        let regex = pattern.and_then(|pattern| regex::Regex::new(pattern).ok());
        if let (Some(pattern), Some(regex)) = (pattern, regex)
            && !text.is_empty()
            && !regex.is_match(text)
        {
            self.refuse(place, format!("{text:?} does not match {pattern}"));
        }
    }

    pub(super) fn integer(
        &mut self,
        node: &Node,
        schema: &Value,
        place: Place<'_>,
    ) -> Option<Value> {
        let Content::Number(number) = &node.content else {
            return self.wrong_type(node, "a whole number", place);
        };
        let Some(value) = number.as_i64() else {
            return self.wrong_type(node, "a whole number", place);
        };
        let bound = |key: &str| schema.get(key).and_then(Value::as_i64);
        let is_int32 = schema.get("format").and_then(Value::as_str) == Some("int32");
        let min = bound("minimum").unwrap_or(if is_int32 {
            i64::from(i32::MIN)
        } else {
            i64::MIN
        });
        let max = bound("maximum").unwrap_or(if is_int32 {
            i64::from(i32::MAX)
        } else {
            i64::MAX
        });
        if value < min {
            self.refuse(place, format!("is {value}, less than {min}"));
            None
        } else if value > max {
            self.refuse(place, format!("is {value}, more than {max}"));
            None
        } else {
            Some(Value::Number(Number::from(value)))
        }
    }

    pub(super) fn word(&mut self, node: &Node, words: &[&str], place: Place<'_>) -> Option<Value> {
        let listed = words
            .iter()
            .map(|word| format!("{word:?}"))
            .collect::<Vec<_>>()
            .join(", ");
        let Content::String(text) = &node.content else {
            return self.wrong_type(node, &format!("one of {listed}"), place);
        };
        if words.contains(&text.as_str()) {
            return Some(Value::String(text.clone()));
        }
        let hint = did_you_mean(text, words.iter().copied());
        self.refuse(place, format!("{text:?} is not one of {listed}{hint}"));
        None
    }

    pub(super) fn quantity(&mut self, node: &Node, place: Place<'_>) -> Option<Value> {
        let text = match &node.content {
            Content::String(text) => text.clone(),
            Content::Number(number) => number.to_string(),
            Content::Null | Content::Bool(_) | Content::List(_) | Content::Map(_) => {
                return self.wrong_type(node, "a quantity", place);
            }
        };
        match Quantity::parse(&text) {
            Ok(_) => Some(Value::String(text)),
            Err(error) => {
                self.refuse(place, error.to_string());
                None
            }
        }
    }

    pub(super) fn int_or_string(&mut self, node: &Node, place: Place<'_>) -> Option<Value> {
        match &node.content {
            Content::String(_) => Some(node.to_json()),
            Content::Number(number)
                if number.as_i64().is_some_and(|n| i32::try_from(n).is_ok()) =>
            {
                Some(node.to_json())
            }
            Content::Number(_)
            | Content::Null
            | Content::Bool(_)
            | Content::List(_)
            | Content::Map(_) => self.wrong_type(node, "a whole number or a text", place),
        }
    }
}

/// A value in an error.
pub(super) fn describe(content: &Content) -> String {
    match content {
        Content::Null => "nothing".to_owned(),
        Content::Bool(value) => format!("the boolean {value}"),
        Content::Number(number) => format!("the number {number}"),
        Content::String(text) if text.chars().count() <= 40 => format!("the text {text:?}"),
        Content::String(_) => "a text".to_owned(),
        Content::List(_) => "a list".to_owned(),
        Content::Map(_) => "an object".to_owned(),
    }
}
