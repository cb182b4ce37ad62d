//! How this crate says no to a request: every violated rule at once, each with what would be allowed.

use std::fmt;

use breakglass_protocol::api::problem::Detail;

/// Why a request is refused. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub class: Class,
    pub violations: Vec<Violation>,
}

/// What kind of answer a refusal is. In falling order of precedence: where something may not be known to exist, nothing
/// else is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// It does not exist, or the caller may not know that it does (404).
    NotFound,
    /// The caller may not (403).
    Forbidden,
    /// It does not fit what is there now (409).
    Conflict,
    /// A constraint is violated (422).
    Constraint,
}

/// One violated rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub class: Class,
    /// Path of the field in the request, such as `requestedDuration`.
    pub field: String,
    /// The rule's name, mostly the path of the setting that it comes from: `constraints.maxDuration`.
    pub rule: &'static str,
    /// What is wrong, the limit, and what would be accepted.
    pub message: String,
    /// What would be accepted, for programs.
    pub allowed: Vec<String>,
}

impl Violation {
    #[must_use]
    pub fn new(
        class: Class,
        field: impl Into<String>,
        rule: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            class,
            field: field.into(),
            rule,
            message: message.into(),
            allowed: Vec::new(),
        }
    }

    #[must_use]
    pub fn constraint(
        field: impl Into<String>,
        rule: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self::new(Class::Constraint, field, rule, message)
    }

    #[must_use]
    pub fn allowing(mut self, allowed: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.allowed = allowed.into_iter().map(Into::into).collect();
        self
    }

    /// As a detail of the one error body.
    #[must_use]
    pub fn detail(&self) -> Detail {
        Detail {
            field: Some(self.field.clone()),
            rule: Some(self.rule.to_owned()),
            message: self.message.clone(),
            allowed: self.allowed.clone(),
        }
    }
}

impl Refusal {
    /// All violations as one refusal; `None` if there are none. The class is the strictest one; violations that would
    /// tell of something that may not be known are the only ones then told.
    #[must_use]
    pub fn from_violations(mut violations: Vec<Violation>) -> Option<Self> {
        let class = violations.iter().map(|v| v.class).min()?;
        if class == Class::NotFound {
            violations.retain(|v| v.class == Class::NotFound);
        }
        Some(Self { class, violations })
    }

    /// The violations as details of the one error body.
    #[must_use]
    pub fn details(&self) -> Vec<Detail> {
        self.violations.iter().map(Violation::detail).collect()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, violation) in self.violations.iter().enumerate() {
            if i > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{}: {}", violation.field, violation.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strictest_class_wins_and_the_unknown_is_told_alone() {
        let violation = |class| Violation::new(class, "field", "rule", "message");
        let of = |classes: &[Class]| {
            Refusal::from_violations(classes.iter().map(|c| violation(*c)).collect())
        };
        assert_eq!(of(&[]), None);
        let refusal = of(&[Class::Constraint, Class::Forbidden]).unwrap();
        assert_eq!(
            (refusal.class, refusal.violations.len()),
            (Class::Forbidden, 2)
        );
        let refusal = of(&[Class::Constraint, Class::NotFound, Class::Forbidden]).unwrap();
        assert_eq!(
            (refusal.class, refusal.violations.len()),
            (Class::NotFound, 1)
        );
    }
}
