//! The Jinja dialect: minijinja as it is, with our functions as filters (the piped value is the last argument, as in Go)
//! and, where minijinja has no function of the name, as functions. Nothing is escaped; booleans and null print as YAML
//! has them; what is undefined is an error.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use minijinja::value::{Object, Rest, Serde, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, UndefinedBehavior};

use crate::error::{Fault, Position, TemplateError};
use crate::functions::{self, Args, Env, Function, Param};
use crate::limits::{Budget, Limits, Meter};
use crate::random::RandomStream;
use crate::template::{Input, Rendered};
use crate::value::{Journal, Map, MapKind, Value};

mod runaway;

/// The one template of an environment.
const NAME: &str = "template";
/// Deepest nesting of macros and loops; minijinja's own frames are large.
const RECURSION: usize = 64;

/// A compiled text.
pub(crate) struct Template {
    place: String,
    text: String,
    environment: Environment<'static>,
}

/// Reads a text.
pub(crate) fn parse(place: &str, text: &str, limits: &Limits) -> Result<Template, TemplateError> {
    let wrong = |message: String| TemplateError {
        place: place.to_owned(),
        position: Position { line: 1, column: 1 },
        expression: String::new(),
        message,
        hint: None,
    };
    if text.len() > limits.template_bytes {
        return Err(wrong(format!(
            "the template has {} bytes; at most {} are possible",
            text.len(),
            limits.template_bytes
        )));
    }
    let mut environment = environment().clone();
    environment
        .add_template_owned(NAME, text.to_owned())
        .map_err(|error| explain(place, text, &error))?;
    runaway::check(place, text)?;
    Ok(Template {
        place: place.to_owned(),
        text: text.to_owned(),
        environment,
    })
}

/// Made once: it holds some hundred functions.
fn environment() -> &'static Environment<'static> {
    static ENVIRONMENT: OnceLock<Environment<'static>> = OnceLock::new();
    ENVIRONMENT.get_or_init(new_environment)
}

fn new_environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_debug(true);
    environment.set_recursion_limit(RECURSION);
    environment.set_formatter(|out, state, value| {
        let kind = value.kind();
        if kind == ValueKind::Bool {
            write(out, if value.is_true() { "true" } else { "false" })
        } else if kind == ValueKind::None {
            write(out, "null")
        } else {
            minijinja::escape_formatter(out, state, value)
        }
    });
    for name in functions::names() {
        let Some(function) = functions::find(name) else {
            continue;
        };
        if !is_taken(&format!("{{{{ 1|{name} }}}}"), ErrorKind::UnknownFilter) {
            environment.add_filter(
                name,
                move |state: &mut State<'_, '_>, args: Rest<minijinja::Value>| {
                    let mut args = args.0;
                    if !args.is_empty() {
                        args.rotate_left(1);
                    }
                    call(function, state, &args)
                },
            );
        }
        if !is_taken(&format!("{{{{ {name}() }}}}"), ErrorKind::UnknownFunction) {
            environment.add_function(
                name,
                move |state: &mut State<'_, '_>, args: Rest<minijinja::Value>| {
                    call(function, state, &args)
                },
            );
        }
    }
    environment
}

/// Whether minijinja has a filter or function of its own of that name.
fn is_taken(probe: &str, unknown: ErrorKind) -> bool {
    Environment::new()
        .render_str(probe, ())
        .err()
        .is_none_or(|error| error.kind() != unknown)
}

fn write(out: &mut minijinja::Output<'_>, text: &str) -> Result<(), Error> {
    out.write_str(text).map_err(Error::from)
}

impl Template {
    pub(crate) fn render(&self, input: &Input) -> Result<Rendered, TemplateError> {
        let text = self.source();
        let mut environment = self.environment.clone();
        environment.set_fuel(Some(input.limits.steps));
        let template = environment
            .get_template(NAME)
            .map_err(|error| explain(&self.place, text, &error))?;
        let root = minijinja::Value::from_object(Root {
            context: input
                .context
                .all()
                .map(|(name, json)| (name.to_owned(), minijinja::Value::from(Serde(json))))
                .collect(),
            listed: input.context.names().map(str::to_owned).collect(),
            now: input.now,
            seed: input.seed,
            limits: input.limits,
        });
        let (rendered, spans) = template
            .render_with_spans(root)
            .map_err(|error| explain(&self.place, text, &error))?;
        if rendered.len() > input.limits.output_bytes {
            return Err(TemplateError {
                place: self.place.clone(),
                position: Position { line: 1, column: 1 },
                expression: String::new(),
                message: format!(
                    "the rendered text has {} bytes; at most {} are possible",
                    rendered.len(),
                    input.limits.output_bytes
                ),
                hint: None,
            });
        }
        let origins = spans
            .iter()
            .map(|span| {
                (
                    span.output_range().start,
                    position(text, span.source_range().start),
                )
            })
            .collect();
        Ok(Rendered {
            text: rendered,
            origins,
            steps: Budget::UNTOLD,
        })
    }

    pub(crate) fn variables(&self) -> Vec<(String, Position)> {
        let Ok(template) = self.environment.get_template(NAME) else {
            return Vec::new();
        };
        let mut names: Vec<String> = template
            .undeclared_variables(true)
            .into_iter()
            .filter_map(|path| {
                let name = path
                    .strip_prefix("vars.")
                    .or_else(|| path.strip_prefix("Vars."))?;
                Some(name.split('.').next()?.to_owned())
            })
            .collect();
        names.sort();
        names.dedup();
        let text = self.source();
        names
            .into_iter()
            .map(|name| {
                let at = text.find(&format!("ars.{name}")).unwrap_or(0);
                (name, position(text, at))
            })
            .collect()
    }

    fn source(&self) -> &str {
        &self.text
    }
}

/// The context, with what functions need beside it.
#[derive(Debug)]
struct Root {
    context: BTreeMap<String, minijinja::Value>,
    listed: Vec<String>,
    now: Timestamp,
    seed: [u8; 32],
    limits: Limits,
}

/// Under this name functions find the root; no template can write it.
const ROOT: &str = "\u{0}root";

impl Object for Root {
    fn get_value(self: &Arc<Self>, key: &minijinja::Value) -> Option<minijinja::Value> {
        let key = key.as_str()?;
        if key == ROOT {
            return Some(minijinja::Value::from_dyn_object(Arc::clone(self)));
        }
        self.context.get(key).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> minijinja::value::Enumerator {
        minijinja::value::Enumerator::Values(
            self.listed
                .iter()
                .map(|name| minijinja::Value::from(name.as_str()))
                .collect(),
        )
    }
}

/// What functions use up during one rendering.
struct Used {
    meter: Meter,
    random: RandomStream,
}

/// Calls a function of ours.
fn call(
    function: &'static Function,
    state: &mut State<'_, '_>,
    args: &[minijinja::Value],
) -> Result<minijinja::Value, Error> {
    let failed = |fault: Fault| {
        let message = match fault.hint {
            Some(hint) => format!("{}: {}; {hint}", function.name, fault.message),
            None => format!("{}: {}", function.name, fault.message),
        };
        Error::new(ErrorKind::InvalidOperation, message)
    };
    let root = state
        .lookup(ROOT)
        .ok_or_else(|| failed(Fault::new("it cannot be called here")))?;
    let root = root
        .downcast_object_ref::<Root>()
        .ok_or_else(|| failed(Fault::new("it cannot be called here")))?;
    let used = state.get_or_insert_extension(Used {
        meter: Meter::new(root.limits),
        random: RandomStream::new(root.seed),
    });
    used.meter.step().map_err(failed)?;
    // Values are converted with each call, so nothing outlives it; a dict that was made to hold itself is let go of.
    let _journal = Journal::open();
    let mut values = Vec::with_capacity(args.len());
    for (place, arg) in args.iter().enumerate() {
        let value = to_ours(arg, 0, &mut used.meter).map_err(failed)?;
        let wanted = function.params.get(place).copied().or(function.rest);
        values.push(fitted(value, wanted));
    }
    functions::check(function, &values).map_err(failed)?;
    // Regular expressions cannot be kept with the state: they would have to be shared between threads.
    let mut regexes = HashMap::new();
    let mut env = Env {
        meter: &mut used.meter,
        now: root.now,
        random: &mut used.random,
        regexes: &mut regexes,
    };
    let result = (function.run)(Args(&values), &mut env).map_err(failed)?;
    to_theirs(&result, 0, &mut used.meter).map_err(failed)
}

/// Jinja has one sort of integer; the function's signature says which it is.
fn fitted(value: Value, wanted: Option<Param>) -> Value {
    match (value, wanted) {
        #[expect(
            clippy::cast_precision_loss,
            reason = "as Go converts an int to a float64"
        )]
        (Value::Int(number, _), Some(Param::Float)) => Value::Float(number as f64),
        (value, _) => value,
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "minijinja's kinds may become more"
)]
fn to_ours(value: &minijinja::Value, depth: u32, meter: &mut Meter) -> Result<Value, Fault> {
    meter.step()?;
    meter.depth(depth)?;
    Ok(match value.kind() {
        ValueKind::Undefined | ValueKind::None => Value::Nil,
        ValueKind::Bool => Value::Bool(value.is_true()),
        ValueKind::Number => match i64::try_from(value.clone()) {
            Ok(number) if value.is_integer() => Value::int(number),
            Ok(_) | Err(_) => Value::Float(f64::try_from(value.clone()).unwrap_or(f64::NAN)),
        },
        ValueKind::Seq | ValueKind::Iterable => {
            let items = value.try_iter().map_err(|e| Fault::new(e.to_string()))?;
            let mut list = Vec::new();
            for item in items {
                list.push(to_ours(&item, depth + 1, meter)?);
            }
            Value::list(list)
        }
        ValueKind::Map => {
            let keys = value.try_iter().map_err(|e| Fault::new(e.to_string()))?;
            let mut entries = BTreeMap::new();
            for key in keys {
                let item = value
                    .get_item(&key)
                    .map_err(|e| Fault::new(e.to_string()))?;
                entries.insert(Rc::from(key.to_string()), to_ours(&item, depth + 1, meter)?);
            }
            Value::Map(Map::new(MapKind::Any, entries))
        }
        ValueKind::Invalid => return Err(Fault::new("the value is an error")),
        // Texts, and whatever a later minijinja adds.
        _ => {
            let text = value.to_string();
            meter.bytes(text.len())?;
            Value::str(text)
        }
    })
}

fn to_theirs(value: &Value, depth: u32, meter: &mut Meter) -> Result<minijinja::Value, Fault> {
    meter.step()?;
    meter.depth(depth)?;
    Ok(match value {
        Value::Nil => minijinja::Value::from(()),
        Value::Bool(value) => minijinja::Value::from(*value),
        Value::Int(number, _) => minijinja::Value::from(*number),
        Value::Float(number) => minijinja::Value::from(*number),
        Value::Str(text) => minijinja::Value::from(&**text),
        Value::List(list) => list
            .items()
            .iter()
            .map(|item| to_theirs(item, depth + 1, meter))
            .collect::<Result<Vec<_>, _>>()?
            .into(),
        Value::Map(map) => map
            .entries()
            .iter()
            .map(|(key, item)| Ok((key.to_string(), to_theirs(item, depth + 1, meter)?)))
            .collect::<Result<BTreeMap<_, _>, Fault>>()?
            .into(),
        Value::Time(_) | Value::Duration(_) | Value::Version(_) => {
            minijinja::Value::from(crate::print::to_text(value, meter)?)
        }
    })
}

/// An error of minijinja, for the template's author.
fn explain(place: &str, text: &str, error: &Error) -> TemplateError {
    let position = match error.range() {
        Some(range) => position(text, range.start),
        None => Position {
            line: error
                .line()
                .and_then(|line| u32::try_from(line).ok())
                .unwrap_or(1),
            column: 1,
        },
    };
    let expression = error
        .range()
        .and_then(|range| text.get(range))
        .unwrap_or_default();
    let message = match (error.kind(), error.detail()) {
        (ErrorKind::OutOfFuel, _) => {
            "the template takes too many steps or makes too much text".to_owned()
        }
        (kind, Some(detail)) => format!("{kind}: {detail}"),
        (kind, None) => kind.to_string(),
    };
    let hint = if error.kind() == ErrorKind::OutOfFuel {
        Some("look for a loop over too many items, or a text that grows in a loop".to_owned())
    } else if error.kind() == ErrorKind::UndefinedError {
        Some("write `| default(\"…\")` if it may be missing".to_owned())
    } else {
        None
    };
    TemplateError {
        place: place.to_owned(),
        position,
        expression: expression.to_owned(),
        message,
        hint,
    }
}

/// Line and column of a byte of the text.
fn position(text: &str, offset: usize) -> Position {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Position {
        line: count(before.matches('\n').count() + 1),
        column: count(before.get(line_start..).unwrap_or_default().chars().count() + 1),
    }
}

#[cfg(test)]
mod tests;
