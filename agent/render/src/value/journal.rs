//! What one rendering changed in maps, so that it can be taken back: the context is the same after a rendering as before
//! it, and a map that was made to hold itself is let go of.

use std::cell::RefCell;
use std::rc::Rc;

use super::{Map, Value};

struct Change {
    map: Map,
    key: Rc<str>,
    /// What was there.
    before: Option<Value>,
}

thread_local! {
    /// Of the rendering that this thread is at; a rendering does not leave its thread.
    static OPEN: RefCell<Option<Vec<Change>>> = const { RefCell::new(None) };
}

/// Takes everything back when it goes out of scope.
pub(crate) struct Journal {
    /// That of a rendering around this one.
    outer: Option<Vec<Change>>,
}

impl Journal {
    pub(crate) fn open() -> Self {
        let outer = OPEN.with_borrow_mut(|open| open.replace(Vec::new()));
        Self { outer }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        let outer = self.outer.take();
        let changes = OPEN.with_borrow_mut(|open| std::mem::replace(open, outer));
        for change in changes.into_iter().flatten().rev() {
            let mut entries = change.map.entries.borrow_mut();
            let after = match change.before {
                Some(before) => entries.insert(change.key, before),
                None => entries.remove(&change.key),
            };
            // What goes may hold this very map.
            drop(entries);
            drop(after);
        }
    }
}

/// Notes what an entry was before it changed.
pub(super) fn note(map: &Map, key: Rc<str>, before: Option<Value>) {
    OPEN.with_borrow_mut(|open| {
        if let Some(changes) = open {
            changes.push(Change {
                map: map.clone(),
                key,
                before,
            });
        }
    });
}
