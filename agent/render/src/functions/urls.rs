//! URLs and paths.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::{Args, Env, Function, Param};
use crate::error::Fault;
use crate::value::{Map, Value};

mod escape;
mod parse;

use parse::Url;

/// The agent's paths are Unix's, so that the functions for paths of files do what those for slashes do.
pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("urlParse", &[Param::Str], url_parse),
    Function::new("urlJoin", &[Param::Map], url_join),
    Function::new("base", &[Param::Str], base),
    Function::new("dir", &[Param::Str], dir),
    Function::new("clean", &[Param::Str], clean),
    Function::new("ext", &[Param::Str], ext),
    Function::new("isAbs", &[Param::Str], is_abs),
    Function::new("osBase", &[Param::Str], base),
    Function::new("osDir", &[Param::Str], dir),
    Function::new("osClean", &[Param::Str], clean),
    Function::new("osExt", &[Param::Str], ext),
    Function::new("osIsAbs", &[Param::Str], is_abs),
];

fn url_parse(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let text = args.str(0)?;
    // Its parts, and each byte of a name or password escaped at worst.
    env.meter.steps(10 + text.len() / 10)?;
    env.meter.bytes(text.len().saturating_mul(4))?;
    let url = Url::parse(text).ok_or_else(|| {
        Fault::new(format!("urlParse: {text:?} is not a URL"))
            .hinting("write it as in https://user@host:443/path?query#fragment")
    })?;
    let entry = |key: &str, part: &str| (Rc::from(key), Value::str(part));
    Ok(Value::map(BTreeMap::from([
        entry("scheme", &url.scheme),
        entry("host", &url.host),
        entry("hostname", url.hostname()),
        entry("path", &url.path),
        entry("query", &url.query),
        entry("opaque", &url.opaque),
        entry("fragment", &url.fragment),
        entry("userinfo", url.user.as_deref().unwrap_or_default()),
    ])))
}

fn url_join(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let map = args.map(0)?;
    let part = |key: &str| part(map, key);
    let user = match part("userinfo")?.as_str() {
        "" => None,
        user => {
            // Sprig reads it as part of a URL: what follows a slash is none of it.
            let whole = format!("proto://{user}@host");
            let url = Url::parse(&whole).ok_or_else(|| {
                Fault::new(format!("urlJoin: {user:?} cannot be the userinfo of a URL"))
                    .hinting("write it as in name or name:password, with %40 for @")
            })?;
            url.user
        }
    };
    let url = Url {
        scheme: part("scheme")?,
        opaque: part("opaque")?,
        user,
        host: part("host")?,
        path: part("path")?,
        query: part("query")?,
        fragment: part("fragment")?,
    };
    let length = url.host.len() + url.path.len() + url.query.len() + url.fragment.len();
    env.meter.steps(10 + length / 10)?;
    env.meter.bytes(length.saturating_mul(3))?;
    Ok(Value::str(url.write()))
}

fn part(map: Option<&Map>, key: &str) -> Result<String, Fault> {
    match map.and_then(|map| map.get(key)) {
        None => Ok(String::new()),
        Some(Value::Str(text)) => Ok(text.to_string()),
        Some(other) => Err(Fault::new(format!(
            "urlJoin: {key} is a {}, not a string",
            super::type_name(&other)
        ))
        .hinting("make it a text with toString")),
    }
}

fn base(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let path = args.str(0)?;
    env.meter.bytes(path.len())?;
    if path.is_empty() {
        return Ok(Value::str("."));
    }
    let last = path.trim_end_matches('/').rsplit('/').next();
    Ok(Value::str(
        last.filter(|last| !last.is_empty()).unwrap_or("/"),
    ))
}

fn dir(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let path = args.str(0)?;
    env.meter.bytes(path.len().saturating_mul(2))?;
    let end = path.rfind('/').map_or(0, |slash| slash + 1);
    Ok(Value::str(cleaned(path.get(..end).unwrap_or_default())))
}

fn clean(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let path = args.str(0)?;
    env.meter.bytes(path.len().saturating_mul(2))?;
    Ok(Value::str(cleaned(path)))
}

/// The shortest path to the same place.
fn cleaned(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            // There is nothing above the root.
            ".." if rooted => {}
            _ => parts.push(part),
        }
    }
    match (rooted, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}

fn ext(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let path = args.str(0)?;
    env.meter.bytes(path.len())?;
    let last = path.rsplit('/').next().unwrap_or_default();
    let ext = last.rfind('.').and_then(|dot| last.get(dot..));
    Ok(Value::str(ext.unwrap_or_default()))
}

fn is_abs(args: Args<'_>, _: &mut Env<'_>) -> Result<Value, Fault> {
    Ok(Value::Bool(args.str(0)?.starts_with('/')))
}

#[cfg(test)]
mod tests {
    use crate::functions::golden;

    #[test]
    fn as_go() {
        golden::check(include_str!("golden/urls.jsonl"));
    }
}
