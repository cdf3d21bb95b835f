use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{PoisonError, RwLock, RwLockReadGuard},
};

use crate::Pair;

type Pairs = BTreeMap<Vec<u8>, Vec<u8>>;

/// Every keyspace under one lock, so that a batch is seen whole or not at all.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    keyspaces: RwLock<Vec<(String, Pairs)>>,
}

/// Which keyspace of a [`Memory`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Index(usize);

impl Memory {
    pub(crate) fn keyspace(&self, name: &str) -> Index {
        let mut keyspaces = self.keyspaces.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = keyspaces.iter().position(|(known, _)| known == name) {
            return Index(index);
        }
        keyspaces.push((name.to_owned(), Pairs::new()));
        Index(keyspaces.len() - 1)
    }

    pub(crate) fn get(&self, keyspace: Index, key: &[u8]) -> Option<Vec<u8>> {
        self.read()[keyspace.0].1.get(key).cloned()
    }

    /// A copy: the iterator of a reader does not see later commits.
    pub(crate) fn range(&self, keyspace: Index, from: &[u8], to: Option<&[u8]>) -> Vec<Pair> {
        let end = match to {
            Some(to) if to <= from => return Vec::new(),
            Some(to) => Bound::Excluded(to),
            None => Bound::Unbounded,
        };
        let keyspaces = self.read();
        let pairs = keyspaces[keyspace.0].1.range::<[u8], _>((Bound::Included(from), end));
        pairs.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    pub(crate) fn last(&self, keyspace: Index) -> Option<Pair> {
        let keyspaces = self.read();
        keyspaces[keyspace.0].1.last_key_value().map(|(key, value)| (key.clone(), value.clone()))
    }

    pub(crate) fn apply(&self, changes: Vec<(Index, Vec<u8>, Option<Vec<u8>>)>) {
        let mut keyspaces = self.keyspaces.write().unwrap_or_else(PoisonError::into_inner);
        for (keyspace, key, value) in changes {
            let pairs = &mut keyspaces[keyspace.0].1;
            match value {
                Some(value) => _ = pairs.insert(key, value),
                None => _ = pairs.remove(&key),
            }
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Vec<(String, Pairs)>> {
        self.keyspaces.read().unwrap_or_else(PoisonError::into_inner)
    }
}
