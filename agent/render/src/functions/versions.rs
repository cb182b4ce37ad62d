//! Semantic versions, as Masterminds' library has them.

use std::sync::OnceLock;

use regex::Regex;

use super::{Args, Env, Function, Param};
use crate::error::Fault;
use crate::value::{Value, Version};

mod constraint;
pub(crate) mod order;

use constraint::Constraints;

/// A version: minor and patch may be left out, `v` may stand before it.
const VERSION: &str = r"v?([0-9]+)(\.[0-9]+)?(\.[0-9]+)?(?:-([0-9A-Za-z\-]+(?:\.[0-9A-Za-z\-]+)*))?(?:\+([0-9A-Za-z\-]+(?:\.[0-9A-Za-z\-]+)*))?";

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "semver",
        params: &[Param::Str],
        rest: None,
        run: semver,
    },
    Function {
        name: "semverCompare",
        params: &[Param::Str, Param::Str],
        rest: None,
        run: compare,
    },
];

fn semver(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let text = args.str(0)?;
    env.meter.steps(1 + text.len() / 10)?;
    env.meter.bytes(text.len().saturating_mul(2))?;
    let version = parse(text).ok_or_else(|| not_a_version("semver", text))?;
    Ok(Value::Version(version.into()))
}

fn compare(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let (constraint, version) = (args.str(0)?, args.str(1)?);
    // Three expressions run over the constraint.
    env.meter
        .steps(10 + constraint.len() + version.len() / 10)?;
    env.meter.bytes(constraint.len().saturating_mul(8))?;
    let constraints = Constraints::parse(constraint).ok_or_else(|| {
        Fault::new(format!(
            "semverCompare: {constraint:?} is not a constraint of versions"
        ))
        .hinting("write it as in >=1.20, ~1.2.3, ^2 || 1.x, 1.2 - 1.4")
    })?;
    let version = parse(version).ok_or_else(|| not_a_version("semverCompare", version))?;
    Ok(Value::Bool(constraints.allow(&version)))
}

fn not_a_version(name: &str, text: &str) -> Fault {
    Fault::new(format!("{name}: {text:?} is not a semantic version"))
        .hinting("write it as in 1.2.3, v1.2 or 1.2.3-rc.1+build")
}

fn expression(place: &'static OnceLock<Option<Regex>>, text: &str) -> Option<&'static Regex> {
    place.get_or_init(|| Regex::new(text).ok()).as_ref()
}

/// Reads a version; minor and patch may be left out, `v` may stand before it.
fn parse(text: &str) -> Option<Version> {
    static WHOLE: OnceLock<Option<Regex>> = OnceLock::new();
    let parts = expression(&WHOLE, &format!("^{VERSION}$"))?.captures(text)?;
    let part = |number| parts.get(number).map_or("", |part| part.as_str());
    let number = |text: &str| match text.trim_start_matches('.') {
        "" => Some(0),
        digits => digits.parse().ok(),
    };
    // Numbers of a prerelease have no zeros before them.
    let zeros = |part: &str| {
        part.len() > 1 && part.starts_with('0') && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    if part(4).split('.').any(zeros) {
        return None;
    }
    Some(Version {
        major: number(part(1))?,
        minor: number(part(2))?,
        patch: number(part(3))?,
        prerelease: part(4).to_owned(),
        metadata: part(5).to_owned(),
        original: text.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use crate::functions::golden;

    #[test]
    fn as_go() {
        golden::check(include_str!("golden/versions.jsonl"));
    }
}
