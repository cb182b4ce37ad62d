//! Which namespaces: names by glob, or labels by selector.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{
    self, MapAccess, SeqAccess, value::MapAccessDeserializer, value::SeqAccessDeserializer,
};
use serde::{Deserialize, Deserializer, Serialize};

use super::check::Checks;
use super::selector::LabelSelector;

/// Matches a namespace if any pattern or any selector term does. A plain list of strings is accepted and means
/// `patterns`; it is always written back as an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceFilter {
    /// Globs of namespace names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patterns: Vec<String>,
    /// Label selectors, of which one is enough.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub selector_terms: Vec<LabelSelector>,
}

impl NamespaceFilter {
    /// Whether it can match nothing at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty() && self.selector_terms.is_empty()
    }
}

/// The object form; also its schema.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ObjectForm {
    /// Globs of namespace names.
    #[serde(default)]
    patterns: Vec<String>,
    /// Label selectors, of which one is enough.
    #[serde(default)]
    selector_terms: Vec<LabelSelector>,
}

impl<'de> Deserialize<'de> for NamespaceFilter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListOrObject)
    }
}

struct ListOrObject;

impl<'de> de::Visitor<'de> for ListOrObject {
    type Value = NamespaceFilter;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of patterns, or an object with patterns and selectorTerms")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        Ok(NamespaceFilter {
            patterns: Vec::deserialize(SeqAccessDeserializer::new(seq))?,
            selector_terms: Vec::new(),
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let ObjectForm {
            patterns,
            selector_terms,
        } = ObjectForm::deserialize(MapAccessDeserializer::new(map))?;
        Ok(NamespaceFilter {
            patterns,
            selector_terms,
        })
    }
}

/// Written by hand (D14): a structural schema cannot say "list or object", so in a CRD the field has no `type`.
/// `x-list-or-object` tells [`super::schema`] that a list of strings is fine too.
impl JsonSchema for NamespaceFilter {
    fn schema_name() -> Cow<'static, str> {
        "NamespaceFilter".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let object = generator.subschema_for::<ObjectForm>();
        json_schema!({
            "description": "Globs of namespace names (a plain list), or an object with patterns and selectorTerms.",
            "x-list-or-object": object,
        })
    }
}

impl NamespaceFilter {
    pub(super) fn check(&self, checks: &mut Checks) {
        checks.globs("patterns", &self.patterns);
        checks.within_each("selectorTerms", &self.selector_terms, LabelSelector::check);
    }
}
