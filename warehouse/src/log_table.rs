//! A table that rows are only ever added to: events, conflicts, append-only tables of the caller.

use std::sync::Arc;

use arrow::{array::RecordBatch, error::ArrowError};
use deltalake::delta_datafusion::DeltaScanNext;
use model::Offset;

use crate::{
    columns::{Columns, Tail, conform},
    delta::Change,
    flush::Work,
    provider::PinnedTable,
};

/// Rows in memory of one table, and where its stored part stands.
#[derive(Debug)]
pub(crate) struct LogTable {
    pub(crate) columns: Columns,
    tail: Tail,
    /// Rows a running flush is storing: still shown from here until its commit counts.
    flushing: Vec<RecordBatch>,
    pub(crate) durable: Offset,
    stored: Option<Arc<DeltaScanNext>>,
}

impl LogTable {
    pub(crate) fn new(columns: Columns, durable: Offset, stored: Option<Arc<DeltaScanNext>>) -> Self {
        Self { columns, tail: Tail::default(), flushing: Vec::new(), durable, stored }
    }

    fn freeze(&mut self) -> Result<(), ArrowError> {
        self.columns.finish().map_or(Ok(()), |batch| self.tail.push(batch))
    }

    /// Closes the batch being filled once it is full, so that builders stay small.
    pub(crate) fn bound(&mut self) -> Result<(), ArrowError> {
        if self.columns.rows() < crate::columns::CHUNK_ROWS {
            return Ok(());
        }
        self.freeze()
    }

    pub(crate) fn pin(&mut self) -> Result<PinnedTable, ArrowError> {
        self.freeze()?;
        let schema = self.columns.schema();
        let waiting = self.flushing.iter().chain(self.tail.batches());
        let tail = waiting.map(|batch| conform(batch, &schema)).collect::<Result<_, _>>()?;
        Ok(PinnedTable { schema, stored: self.stored.clone(), tail })
    }

    /// The rows to store now, if there are any.
    pub(crate) fn begin_flush(&mut self) -> Result<Option<Work>, ArrowError> {
        self.freeze()?;
        self.flushing.extend(self.tail.take());
        if self.flushing.is_empty() {
            return Ok(None);
        }
        let schema = self.columns.schema();
        let batches = self.flushing.iter().map(|b| conform(b, &schema)).collect::<Result<_, _>>()?;
        Ok(Some(Work { batches, schema, change: Change::Append }))
    }

    pub(crate) fn end_flush(&mut self, next: Offset, stored: Option<Arc<DeltaScanNext>>) {
        self.flushing.clear();
        self.durable = next;
        self.stored = stored;
    }

    /// Shows another version of the same stored rows.
    pub(crate) fn show(&mut self, stored: Option<Arc<DeltaScanNext>>) {
        self.stored = stored;
    }
}
