use std::{path::PathBuf, time::Duration};

use bytes::Bytes;
use model::{ColumnType, Offset, RecordId, Value};

/// How the embedded warehouse stores and flushes.
#[derive(Debug, Clone)]
pub struct Options {
    /// Folder of the tables; one sub-folder per table.
    pub dir: PathBuf,
    /// Longest time a row stays in memory only.
    pub flush_interval: Duration,
    /// A flush starts early once this many rows wait.
    pub flush_rows: usize,
    /// [`Embedded::ready`](crate::Embedded::ready) holds the writer back above this many waiting rows.
    pub pending_rows: usize,
    /// Most columns made from names in one event table; values beyond it stay in JSON columns.
    pub max_columns: usize,
    /// Most tables made for event names; later names are kept in `events` only.
    pub max_event_tables: usize,
    /// Small files of one table that start a compaction.
    pub compact_files: usize,
    /// Files at least this large are not compacted again.
    pub compact_bytes: u64,
    /// Commits of one table between two checkpoints.
    pub checkpoint_commits: u64,
    /// How long a replaced file stays readable for queries that pinned it.
    pub retention: Duration,
    /// Where Parquet files are made, which computes for long stretches; the caller's runtime without it.
    pub background: Option<tokio::runtime::Handle>,
}

impl Options {
    /// The defaults, over `dir`.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            flush_interval: Duration::from_secs(1),
            flush_rows: 100_000,
            pending_rows: 400_000,
            max_columns: 1_000,
            max_event_tables: 1_000,
            compact_files: 64,
            compact_bytes: 64 << 20,
            checkpoint_commits: 20,
            retention: Duration::from_secs(600),
            background: None,
        }
    }
}

/// The columns the tracking plan declares for one event; made before the first event arrives.
#[derive(Debug, Clone, PartialEq)]
pub struct EventTablePlan {
    /// Event name as sent.
    pub event: String,
    /// Table name.
    pub table: String,
    /// Property path (`a.b`), column name and type.
    pub columns: Vec<(String, String, ColumnType)>,
}

/// A column of a keyed table.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnSpec {
    /// Column name.
    pub name: String,
    /// Its type.
    pub column_type: ColumnType,
    /// Whether a row may lack it. Kept for readers; storage treats every column as nullable.
    pub nullable: bool,
}

impl ColumnSpec {
    /// A column that a row may lack.
    pub fn new(name: impl Into<String>, column_type: ColumnType) -> Self {
        Self { name: name.into(), column_type, nullable: true }
    }
}

/// A table whose rows the caller makes. One row per key, the latest wins; or, append-only, every row.
#[derive(Debug, Clone, PartialEq)]
pub struct TableSpec {
    /// Table name.
    pub name: &'static str,
    /// The key columns, a part of `columns`; an upsert's `key` has their values in this order.
    pub key: Vec<&'static str>,
    /// All columns, in the order of an upsert's `row`.
    pub columns: Vec<ColumnSpec>,
    /// Keys never come again: rows are kept on disk only, like events.
    pub append_only: bool,
}

/// What the pipeline made of a run of log records; `next` follows the last of them.
#[derive(Debug, Clone, Default)]
pub struct RowBatch {
    /// Everything before it is contained in this batch or an earlier one.
    pub next: Offset,
    /// Events in log order.
    pub events: Vec<EventRow>,
    /// Rows of the caller's tables, in order.
    pub upserts: Vec<Upsert>,
}

/// One event of the log.
#[derive(Debug, Clone)]
pub struct EventRow {
    /// Where it stands on the log.
    pub offset: Offset,
    /// Its identity record, if it has one.
    pub record_id: Option<RecordId>,
    /// What [`model::Event::encode`] wrote.
    pub payload: Bytes,
}

/// A new row for its key, or its removal.
#[derive(Debug, Clone, PartialEq)]
pub struct Upsert {
    /// A table of the given specs.
    pub table: &'static str,
    /// Values of the key columns.
    pub key: Vec<Value>,
    /// Values of all columns; `None` removes the row.
    pub row: Option<Vec<Value>>,
    /// The log record that caused it.
    pub offset: Offset,
}
