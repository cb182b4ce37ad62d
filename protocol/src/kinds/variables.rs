//! Typed inputs that a requester fills in and templates read as `.vars`. What a given value becomes is in `value.rs`.
//!
//! A variable without value and default is no key of `.vars`, whatever its type: templates test for it as for any missing
//! key (`default`, `if`, `eq .vars.x "true"`). So a boolean that nobody set is missing, not `false`.

mod decimal;
mod value;

pub use self::value::ValueProblem;

use self::decimal::Decimal;
use super::check::Checks;
use crate::quantity::Quantity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One of `extraDeployVariables`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeployVariable {
    /// An identifier: templates read it as `.vars.NAME`.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-zA-Z][a-zA-Z0-9_]*$"))]
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Absent: text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_type: Option<InputType>,
    /// A boolean, number, string, or list of strings, as the input type says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required: Option<bool>,
    /// Groups whose members may set it; empty: everybody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_groups: Vec<String>,
    /// For `select` and `multiSelect`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<VariableOption>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<VariableValidation>,
    /// Shown only when the requester asks for more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advanced: Option<bool>,
    /// Heading under which it is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// The type of an input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum InputType {
    Boolean,
    #[default]
    Text,
    Number,
    StorageSize,
    Select,
    MultiSelect,
}

/// One choice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VariableOption {
    #[schemars(length(min = 1))]
    pub value: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Groups whose members may choose it; empty: everybody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_groups: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
}

/// What a value must be like. Fields that do not fit the input type are refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VariableValidation {
    #[schemars(range(min = 0))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_length: Option<i32>,
    #[schemars(range(min = 1))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<i32>,
    /// Must match the whole value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// Told instead of the pattern when a value does not match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern_error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<String>,
    /// A quantity such as `1Gi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_storage: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_storage: Option<String>,
    #[schemars(range(min = 0))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_items: Option<i32>,
    #[schemars(range(min = 1))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_items: Option<i32>,
}

/// The variables that a session has: the pod template's in its order, then the session template's. Of one name the session
/// template's declaration counts, whole.
#[must_use]
pub fn declared<'a>(
    of_session_template: &'a [DeployVariable],
    of_pod_template: &'a [DeployVariable],
) -> Vec<&'a DeployVariable> {
    let find = |name: &str| of_session_template.iter().find(|own| own.name == name);
    let inherited = of_pod_template
        .iter()
        .map(|variable| find(&variable.name).unwrap_or(variable));
    let own = of_session_template.iter().filter(|own| {
        of_pod_template
            .iter()
            .all(|variable| variable.name != own.name)
    });
    inherited.chain(own).collect()
}

/// Checks a whole `extraDeployVariables` list of the object that `checks` stands in.
pub(super) fn check_variables(variables: &[DeployVariable], checks: &mut Checks) {
    const FIELD: &str = "extraDeployVariables";
    checks.unique(FIELD, "name", variables.iter().map(|v| v.name.as_str()));
    checks.within_each(FIELD, variables, DeployVariable::check);
}

/// Longest `pattern`: compiled in microseconds, and longer ones nobody can read.
const MAX_REGEX_BYTES: usize = 1024;
/// Compiled size of a `pattern`: stops repetitions of repetitions.
const MAX_REGEX_SIZE: usize = 256 * 1024;

/// Compiles a variable's `pattern`. It matches whole values (S13), whatever it is.
///
/// # Errors
/// Why it is not a regular expression, worded to follow the field's name.
pub fn compile_value_pattern(pattern: &str) -> Result<regex::Regex, String> {
    if pattern.len() > MAX_REGEX_BYTES {
        return Err(format!("is longer than {MAX_REGEX_BYTES} bytes"));
    }
    let compile = |pattern: &str| {
        regex::RegexBuilder::new(pattern)
            .size_limit(MAX_REGEX_SIZE)
            .build()
    };
    // By itself first: `a)|(b` is none, though it would be one between brackets; and the error of the wrapped one would
    // show a pattern that nobody wrote.
    match compile(pattern) {
        Ok(_) => compile(&format!("^(?:{pattern})$"))
            .map_err(|_| format!("{pattern:?} cannot be matched against a whole value")),
        Err(regex::Error::CompiledTooBig(_)) => {
            Err("is too complex: fewer or smaller repetitions".to_owned())
        }
        Err(error) => {
            let text = error.to_string();
            let why = text.rsplit("error: ").next().unwrap_or_default();
            Err(format!(
                "{pattern:?} is not a regular expression: {}",
                why.trim()
            ))
        }
    }
}

impl DeployVariable {
    /// Several choices reach templates joined by commas.
    fn check_no_commas(&self, checks: &mut Checks) {
        checks.within_each("options", &self.options, |option, checks| {
            if option.value.contains(',') {
                checks.refuse(
                    "value",
                    "has a comma, which separates the choices of a multiSelect; choose another word",
                );
            }
        });
    }

    fn check(&self, checks: &mut Checks) {
        let input = self.input_type.unwrap_or_default();
        checks.groups("allowedGroups", &self.allowed_groups);
        match (input, self.options.is_empty()) {
            (InputType::Select | InputType::MultiSelect, true) => {
                checks.refuse("options", "needs at least one option for this inputType");
            }
            (
                InputType::Boolean | InputType::Text | InputType::Number | InputType::StorageSize,
                false,
            ) => {
                checks.refuse(
                    "options",
                    "has a meaning for the inputTypes select and multiSelect only; remove it",
                );
            }
            (InputType::Select | InputType::MultiSelect, false)
            | (
                InputType::Boolean | InputType::Text | InputType::Number | InputType::StorageSize,
                true,
            ) => {}
        }
        checks.unique(
            "options",
            "value",
            self.options.iter().map(|o| o.value.as_str()),
        );
        checks.within_each("options", &self.options, |option, checks| {
            checks.groups("allowedGroups", &option.allowed_groups);
        });
        if input == InputType::MultiSelect {
            self.check_no_commas(checks);
        }
        let problems = self
            .default
            .as_ref()
            .map(|default| self.read_value(default));
        for problem in problems.and_then(Result::err).unwrap_or_default() {
            checks.refuse("default", problem.message);
        }
        checks.within_some(
            "validation",
            self.validation.as_ref(),
            |validation, checks| {
                validation.check_fits(input, checks);
                validation.check(checks);
            },
        );
    }
}

impl VariableValidation {
    /// A rule for another input type would never be applied.
    fn check_fits(&self, input: InputType, checks: &mut Checks) {
        let text = (InputType::Text, "text");
        let (number, storage) = (
            (InputType::Number, "number"),
            (InputType::StorageSize, "storageSize"),
        );
        let items = (InputType::MultiSelect, "multiSelect");
        for (field, is_set, (wanted, word)) in [
            ("minLength", self.min_length.is_some(), text),
            ("maxLength", self.max_length.is_some(), text),
            ("pattern", self.pattern.is_some(), text),
            ("patternError", self.pattern_error.is_some(), text),
            ("min", self.min.is_some(), number),
            ("max", self.max.is_some(), number),
            ("minStorage", self.min_storage.is_some(), storage),
            ("maxStorage", self.max_storage.is_some(), storage),
            ("minItems", self.min_items.is_some(), items),
            ("maxItems", self.max_items.is_some(), items),
        ] {
            if is_set && wanted != input {
                checks.refuse(
                    field,
                    format_args!("has a meaning for the inputType {word} only; remove it"),
                );
            }
        }
    }

    fn check(&self, checks: &mut Checks) {
        for (min_field, min, max_field, max) in [
            ("minLength", self.min_length, "maxLength", self.max_length),
            ("minItems", self.min_items, "maxItems", self.max_items),
        ] {
            if let (Some(min), Some(max)) = (min, max)
                && min > max
            {
                checks.refuse(
                    min_field,
                    format_args!("{min} is more than {max_field} {max}"),
                );
            }
        }
        let number =
            |text: &str| Decimal::parse(text).ok_or_else(|| format!("{text:?} is not a number"));
        let storage = |text: &str| Quantity::parse(text).map_err(|error| error.to_string());
        check_bounds(("min", &self.min), ("max", &self.max), number, checks);
        check_bounds(
            ("minStorage", &self.min_storage),
            ("maxStorage", &self.max_storage),
            storage,
            checks,
        );
        if let Some(Err(message)) = self.pattern.as_deref().map(compile_value_pattern) {
            checks.refuse("pattern", message);
        }
    }
}

fn check_bounds<T: PartialOrd>(
    (min_field, min): (&str, &Option<String>),
    (max_field, max): (&str, &Option<String>),
    read: impl Fn(&str) -> Result<T, String>,
    checks: &mut Checks,
) {
    let mut bound = |field: &str, text: &Option<String>| match text.as_deref().map(&read) {
        Some(Ok(bound)) => Some(bound),
        Some(Err(message)) => {
            checks.refuse(field, message);
            None
        }
        None => None,
    };
    let (low, high) = (bound(min_field, min), bound(max_field, max));
    if let (Some(low), Some(high)) = (low, high)
        && low > high
    {
        checks.refuse(min_field, format_args!("is more than {max_field}"));
    }
}
