//! Every function that templates may call, in one table with the types of its parameters. Both dialects call them
//! through [`find`]; the check of arguments is the same that Go makes before a call.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::OnceLock;

use jiff::Timestamp;

use crate::error::Fault;
use crate::limits::Meter;
use crate::random::RandomStream;
use crate::value::{List, ListKind, Map, Value};

mod builtins;
mod conversion;
pub(crate) mod dates;
mod dicts;
mod encoding;
mod flow;
mod json;
mod kubernetes;
mod lists;
mod math;
mod patterns;
mod random;
mod reflection;
mod strings;
mod urls;
pub(crate) mod versions;
mod yaml;

#[cfg(test)]
mod golden;

/// One function.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) params: &'static [Param],
    /// The type of any further arguments (Go's `...T`).
    pub(crate) rest: Option<Param>,
    pub(crate) run: Run,
}

/// What a function does with arguments that fit its parameters.
type Run = fn(Args<'_>, &mut Env<'_>) -> Result<Value, Fault>;

impl Function {
    /// A function with these parameters and no further ones.
    pub(crate) const fn new(name: &'static str, params: &'static [Param], run: Run) -> Self {
        Self {
            name,
            params,
            rest: None,
            run,
        }
    }

    /// As [`Function::new`], with any number of further arguments of one type.
    pub(crate) const fn with_rest(
        name: &'static str,
        params: &'static [Param],
        rest: Param,
        run: Run,
    ) -> Self {
        Self {
            name,
            params,
            rest: Some(rest),
            run,
        }
    }
}

/// The type of a parameter, as Go's signature has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Param {
    /// `interface {}`: anything, nil too.
    Any,
    Str,
    /// `int`; an `int64` or a `float64` is not one.
    Int,
    Float,
    Bool,
    /// `map[string]interface {}`; nil is a nil map, given on as [`Value::Nil`].
    Map,
    /// `time.Time`
    Time,
    /// `time.Duration`
    Duration,
    /// `*semver.Version`
    Version,
}

/// What functions may use beside their arguments.
pub(crate) struct Env<'a> {
    pub(crate) meter: &'a mut Meter,
    /// The time of the context, not of a clock.
    pub(crate) now: Timestamp,
    pub(crate) random: &'a mut RandomStream,
    /// Compiled regular expressions of this rendering.
    pub(crate) regexes: &'a mut HashMap<String, Rc<regex::Regex>>,
}

/// The arguments of one call, checked against the parameters: the typed getters fail only on an error of ours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Args<'a>(pub(crate) &'a [Value]);

impl<'a> Args<'a> {
    pub(crate) fn len(self) -> usize {
        self.0.len()
    }

    pub(crate) fn any(self, place: usize) -> Result<&'a Value, Fault> {
        self.0
            .get(place)
            .ok_or_else(|| Fault::new(format!("argument {place} is missing")))
    }

    /// The arguments from this place on.
    pub(crate) fn rest(self, place: usize) -> &'a [Value] {
        self.0.get(place..).unwrap_or_default()
    }

    pub(crate) fn str(self, place: usize) -> Result<&'a str, Fault> {
        let value = self.any(place)?;
        let Value::Str(text) = value else {
            return Err(unexpected(place, value));
        };
        Ok(text)
    }

    pub(crate) fn int(self, place: usize) -> Result<i64, Fault> {
        let value = self.any(place)?;
        let Value::Int(number, _) = value else {
            return Err(unexpected(place, value));
        };
        Ok(*number)
    }

    pub(crate) fn float(self, place: usize) -> Result<f64, Fault> {
        let value = self.any(place)?;
        let Value::Float(number) = value else {
            return Err(unexpected(place, value));
        };
        Ok(*number)
    }

    pub(crate) fn bool(self, place: usize) -> Result<bool, Fault> {
        let value = self.any(place)?;
        let Value::Bool(is_true) = value else {
            return Err(unexpected(place, value));
        };
        Ok(*is_true)
    }

    /// `None` is Go's nil map: reading finds nothing, writing is an error.
    pub(crate) fn map(self, place: usize) -> Result<Option<&'a Map>, Fault> {
        let value = self.any(place)?;
        if let Value::Map(map) = value {
            return Ok((!map.is_nil()).then_some(map));
        }
        if matches!(value, Value::Nil) {
            return Ok(None);
        }
        Err(unexpected(place, value))
    }
}

fn unexpected(place: usize, value: &Value) -> Fault {
    Fault::new(format!("argument {place} is a {}", type_name(value)))
}

/// Go's name of a value's type, as `printf "%T"` and `typeOf` write it.
pub(crate) fn type_name(value: &Value) -> &'static str {
    use crate::value::{IntKind, MapKind};
    match value {
        Value::Nil => "<nil>",
        Value::Bool(_) => "bool",
        Value::Int(_, IntKind::Int) => "int",
        Value::Int(_, IntKind::Int64) => "int64",
        Value::Int(_, IntKind::Int32) => "int32",
        Value::Int(_, IntKind::Uint8) => "uint8",
        Value::Int(_, IntKind::Uint64) => "uint64",
        Value::Int(_, IntKind::Month) => "time.Month",
        Value::Int(_, IntKind::Weekday) => "time.Weekday",
        Value::Float(_) => "float64",
        Value::Str(_) => "string",
        Value::List(List { kind, .. }) => match kind {
            ListKind::Any => "[]interface {}",
            ListKind::Str => "[]string",
            ListKind::Int => "[]int",
            ListKind::Lists => "[][]interface {}",
        },
        Value::Map(Map { kind, .. }) => match kind {
            MapKind::Any => "map[string]interface {}",
            MapKind::Str => "map[string]string",
        },
        Value::Time(_) => "time.Time",
        Value::Duration(_) => "time.Duration",
        Value::Version(_) => "*semver.Version",
    }
}

/// Go's name of a parameter's type.
pub(crate) fn expected(param: Param) -> &'static str {
    match param {
        Param::Any => "interface {}",
        Param::Str => "string",
        Param::Int => "int",
        Param::Float => "float64",
        Param::Bool => "bool",
        Param::Map => "map[string]interface {}",
        Param::Time => "time.Time",
        Param::Duration => "time.Duration",
        Param::Version => "*semver.Version",
    }
}

/// Why a value may not be given for a parameter, by Go's rules: types are the same, or the parameter takes any.
pub(crate) fn misfit(value: &Value, param: Param) -> Option<Fault> {
    use crate::value::{IntKind, MapKind};
    let fits = match (value, param) {
        (_, Param::Any)
        | (Value::Str(_), Param::Str)
        | (Value::Int(_, IntKind::Int), Param::Int)
        | (Value::Float(_), Param::Float)
        | (Value::Bool(_), Param::Bool)
        | (Value::Time(_), Param::Time)
        | (Value::Duration(_), Param::Duration)
        | (Value::Version(_), Param::Version)
        | (Value::Nil, Param::Map) => true,
        (Value::Map(map), Param::Map) => map.kind == MapKind::Any,
        (_, _) => false,
    };
    if fits {
        return None;
    }
    let fault = Fault::new(format!(
        "a {} is given where a {} is expected",
        type_name(value),
        expected(param)
    ));
    Some(match (value, param) {
        (_, Param::Str) => fault.hinting("pass it through toString"),
        (Value::Float(_) | Value::Int(..) | Value::Str(_), Param::Int) => {
            fault.hinting("pass it through int; numbers of the context are float64")
        }
        (_, _) => fault,
    })
}

/// Checks a call's arguments: how many, and of which types.
pub(crate) fn check(function: &Function, values: &[Value]) -> Result<(), Fault> {
    let wanted = function.params.len();
    let is_count_right = if function.rest.is_some() {
        values.len() >= wanted
    } else {
        values.len() == wanted
    };
    if !is_count_right {
        return Err(Fault::new(format!(
            "takes {}{wanted} arguments, {} are given",
            if function.rest.is_some() {
                "at least "
            } else {
                ""
            },
            values.len()
        )));
    }
    for (place, value) in values.iter().enumerate() {
        let param = function.params.get(place).copied().or(function.rest);
        if let Some(fault) = param.and_then(|param| misfit(value, param)) {
            return Err(Fault {
                message: format!("argument {}: {}", place + 1, fault.message),
                ..fault
            });
        }
    }
    Ok(())
}

/// The function of this name.
pub(crate) fn find(name: &str) -> Option<&'static Function> {
    table().get(name).copied()
}

/// Every name, for suggestions and documents.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    table().keys().copied()
}

fn table() -> &'static HashMap<&'static str, &'static Function> {
    static TABLE: OnceLock<HashMap<&'static str, &'static Function>> = OnceLock::new();
    TABLE.get_or_init(|| {
        FAMILIES
            .iter()
            .flat_map(|family| family.iter())
            .map(|function| (function.name, function))
            .collect()
    })
}

/// The families; a name stands in one of them only (test).
const FAMILIES: &[&[Function]] = &[
    builtins::FUNCTIONS,
    conversion::FUNCTIONS,
    dates::FUNCTIONS,
    dicts::FUNCTIONS,
    encoding::FUNCTIONS,
    flow::FUNCTIONS,
    json::FUNCTIONS,
    kubernetes::FUNCTIONS,
    lists::FUNCTIONS,
    math::FUNCTIONS,
    patterns::FUNCTIONS,
    random::FUNCTIONS,
    reflection::FUNCTIONS,
    strings::FUNCTIONS,
    urls::FUNCTIONS,
    versions::FUNCTIONS,
    yaml::FUNCTIONS,
];

#[cfg(test)]
mod testing;
