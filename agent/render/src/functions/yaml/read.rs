//! YAML read as `sigs.k8s.io/yaml` reads it into an `interface {}`: YAML 1.1's words, keys as texts, numbers as
//! `float64`, the last of two equal keys counts, merge keys where they stand.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, StrInput, Tag};

use super::resolve::{Plain, resolve};
use crate::error::Fault;
use crate::limits::Meter;
use crate::value::Value;

/// Nodes of a text after its aliases are followed (S13: a few lines can stand for billions).
const MAX_NODES: usize = 100_000;

/// Why a text is not read.
#[derive(Debug)]
pub(super) enum NotYaml {
    /// The rendering is at its limits.
    Limit(Fault),
    /// What is wrong, for an author.
    Syntax(String),
}

impl From<Fault> for NotYaml {
    fn from(fault: Fault) -> Self {
        Self::Limit(fault)
    }
}

fn wrong(message: impl Into<String>) -> NotYaml {
    NotYaml::Syntax(message.into())
}

fn syntax(error: &ScanError) -> NotYaml {
    let text = error.to_string();
    let message = text
        .split_once(" at ")
        .map_or(text.as_str(), |(message, _)| message);
    wrong(format!("yaml: line {}: {message}", error.marker().line()))
}

/// The first document; nil if there is none.
pub(super) fn read(text: &str, meter: &mut Meter) -> Result<Value, NotYaml> {
    check_start(text)?;
    let mut stray = None;
    let value = match read_document(text, &mut stray, meter) {
        Err(NotYaml::Syntax(message)) => match in_brackets(text, stray) {
            Some(document) => read_document(&document, &mut None, meter)?,
            None => return Err(NotYaml::Syntax(message)),
        },
        read => read?,
    };
    check_json(&value)?;
    Ok(value)
}

/// `stray`: where a bracket stands that closes nothing, in characters.
fn read_document(
    text: &str,
    stray: &mut Option<usize>,
    meter: &mut Meter,
) -> Result<Value, NotYaml> {
    let options = granit_parser::options! {
        bom_inside_document_as_content: true,
        block_scalar_eof_without_line_feed: true,
        emit_comments: false,
    };
    let mut reader = Reader {
        events: Parser::new_from_str_with_options(text, options),
        meter,
        anchors: HashMap::new(),
        nodes: 0,
        stray,
    };
    loop {
        match reader.event()? {
            None | Some(Event::StreamEnd) => return Ok(Value::Nil),
            Some(Event::DocumentStart(..)) => break,
            Some(_) => {}
        }
    }
    let Some(event) = reader.event()? else {
        return Ok(Value::Nil);
    };
    let node = reader.node(event, 1)?;
    // What follows is of no interest, unless it keeps the document from ending.
    reader.event()?;
    Ok(node.value)
}

/// The first document alone, where it is a list or map in brackets that something follows which does not keep it from
/// ending: a bracket too many, or anything behind an empty one.
fn in_brackets(text: &str, stray: Option<usize>) -> Option<String> {
    let mut start = 0_usize;
    text.split_inclusive('\n').find(|line| {
        let content = line.strip_prefix("---").unwrap_or(line).trim_start();
        let is_content = !content.is_empty() && !content.starts_with('#');
        start = start.saturating_add(if is_content {
            line.len().saturating_sub(content.len())
        } else {
            line.len()
        });
        is_content
    })?;
    let opened = text.get(start..)?.strip_prefix(['{', '['])?;
    if let Some(stray) = stray {
        return Some(text.chars().take(stray).collect());
    }
    let closed = opened.trim_start().strip_prefix(['}', ']'])?;
    let end = text.len().checked_sub(closed.len())?;
    text.get(..end).map(str::to_owned)
}

/// What YAML 1.1 does not let a stream start with and the parser, which reads YAML 1.2, passes over.
fn check_start(text: &str) -> Result<(), NotYaml> {
    let first = text
        .lines()
        .map(|line| line.trim_start_matches(' '))
        .find(|line| !line.is_empty() && !line.starts_with('#'));
    match first {
        Some(line) if line.starts_with('\t') => {
            Err(wrong("yaml: found character that cannot start any token"))
        }
        Some(line) if line.trim_end() == "..." => {
            Err(wrong("yaml: did not find expected <document start>"))
        }
        Some(_) | None => Ok(()),
    }
}

struct Reader<'a, 'm> {
    events: Parser<'a, StrInput<'a>>,
    meter: &'m mut Meter,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    stray: &'m mut Option<usize>,
}

/// A node, and how many nodes it has.
#[derive(Clone)]
struct Node {
    value: Value,
    /// What a key of this text is; `None` for what cannot be one.
    key: Option<Rc<str>>,
    merge: bool,
    size: usize,
}

impl<'a> Reader<'a, '_> {
    fn event(&mut self) -> Result<Option<Event<'a>>, NotYaml> {
        match self.events.next() {
            None => Ok(None),
            Some(Ok((event, _))) => Ok(Some(event)),
            Some(Err(error)) => {
                if *error.kind() == ErrorKind::MisplacedFlowCollectionEnd {
                    *self.stray = Some(error.marker().index());
                }
                Err(syntax(&error))
            }
        }
    }

    fn must(&mut self) -> Result<Event<'a>, NotYaml> {
        self.event()?
            .ok_or_else(|| wrong("yaml: the text ends too early"))
    }

    fn count(&mut self, nodes: usize) -> Result<(), NotYaml> {
        self.meter.steps(nodes)?;
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES {
            return Err(wrong(format!(
                "yaml: document contains excessive aliasing: more than {MAX_NODES} nodes"
            )));
        }
        Ok(())
    }

    fn node(&mut self, event: Event<'a>, depth: u32) -> Result<Node, NotYaml> {
        self.meter.depth(depth)?;
        self.count(1)?;
        #[allow(clippy::wildcard_enum_match_arm)]
        let (node, anchor) = match event {
            Event::Alias(id) => {
                let Some(node) = self.anchors.get(&id).cloned() else {
                    return Err(wrong("yaml: anchor value contains itself"));
                };
                self.count(node.size)?;
                self.meter
                    .bytes(node.size.saturating_mul(size_of::<Value>()))?;
                // Each its own: what is set in one must not be seen in the other.
                let value = copy(&node.value);
                return Ok(Node { value, ..node });
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.meter.bytes(text.len())?;
                (scalar(&text, style, tag.as_deref())?, anchor)
            }
            Event::SequenceStart(_, anchor, _) => (self.list(depth)?, anchor),
            Event::MappingStart(_, anchor, _) => (self.map(depth)?, anchor),
            Event::DocumentEnd | Event::StreamEnd => {
                return Ok(leaf(Value::Nil, None));
            }
            // Another crate's enum, which may grow; none of the rest is a node.
            _ => return Err(wrong("yaml: a node is missing")),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self, depth: u32) -> Result<Node, NotYaml> {
        let (mut items, mut size) = (Vec::new(), 1_usize);
        loop {
            let event = self.must()?;
            if matches!(event, Event::SequenceEnd) {
                break;
            }
            let item = self.node(event, depth.saturating_add(1))?;
            self.meter.bytes(size_of::<Value>())?;
            size = size.saturating_add(item.size);
            items.push(item.value);
        }
        Ok(Node {
            value: Value::list(items),
            key: None,
            merge: false,
            size,
        })
    }

    fn map(&mut self, depth: u32) -> Result<Node, NotYaml> {
        let (mut entries, mut size) = (BTreeMap::new(), 1_usize);
        loop {
            let event = self.must()?;
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let key = self.node(event, depth.saturating_add(1))?;
            let event = self.must()?;
            let value = self.node(event, depth.saturating_add(1))?;
            self.meter.bytes(2 * size_of::<Value>())?;
            size = size.saturating_add(key.size).saturating_add(value.size);
            if key.merge {
                merge(&mut entries, &value.value)?;
                continue;
            }
            let name = key.key.ok_or_else(|| {
                if matches!(key.value, Value::List(_) | Value::Map(_)) {
                    wrong("yaml: invalid map key: a list or map cannot be one")
                } else {
                    wrong("unsupported map key: neither null nor numbers beyond 64 bits can be one")
                }
            })?;
            entries.insert(name, value.value);
        }
        Ok(Node {
            value: Value::map(entries),
            key: None,
            merge: false,
            size,
        })
    }
}

fn leaf(value: Value, key: Option<Rc<str>>) -> Node {
    Node {
        value,
        key,
        merge: false,
        size: 1,
    }
}

fn copy(value: &Value) -> Value {
    if let Value::List(list) = value {
        return Value::list(list.items().iter().map(copy).collect());
    }
    if let Value::Map(map) = value {
        let entries = map.entries();
        let copies = entries
            .iter()
            .map(|(key, value)| (Rc::clone(key), copy(value)));
        return Value::map(copies.collect());
    }
    value.clone()
}

/// The entries of a map, or of several, of which the first counts most.
fn merge(entries: &mut BTreeMap<Rc<str>, Value>, value: &Value) -> Result<(), NotYaml> {
    let several = if let Value::List(list) = value {
        list.items()
    } else {
        std::slice::from_ref(value)
    };
    for item in several.iter().rev() {
        let Value::Map(map) = item else {
            return Err(no_merge());
        };
        entries.extend(map.entries());
    }
    Ok(())
}

fn no_merge() -> NotYaml {
    wrong("yaml: map merge requires map or sequence of maps as the value")
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Node, NotYaml> {
    let tag = tag.map(|tag| format!("{}{}", tag.handle(), tag.suffix()));
    let tag = tag
        .as_deref()
        .map(|tag| tag.strip_prefix("tag:yaml.org,2002:").unwrap_or(tag))
        .filter(|tag| !tag.is_empty());
    let found = match tag {
        None if style == ScalarStyle::Plain => resolve(text),
        None => Plain::Text,
        Some("null" | "bool" | "int" | "float" | "timestamp") => resolve(text),
        Some("binary") => return binary(text),
        Some(_) => Plain::Text,
    };
    let (kind, value, key) = meaning(text, found);
    let fits = match tag {
        Some(tag @ ("null" | "bool" | "int" | "float" | "timestamp")) => {
            kind == tag || (tag == "float" && kind == "int")
        }
        _ => true,
    };
    if !fits {
        return Err(wrong(format!(
            "yaml: cannot decode !!{kind} `{text}` as a !!{}",
            tag.unwrap_or_default()
        )));
    }
    Ok(Node {
        merge: text == "<<"
            && (tag == Some("merge") || (tag.is_none() && style == ScalarStyle::Plain)),
        ..leaf(value, key)
    })
}

/// What the library passes through JSON on its way. Keys are texts there, so any number may be one; and what a later
/// equal key replaced is not there any more.
fn check_json(value: &Value) -> Result<(), NotYaml> {
    match value {
        Value::Float(number) if !number.is_finite() => {
            let name = match *number {
                f64::INFINITY => "+Inf",
                f64::NEG_INFINITY => "-Inf",
                _ => "NaN",
            };
            Err(wrong(format!("json: unsupported value: {name}")))
        }
        Value::List(list) => list.items().iter().try_for_each(check_json),
        Value::Map(map) => map
            .entries()
            .iter()
            .try_for_each(|(_, value)| check_json(value)),
        Value::Nil
        | Value::Bool(_)
        | Value::Int(..)
        | Value::Float(_)
        | Value::Str(_)
        | Value::Time(_)
        | Value::Duration(_)
        | Value::Version(_) => Ok(()),
    }
}

/// Tag, value and key.
fn meaning(text: &str, found: Plain) -> (&'static str, Value, Option<Rc<str>>) {
    match found {
        Plain::Null => ("null", Value::Nil, None),
        Plain::Bool(value) => ("bool", Value::Bool(value), Some(value.to_string().into())),
        Plain::Int(number) => (
            "int",
            Value::Float(number as f64),
            Some(number.to_string().into()),
        ),
        Plain::Uint(number) => ("int", Value::Float(number as f64), None),
        Plain::Float(number) => ("float", Value::Float(number), Some(short(number).into())),
        Plain::Timestamp => ("timestamp", Value::str(text), Some(text.into())),
        Plain::Text => ("str", Value::str(text), Some(text.into())),
    }
}

/// A key that is a `float64`: with the digits of a `float32`, as the library does.
fn short(number: f64) -> String {
    let number = number as f32;
    if !number.is_finite() {
        let sign = if number.is_sign_negative() { "-" } else { "" };
        return if number.is_nan() {
            ".nan".to_owned()
        } else {
            format!("{sign}.inf")
        };
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..21).contains(&exponent) || exponent >= 6 => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
        }
        _ => number.to_string(),
    }
}

fn binary(text: &str) -> Result<Node, NotYaml> {
    let bytes = crate::functions::encoding::from_base64(text)
        .ok_or_else(|| wrong("yaml: !!binary value contains invalid base64 data"))?;
    let text = crate::functions::encoding::lossy(&bytes);
    Ok(leaf(Value::str(text.as_str()), Some(text.into())))
}
