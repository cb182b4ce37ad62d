//! A document as a tree in which every node knows its line. Keys may repeat: who reads the tree tells.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;

use crate::kinds::check::{join_field, join_item};

/// One node of a document.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// 1 is the first line of the text that was parsed.
    pub(super) line: u32,
    pub(super) content: Content,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    Null,
    Bool(bool),
    Number(Number),
    String(String),
    List(Vec<Node>),
    /// In the order of the text.
    Map(Vec<Entry>),
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    /// Of the key; the value may start on a later one.
    pub(super) line: u32,
    pub(super) value: Node,
}

impl Node {
    /// Moves every line down, for a document that does not start on the first line of its file.
    pub(super) fn shift(&mut self, lines: u32) {
        self.line = self.line.saturating_add(lines);
        match &mut self.content {
            Content::List(items) => items.iter_mut().for_each(|item| item.shift(lines)),
            Content::Map(entries) => {
                for entry in entries {
                    entry.line = entry.line.saturating_add(lines);
                    entry.value.shift(lines);
                }
            }
            Content::Null | Content::Bool(_) | Content::Number(_) | Content::String(_) => {}
        }
    }

    /// How many nodes the tree has, keys not counted.
    pub(super) fn count(&self) -> usize {
        match &self.content {
            Content::List(items) => 1 + items.iter().map(Self::count).sum::<usize>(),
            Content::Map(entries) => 1 + entries.iter().map(|e| e.value.count()).sum::<usize>(),
            Content::Null | Content::Bool(_) | Content::Number(_) | Content::String(_) => 1,
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        match &self.content {
            Content::Map(entries) => entries.iter().find(|entry| entry.key == key),
            Content::Null
            | Content::Bool(_)
            | Content::Number(_)
            | Content::String(_)
            | Content::List(_) => None,
        }
    }

    /// The text, if it is one.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.content {
            Content::String(text) => Some(text),
            Content::Null
            | Content::Bool(_)
            | Content::Number(_)
            | Content::List(_)
            | Content::Map(_) => None,
        }
    }

    /// The line of the field at `path`, or of the nearest thing above it that is in the text.
    pub(super) fn line_of(&self, path: &str) -> u32 {
        self.descend(path, "", self.line)
    }

    /// The text at `path`, if one is there.
    pub(super) fn text_at(&self, path: &str) -> Option<&str> {
        self.find(path, "")?.text()
    }

    fn find(&self, target: &str, here: &str) -> Option<&Self> {
        if target == here {
            return Some(self);
        }
        let leads_to = |path: &str| {
            target
                .strip_prefix(path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        match &self.content {
            Content::Map(entries) => entries
                .iter()
                .map(|entry| (join_field(here, &entry.key), &entry.value))
                .find(|(path, _)| leads_to(path))
                .and_then(|(path, value)| value.find(target, &path)),
            Content::List(items) => items
                .iter()
                .enumerate()
                .map(|(index, item)| (join_item(here, index), item))
                .find(|(path, _)| leads_to(path))
                .and_then(|(path, item)| item.find(target, &path)),
            Content::Null | Content::Bool(_) | Content::Number(_) | Content::String(_) => None,
        }
    }

    fn descend(&self, target: &str, here: &str, line: u32) -> u32 {
        let leads_to = |path: &str| {
            target
                .strip_prefix(path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        match &self.content {
            Content::Map(entries) => entries
                .iter()
                .map(|entry| (join_field(here, &entry.key), entry))
                .find(|(path, _)| leads_to(path))
                .map_or(line, |(path, entry)| {
                    entry.value.descend(target, &path, entry.line)
                }),
            Content::List(items) => items
                .iter()
                .enumerate()
                .map(|(index, item)| (join_item(here, index), item))
                .find(|(path, _)| leads_to(path))
                .map_or(line, |(path, item)| item.descend(target, &path, item.line)),
            Content::Null | Content::Bool(_) | Content::Number(_) | Content::String(_) => line,
        }
    }

    /// As plain JSON. Of repeated keys the first stays.
    pub(super) fn to_json(&self) -> Value {
        match &self.content {
            Content::Null => Value::Null,
            Content::Bool(value) => Value::Bool(*value),
            Content::Number(number) => Value::Number(number.clone()),
            Content::String(text) => Value::String(text.clone()),
            Content::List(items) => items.iter().map(Self::to_json).collect(),
            Content::Map(entries) => {
                let mut map = Map::new();
                for entry in entries {
                    map.entry(&entry.key)
                        .or_insert_with(|| entry.value.to_json());
                }
                Value::Object(map)
            }
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Content>::deserialize(deserializer)?;
        Ok(Self {
            line: line(&spanned),
            content: spanned.value,
        })
    }
}

fn line<T>(spanned: &Spanned<T>) -> u32 {
    u32::try_from(spanned.referenced.line()).unwrap_or(u32::MAX)
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Content, E> {
        Ok(Content::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<Content, E> {
        Ok(Content::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Content, E> {
        Ok(Content::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Content, E> {
        Ok(Content::Number(value.into()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Content, E> {
        Ok(Content::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Content, E> {
        Number::from_f64(value)
            .map(Content::Number)
            .ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Content, E> {
        Ok(Content::String(text.to_owned()))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Content, E> {
        Ok(Content::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Content, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Content::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Content, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = map.next_entry::<Spanned<String>, Node>()? {
            entries.push(Entry {
                line: line(&key),
                key: key.value,
                value,
            });
        }
        Ok(Content::Map(entries))
    }
}
