//! Globs over names and Kubernetes's label selectors. The only file that names globset.
//!
//! A glob is for names of clusters, namespaces and nodes: case-sensitive, over the whole name; `*` is any text, `?` one
//! character, `[a-z]` a class, `{a,b}` a choice. `!x` is no negation: it matches the name `!x`, which nothing has.

use std::collections::BTreeMap;

use globset::{Glob, GlobBuilder, GlobMatcher, GlobSet, GlobSetBuilder};

use crate::kinds::selector::{LabelRequirement, LabelSelector, SelectorOperator};

mod overlap;

pub use overlap::overlap;

/// Longest glob: as long as the longest name in Kubernetes (a DNS subdomain). globset itself has no cap and would spend
/// milliseconds on each hostile pattern.
pub const MAX_PATTERN_BYTES: usize = 253;
/// Most globs in one list: no honest list comes near, and compiling this many stays in milliseconds.
pub const MAX_PATTERNS: usize = 1_000;

/// Why a text is not a glob. Worded to follow the field's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    #[error("is empty; write \"*\" to match everything, or remove it")]
    Empty,
    #[error("is longer than {MAX_PATTERN_BYTES} bytes, the longest name there is")]
    TooLong,
    #[error("{pattern:?} is not a glob: {why}")]
    Syntax { pattern: String, why: String },
    #[error("has more than {MAX_PATTERNS} patterns; use wider globs or a label selector")]
    TooMany,
}

/// One compiled glob.
#[derive(Clone, Debug)]
pub struct Pattern(GlobMatcher);

impl Pattern {
    /// Compiles a glob.
    ///
    /// # Errors
    /// Why the text is not a glob.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        Ok(Self(compile(text)?.compile_matcher()))
    }

    /// Whether the whole name matches.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        self.0.is_match(name)
    }
}

/// Several globs, of which one is enough. Matches nothing if there are none.
#[derive(Clone, Debug, Default)]
pub struct PatternSet(GlobSet);

impl PatternSet {
    /// Compiles a list of globs.
    ///
    /// # Errors
    /// Why the first wrong one is not a glob.
    pub fn new<T: AsRef<str>>(texts: &[T]) -> Result<Self, PatternError> {
        if texts.len() > MAX_PATTERNS {
            return Err(PatternError::TooMany);
        }
        let mut set = GlobSetBuilder::new();
        for text in texts {
            set.add(compile(text.as_ref())?);
        }
        let set = set.build().map_err(|error| PatternError::Syntax {
            pattern: error.glob().unwrap_or_default().to_owned(),
            why: error.kind().to_string(),
        })?;
        Ok(Self(set))
    }

    /// Whether any glob matches the whole name.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        self.0.is_match(name)
    }

    /// Whether there is no glob at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn compile(text: &str) -> Result<Glob, PatternError> {
    if text.is_empty() {
        return Err(PatternError::Empty);
    }
    if text.len() > MAX_PATTERN_BYTES {
        return Err(PatternError::TooLong);
    }
    GlobBuilder::new(text)
        // The default differs between systems.
        .backslash_escape(true)
        .build()
        .map_err(|error| PatternError::Syntax {
            pattern: text.to_owned(),
            why: error.kind().to_string(),
        })
}

impl LabelSelector {
    /// Whether an object with these labels is selected, as Kubernetes does it: an empty selector selects everything;
    /// `NotIn` selects objects that lack the key.
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let has = |(key, value): (&String, &String)| labels.get(key) == Some(value);
        self.match_labels.iter().all(has)
            && self
                .match_expressions
                .iter()
                .all(|requirement| requirement.matches(labels))
    }

    /// Whether it has no term, and so selects everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.match_labels.is_empty() && self.match_expressions.is_empty()
    }
}

impl LabelRequirement {
    /// Whether an object with these labels fulfils it.
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        let is_listed = value.is_some_and(|value| self.values.contains(value));
        match self.operator {
            SelectorOperator::In => is_listed,
            SelectorOperator::NotIn => !is_listed,
            SelectorOperator::Exists => value.is_some(),
            SelectorOperator::DoesNotExist => value.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_whole_names() {
        for (glob, name, matches) in [
            ("*", "", true),
            ("*", "anything", true),
            ("prod-*", "prod-eu", true),
            ("prod-*", "my-prod-eu", false),
            ("prod-*", "PROD-eu", false),
            ("prod", "prod", true),
            ("prod", "prod-eu", false),
            ("prod-?", "prod-1", true),
            ("prod-?", "prod-12", false),
            ("{dev,test}-*", "test-1", true),
            ("node-[0-3]", "node-4", false),
            ("!prod", "dev", false),
            ("!prod", "!prod", true),
            ("a*b", "a/x/b", true),
        ] {
            assert_eq!(
                Pattern::new(glob).unwrap().matches(name),
                matches,
                "{glob} {name}"
            );
            assert_eq!(
                PatternSet::new(&[glob]).unwrap().matches(name),
                matches,
                "{glob} {name}"
            );
        }
        assert!(!PatternSet::default().matches("anything"));
        assert!(PatternSet::new::<&str>(&[]).unwrap().is_empty());
    }

    #[test]
    fn wrong_globs_say_why() {
        assert_eq!(Pattern::new("").unwrap_err(), PatternError::Empty);
        assert_eq!(
            Pattern::new(&"a".repeat(254)).unwrap_err(),
            PatternError::TooLong
        );
        assert_eq!(
            Pattern::new("a[").unwrap_err().to_string(),
            "\"a[\" is not a glob: unclosed character class; missing ']'"
        );
        assert_eq!(
            PatternSet::new(&vec!["a"; 1001]).unwrap_err(),
            PatternError::TooMany
        );
    }

    #[test]
    fn selectors_match_as_in_kubernetes() {
        let labels = BTreeMap::from([("env".to_owned(), "dev".to_owned())]);
        for (key, operator, values, matches) in [
            ("env", SelectorOperator::In, vec!["dev", "test"], true),
            ("env", SelectorOperator::In, vec!["prod"], false),
            ("other", SelectorOperator::In, vec!["dev"], false),
            ("env", SelectorOperator::NotIn, vec!["dev"], false),
            ("env", SelectorOperator::NotIn, vec!["prod"], true),
            ("other", SelectorOperator::NotIn, vec!["dev"], true),
            ("env", SelectorOperator::Exists, vec![], true),
            ("other", SelectorOperator::Exists, vec![], false),
            ("env", SelectorOperator::DoesNotExist, vec![], false),
            ("other", SelectorOperator::DoesNotExist, vec![], true),
        ] {
            let requirement = LabelRequirement {
                key: key.to_owned(),
                operator,
                values: values.into_iter().map(str::to_owned).collect(),
            };
            assert_eq!(requirement.matches(&labels), matches, "{requirement:?}");
            let selector = LabelSelector {
                match_labels: labels.clone(),
                match_expressions: vec![requirement],
            };
            assert_eq!(selector.matches(&labels), matches);
        }
        assert!(
            LabelSelector::default().matches(&labels),
            "an empty selector selects everything"
        );
        let other = LabelSelector {
            match_labels: BTreeMap::from([("env".to_owned(), "prod".to_owned())]),
            ..Default::default()
        };
        assert!(!other.matches(&labels));
    }
}
