//! Regular expressions, RE2's syntax as Go has it.

use std::rc::Rc;

use regex::{Captures, Regex, RegexBuilder};

use super::{Args, Env, Function, Param};
use crate::error::Fault;
use crate::value::{List, ListKind, Value};

mod counts;
mod posix;
mod translate;

/// Compiled patterns that one rendering keeps: a template has a handful; built ones would fill the memory.
const MAX_KEPT: usize = 64;
/// Bytes of one compiled pattern: enough for `\pL{100}`.
const MAX_COMPILED: usize = 1024 * 1024;
/// What the compiling of a pattern costs, in steps for each of its bytes.
const STEPS_TO_COMPILE: usize = 20;

const TWO: &[Param] = &[Param::Str, Param::Str];
const THREE: &[Param] = &[Param::Str, Param::Str, Param::Str];
const COUNTED: &[Param] = &[Param::Str, Param::Str, Param::Int];

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("regexMatch", TWO, is_match),
    Function::new("mustRegexMatch", TWO, must_match),
    Function::new("regexFind", TWO, find),
    Function::new("mustRegexFind", TWO, find),
    Function::new("regexFindAll", COUNTED, find_all),
    Function::new("mustRegexFindAll", COUNTED, find_all),
    Function::new("regexReplaceAll", THREE, replace_all),
    Function::new("mustRegexReplaceAll", THREE, replace_all),
    Function::new("regexReplaceAllLiteral", THREE, replace_all_literal),
    Function::new("mustRegexReplaceAllLiteral", THREE, replace_all_literal),
    Function::new("regexSplit", COUNTED, split),
    Function::new("mustRegexSplit", COUNTED, split),
    Function::new("regexQuoteMeta", &[Param::Str], quote_meta),
];

/// The pattern that the first argument is; compiled once in a rendering.
fn pattern(args: Args<'_>, env: &mut Env<'_>) -> Result<Rc<Regex>, Fault> {
    let text = args.str(0)?;
    // Linear in the text that is searched, the second argument.
    env.meter.steps(1 + args.str(1)?.len() / 10)?;
    if let Some(regex) = env.regexes.get(text) {
        return Ok(Rc::clone(regex));
    }
    env.meter
        .steps(text.len().saturating_mul(STEPS_TO_COMPILE))?;
    env.meter.bytes(text.len().saturating_mul(10))?;
    let wrong = |why: String| {
        Fault::new(format!("{text:?} is not a regular expression: {why}"))
            .hinting("the syntax is RE2's")
    };
    let translated = translate::translate(text).map_err(wrong)?;
    let regex = RegexBuilder::new(&translated)
        .size_limit(MAX_COMPILED)
        .dfa_size_limit(MAX_COMPILED)
        .build()
        .map_err(|error| {
            // The last line says what is wrong; those before show the translated pattern.
            let error = error.to_string();
            let last = error.lines().last().unwrap_or_default();
            wrong(last.trim_start_matches("error: ").to_owned())
        })?;
    if env.regexes.len() >= MAX_KEPT {
        env.regexes.clear();
    }
    let regex = Rc::new(regex);
    env.regexes.insert(text.to_owned(), Rc::clone(&regex));
    Ok(regex)
}

fn is_match(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    // Sprig swallows what is wrong with a pattern here, and only here; limits hold all the same.
    match pattern(args, env) {
        Ok(regex) => Ok(Value::Bool(regex.is_match(args.str(1)?))),
        Err(_) => {
            env.meter.step()?;
            env.meter.bytes(0)?;
            Ok(Value::Bool(false))
        }
    }
}

fn must_match(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    Ok(Value::Bool(pattern(args, env)?.is_match(args.str(1)?)))
}

fn find(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let regex = pattern(args, env)?;
    let found = regex.find(args.str(1)?).map_or("", |found| found.as_str());
    env.meter.bytes(found.len())?;
    Ok(Value::str(found))
}

/// How many are wanted; less than none means all.
fn limit(args: Args<'_>) -> Result<usize, Fault> {
    Ok(usize::try_from(args.int(2)?).unwrap_or(usize::MAX))
}

fn strings(items: Vec<Value>) -> Value {
    Value::List(List::new(ListKind::Str, items))
}

/// Go's nil `[]string`: an empty list, but null in JSON.
fn none() -> Value {
    let mut none = List::nil();
    none.kind = ListKind::Str;
    Value::List(none)
}

fn push(items: &mut Vec<Value>, text: &str, env: &mut Env<'_>) -> Result<(), Fault> {
    env.meter.step()?;
    env.meter
        .bytes(text.len().saturating_add(size_of::<Value>()))?;
    items.push(Value::str(text));
    Ok(())
}

fn find_all(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let regex = pattern(args, env)?;
    let mut items = Vec::new();
    for found in regex.find_iter(args.str(1)?).take(limit(args)?) {
        push(&mut items, found.as_str(), env)?;
    }
    if items.is_empty() {
        return Ok(none());
    }
    Ok(strings(items))
}

fn split(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let regex = pattern(args, env)?;
    let (text, limit) = (args.str(1)?, limit(args)?);
    let mut items = Vec::new();
    if limit == 0 {
        return Ok(none());
    }
    if text.is_empty() && !args.str(0)?.is_empty() {
        return Ok(strings(vec![Value::str("")]));
    }
    let (mut start, mut end) = (0, 0);
    for found in regex.find_iter(text).take(limit) {
        if items.len() >= limit - 1 {
            break;
        }
        end = found.start();
        if found.end() != 0 {
            push(&mut items, text.get(start..end).unwrap_or_default(), env)?;
        }
        start = found.end();
    }
    if end != text.len() {
        push(&mut items, text.get(start..).unwrap_or_default(), env)?;
    }
    Ok(strings(items))
}

fn replace_all(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let template = args.str(2)?;
    replace(args, env, |out, captures, regex| {
        expand(out, template, captures, regex);
    })
}

fn replace_all_literal(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let text = args.str(2)?;
    replace(args, env, |out, _, _| out.push_str(text))
}

fn replace(
    args: Args<'_>,
    env: &mut Env<'_>,
    write: impl Fn(&mut String, &Captures<'_>, &Regex),
) -> Result<Value, Fault> {
    let regex = pattern(args, env)?;
    let text = args.str(1)?;
    let references = args.str(2)?.matches('$').count();
    let mut out = String::new();
    let mut copied = 0;
    for captures in regex.captures_iter(text) {
        let Some(found) = captures.get(0) else { break };
        let length = found
            .len()
            .saturating_mul(references)
            .saturating_add(args.str(2)?.len());
        env.meter.step()?;
        env.meter
            .bytes(length.saturating_add(found.start().saturating_sub(copied)))?;
        out.push_str(text.get(copied..found.start()).unwrap_or_default());
        write(&mut out, &captures, &regex);
        copied = found.end();
    }
    env.meter.bytes(text.len().saturating_sub(copied))?;
    out.push_str(text.get(copied..).unwrap_or_default());
    Ok(Value::str(out))
}

/// Writes a replacement: `$1`, `$name`, `${name}`, `$$`. A name is as long as can be: `$1W` is the group "1W".
fn expand(out: &mut String, template: &str, captures: &Captures<'_>, regex: &Regex) {
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once('$') {
        out.push_str(before);
        rest = behind;
        if let Some(behind) = rest.strip_prefix('$') {
            out.push('$');
            rest = behind;
            continue;
        }
        let Some((name, behind)) = reference(rest) else {
            out.push('$');
            continue;
        };
        rest = behind;
        let found = match group_number(name) {
            Some(number) => captures.get(number),
            None => regex
                .capture_names()
                .enumerate()
                .filter(|(_, group)| group.and_then(translate::name_of) == Some(name))
                .find_map(|(number, _)| captures.get(number)),
        };
        out.push_str(found.map_or("", |found| found.as_str()));
    }
    out.push_str(rest);
}

/// `name` or `{name}`, and what follows.
fn reference(text: &str) -> Option<(&str, &str)> {
    let (braced, inner) = match text.strip_prefix('{') {
        Some(inner) => (true, inner),
        None => (false, text),
    };
    let end = inner
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(inner.len());
    let (name, rest) = inner.split_at_checked(end)?;
    if name.is_empty() {
        return None;
    }
    match braced {
        true => Some((name, rest.strip_prefix('}')?)),
        false => Some((name, rest)),
    }
}

/// A number below 10⁸ without zeros before it.
fn group_number(name: &str) -> Option<usize> {
    let digits = name.bytes().all(|byte| byte.is_ascii_digit());
    let right = digits && name.len() <= 9 && (name == "0" || !name.starts_with('0'));
    right.then(|| name.parse().ok())?
}

fn quote_meta(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let text = args.str(0)?;
    env.meter.bytes(text.len().saturating_mul(2))?;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    Ok(Value::str(out))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::functions::golden;
    use crate::value::Value;

    #[test]
    fn as_go() {
        golden::check(include_str!("golden/patterns.jsonl"));
    }

    proptest! {
        #[test]
        fn takes_anything(pattern in r"[a-c\[\]\(\)\\?*+{},^$.|:0-9dQEPpx<>-]{0,20}|\PC{0,10}", text in "[a-c0 é\n]{0,20}") {
            for name in ["regexMatch", "regexFind"] {
                let _ = golden::call(name, &[Value::str(pattern.as_str()), Value::str(text.as_str())]);
            }
            let _ = golden::call("regexSplit", &[Value::str(pattern.as_str()), Value::str(text.as_str()), Value::int(-1)]);
            let _ = golden::call("regexReplaceAll", &[Value::str(pattern.as_str()), Value::str(text), Value::str(pattern)]);
        }
    }
}
