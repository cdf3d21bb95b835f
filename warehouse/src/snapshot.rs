use std::{fmt, sync::Arc};

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
