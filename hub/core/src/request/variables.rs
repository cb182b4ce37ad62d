//! The values of a session's variables: what was asked × the declarations × the caller's groups (spec 1 section 2, S13).
//!
//! Pod template and session template both declare variables. Where they declare the same one, the session template's
//! declaration replaces the other whole. A variable without value and default is left out: templates see a missing key.

use std::collections::BTreeMap;

use breakglass_protocol::kinds::debug_pod_template::DebugPodTemplateSpec;
use breakglass_protocol::kinds::debug_session::{ResolvedValue, ValueOrigin};
use breakglass_protocol::kinds::debug_session_template::DebugSessionTemplateSpec;
use breakglass_protocol::kinds::variables::{self, DeployVariable, InputType};
use breakglass_protocol::limits::MAX_VALUES_BYTES;
use breakglass_protocol::manifest::did_you_mean;
use serde_json::Value;

use super::{Facts, TOLD_UNKNOWN, shortened};
use crate::caller::Caller;
use crate::refusal::{Class, Violation};

/// Every variable that a session of these templates has: the pod template's in its order, then the session template's.
#[must_use]
pub fn declared<'a>(
    template: &'a DebugSessionTemplateSpec,
    pod_template: Option<&'a DebugPodTemplateSpec>,
) -> Vec<&'a DeployVariable> {
    let of_pod = pod_template.map(|pod| pod.extra_deploy_variables.as_slice());
    variables::declared(&template.extra_deploy_variables, of_pod.unwrap_or_default())
}

/// The value of every variable that has one.
pub(super) fn resolve(
    facts: &Facts<'_>,
) -> Result<BTreeMap<String, ResolvedValue>, Vec<Violation>> {
    let pod = facts.pod_template.map(|pod| &pod.spec);
    let declared = declared(&facts.template.spec, pod);
    let nothing = BTreeMap::new();
    let given = facts.asked.extra_deploy_values.as_ref().unwrap_or(&nothing);
    let mut violations = undeclared(given, &declared);
    let mut values = BTreeMap::new();
    for variable in declared {
        match value_of(variable, given.get(&variable.name), facts.caller) {
            Ok(Some(value)) => {
                values.insert(variable.name.clone(), value);
            }
            Ok(None) => {}
            Err(wrong) => violations.extend(wrong),
        }
    }
    let bytes: usize = values.values().map(|value| value.text.len()).sum();
    if bytes > MAX_VALUES_BYTES {
        let message =
            format!("have {bytes} bytes together; all values may have {MAX_VALUES_BYTES} bytes");
        violations.push(Violation::constraint("extraDeployValues", "size", message));
    }
    if violations.is_empty() {
        Ok(values)
    } else {
        Err(violations)
    }
}

fn undeclared(given: &BTreeMap<String, Value>, declared: &[&DeployVariable]) -> Vec<Violation> {
    let names = || declared.iter().map(|variable| variable.name.as_str());
    let unknown = given
        .keys()
        .filter(|name| !names().any(|n| n == name.as_str()));
    unknown
        .take(TOLD_UNKNOWN)
        .map(|name| {
            let name = shortened(name);
            let message = if declared.is_empty() {
                "is no variable of this template, which has none".to_owned()
            } else {
                let known: Vec<&str> = names().collect();
                let hint = did_you_mean(&name, names());
                format!(
                    "is no variable of this template: {}{hint}",
                    known.join(", ")
                )
            };
            Violation::constraint(field(&name), "extraDeployVariables", message).allowing(names())
        })
        .collect()
}

fn value_of(
    variable: &DeployVariable,
    given: Option<&Value>,
    caller: &Caller,
) -> Result<Option<ResolvedValue>, Vec<Violation>> {
    // A null is how many clients leave a field out.
    let Some(given) = given.filter(|value| !value.is_null()) else {
        return default_of(variable, caller);
    };
    if let Some(violation) = not_for(variable, caller) {
        return Err(vec![violation]);
    }
    let text = read(variable, given)?;
    if text.is_empty() && variable.required == Some(true) {
        return Err(vec![missing(variable, caller)]);
    }
    let wrong = options_refused(variable, &text, caller);
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let origin = match variable.input_type.unwrap_or_default() {
        InputType::Text => ValueOrigin::FreeText,
        InputType::Boolean
        | InputType::Number
        | InputType::StorageSize
        | InputType::Select
        | InputType::MultiSelect => ValueOrigin::Constrained,
    };
    Ok(Some(ResolvedValue { text, origin }))
}

/// The author's word: whoever may not choose a value gets this one.
fn default_of(
    variable: &DeployVariable,
    caller: &Caller,
) -> Result<Option<ResolvedValue>, Vec<Violation>> {
    let Some(default) = variable.default.as_ref().filter(|value| !value.is_null()) else {
        return if variable.required == Some(true) {
            Err(vec![missing(variable, caller)])
        } else {
            Ok(None)
        };
    };
    Ok(Some(ResolvedValue {
        text: read(variable, default)?,
        origin: ValueOrigin::Constrained,
    }))
}

fn read(variable: &DeployVariable, value: &Value) -> Result<String, Vec<Violation>> {
    variable.read_value(value).map_err(|problems| {
        problems
            .into_iter()
            .map(|p| {
                Violation::constraint(field(&variable.name), p.rule, p.message).allowing(p.allowed)
            })
            .collect()
    })
}

fn missing(variable: &DeployVariable, caller: &Caller) -> Violation {
    let message = match not_for(variable, caller) {
        None => "is required; give a value".to_owned(),
        Some(_) => format!(
            "is required, and only members of {} may set it",
            variable.allowed_groups.join(", ")
        ),
    };
    Violation::constraint(field(&variable.name), "required", message)
}

/// The variable is there for other groups.
fn not_for(variable: &DeployVariable, caller: &Caller) -> Option<Violation> {
    let groups = &variable.allowed_groups;
    if groups.is_empty() || caller.is_in_any(groups) {
        return None;
    }
    let message = format!(
        "may be set by members of {} only; you are in none of them, so leave it out",
        groups.join(", ")
    );
    let field = field(&variable.name);
    Some(Violation::new(Class::Forbidden, field, "allowedGroups", message).allowing(groups.clone()))
}

/// The chosen options that nobody, or not this caller, may choose.
fn options_refused(variable: &DeployVariable, text: &str, caller: &Caller) -> Vec<Violation> {
    let is_open = |groups: &[String]| groups.is_empty() || caller.is_in_any(groups);
    let allowed: Vec<&str> = variable
        .options
        .iter()
        .filter(|option| option.disabled != Some(true) && is_open(&option.allowed_groups))
        .map(|option| option.value.as_str())
        .collect();
    let chosen = variable.options_in(text);
    variable
        .options
        .iter()
        .filter(|option| chosen.contains(&option.value.as_str()))
        .filter_map(|option| {
            let value = &option.value;
            let field = field(&variable.name);
            let violation = if option.disabled == Some(true) {
                let message = format!("the option {value:?} is disabled; choose another");
                Violation::constraint(field, "options.disabled", message)
            } else if is_open(&option.allowed_groups) {
                return None;
            } else {
                let groups = option.allowed_groups.join(", ");
                let message = format!(
                    "the option {value:?} is for members of {groups} only; you are in none of them"
                );
                Violation::new(Class::Forbidden, field, "options.allowedGroups", message)
            };
            Some(violation.allowing(allowed.iter().copied()))
        })
        .collect()
}

fn field(name: &str) -> String {
    let is_plain = name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if is_plain && !name.is_empty() {
        format!("extraDeployValues.{name}")
    } else {
        format!("extraDeployValues[{name:?}]")
    }
}
