use std::sync::Arc;

use crate::{
    Error, disk,
    memory::{Index, Memory},
};

/// A key and its value.
pub type Pair = (Vec<u8>, Vec<u8>);

/// Ordered pairs of bytes under a name. Clones are handles of the same keyspace.
#[derive(Clone)]
pub struct Keyspace {
    pub(crate) name: Arc<str>,
    pub(crate) inner: Inner,
}

#[derive(Clone)]
pub(crate) enum Inner {
    Disk(fjall::Database, fjall::Keyspace),
    Memory(Arc<Memory>, Index),
}

impl Keyspace {
    /// The value of `key`.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        match &self.inner {
            Inner::Disk(_, keyspace) => Ok(keyspace.get(key)?.map(|value| value.to_vec())),
            Inner::Memory(memory, index) => Ok(memory.get(*index, key)),
        }
    }

    /// Pairs with `from <= key`, and `key < to` if there is an end, in the order of their keys. Sees the
    /// commits before the call, none after it.
    pub fn range(&self, from: &[u8], to: Option<&[u8]>) -> impl Iterator<Item = Result<Pair, Error>> + use<> {
        let (disk, memory) = match &self.inner {
            Inner::Disk(database, keyspace) => (Some(disk::range(database, keyspace, from, to)), Vec::new()),
            Inner::Memory(memory, index) => (None, memory.range(*index, from, to)),
        };
        disk.into_iter().flatten().chain(memory.into_iter().map(Ok))
    }

    /// Pairs whose key starts with `prefix`, in the order of their keys.
    pub fn prefix(&self, prefix: &[u8]) -> impl Iterator<Item = Result<Pair, Error>> + use<> {
        self.range(prefix, after_prefix(prefix).as_deref())
    }

    /// The pair with the greatest key.
    pub fn last(&self) -> Result<Option<Pair>, Error> {
        match &self.inner {
            Inner::Disk(_, keyspace) => disk::last(keyspace),
            Inner::Memory(memory, index) => Ok(memory.last(*index)),
        }
    }
}

impl std::fmt::Debug for Keyspace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Keyspace").field(&self.name).finish()
    }
}

/// The first key after all that start with `prefix`; `None` if there is no such key.
fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut after = prefix[..=last].to_vec();
    after[last] += 1;
    Some(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_where_its_last_byte_that_can_grow_grows() {
        let check = |prefix: &[u8], expect: Option<&[u8]>| {
            assert_eq!(after_prefix(prefix).as_deref(), expect, "{prefix:?}");
        };
        check(b"a", Some(b"b"));
        check(b"a\xff\xff", Some(b"b"));
        check(b"\xff", None);
        check(b"", None);
    }
}
