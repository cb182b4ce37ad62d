//! Letting go of values inside values without a call for each of them: a loop can nest lists as deep as it has steps, and
//! nobody's stack is that deep.

use std::rc::Rc;

use super::{List, Map, Value};

impl Drop for List {
    fn drop(&mut self) {
        if let Some(items) = Rc::get_mut(&mut self.items)
            && items.iter().any(holds_values)
        {
            release(std::mem::take(items));
        }
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        if let Some(entries) = Rc::get_mut(&mut self.entries) {
            let entries = entries.get_mut();
            if entries.values().any(holds_values) {
                release(std::mem::take(entries).into_values().collect());
            }
        }
    }
}

fn holds_values(value: &Value) -> bool {
    matches!(value, Value::List(_) | Value::Map(_))
}

/// Takes out what the last owner of a list or map holds before it goes.
fn release(mut pending: Vec<Value>) {
    while let Some(mut value) = pending.pop() {
        if let Value::List(list) = &mut value
            && let Some(items) = Rc::get_mut(&mut list.items)
        {
            pending.append(items);
        }
        if let Value::Map(map) = &mut value
            && let Some(entries) = Rc::get_mut(&mut map.entries)
        {
            pending.extend(std::mem::take(entries.get_mut()).into_values());
        }
    }
}
