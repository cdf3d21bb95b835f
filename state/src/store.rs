use std::{path::Path, sync::Arc};

use crate::{Batch, Error, Keyspace, disk, keyspace, memory::Memory};

/// A set of keyspaces that commit together. Clones are handles of the same store.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) backend: Backend,
}

#[derive(Clone)]
pub(crate) enum Backend {
    Disk(fjall::Database),
    Memory(Arc<Memory>),
}

impl std::fmt::Debug for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Disk(_) => "Disk",
            Self::Memory(_) => "Memory",
        })
    }
}

impl Store {
    /// Opens the store in `dir`, creating it if need be, with a block cache of `cache_bytes`. One process
    /// at a time: a second one gets [`Error::Locked`].
    pub fn open(dir: &Path, cache_bytes: u64) -> Result<Self, Error> {
        Ok(Self { backend: Backend::Disk(disk::open(dir, cache_bytes)?) })
    }

    /// An empty store that lives as long as its handles, for tests.
    pub fn memory() -> Self {
        Self { backend: Backend::Memory(Arc::default()) }
    }

    /// The keyspace of this name (1 to 255 bytes), created empty if there is none.
    pub fn keyspace(&self, name: &str) -> Result<Keyspace, Error> {
        let inner = match &self.backend {
            Backend::Disk(database) => {
                keyspace::Inner::Disk(database.clone(), disk::keyspace(database, name)?)
            }
            Backend::Memory(memory) => keyspace::Inner::Memory(Arc::clone(memory), memory.keyspace(name)),
        };
        Ok(Keyspace { name: name.into(), inner })
    }

    /// An empty batch of changes.
    pub fn batch(&self) -> Batch {
        Batch::new(self.clone())
    }

    /// Puts every commit so far on stable storage. Only bounds how much is replayed after a power cut.
    pub fn persist(&self) -> Result<(), Error> {
        match &self.backend {
            Backend::Disk(database) => Ok(database.persist(fjall::PersistMode::SyncData)?),
            Backend::Memory(_) => Ok(()),
        }
    }
}
