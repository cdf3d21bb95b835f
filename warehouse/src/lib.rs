//! The embedded warehouse: Delta Lake tables on local disk, with the rows that are not flushed yet
//! added at query time (D6).
//!
//! Must never know: identity, audiences, protocols. It is told which rows to keep and shows them as
//! DataFusion tables, pinned and consistent over all tables.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod embedded;
mod error;
mod snapshot;
mod spec;
mod state;

mod call;
mod fit;
mod flatten;
mod layout;

mod column;
mod columns;
mod key;
mod keyed;
mod log_table;
mod provider;

mod delta;
mod delta_files;
mod flush;
mod maintain;
mod open;
mod store;

#[cfg(test)]
mod tests;

pub use embedded::{Embedded, Statistics};
pub use error::Error;
pub use snapshot::{Snapshot, Table, Version};
pub use spec::{ColumnSpec, EventRow, EventTablePlan, Options, RowBatch, TableSpec, Upsert};
