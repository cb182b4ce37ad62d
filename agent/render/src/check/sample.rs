//! Values that requesters could give: for each variable its default or something its rules permit, then each other
//! choice that opens another branch, one variable at a time.

use std::collections::BTreeMap;

use breakglass_protocol::kinds::auxiliary::AuxiliaryResource;
use breakglass_protocol::kinds::variables::{DeployVariable, InputType};
use breakglass_protocol::wire::grant::{GrantedValue, ValueOrigin};
use jiff::{SignedDuration, Timestamp};

use crate::context::Facts;
use crate::error::Position;

/// Most sets for one text: a rendering takes well under a millisecond, and every choice of every variable of a large
/// template is among them.
const MAX_SETS: usize = 200;

/// Samples are the same with every check.
pub(super) const SEED: [u8; 32] = [0; 32];

/// One set of values.
pub(super) struct Sample {
    pub(super) values: BTreeMap<String, GrantedValue>,
    /// `NAME=VALUE` that differs from the first set.
    pub(super) changed: Option<String>,
}

/// The sets of sample values; the first has every default.
pub(super) fn sets(variables: &[DeployVariable], used: &[(String, Position)]) -> Vec<Sample> {
    let base: BTreeMap<String, GrantedValue> = variables
        .iter()
        .filter_map(|variable| Some((variable.name.clone(), first(variable)?)))
        .collect();
    let mut sets = vec![Sample {
        values: base.clone(),
        changed: None,
    }];
    for variable in variables {
        if used.iter().all(|(name, _)| *name != variable.name) {
            continue;
        }
        for other in others(variable) {
            if sets.len() >= MAX_SETS {
                return sets;
            }
            let mut values = base.clone();
            let changed = match other {
                Some(value) => {
                    let changed = format!("{}={:?}", variable.name, value.text);
                    values.insert(variable.name.clone(), value);
                    changed
                }
                None => {
                    values.remove(&variable.name);
                    format!("{} not given", variable.name)
                }
            };
            sets.push(Sample {
                values,
                changed: Some(changed),
            });
        }
    }
    sets
}

fn constrained(text: impl Into<String>) -> GrantedValue {
    GrantedValue {
        text: text.into(),
        origin: ValueOrigin::Constrained,
    }
}

/// The default, or what a requester who must give one could give. `None`: nothing is given.
fn first(variable: &DeployVariable) -> Option<GrantedValue> {
    if let Some(default) = &variable.default {
        // A default that its own rules refuse is told by the field checks.
        return variable.read_value(default).ok().map(constrained);
    }
    if variable.required != Some(true) {
        return None;
    }
    Some(typical(variable))
}

/// A value that the variable's rules permit, as far as they can be met without knowing its pattern.
fn typical(variable: &DeployVariable) -> GrantedValue {
    let rules = variable.validation.clone().unwrap_or_default();
    match variable.input_type.unwrap_or_default() {
        InputType::Boolean => constrained("true"),
        InputType::Number => constrained(rules.min.or(rules.max).unwrap_or_else(|| "1".to_owned())),
        InputType::StorageSize => constrained(
            rules
                .min_storage
                .or(rules.max_storage)
                .unwrap_or_else(|| "1Gi".to_owned()),
        ),
        InputType::Select | InputType::MultiSelect => constrained(
            variable
                .options
                .first()
                .map(|option| option.value.clone())
                .unwrap_or_default(),
        ),
        InputType::Text => {
            let least = rules
                .min_length
                .and_then(|length| usize::try_from(length).ok())
                .unwrap_or(0);
            let most = rules
                .max_length
                .and_then(|length| usize::try_from(length).ok())
                .unwrap_or(usize::MAX);
            let length = "sample".len().max(least).min(most);
            constrained("sample".chars().cycle().take(length).collect::<String>())
        }
    }
}

/// Other values that a requester could give; `None` stands for giving none.
fn others(variable: &DeployVariable) -> Vec<Option<GrantedValue>> {
    let mut others = Vec::new();
    match variable.input_type.unwrap_or_default() {
        InputType::Boolean => {
            others.extend(["true", "false"].map(|text| Some(constrained(text))));
        }
        InputType::Select => {
            others.extend(
                variable
                    .options
                    .iter()
                    .map(|option| Some(constrained(option.value.as_str()))),
            );
        }
        InputType::MultiSelect => {
            let all: Vec<&str> = variable.options.iter().map(|o| o.value.as_str()).collect();
            others.push(Some(constrained(all.join(","))));
            others.push(Some(constrained("")));
        }
        InputType::Text | InputType::Number | InputType::StorageSize => {
            others.push(Some(typical(variable)));
        }
    }
    if variable.default.is_none() && variable.required != Some(true) {
        others.push(None);
    }
    others
}

/// A session that could be.
pub(super) fn facts(
    template: &str,
    values: &BTreeMap<String, GrantedValue>,
    resources: &[AuxiliaryResource],
) -> Facts {
    let now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * 365 * 55);
    Facts {
        session: "debug-session-abc123".to_owned(),
        namespace: "breakglass".to_owned(),
        cluster: "sample-cluster".to_owned(),
        requested_by: "engineer@example.com".to_owned(),
        approved_by: "lead@example.com".to_owned(),
        reason: "sample reason".to_owned(),
        expires_at: now + SignedDuration::from_hours(1),
        now,
        target_namespace: "breakglass-debug".to_owned(),
        template: template.to_owned(),
        binding: None,
        values: values.clone(),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        enabled_resources: resources
            .iter()
            .map(|resource| resource.name.clone())
            .collect(),
    }
}
