//! Label selectors with Kubernetes's meaning; [`crate::pattern`] evaluates them.

use std::collections::BTreeMap;

use super::check::{Checks, check_label_key, check_label_value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// All of `matchLabels` and all of `matchExpressions` must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LabelSelector {
    /// Each label must be there with this value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
    /// Each requirement must hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub match_expressions: Vec<LabelRequirement>,
}

/// One requirement on one label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LabelRequirement {
    /// The label's key.
    pub key: String,
    /// How the label's value is compared.
    pub operator: SelectorOperator,
    /// Not empty for `In` and `NotIn`, empty for `Exists` and `DoesNotExist`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

/// How a label's value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SelectorOperator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

impl LabelSelector {
    /// An empty selector would select everything, which nobody writes on purpose where a glob can say it.
    pub(super) fn check(&self, checks: &mut Checks) {
        if self.is_empty() {
            checks.refuse_here("selects everything; name the labels that it should select");
        }
        checks.wanted_labels("matchLabels", &self.match_labels);
        checks.within_each(
            "matchExpressions",
            &self.match_expressions,
            LabelRequirement::check,
        );
    }
}

impl LabelRequirement {
    fn check(&self, checks: &mut Checks) {
        if let Err(message) = check_label_key(&self.key) {
            checks.refuse("key", message);
        }
        match (self.operator, self.values.is_empty()) {
            (SelectorOperator::In | SelectorOperator::NotIn, true) => {
                checks.refuse(
                    "values",
                    "needs at least one value with the operators In and NotIn",
                );
            }
            (SelectorOperator::Exists | SelectorOperator::DoesNotExist, false) => {
                checks.refuse(
                    "values",
                    "must be empty with the operators Exists and DoesNotExist",
                );
            }
            (SelectorOperator::In | SelectorOperator::NotIn, false)
            | (SelectorOperator::Exists | SelectorOperator::DoesNotExist, true) => {}
        }
        if let Some(message) = self
            .values
            .iter()
            .find_map(|value| check_label_value(value).err())
        {
            checks.refuse("values", message);
        }
    }
}
