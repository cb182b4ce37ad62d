//! Objects of the kinds of which a hub has few, in memory as they are in the file: almost every request reads some of them,
//! and a read from the file is a way to another thread and back. The writer's thread brings them up to date before it
//! answers, so they are never behind what anybody was told.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::Bound;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use breakglass_protocol::ids::Revision;
use rusqlite::Connection;

use super::reader::{self, ReadError};
use crate::store::{Change, Key, ListQuery, Object, ObjectKind, Page};

pub(super) struct Kept {
    holds: fn(ObjectKind) -> bool,
    objects: RwLock<BTreeMap<Key, Object>>,
}

impl Kept {
    /// Reads the kinds that it `holds`.
    pub(super) fn load(
        connection: &Connection,
        holds: fn(ObjectKind) -> bool,
    ) -> Result<Self, ReadError> {
        let mut objects = BTreeMap::new();
        for kind in ObjectKind::ALL.into_iter().filter(|kind| holds(*kind)) {
            let mut query = ListQuery::all(kind);
            loop {
                let page = reader::list(connection, &query)?;
                let found = page.objects.into_iter();
                objects.extend(found.map(|object| (object.key.clone(), object)));
                match page.next {
                    Some(next) => query.after = Some(next),
                    None => break,
                }
            }
        }
        let objects = RwLock::new(objects);
        Ok(Self { holds, objects })
    }

    /// Whether objects of this kind are answered from here.
    pub(super) fn holds(&self, kind: ObjectKind) -> bool {
        (self.holds)(kind)
    }

    pub(super) fn get(&self, key: &Key) -> Option<Object> {
        self.read().get(key).cloned()
    }

    /// A page, as of `revision` or later.
    pub(super) fn list(&self, query: &ListQuery, revision: Revision) -> Page {
        let first = Key {
            kind: query.kind,
            namespace: query.namespace.clone().unwrap_or_default(),
            name: String::new(),
        };
        // A page's last key may stand before the namespace that is asked for, if somebody asks so.
        let from = match &query.after {
            Some(after) if *after > first => Bound::Excluded(after),
            Some(_) | None => Bound::Included(&first),
        };
        let objects = self.read();
        let asked = |key: &Key| {
            let namespace = query.namespace.as_ref();
            key.kind == query.kind && namespace.is_none_or(|namespace| key.namespace == *namespace)
        };
        let found = objects
            .range::<Key, _>((from, Bound::Unbounded))
            .take_while(|(key, _)| asked(key))
            .map(|(_, object)| Ok::<_, Infallible>(object.clone()));
        let Ok(page) = reader::page(found, query.limit, revision);
        page
    }

    /// Takes in what was written.
    pub(super) fn take_in(&self, change: &Change) {
        if !self.holds(change.key.kind) {
            return;
        }
        let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
        match &change.object {
            Some(object) => objects.insert(change.key.clone(), Object::clone(object)),
            None => objects.remove(&change.key),
        };
    }

    /// Only single inserts and removals happen under the lock: what a panic leaves is whole.
    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<Key, Object>> {
        self.objects.read().unwrap_or_else(PoisonError::into_inner)
    }
}
