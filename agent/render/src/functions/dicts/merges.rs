//! mergo's merging of dicts, with its habits: what is empty in the first dict counts as missing, nil in the others is
//! passed over unless they overwrite, lists replace each other as a whole, and dicts inside dicts may become shared.

use std::rc::Rc;

use super::super::{Args, Env};
use super::entries;
use crate::error::Fault;
use crate::limits::Meter;
use crate::value::{Map, MapKind, Value};

/// Which side wins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Winner {
    Existing,
    Incoming,
}

/// Why two dicts cannot be merged.
enum Unmergeable {
    /// mergo's own error: `merge` swallows it and gives "", `mustMerge` raises it.
    Refused(Fault),
    /// A panic of Go's, or a limit of ours.
    Fatal(Fault),
}

impl From<Fault> for Unmergeable {
    fn from(fault: Fault) -> Self {
        Self::Fatal(fault)
    }
}

pub(super) fn merge(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    swallowed(merged(args, Winner::Existing, env.meter))
}

pub(super) fn merge_overwrite(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    swallowed(merged(args, Winner::Incoming, env.meter))
}

pub(super) fn must_merge(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    raised(merged(args, Winner::Existing, env.meter))
}

pub(super) fn must_merge_overwrite(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    raised(merged(args, Winner::Incoming, env.meter))
}

fn swallowed(result: Result<Value, Unmergeable>) -> Result<Value, Fault> {
    match result {
        Ok(value) => Ok(value),
        Err(Unmergeable::Refused(_)) => Ok(Value::str("")),
        Err(Unmergeable::Fatal(fault)) => Err(fault),
    }
}

fn raised(result: Result<Value, Unmergeable>) -> Result<Value, Fault> {
    result.map_err(|error| match error {
        Unmergeable::Refused(fault) | Unmergeable::Fatal(fault) => fault,
    })
}

fn merged(args: Args<'_>, winner: Winner, meter: &mut Meter) -> Result<Value, Unmergeable> {
    let mut existing = args.map(0)?.cloned();
    for place in 1..args.len() {
        let Some(incoming) = args.map(place)? else {
            continue;
        };
        let existing = existing.get_or_insert_with(|| Map::new(MapKind::Any, [].into()));
        merge_into(existing, incoming, winner, meter, 0)?;
    }
    Ok(Value::Map(existing.unwrap_or_else(Map::nil)))
}

fn merge_into(
    existing: &Map,
    incoming: &Map,
    winner: Winner,
    meter: &mut Meter,
    depth: u32,
) -> Result<(), Unmergeable> {
    meter.depth(depth)?;
    let place = Place {
        map: existing,
        of: incoming.kind,
    };
    for (key, new) in entries(Some(incoming), meter)? {
        let old = existing.get(&key);
        match &new {
            Value::Nil => {
                if winner == Winner::Incoming {
                    place.put(&key, new)?;
                }
                continue;
            }
            Value::List(_) if existing.kind == MapKind::Str => return Err(place.refusal(&key)),
            Value::Map(_) | Value::Time(_) | Value::Version(_) => {
                merge_inner(old.as_ref(), &new, winner, meter, depth)?;
            }
            Value::Bool(_)
            | Value::Int(..)
            | Value::Float(_)
            | Value::Str(_)
            | Value::List(_)
            | Value::Duration(_) => {}
        }
        let has_old = old.as_ref().is_some_and(|old| old.is_true());
        let are_dicts = matches!((&new, &old), (Value::Map(_), Some(Value::Map(_))));
        if has_old && (are_dicts || winner == Winner::Existing) {
            continue;
        }
        place.put(&key, new)?;
    }
    Ok(())
}

/// What happens inside the old value before it is kept or replaced.
fn merge_inner(
    old: Option<&Value>,
    new: &Value,
    winner: Winner,
    meter: &mut Meter,
    depth: u32,
) -> Result<(), Unmergeable> {
    match (old, new) {
        (Some(Value::Map(old)), Value::Map(new)) => {
            merge_into(old, new, winner, meter, depth.saturating_add(1))
        }
        (Some(Value::Version(_)), Value::Map(_) | Value::Time(_)) if winner == Winner::Existing => {
            Err(Unmergeable::Refused(Fault::new(
                "a version and a dict or time cannot be merged",
            )))
        }
        _ => Ok(()),
    }
}

/// Where entries of a map of the kind `of` are put.
struct Place<'a> {
    map: &'a Map,
    of: MapKind,
}

impl Place<'_> {
    fn put(&self, key: &Rc<str>, value: Value) -> Result<(), Unmergeable> {
        if self.map.kind == MapKind::Str && self.of == MapKind::Any {
            return Err(self.refusal(key));
        }
        self.map.insert(Rc::clone(key), value);
        Ok(())
    }

    fn refusal(&self, key: &str) -> Unmergeable {
        Unmergeable::Fatal(
            Fault::new(format!(
                "cannot merge {key:?} into a dict that holds texts only"
            ))
            .hinting("`split` gives such dicts; copy what you need into a `dict`"),
        )
    }
}
