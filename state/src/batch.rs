use std::sync::Arc;

use crate::{Error, Keyspace, Store, keyspace::Inner, store::Backend};

/// Changes that become visible together, or not at all.
#[derive(Debug)]
#[must_use = "a batch does nothing until it is committed"]
pub struct Batch {
    store: Store,
    changes: Vec<Change>,
}

#[derive(Debug)]
struct Change {
    keyspace: Keyspace,
    key: Vec<u8>,
    /// `None` deletes.
    value: Option<Vec<u8>>,
}

impl Batch {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, changes: Vec::new() }
    }

    /// Sets the value of `key`. The last change of a key in a batch counts.
    pub fn put(&mut self, keyspace: &Keyspace, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.push(keyspace, key.into(), Some(value.into()));
    }

    /// Removes `key`, if it is there.
    pub fn delete(&mut self, keyspace: &Keyspace, key: impl Into<Vec<u8>>) {
        self.push(keyspace, key.into(), None);
    }

    /// Whether there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// How many changes there are.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Makes all changes, atomically: a process kill leaves all or none, a power cut may undo the last
    /// commits but never a part of one. See [`Store::persist`].
    pub fn commit(self) -> Result<(), Error> {
        match &self.store.backend {
            Backend::Disk(database) => {
                let mut batch = database.batch();
                for change in self.changes {
                    let Inner::Disk(_, keyspace) = &change.keyspace.inner else {
                        return Err(foreign(&change.keyspace));
                    };
                    match change.value {
                        Some(value) => batch.insert(keyspace, change.key, value),
                        None => batch.remove(keyspace, change.key),
                    }
                }
                Ok(batch.commit()?)
            }
            Backend::Memory(store) => {
                let indexed = self.changes.into_iter().map(|change| match &change.keyspace.inner {
                    Inner::Memory(memory, index) if Arc::ptr_eq(memory, store) => {
                        Ok((*index, change.key, change.value))
                    }
                    _ => Err(foreign(&change.keyspace)),
                });
                store.apply(indexed.collect::<Result<_, _>>()?);
                Ok(())
            }
        }
    }

    fn push(&mut self, keyspace: &Keyspace, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.changes.push(Change { keyspace: keyspace.clone(), key, value });
    }
}

fn foreign(keyspace: &Keyspace) -> Error {
    Error::Foreign(keyspace.name.to_string())
}
