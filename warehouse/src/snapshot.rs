use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use datafusion::catalog::TableProvider;
use model::Offset;

/// All tables at one moment: every row before `next`, none after, in each of them.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The log offset up to which rows are contained.
    pub next: Offset,
    /// The tables, standard ones first.
    pub tables: Vec<Table>,
}

/// A table of a snapshot.
#[derive(Clone)]
pub struct Table {
    /// SQL schema, always `warehouse`.
    pub schema: &'static str,
    /// Table name.
    pub name: String,
    /// Its rows.
    pub provider: Arc<dyn TableProvider>,
    /// Which rows these are.
    pub version: Version,
}

/// Which rows of a table a snapshot has. Storing, merging and compacting change no rows, so they leave
/// it as it is.
#[derive(Debug, Clone)]
pub struct Version {
    current: Arc<AtomicU64>,
    pinned: u64,
}

impl Version {
    /// Whether the table still has exactly these rows. Takes no lock.
    pub fn is_current(&self) -> bool {
        self.current.load(Ordering::Acquire) == self.pinned
    }

    /// A number that grows with every change since the start; for people.
    pub fn number(&self) -> u64 {
        self.pinned
    }

    /// The number the table has now.
    pub fn current_number(&self) -> u64 {
        self.current.load(Ordering::Acquire)
    }
}

/// The number of changes a table has seen.
#[derive(Debug, Default)]
pub(crate) struct Changes(Arc<AtomicU64>);

impl Changes {
    pub(crate) fn count(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn pin(&self) -> Version {
        Version { current: Arc::clone(&self.0), pinned: self.0.load(Ordering::Acquire) }
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

impl Snapshot {
    /// The table of this name.
    pub fn table(&self, name: &str) -> Option<&Arc<dyn TableProvider>> {
        self.tables.iter().find(|table| table.name == name).map(|table| &table.provider)
    }
}
