//! Loops: over lists, maps in the order of their keys, and integers.

use crate::error::Fault;
use crate::functions::type_name;
use crate::value::{IntKind, Value};

use super::ast::{Binding, Branch};
use super::machine::{Flow, Held, Machine};

/// The item of this number, typed as the range is.
type Counted = fn(i64) -> Value;

impl<'t> Machine<'t> {
    pub(super) fn range(&mut self, dot: &Held, branch: &'t Branch) -> Result<Flow, Fault> {
        let outer = self.vars.len();
        let held = self.pipeline(dot, &branch.pipe)?;
        let mark = self.vars.len();
        let mut any = false;
        match held {
            Held::Missing | Held::Null => {}
            Held::Value(Value::List(list)) => {
                for (place, item) in list.items().iter().enumerate() {
                    any = true;
                    let index = Held::Value(Value::int(place as i64));
                    let item = Held::entry(item.clone());
                    if self.iterate(branch, index, item, mark)? == Flow::Break {
                        break;
                    }
                }
            }
            Held::Value(Value::Map(map)) => {
                self.meter.steps(map.len())?;
                for (key, value) in map.entries() {
                    any = true;
                    let key = Held::Value(Value::Str(key));
                    if self.iterate(branch, key, Held::entry(value), mark)? == Flow::Break {
                        break;
                    }
                }
            }
            Held::Value(value) => {
                let (count, counted) = self.countable(&value, branch)?;
                for number in 0..count {
                    any = true;
                    let item = Held::Value(counted(number));
                    if self.iterate(branch, Held::Missing, item, mark)? == Flow::Break {
                        break;
                    }
                }
            }
        }
        let flow = if any {
            Flow::Next
        } else {
            match self.otherwise(dot, branch)? {
                // Go takes a break of the loop around for one of this loop, which has ended already.
                Flow::Next | Flow::Break => Flow::Next,
                Flow::Continue => Flow::Continue,
            }
        };
        self.vars.truncate(outer);
        Ok(flow)
    }

    /// An integer as a range from 0, and how its items are typed.
    fn countable(&mut self, value: &Value, branch: &Branch) -> Result<(i64, Counted), Fault> {
        self.here = branch.pipe.place;
        let (count, counted): (i64, Counted) = match value {
            Value::Int(count, kind) => {
                let counted: Counted = match kind {
                    IntKind::Int => Value::int,
                    IntKind::Int64 => Value::int64,
                    IntKind::Int32 => |number| Value::Int(number, IntKind::Int32),
                    IntKind::Uint8 => |number| Value::Int(number, IntKind::Uint8),
                    IntKind::Uint64 => |number| Value::Int(number, IntKind::Uint64),
                    IntKind::Month => |number| Value::Int(number, IntKind::Month),
                    IntKind::Weekday => |number| Value::Int(number, IntKind::Weekday),
                };
                // Nobody gets to the end of an unsigned number that is negative as a signed one.
                let endless = *kind == IntKind::Uint64 && *count < 0;
                (if endless { i64::MAX } else { *count }, counted)
            }
            Value::Duration(count) => (*count, Value::Duration),
            Value::Float(number) => {
                return Err(Fault::new(format!(
                    "range cannot iterate over the number {number}: it is a float64"
                ))
                .hinting("numbers of the context are float64; write range (int …)"));
            }
            Value::Nil
            | Value::Bool(_)
            | Value::Str(_)
            | Value::List(_)
            | Value::Map(_)
            | Value::Time(_)
            | Value::Version(_) => {
                return Err(Fault::new(format!(
                    "range cannot iterate over a {}",
                    type_name(value)
                ))
                .hinting("range takes a list, a map or an integer"));
            }
        };
        if branch.pipe.variables.len() > 1 {
            return Err(Fault::new("a range over an integer has only one variable"));
        }
        Ok((count, counted))
    }

    /// The body once; tells whether to break.
    fn iterate(
        &mut self,
        branch: &'t Branch,
        index: Held,
        item: Held,
        mark: usize,
    ) -> Result<Flow, Fault> {
        self.meter.step()?;
        let pipe = &branch.pipe;
        match (pipe.binding, pipe.variables.as_slice()) {
            (_, []) => {}
            (Binding::Assign, [only]) => self.assign(*only, item.clone())?,
            (Binding::Assign, [first, second, ..]) => {
                self.assign(*first, index)?;
                self.assign(*second, item.clone())?;
            }
            // The pipeline declared them, just below the mark.
            (Binding::Declare, [_]) => self.set_below(mark, 1, item.clone()),
            (Binding::Declare, [_, _, ..]) => {
                self.set_below(mark, 1, item.clone());
                self.set_below(mark, 2, index);
            }
        }
        let flow = self.nodes(&item, &branch.body)?;
        self.vars.truncate(mark);
        Ok(flow)
    }

    fn set_below(&mut self, mark: usize, distance: usize, value: Held) {
        if let Some((_, slot)) = mark
            .checked_sub(distance)
            .and_then(|place| self.vars.get_mut(place))
        {
            *slot = value;
        }
    }
}
