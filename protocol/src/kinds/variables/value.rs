//! A given value × its declaration → the text that templates read (S13), or every reason why not. Whose groups may give
//! it is the hub's question.

use serde_json::Value;

use super::decimal::Decimal;
use super::{DeployVariable, InputType, VariableValidation, compile_value_pattern};
use crate::limits::MAX_VALUE_BYTES;
use crate::quantity::Quantity;

/// Why a value cannot be had. Holds nothing of a free text's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueProblem {
    /// The setting that is violated: `inputType`, `options`, `validation.maxLength`.
    pub rule: &'static str,
    /// Worded to follow the field's name.
    pub message: String,
    /// What would be accepted, where that can be listed.
    pub allowed: Vec<String>,
}

/// Longest part of a value that a message repeats, in characters.
const SHOWN: usize = 40;

impl DeployVariable {
    /// The text of a value, as its input type and `validation` have it: `true`, `2.5`, `10Gi`, an option, options joined
    /// by commas. A text stays as it is.
    ///
    /// # Errors
    /// Everything wrong with it; never empty.
    pub fn read_value(&self, value: &Value) -> Result<String, Vec<ValueProblem>> {
        let none = VariableValidation::default();
        let rules = self.validation.as_ref().unwrap_or(&none);
        let (text, problems) = match self.input_type.unwrap_or_default() {
            InputType::Boolean => read_boolean(value).map(|text| (text, Vec::new())),
            InputType::Text => read_text(value).map(|text| {
                let problems = rules.check_text(&text);
                (text, problems)
            }),
            InputType::Number => read_number(value).map(|number| {
                let problems = rules.check_number(&number);
                (number.to_string(), problems)
            }),
            InputType::StorageSize => read_storage(value).map(|(text, quantity)| {
                let problems = rules.check_storage(quantity);
                (text, problems)
            }),
            InputType::Select => self.read_option(value).map(|text| (text, Vec::new())),
            InputType::MultiSelect => self.read_options(value).map(|options| {
                let problems = rules.check_items(options.len());
                (options.join(","), problems)
            }),
        }
        .map_err(|problem| vec![problem])?;
        if problems.is_empty() {
            Ok(text)
        } else {
            Err(problems)
        }
    }

    /// The options that a text of [`Self::read_value`] stands for; none for other input types.
    pub fn options_in<'a>(&self, text: &'a str) -> Vec<&'a str> {
        match self.input_type.unwrap_or_default() {
            InputType::Select => vec![text],
            InputType::MultiSelect => text.split(',').filter(|part| !part.is_empty()).collect(),
            InputType::Boolean | InputType::Text | InputType::Number | InputType::StorageSize => {
                Vec::new()
            }
        }
    }

    fn read_option(&self, value: &Value) -> Result<String, ValueProblem> {
        let values = || self.options.iter().map(|option| option.value.clone());
        let Some(text) = value.as_str() else {
            let message = "must be the value of an option, as a text";
            return Err(problem("inputType", message).allowing(values()));
        };
        if self.options.iter().any(|option| option.value == text) {
            Ok(text.to_owned())
        } else {
            let message = format!("{:?} is not the value of an option", shortened(text));
            Err(problem("options", message).allowing(values()))
        }
    }

    /// Each once, in the order given.
    fn read_options(&self, value: &Value) -> Result<Vec<String>, ValueProblem> {
        let given: Vec<Value> = match value {
            Value::Array(values) => values.clone(),
            Value::String(text) if text.trim().is_empty() => Vec::new(),
            Value::String(text) => text
                .split(',')
                .map(|part| Value::from(part.trim()))
                .collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
                let message = "must be a list of the values of options";
                return Err(problem("inputType", message)
                    .allowing(self.options.iter().map(|option| option.value.clone())));
            }
        };
        let mut chosen: Vec<String> = Vec::new();
        for value in &given {
            let option = self.read_option(value)?;
            if !chosen.contains(&option) {
                chosen.push(option);
            }
        }
        Ok(chosen)
    }
}

impl VariableValidation {
    fn check_text(&self, text: &str) -> Vec<ValueProblem> {
        let length = text.chars().count();
        let limit = |given: Option<i32>| given.and_then(|n| usize::try_from(n).ok());
        let mut problems = Vec::new();
        if let Some(min) = limit(self.min_length).filter(|min| length < *min) {
            let message = format!("has {length} characters; write at least {min}");
            problems.push(problem("validation.minLength", message));
        }
        if let Some(max) = limit(self.max_length).filter(|max| length > *max) {
            let message = format!("has {length} characters; write at most {max}");
            problems.push(problem("validation.maxLength", message));
        }
        if let Some(pattern) = &self.pattern {
            // One that does not compile was refused at load; here it matches nothing.
            let matches = compile_value_pattern(pattern).is_ok_and(|regex| regex.is_match(text));
            if !matches {
                let told = self.pattern_error.clone();
                let message = told.unwrap_or_else(|| format!("does not match {pattern}"));
                problems.push(problem("validation.pattern", message));
            }
        }
        problems
    }

    fn check_number(&self, number: &Decimal) -> Vec<ValueProblem> {
        let limit = |text: &Option<String>| text.as_deref().and_then(Decimal::parse);
        let mut problems = Vec::new();
        if let Some(min) = limit(&self.min).filter(|min| number < min) {
            let message = format!("{number} is less than {min}; give at least that");
            problems.push(problem("validation.min", message));
        }
        if let Some(max) = limit(&self.max).filter(|max| number > max) {
            let message = format!("{number} is more than {max}; give at most that");
            problems.push(problem("validation.max", message));
        }
        problems
    }

    fn check_storage(&self, size: Quantity) -> Vec<ValueProblem> {
        let limit =
            |text: &Option<String>| Some((Quantity::parse(text.as_deref()?).ok()?, text.clone()?));
        let mut problems = Vec::new();
        if let Some((_, min)) = limit(&self.min_storage).filter(|(min, _)| size < *min) {
            let message = format!("is less than {min}; give at least that");
            problems.push(problem("validation.minStorage", message));
        }
        if let Some((_, max)) = limit(&self.max_storage).filter(|(max, _)| size > *max) {
            let message = format!("is more than {max}; give at most that");
            problems.push(problem("validation.maxStorage", message));
        }
        problems
    }

    fn check_items(&self, count: usize) -> Vec<ValueProblem> {
        let limit = |given: Option<i32>| given.and_then(|n| usize::try_from(n).ok());
        let mut problems = Vec::new();
        if let Some(min) = limit(self.min_items).filter(|min| count < *min) {
            let message = format!("names {count}; choose at least {min}");
            problems.push(problem("validation.minItems", message));
        }
        if let Some(max) = limit(self.max_items).filter(|max| count > *max) {
            let message = format!("names {count}; choose at most {max}");
            problems.push(problem("validation.maxItems", message));
        }
        problems
    }
}

fn read_boolean(value: &Value) -> Result<String, ValueProblem> {
    match value {
        Value::Bool(value) => Ok(value.to_string()),
        Value::String(text) if matches!(text.as_str(), "true" | "false") => Ok(text.clone()),
        Value::String(_) | Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            let message = "must be true or false, as the inputType is boolean";
            Err(problem("inputType", message).allowing(["true", "false"]))
        }
    }
}

fn read_text(value: &Value) -> Result<String, ValueProblem> {
    let Some(text) = value.as_str() else {
        return Err(problem(
            "inputType",
            "must be a text, as the inputType is text",
        ));
    };
    if text.len() > MAX_VALUE_BYTES {
        let message = format!("has {} bytes; write at most {MAX_VALUE_BYTES}", text.len());
        return Err(problem("size", message));
    }
    let control = |c: &char| c.is_control() && !matches!(c, '\n' | '\t');
    match text.chars().find(control) {
        Some(c) => {
            let message = format!(
                "has the control character U+{:04X}; only line feeds and tabs can be had",
                u32::from(c)
            );
            Err(problem("characters", message))
        }
        None => Ok(text.to_owned()),
    }
}

fn read_number(value: &Value) -> Result<Decimal, ValueProblem> {
    let text = match value {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.clone()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    let number = text.as_deref().and_then(Decimal::parse);
    number.ok_or_else(|| {
        let message = "must be a number such as 3 or 2.5, as the inputType is number";
        problem("inputType", message)
    })
}

fn read_storage(value: &Value) -> Result<(String, Quantity), ValueProblem> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(_) => read_number(value)?.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            return Err(problem("inputType", "must be a quantity such as 10Gi"));
        }
    };
    let quantity =
        Quantity::parse(&text).map_err(|error| problem("inputType", error.to_string()))?;
    if quantity.nanos() < 0 {
        return Err(problem(
            "inputType",
            "is negative; give a size such as 10Gi",
        ));
    }
    Ok((text, quantity))
}

fn problem(rule: &'static str, message: impl Into<String>) -> ValueProblem {
    ValueProblem {
        rule,
        message: message.into(),
        allowed: Vec::new(),
    }
}

impl ValueProblem {
    fn allowing(mut self, allowed: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.allowed = allowed.into_iter().map(Into::into).collect();
        self
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}
