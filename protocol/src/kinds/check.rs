//! How field checks are written: [`Checks`] knows where it is and collects what is wrong, so that an author is told
//! everything at once.

use std::collections::BTreeMap;
use std::fmt;

use crate::labels::is_reserved;
use crate::pattern::{MAX_PATTERNS, Pattern, PatternError};
use crate::person::{check_person_name, check_visible, is_mail_address};

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldError {
    /// Such as `spec.allowed.groups[0]`.
    pub path: String,
    /// What is wrong and what to do, worded to follow the path.
    pub message: String,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// The path of a field of the object at `path`.
pub(crate) fn join_field(path: &str, field: &str) -> String {
    let is_plain = !field.is_empty()
        && field
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    match (path.is_empty(), is_plain) {
        (true, true) => field.to_owned(),
        (false, true) => format!("{path}.{field}"),
        (_, false) => format!("{path}[{field:?}]"),
    }
}

/// The path of an item of the list at `path`.
pub(crate) fn join_item(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}

/// Collects errors below one place of an object.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    path: String,
    errors: Vec<FieldError>,
}

impl Checks {
    /// Starts at `spec`.
    pub(crate) fn of_spec() -> Self {
        Self {
            path: "spec".to_owned(),
            errors: Vec::new(),
        }
    }

    pub(crate) fn into_errors(self) -> Vec<FieldError> {
        self.errors
    }

    /// Something is wrong with a field.
    pub(crate) fn refuse(&mut self, field: &str, message: impl fmt::Display) {
        let path = join_field(&self.path, field);
        self.errors.push(FieldError {
            path,
            message: message.to_string(),
        });
    }

    /// Something is wrong with the object as a whole.
    pub(crate) fn refuse_here(&mut self, message: impl fmt::Display) {
        self.errors.push(FieldError {
            path: self.path.clone(),
            message: message.to_string(),
        });
    }

    fn refuse_item(&mut self, field: &str, index: usize, message: impl fmt::Display) {
        let path = join_item(&join_field(&self.path, field), index);
        self.errors.push(FieldError {
            path,
            message: message.to_string(),
        });
    }

    /// Checks below a field.
    pub(crate) fn within(&mut self, field: &str, check: impl FnOnce(&mut Self)) {
        let path = join_field(&self.path, field);
        self.at(path, check);
    }

    /// Checks below a field, if it is there.
    pub(crate) fn within_some<T>(
        &mut self,
        field: &str,
        value: Option<&T>,
        check: impl FnOnce(&T, &mut Self),
    ) {
        if let Some(value) = value {
            self.within(field, |checks| check(value, checks));
        }
    }

    /// Checks below every item of a list.
    pub(crate) fn within_each<T>(
        &mut self,
        field: &str,
        items: &[T],
        mut check: impl FnMut(&T, &mut Self),
    ) {
        let list = join_field(&self.path, field);
        for (index, item) in items.iter().enumerate() {
            self.at(join_item(&list, index), |checks| check(item, checks));
        }
    }

    fn at(&mut self, path: String, check: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.path, path);
        check(self);
        self.path = outer;
    }

    /// Names of groups.
    pub(crate) fn groups(&mut self, field: &str, names: &[String]) {
        for (index, name) in names.iter().enumerate() {
            if let Err(error) = check_visible(name) {
                self.refuse_item(field, index, error);
            }
        }
    }

    /// Mail addresses.
    pub(crate) fn addresses(&mut self, field: &str, addresses: &[String]) {
        for (index, address) in addresses.iter().enumerate() {
            if !is_mail_address(address) {
                self.refuse_item(
                    field,
                    index,
                    "is not a mail address such as team@example.com",
                );
            }
        }
    }

    /// Names of people.
    pub(crate) fn people(&mut self, field: &str, names: &[String]) {
        for (index, name) in names.iter().enumerate() {
            if let Err(error) = check_person_name(name) {
                self.refuse_item(field, index, error);
            }
        }
    }

    /// Globs of names of clusters, namespaces or nodes.
    pub(crate) fn globs(&mut self, field: &str, globs: &[String]) {
        if globs.len() > MAX_PATTERNS {
            self.refuse(field, PatternError::TooMany);
            return;
        }
        for (index, glob) in globs.iter().enumerate() {
            if let Err(error) = Pattern::new(glob) {
                self.refuse_item(field, index, error);
            }
        }
    }

    /// Globs of image references: judged when they are used; here only that they say something.
    pub(crate) fn image_globs(&mut self, field: &str, globs: Option<&Vec<String>>) {
        for (index, glob) in globs.into_iter().flatten().enumerate() {
            if glob.trim() != glob || glob.is_empty() {
                self.refuse_item(field, index, "is empty or has white space around it");
            }
        }
    }

    /// A name of one part: namespaces, clusters, our own kinds.
    pub(crate) fn dns_label(&mut self, field: &str, name: &str) {
        if let Err(message) = check_dns_label(name) {
            self.refuse(field, message);
        }
    }

    /// Exact names of clusters.
    pub(crate) fn cluster_names(&mut self, field: &str, names: &[String]) {
        for (index, name) in names.iter().enumerate() {
            if name.contains(['*', '?', '[', '{']) {
                self.refuse_item(
                    field,
                    index,
                    format_args!(
                        "{name:?} is a glob; only exact names of clusters stand here, use clusterSelector for several"
                    ),
                );
            } else if let Err(message) = check_dns_label(name) {
                self.refuse_item(field, index, message);
            }
        }
    }

    /// Labels that are put on objects: Kubernetes's syntax, and none of our own keys.
    pub(crate) fn labels(&mut self, field: &str, labels: &BTreeMap<String, String>) {
        self.within(field, |checks| {
            for (key, value) in labels {
                checks.own_key(key);
                if let Err(message) = check_label_value(value) {
                    checks.refuse(key, message);
                }
            }
        });
    }

    /// Annotations that are put on objects: Kubernetes's syntax of keys, and none of our own keys.
    pub(crate) fn annotations(&mut self, field: &str, annotations: &BTreeMap<String, String>) {
        self.within(field, |checks| {
            for key in annotations.keys() {
                checks.own_key(key);
            }
        });
    }

    /// Labels that objects must have: Kubernetes's syntax only.
    pub(crate) fn wanted_labels(&mut self, field: &str, labels: &BTreeMap<String, String>) {
        self.within(field, |checks| {
            for (key, value) in labels {
                if let Err(message) = check_label_key(key) {
                    checks.refuse(key, message);
                }
                if let Err(message) = check_label_value(value) {
                    checks.refuse(key, message);
                }
            }
        });
    }

    fn own_key(&mut self, key: &str) {
        if let Err(message) = check_label_key(key) {
            self.refuse(key, message);
        } else if is_reserved(key) {
            self.refuse(key, "is set by the product itself; remove it");
        }
    }

    /// A text that must say something where it is given.
    pub(crate) fn not_blank(&mut self, field: &str, text: Option<&String>) {
        if text.is_some_and(|text| text.trim().is_empty()) {
            self.refuse(field, "is empty; remove it or fill it in");
        }
    }

    /// Items of a list that must differ in their names.
    pub(crate) fn unique<'a>(
        &mut self,
        field: &str,
        key: &str,
        names: impl Iterator<Item = &'a str>,
    ) {
        let mut seen = BTreeMap::new();
        for (index, name) in names.enumerate() {
            if let Some(first) = seen.insert(name, index) {
                let list = join_field(&self.path, field);
                let path = join_field(&join_item(&list, index), key);
                let message = format!("{name:?} is already the {key} of {list}[{first}]");
                self.errors.push(FieldError { path, message });
            }
        }
    }

    /// Two spellings of one field: both may be given only if they agree (D13).
    pub(crate) fn spellings<T: PartialEq>(
        &mut self,
        (one, first): (&str, Option<&T>),
        (other, second): (&str, Option<&T>),
    ) {
        if let (Some(first), Some(second)) = (first, second)
            && first != second
        {
            self.refuse(
                other,
                format_args!(
                    "is another spelling of {one} and says something else; keep one of them"
                ),
            );
        }
    }
}

/// Checks a DNS label of at most 63 characters, which names of kinds, namespaces and clusters are (D16).
///
/// # Errors
/// What is wrong, worded to follow the field's name.
pub fn check_dns_label(name: &str) -> Result<(), String> {
    let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = name.as_bytes();
    let is_label = (1..=63).contains(&bytes.len())
        && bytes.iter().all(|b| is_word(*b) || *b == b'-')
        && bytes.first().is_some_and(|b| is_word(*b))
        && bytes.last().is_some_and(|b| is_word(*b));
    if is_label {
        Ok(())
    } else {
        Err(format!(
            "{name:?} is not a DNS label: 1 to 63 characters of a-z, 0-9 and '-', first and last of them no '-'"
        ))
    }
}

/// Checks the key of a label or annotation: `name` or `prefix/name`.
///
/// # Errors
/// What is wrong, worded to follow the field's name.
pub fn check_label_key(key: &str) -> Result<(), String> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let is_prefix_fine = prefix.is_none_or(|prefix| {
        (1..=253).contains(&prefix.len())
            && prefix.split('.').all(|part| check_dns_label(part).is_ok())
    });
    if is_prefix_fine && !name.is_empty() && is_label_word(name) {
        Ok(())
    } else {
        Err(format!(
            "{key:?} is not a label key: up to 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends, \
             perhaps after a DNS name and '/'"
        ))
    }
}

/// Checks the value of a label.
///
/// # Errors
/// What is wrong, worded to follow the field's name.
pub fn check_label_value(value: &str) -> Result<(), String> {
    if value.is_empty() || is_label_word(value) {
        Ok(())
    } else {
        Err(format!(
            "{value:?} is not a label value: up to 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends"
        ))
    }
}

fn is_label_word(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_quote_keys_that_are_no_words() {
        assert_eq!(join_field("", "spec"), "spec");
        assert_eq!(join_field("spec.labels", "a.b/c"), "spec.labels[\"a.b/c\"]");
        assert_eq!(join_item("spec.rules", 2), "spec.rules[2]");
    }

    #[test]
    fn names_labels_and_keys() {
        for (name, ok) in [
            ("a", true),
            ("a-1", true),
            ("1", true),
            ("", false),
            ("-a", false),
            ("A", false),
            ("a.b", false),
        ] {
            assert_eq!(check_dns_label(name).is_ok(), ok, "{name}");
        }
        assert!(check_dns_label(&"a".repeat(63)).is_ok());
        assert!(check_dns_label(&"a".repeat(64)).is_err());
        for (key, ok) in [
            ("a", true),
            ("a.b/C_d", true),
            ("/a", false),
            ("a/", false),
            ("a/b/c", false),
            ("", false),
            ("A.b/c", false),
        ] {
            assert_eq!(check_label_key(key).is_ok(), ok, "{key}");
        }
        for (value, ok) in [("", true), ("A_1.b", true), ("-a", false), ("a b", false)] {
            assert_eq!(check_label_value(value).is_ok(), ok, "{value}");
        }
    }
}
