//! Sprig's string functions. Go counts and cuts in bytes; what a cut leaves of a character is written as U+FFFD.

use super::Param::{Any, Int, Str};
use super::{Args, Env, Function};
use crate::error::Fault;
use crate::limits::Meter;
use crate::value::Value;

mod abbreviate;
mod case;
mod characters;
mod cut;
mod edges;
mod lines;
mod pieces;
mod quotes;
mod words;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("hello", &[], |_, _| Ok(Value::str("Hello!"))),
    Function::new("abbrev", &[Int, Str], abbreviate::abbrev),
    Function::new("abbrevboth", &[Int, Int, Str], abbreviate::abbrevboth),
    Function::new("trunc", &[Int, Str], cut::trunc),
    Function::new("substr", &[Int, Int, Str], cut::substr),
    Function::new("repeat", &[Int, Str], cut::repeat),
    Function::new("replace", &[Str, Str, Str], cut::replace),
    Function::new("nospace", &[Str], cut::nospace),
    Function::new("initials", &[Str], cut::initials),
    Function::new("plural", &[Str, Str, Int], plural),
    Function::new("trim", &[Str], edges::trim),
    Function::new("trimAll", &[Str, Str], edges::trim_all),
    Function::new("trimall", &[Str, Str], edges::trim_all),
    Function::new("trimSuffix", &[Str, Str], edges::trim_suffix),
    Function::new("trimPrefix", &[Str, Str], edges::trim_prefix),
    Function::new("contains", &[Str, Str], edges::contains),
    Function::new("hasPrefix", &[Str, Str], edges::has_prefix),
    Function::new("hasSuffix", &[Str, Str], edges::has_suffix),
    Function::new("upper", &[Str], case::upper),
    Function::new("lower", &[Str], case::lower),
    Function::new("title", &[Str], case::title),
    Function::new("untitle", &[Str], case::untitle),
    Function::new("swapcase", &[Str], case::swapcase),
    Function::new("camelcase", &[Str], words::camelcase),
    Function::new("snakecase", &[Str], words::snakecase),
    Function::new("kebabcase", &[Str], words::kebabcase),
    Function::new("wrap", &[Int, Str], lines::wrap),
    Function::new("wrapWith", &[Int, Str, Str], lines::wrap_with),
    Function::new("indent", &[Int, Str], lines::indent),
    Function::new("nindent", &[Int, Str], lines::nindent),
    Function::with_rest("quote", &[], Any, quotes::quote),
    Function::with_rest("squote", &[], Any, quotes::squote),
    Function::with_rest("cat", &[], Any, quotes::cat),
    Function::new("toString", &[Any], quotes::to_string),
    Function::new("toStrings", &[Any], pieces::to_strings),
    Function::new("join", &[Str, Any], pieces::join),
    Function::new("sortAlpha", &[Any], pieces::sort_alpha),
    Function::new("split", &[Str, Str], pieces::split),
    Function::new("splitn", &[Str, Int, Str], pieces::splitn),
    Function::new("splitList", &[Str, Str], pieces::split_list),
];

/// What it costs to look at a text: some 64 bytes take as long as a step.
fn read(text: &str, meter: &mut Meter) -> Result<(), Fault> {
    meter.steps(text.len() / 64)
}

/// The argument at `place`, as it is.
fn same(args: Args<'_>, place: usize) -> Result<Value, Fault> {
    args.any(place).cloned()
}

fn plural(args: Args<'_>, _: &mut Env<'_>) -> Result<Value, Fault> {
    same(args, usize::from(args.int(2)? != 1))
}

#[cfg(test)]
mod tests;
