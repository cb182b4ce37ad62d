//! Deep copies.

use super::super::{Args, Env};
use super::charge;
use crate::error::Fault;
use crate::limits::Meter;
use crate::value::{List, Map, Value, Version};

/// An error on nil. A version becomes 0.0.0: Go's copy cannot see into it.
pub(super) fn deep_copy(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let value = args.any(0)?;
    if matches!(value, Value::Nil) {
        return Err(Fault::new("deepCopy cannot copy nil")
            .hinting("make a dict first: `default (dict) VALUE`"));
    }
    copied(value, env.meter, 0)
}

fn copied(value: &Value, meter: &mut Meter, depth: u32) -> Result<Value, Fault> {
    meter.step()?;
    meter.depth(depth)?;
    let deeper = depth.saturating_add(1);
    match value {
        Value::List(list) if list.is_nil() => Ok(value.clone()),
        Value::Map(map) if map.is_nil() => Ok(value.clone()),
        Value::List(list) => {
            charge(list.items().len(), meter)?;
            let items: Result<Vec<_>, _> = list
                .items()
                .iter()
                .map(|item| copied(item, meter, deeper))
                .collect();
            Ok(Value::List(List::new(list.kind, items?)))
        }
        Value::Map(map) => {
            charge(map.len(), meter)?;
            let mut entries = Vec::new();
            for (key, value) in map.entries() {
                entries.push((key, copied(&value, meter, deeper)?));
            }
            Ok(Value::Map(Map::new(
                map.kind,
                entries.into_iter().collect(),
            )))
        }
        Value::Version(_) => Ok(Value::Version(
            Version {
                major: 0,
                minor: 0,
                patch: 0,
                prerelease: String::new(),
                metadata: String::new(),
                original: String::new(),
            }
            .into(),
        )),
        Value::Nil
        | Value::Bool(_)
        | Value::Int(..)
        | Value::Float(_)
        | Value::Str(_)
        | Value::Time(_)
        | Value::Duration(_) => Ok(value.clone()),
    }
}
