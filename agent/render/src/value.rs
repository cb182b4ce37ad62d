//! Values with the types that Go gives them, as far as templates can tell.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

mod journal;
mod release;

pub(crate) use journal::Journal;

/// See the module's text. Cloning is cheap: texts, lists and maps are shared.
#[derive(Clone, Debug)]
pub enum Value {
    /// Go's nil, and what a missing key gives: no value.
    Nil,
    Bool(bool),
    /// All of Go's integers; the kind says which. `uint64` beyond `i64::MAX` does not occur.
    Int(i64, IntKind),
    /// `float64`: every number that came from JSON.
    Float(f64),
    Str(Rc<str>),
    List(List),
    Map(Map),
    /// `time.Time`.
    Time(Rc<Time>),
    /// `time.Duration`, in nanoseconds.
    Duration(i64),
    /// `*semver.Version`, with the fields and methods that templates use.
    Version(Rc<Version>),
}

/// Which of Go's integer types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntKind {
    Int,
    Int64,
    /// A character constant.
    Int32,
    /// A byte of a text, by `index`.
    Uint8,
    Uint64,
    /// `time.Month`: printed by its name.
    Month,
    /// `time.Weekday`, 0 for Sunday: printed by its name.
    Weekday,
}

/// A list; no function changes one in place.
#[derive(Clone, Debug)]
pub struct List {
    pub kind: ListKind,
    items: Rc<Vec<Value>>,
    nil: bool,
}

/// Go's type of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListKind {
    /// `[]interface {}`
    Any,
    /// `[]string`
    Str,
    /// `[]int`
    Int,
    /// `[][]interface {}`, as `chunk` gives it
    Lists,
}

impl List {
    #[must_use]
    pub fn new(kind: ListKind, items: Vec<Value>) -> Self {
        Self {
            kind,
            items: Rc::new(items),
            nil: false,
        }
    }

    /// Go's nil `[]interface {}`, as `rest` of an empty list gives it: printed as an empty list, `null` in JSON.
    #[must_use]
    pub fn nil() -> Self {
        let mut list = Self::new(ListKind::Any, Vec::new());
        list.nil = true;
        list
    }

    /// Whether this is [`List::nil`].
    #[must_use]
    pub fn is_nil(&self) -> bool {
        self.nil
    }

    #[must_use]
    pub fn items(&self) -> &[Value] {
        &self.items
    }
}

/// A map, shared and changed in place by `set`, `unset` and `merge`, as in Go. Keys are in byte order, the order in
/// which Go's templates range over them.
#[derive(Clone, Debug)]
pub struct Map {
    pub kind: MapKind,
    entries: Rc<RefCell<BTreeMap<Rc<str>, Value>>>,
    /// Other spellings, found by name ([`Map::field`]) but never listed, counted or printed.
    aliases: Option<Rc<BTreeMap<Rc<str>, Value>>>,
    nil: bool,
}

/// Go's type of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapKind {
    /// `map[string]interface {}`
    Any,
    /// `map[string]string`, as `split` gives it
    Str,
}

impl Map {
    #[must_use]
    pub fn new(kind: MapKind, entries: BTreeMap<Rc<str>, Value>) -> Self {
        Self {
            kind,
            entries: Rc::new(RefCell::new(entries)),
            aliases: None,
            nil: false,
        }
    }

    /// Go's nil `map[string]interface {}`, as `unset` of a missing one gives it: printed as an empty map, `null` in JSON;
    /// nothing can be set in it.
    #[must_use]
    pub fn nil() -> Self {
        let mut map = Self::new(MapKind::Any, BTreeMap::new());
        map.nil = true;
        map
    }

    /// Whether this is [`Map::nil`].
    #[must_use]
    pub fn is_nil(&self) -> bool {
        self.nil
    }

    /// Adds other spellings; a key of the map itself stands above them.
    #[must_use]
    pub fn with_aliases(mut self, aliases: BTreeMap<Rc<str>, Value>) -> Self {
        self.aliases = Some(Rc::new(aliases));
        self
    }

    /// The entry of this key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Value> {
        self.entries.borrow().get(key).cloned()
    }

    /// As [`Map::get`], other spellings too: what a field in a template finds.
    #[must_use]
    pub fn field(&self, key: &str) -> Option<Value> {
        self.get(key)
            .or_else(|| self.aliases.as_ref()?.get(key).cloned())
    }

    /// Changes the map for everybody who holds it, until the rendering ends ([`Journal`]).
    pub fn insert(&self, key: Rc<str>, value: Value) {
        let before = self.entries.borrow_mut().insert(Rc::clone(&key), value);
        journal::note(self, key, before);
    }

    pub fn remove(&self, key: &str) {
        let before = self.entries.borrow_mut().remove_entry(key);
        if let Some((key, value)) = before {
            journal::note(self, key, Some(value));
        }
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.borrow().len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A copy of keys and values, in key order: the map may change while it is walked over.
    #[must_use]
    pub fn entries(&self) -> Vec<(Rc<str>, Value)> {
        self.entries
            .borrow()
            .iter()
            .map(|(key, value)| (Rc::clone(key), value.clone()))
            .collect()
    }

    /// Whether both are one map.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.entries, &other.entries)
    }
}

/// `time.Time`: an instant with the zone in which it is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Time {
    pub at: Timestamp,
    pub zone: TimeZone,
}

/// A semantic version, as `semver` gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    pub major: u64,
    pub minor: u64,
    pub patch: u64,
    pub prerelease: String,
    pub metadata: String,
    /// As it was written.
    pub original: String,
}

/// `1.2.3-rc.1+build`
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        if !self.prerelease.is_empty() {
            write!(f, "-{}", self.prerelease)?;
        }
        if !self.metadata.is_empty() {
            write!(f, "+{}", self.metadata)?;
        }
        Ok(())
    }
}

impl Value {
    #[must_use]
    pub fn str(text: impl Into<Rc<str>>) -> Self {
        Self::Str(text.into())
    }

    /// Go's `int`.
    #[must_use]
    pub fn int(number: i64) -> Self {
        Self::Int(number, IntKind::Int)
    }

    #[must_use]
    pub fn int64(number: i64) -> Self {
        Self::Int(number, IntKind::Int64)
    }

    /// `[]interface {}`.
    #[must_use]
    pub fn list(items: Vec<Value>) -> Self {
        Self::List(List::new(ListKind::Any, items))
    }

    /// `[]string`.
    #[must_use]
    pub fn strings<T: Into<Rc<str>>>(items: impl IntoIterator<Item = T>) -> Self {
        Self::List(List::new(
            ListKind::Str,
            items.into_iter().map(Value::str).collect(),
        ))
    }

    /// `map[string]interface {}`.
    #[must_use]
    pub fn map(entries: BTreeMap<Rc<str>, Value>) -> Self {
        Self::Map(Map::new(MapKind::Any, entries))
    }

    /// What Go's templates hold true: not nil, false, 0, "", an empty list or map.
    #[must_use]
    pub fn is_true(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Int(value, _) | Self::Duration(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Str(text) => !text.is_empty(),
            Self::List(list) => !list.items().is_empty(),
            Self::Map(map) => !map.is_empty(),
            Self::Time(_) | Self::Version(_) => true,
        }
    }
}

/// As Go's `encoding/json` reads it into an `interface {}`: every number is a `float64`.
impl From<&serde_json::Value> for Value {
    fn from(json: &serde_json::Value) -> Self {
        use serde_json::Value as Json;
        match json {
            Json::Null => Self::Nil,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
            Json::String(text) => Self::str(text.as_str()),
            Json::Array(items) => Self::list(items.iter().map(Self::from).collect()),
            Json::Object(fields) => Self::map(
                fields
                    .iter()
                    .map(|(key, value)| (Rc::from(key.as_str()), Self::from(value)))
                    .collect(),
            ),
        }
    }
}
