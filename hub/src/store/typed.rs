//! The stored JSON as types. A type says with [`Stored`] which kind it is; reading checks that what is stored still fits.

use std::borrow::Cow;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{
    Commit, CommitError, Expected, Json, Key, ListQuery, Object, ObjectKind, Owner, Store,
    StoreError, Version, Write,
};
use breakglass_hub_core::audit::AuditEvent;
use breakglass_protocol::ids::Revision;

/// A type that the store keeps.
pub trait Stored: Serialize + DeserializeOwned + Clone + PartialEq + Send + Sync + 'static {
    const KIND: ObjectKind;

    /// Takes in what only the store knows (`metadata.resourceVersion`, where the type has metadata).
    fn stamp(&mut self, _version: Version) {}

    /// Without what [`Stored::stamp`] put in: the store keeps the version beside the object.
    fn unstamped(&self) -> Cow<'_, Self> {
        Cow::Borrowed(self)
    }
}

/// An object as read, with what a writer must say to replace it.
#[derive(Clone, Debug, PartialEq)]
pub struct Versioned<T> {
    pub object: T,
    pub version: Version,
    pub owner: Owner,
}

/// Reads a stored object as its type.
///
/// # Errors
/// [`StoreError::Unreadable`] if the stored JSON does not fit the type.
pub fn decode<T: Stored>(stored: &Object) -> Result<Versioned<T>, StoreError> {
    let mut read: Object<T> = stored.read()?;
    read.body.stamp(read.version);
    Ok(Versioned {
        object: read.body,
        version: read.version,
        owner: read.owner,
    })
}

/// One object of a type, if it is there.
///
/// # Errors
/// What the store says, or that the stored JSON does not fit the type.
pub async fn get<T: Stored>(
    store: &dyn Store,
    key: Key,
) -> Result<Option<Versioned<T>>, StoreError> {
    match store.get(key).await? {
        Some(object) => decode(&object).map(Some),
        None => Ok(None),
    }
}

/// Everything of a type, in order of keys, with the revision from which a watch misses nothing. For kinds of which there
/// are few (templates, bindings, clusters); sessions are better paged.
///
/// # Errors
/// What the store says, or that a stored JSON does not fit the type.
pub async fn list_all<T: Stored>(
    store: &dyn Store,
) -> Result<(Vec<Versioned<T>>, Revision), StoreError> {
    let mut found = Vec::new();
    let mut query = ListQuery::all(T::KIND);
    let mut first_revision = None;
    loop {
        let page = store.list(query.clone()).await?;
        let revision = *first_revision.get_or_insert(page.revision);
        for object in page.objects {
            found.push(decode(&object)?);
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok((found, revision)),
        }
    }
}

/// A commit that writes a typed object.
///
/// # Errors
/// [`CommitError::Store`] if the object does not go into JSON.
pub fn put<T: Stored>(
    key: Key,
    object: &T,
    owner: Owner,
    expected: Expected,
    events: Vec<AuditEvent>,
) -> Result<Commit, CommitError> {
    let body = Json::of(object.unstamped().as_ref()).map_err(|error| StoreError::Unreadable {
        subject: key.to_string(),
        message: error.to_string(),
    })?;
    Ok(Commit {
        key,
        change: Write::Put { owner, body },
        expected,
        events,
    })
}

/// A commit that deletes what was read at a version.
#[must_use]
pub fn delete(key: Key, version: Version, events: Vec<AuditEvent>) -> Commit {
    Commit {
        key,
        change: Write::Delete,
        expected: Expected::At(version),
        events,
    }
}
