//! Constraints of versions: `>=1.2, <2 || ~3.1`, `1.2 - 1.4`, `^0.3`, `1.x`.

use std::cmp::Ordering;
use std::sync::OnceLock;

use regex::Regex;

use super::order::{compare, prereleases};
use super::{expression, parse};
use crate::value::Version;

const OPERATORS: &str = r"=||!=|>|<|>=|=>|<=|=<|~|~>|\^";
const PATTERN: &str = r"v?([0-9|x|X|\*]+)(\.[0-9|x|X|\*]+)?(\.[0-9|x|X|\*]+)?(-([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?(\+([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?";

/// Any of these lists, all of its entries.
pub(super) struct Constraints(Vec<Vec<Constraint>>);

struct Constraint {
    operator: Operator,
    version: Version,
    /// What was left out, or `x`.
    open: Open,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    Patch,
    Minor,
    Everything,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterOrEqual,
    LessOrEqual,
    Tilde,
    Caret,
}

impl Constraints {
    pub(super) fn parse(text: &str) -> Option<Self> {
        static VALID: OnceLock<Option<Regex>> = OnceLock::new();
        static FIND: OnceLock<Option<Regex>> = OnceLock::new();
        let one = format!(r"\s*({OPERATORS})\s*({PATTERN})\s*");
        let next = format!(r"(?:\s+|,\s*)({OPERATORS})\s*({PATTERN})\s*");
        let valid = expression(&VALID, &format!("^({one})({next})*$"))?;
        let find = expression(&FIND, &format!(r"({OPERATORS})\s*({PATTERN})"))?;
        ranges(text)?
            .split("||")
            .map(|all| {
                if !valid.is_match(all) {
                    return None;
                }
                find.find_iter(all)
                    .map(|found| Constraint::parse(found.as_str()))
                    .collect()
            })
            .collect::<Option<_>>()
            .map(Self)
    }

    pub(super) fn allow(&self, version: &Version) -> bool {
        self.0
            .iter()
            .any(|all| all.iter().all(|one| one.allows(version)))
    }
}

/// `1.2 - 1.4` becomes `>= 1.2, <= 1.4`.
fn ranges(text: &str) -> Option<String> {
    static RANGE: OnceLock<Option<Regex>> = OnceLock::new();
    let range = expression(&RANGE, &format!(r"\s*({PATTERN})\s+-\s+({PATTERN})\s*"))?;
    let mut out = text.to_owned();
    for found in range.captures_iter(text) {
        let part = |number| found.get(number).map_or("", |part| part.as_str());
        out = out.replacen(part(0), &format!(">= {}, <= {} ", part(1), part(11)), 1);
    }
    Some(out)
}

fn is_open(part: &str) -> bool {
    matches!(part.trim_start_matches('.'), "" | "x" | "*" | "X")
}

impl Constraint {
    fn parse(text: &str) -> Option<Self> {
        static ONE: OnceLock<Option<Regex>> = OnceLock::new();
        let one = expression(&ONE, &format!(r"^\s*({OPERATORS})\s*({PATTERN})\s*$"))?;
        let found = one.captures(text)?;
        let part = |number| found.get(number).map_or("", |part| part.as_str());
        let operator = match part(1) {
            "" | "=" => Operator::Equal,
            "!=" => Operator::NotEqual,
            ">" => Operator::Greater,
            "<" => Operator::Less,
            ">=" | "=>" => Operator::GreaterOrEqual,
            "<=" | "=<" => Operator::LessOrEqual,
            "~" | "~>" => Operator::Tilde,
            "^" => Operator::Caret,
            _ => return None,
        };
        let (major, minor, patch, prerelease) = (part(3), part(4), part(5), part(6));
        let (open, version) = if is_open(major) {
            (Open::Everything, format!("0.0.0{prerelease}"))
        } else if is_open(minor) {
            (Open::Minor, format!("{major}.0.0{prerelease}"))
        } else if is_open(patch) {
            (Open::Patch, format!("{major}{minor}.0{prerelease}"))
        } else {
            (Open::Nothing, part(2).to_owned())
        };
        Some(Self {
            operator,
            version: parse(&version)?,
            open,
        })
    }

    fn allows(&self, version: &Version) -> bool {
        let wanted = &self.version;
        // Prereleases only for who asks for one.
        let unasked = !version.prerelease.is_empty() && wanted.prerelease.is_empty();
        if unasked && (self.operator != Operator::NotEqual || self.open != Open::Nothing) {
            return false;
        }
        let order = compare(version, wanted);
        match self.operator {
            Operator::Equal if self.open == Open::Nothing => order == Ordering::Equal,
            Operator::Equal | Operator::Tilde => self.tilde(version),
            Operator::NotEqual => self.differs(version),
            Operator::Greater => self.is_below(version),
            Operator::Less => order == Ordering::Less,
            Operator::GreaterOrEqual => order != Ordering::Less,
            Operator::LessOrEqual => self.is_not_below(version),
            Operator::Caret => self.caret(version),
        }
    }

    fn differs(&self, version: &Version) -> bool {
        let wanted = &self.version;
        if self.open != Open::Nothing && wanted.major != version.major {
            return true;
        }
        match self.open {
            Open::Minor => false,
            Open::Patch if wanted.minor != version.minor => true,
            Open::Patch => prereleases(&version.prerelease, &wanted.prerelease) != Ordering::Equal,
            Open::Everything if wanted.minor != version.minor || wanted.patch != version.patch => {
                true
            }
            Open::Everything | Open::Nothing => compare(version, wanted) != Ordering::Equal,
        }
    }

    fn is_below(&self, version: &Version) -> bool {
        let wanted = &self.version;
        match (self.open, version.major.cmp(&wanted.major)) {
            (Open::Patch | Open::Minor | Open::Everything, Ordering::Greater) => true,
            (Open::Patch | Open::Minor | Open::Everything, Ordering::Less) => false,
            // 11.1 is not above 11.
            (Open::Minor, Ordering::Equal) => false,
            (Open::Patch, Ordering::Equal) => version.minor > wanted.minor,
            (Open::Nothing, _) | (Open::Everything, Ordering::Equal) => {
                compare(version, wanted) == Ordering::Greater
            }
        }
    }

    fn is_not_below(&self, version: &Version) -> bool {
        let wanted = &self.version;
        if self.open == Open::Nothing {
            return compare(version, wanted) != Ordering::Greater;
        }
        version.major < wanted.major
            || (version.major == wanted.major
                && (version.minor <= wanted.minor || self.open == Open::Minor))
    }

    fn tilde(&self, version: &Version) -> bool {
        let wanted = &self.version;
        if compare(version, wanted) == Ordering::Less {
            return false;
        }
        let zero = (wanted.major, wanted.minor, wanted.patch) == (0, 0, 0);
        // ~0.0.0 allows all.
        if zero && matches!(self.open, Open::Nothing | Open::Everything) {
            return true;
        }
        version.major == wanted.major && (version.minor == wanted.minor || self.open == Open::Minor)
    }

    fn caret(&self, version: &Version) -> bool {
        let wanted = &self.version;
        if compare(version, wanted) == Ordering::Less {
            return false;
        }
        if wanted.major > 0 || self.open == Open::Minor {
            return version.major == wanted.major;
        }
        if version.major > 0 {
            return false;
        }
        if wanted.minor > 0 || self.open == Open::Patch {
            return version.minor == wanted.minor;
        }
        version.minor == 0 && version.patch == wanted.patch
    }
}
