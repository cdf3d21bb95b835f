use std::path::Path;

use fjall::{Database, KeyspaceCreateOptions, Readable};

use crate::{Error, Pair};

/// Write buffer of a keyspace. Small, because a dozen keyspaces share one modest process, and because
/// what is lost with it is replayed from the log.
const WRITE_BUFFER_BYTES: u64 = 8 * 1024 * 1024;
/// The least the storage engine accepts.
const JOURNAL_BYTES: u64 = 64 * 1024 * 1024;
const WORKER_THREADS: usize = 2;

pub(crate) fn open(dir: &Path, cache_bytes: u64) -> Result<Database, Error> {
    let builder = Database::builder(dir)
        .cache_size(cache_bytes)
        .max_journaling_size(JOURNAL_BYTES)
        .worker_threads(WORKER_THREADS);
    Ok(builder.open()?)
}

pub(crate) fn keyspace(database: &Database, name: &str) -> Result<fjall::Keyspace, Error> {
    let options = || KeyspaceCreateOptions::default().max_memtable_size(WRITE_BUFFER_BYTES);
    Ok(database.keyspace(name, options)?)
}

/// Reads through a snapshot: without one the engine's iterators see later commits, and parts of batches.
pub(crate) fn range(
    database: &Database,
    keyspace: &fjall::Keyspace,
    from: &[u8],
    to: Option<&[u8]>,
) -> impl Iterator<Item = Result<Pair, Error>> + use<> {
    match to {
        // The engine refuses a range that ends before it starts.
        Some(to) if to <= from => None,
        Some(to) => Some(database.snapshot().range(keyspace, from..to)),
        None => Some(database.snapshot().range(keyspace, from..)),
    }
    .into_iter()
    .flatten()
    .map(pair)
}

pub(crate) fn last(keyspace: &fjall::Keyspace) -> Result<Option<Pair>, Error> {
    keyspace.last_key_value().map(pair).transpose()
}

fn pair(guard: fjall::Guard) -> Result<Pair, Error> {
    let (key, value) = guard.into_inner()?;
    Ok((key.to_vec(), value.to_vec()))
}
