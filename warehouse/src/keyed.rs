//! A table with one row per key. The current rows stand in memory as Arrow chunks; every change is
//! appended to the stored table as a row version, until the versions are worth replacing.

use std::collections::HashMap;

use arrow::{
    array::{BooleanArray, RecordBatch, UInt32Array},
    compute::{concat_batches, filter_record_batch, take_record_batch},
    datatypes::SchemaRef,
    error::ArrowError,
};
use model::{ColumnType, Offset, Value};

use crate::{
    column::{Cell, cell},
    columns::{CHUNK_ROWS, Columns, conform},
    delta::Change,
    flush::Work,
    key::{Key, key_of_row, key_of_values},
    provider::PinnedTable,
    spec::{TableSpec, Upsert},
};

/// Hidden column: the offset that made the row version.
pub(crate) const OFFSET: &str = "etalon__offset";
/// Hidden column: whether the version removes its key.
pub(crate) const DELETED: &str = "etalon__deleted";
/// Superseded versions that are not worth a rewrite.
const FEW: u64 = 10_000;

/// Rows with consecutive numbers from `first`.
#[derive(Debug)]
struct Chunk {
    first: u64,
    rows: RecordBatch,
    dead: Vec<bool>,
    live: usize,
    /// The live rows as shown; rebuilt when the chunk has changed.
    shown: Option<RecordBatch>,
}

#[derive(Debug)]
struct Removed {
    key: Vec<Value>,
    offset: Offset,
}

/// The keys changed since the last flush; `None` for rows that are there.
type Changes = HashMap<Key, Option<Removed>>;

#[derive(Debug)]
pub(crate) struct KeyedTable {
    spec: TableSpec,
    key_columns: Vec<usize>,
    /// The newest rows, numbered from `open_first`.
    columns: Columns,
    chunks: Vec<Chunk>,
    open_first: u64,
    /// Rows of the open batch that were superseded before it was closed.
    open_dead: Vec<u64>,
    rows: HashMap<Key, u64>,
    changed: Changes,
    flushing: Changes,
    pub(crate) durable: Offset,
    /// Row versions stored, and the files they are in.
    stored: (u64, u64),
    most_files: u64,
}

impl KeyedTable {
    pub(crate) fn new(spec: TableSpec, most_files: usize) -> Self {
        let columns = keyed_columns(&spec);
        let key_columns = spec.key.iter().filter_map(|name| columns.find(name)).collect();
        Self {
            spec,
            key_columns,
            columns,
            chunks: Vec::new(),
            open_first: 0,
            open_dead: Vec::new(),
            rows: HashMap::new(),
            changed: HashMap::new(),
            flushing: HashMap::new(),
            durable: Offset(0),
            stored: (0, 0),
            most_files: most_files as u64,
        }
    }

    pub(crate) fn set_stored(&mut self, durable: Offset, rows: u64, files: u64) {
        self.durable = durable;
        self.stored = (rows, files);
    }

    pub(crate) fn key_columns(&self) -> &[usize] {
        &self.key_columns
    }

    pub(crate) fn stored_schema(&self) -> SchemaRef {
        stored_schema(&self.spec)
    }

    /// Takes over stored rows, one per key and none removed.
    pub(crate) fn load(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        let rows = conform(batch, &self.columns.schema())?;
        self.append_chunk(rows);
        Ok(())
    }

    pub(crate) fn apply(&mut self, upsert: &Upsert) {
        if upsert.offset < self.durable {
            return;
        }
        let key = key_of_values(&upsert.key);
        if let Some(old) = self.rows.remove(&key) {
            self.kill(old);
        }
        let Some(row) = &upsert.row else {
            let removed = Removed { key: upsert.key.clone(), offset: upsert.offset };
            self.changed.insert(key, Some(removed));
            return;
        };
        let number = self.open_first + self.columns.rows() as u64;
        for (column, value) in row.iter().enumerate().take(self.spec.columns.len()) {
            if let Some(cell) = cell(self.columns.column_type(column), value) {
                self.columns.set(column, cell);
            }
        }
        self.columns.set(self.spec.columns.len(), Cell::Int64(upsert.offset.0.cast_signed()));
        self.columns.end_row();
        self.rows.insert(key.clone(), number);
        self.changed.insert(key, None);
    }

    pub(crate) fn bound(&mut self) -> Result<(), ArrowError> {
        if self.columns.rows() < CHUNK_ROWS {
            return Ok(());
        }
        self.freeze()
    }

    fn kill(&mut self, number: u64) {
        if number >= self.open_first {
            self.open_dead.push(number);
            return;
        }
        let at = self.chunks.partition_point(|chunk| chunk.first <= number) - 1;
        let chunk = &mut self.chunks[at];
        chunk.dead[(number - chunk.first) as usize] = true;
        chunk.live -= 1;
        chunk.shown = None;
    }

    /// Closes the open batch; merges it with a small last chunk, and rewrites chunks that are mostly
    /// superseded, so that memory stays within about twice the live rows.
    fn freeze(&mut self) -> Result<(), ArrowError> {
        if let Some(rows) = self.columns.finish() {
            let first = self.open_first;
            self.open_first += rows.num_rows() as u64;
            self.push_chunk(first, rows)?;
            for number in std::mem::take(&mut self.open_dead) {
                self.kill(number);
            }
        }
        let wasteful: Vec<Chunk> = self.chunks.extract_if(.., |c| c.live * 2 < c.rows.num_rows()).collect();
        let survivors: Vec<RecordBatch> =
            wasteful.iter().filter(|c| c.live > 0).map(Chunk::filtered).collect::<Result<_, _>>()?;
        let Some(batch) = survivors.first() else { return Ok(()) };
        let rows = concat_batches(&batch.schema(), &survivors)?;
        for from in (0..rows.num_rows()).step_by(CHUNK_ROWS) {
            self.append_chunk(rows.slice(from, CHUNK_ROWS.min(rows.num_rows() - from)));
        }
        Ok(())
    }

    fn push_chunk(&mut self, first: u64, rows: RecordBatch) -> Result<(), ArrowError> {
        let (mut first, mut rows, mut dead) = (first, rows, Vec::new());
        while let Some(last) = self.chunks.last() {
            let size = last.rows.num_rows();
            let adjacent = last.first + size as u64 == first;
            if !adjacent || size > 2 * rows.num_rows() || size + rows.num_rows() > CHUNK_ROWS {
                break;
            }
            rows = concat_batches(&rows.schema(), &[last.rows.clone(), rows.clone()])?;
            dead = last.dead.iter().copied().chain(dead).collect();
            first = last.first;
            self.chunks.pop();
        }
        dead.resize(rows.num_rows(), false);
        let live = dead.iter().filter(|dead| !**dead).count();
        self.chunks.push(Chunk { first, rows, dead, live, shown: None });
        Ok(())
    }

    /// Adds live rows under new numbers. The open batch is empty here.
    fn append_chunk(&mut self, rows: RecordBatch) {
        let first = self.open_first;
        self.open_first += rows.num_rows() as u64;
        for row in 0..rows.num_rows() {
            self.rows.insert(key_of_row(&rows, &self.key_columns, row), first + row as u64);
        }
        let live = rows.num_rows();
        self.chunks.push(Chunk { first, rows, dead: vec![false; live], live, shown: None });
    }

    pub(crate) fn pin(&mut self) -> Result<PinnedTable, ArrowError> {
        self.freeze()?;
        let shown = self.columns.schema().project(&(0..self.spec.columns.len()).collect::<Vec<_>>())?;
        let tail =
            self.chunks.iter_mut().filter(|c| c.live > 0).map(Chunk::show).collect::<Result<_, _>>()?;
        Ok(PinnedTable { schema: shown.into(), stored: None, tail })
    }

    /// The versions to store now; all live rows instead, when most stored versions are superseded.
    pub(crate) fn begin_flush(&mut self) -> Result<Option<Work>, ArrowError> {
        for (key, change) in self.changed.drain() {
            self.flushing.insert(key, change);
        }
        if self.flushing.is_empty() {
            return Ok(None);
        }
        self.freeze()?;
        let schema = stored_schema(&self.spec);
        let versions = self.stored.0 + self.flushing.len() as u64;
        let rewrite = versions > 2 * self.rows.len() as u64 + FEW || self.stored.1 >= self.most_files;
        let mut batches = if rewrite {
            self.chunks.iter().filter(|c| c.live > 0).map(Chunk::filtered).collect::<Result<Vec<_>, _>>()?
        } else {
            self.changed_rows()?
        };
        for batch in &mut batches {
            *batch = with_deleted(batch, &schema)?;
        }
        if !rewrite {
            batches.extend(self.removed_rows(&schema)?);
        }
        let change = if rewrite { Change::Replace } else { Change::Append };
        Ok(Some(Work { batches, schema, change }))
    }

    fn changed_rows(&self) -> Result<Vec<RecordBatch>, ArrowError> {
        let live = self.flushing.iter().filter(|(_, removed)| removed.is_none());
        let mut numbers: Vec<u64> = live.filter_map(|(key, _)| self.rows.get(key).copied()).collect();
        numbers.sort_unstable();
        let mut batches = Vec::new();
        for chunk in &self.chunks {
            let end = chunk.first + chunk.rows.num_rows() as u64;
            let from = numbers.partition_point(|n| *n < chunk.first);
            let to = numbers.partition_point(|n| *n < end);
            if from < to {
                let rows = numbers[from..to].iter().map(|n| (n - chunk.first) as u32);
                batches.push(take_record_batch(&chunk.rows, &UInt32Array::from_iter_values(rows))?);
            }
        }
        Ok(batches)
    }

    fn removed_rows(&self, schema: &SchemaRef) -> Result<Option<RecordBatch>, ArrowError> {
        let mut columns = keyed_columns(&self.spec);
        let deleted = columns.add(DELETED, ColumnType::Boolean);
        let mut removed: Vec<(&Key, &Removed)> =
            self.flushing.iter().filter_map(|(key, removed)| Some((key, removed.as_ref()?))).collect();
        removed.sort_by(|a, b| a.0.cmp(b.0));
        for (_, removed) in removed {
            for (column, value) in self.key_columns.iter().zip(&removed.key) {
                if let Some(cell) = cell(columns.column_type(*column), value) {
                    columns.set(*column, cell);
                }
            }
            columns.set(self.spec.columns.len(), Cell::Int64(removed.offset.0.cast_signed()));
            columns.set(deleted, Cell::Boolean(true));
            columns.end_row();
        }
        columns.finish().map(|batch| conform(&batch, schema)).transpose()
    }

    pub(crate) fn end_flush(&mut self, next: Offset, work_rows: u64, change: Change) {
        self.flushing.clear();
        self.durable = next;
        self.stored = match change {
            Change::Append => (self.stored.0 + work_rows, self.stored.1 + 1),
            Change::Replace => (work_rows, 1),
        };
    }
}

impl Chunk {
    fn filtered(&self) -> Result<RecordBatch, ArrowError> {
        if self.live == self.rows.num_rows() {
            return Ok(self.rows.clone());
        }
        let keep: BooleanArray = self.dead.iter().map(|dead| Some(!dead)).collect();
        filter_record_batch(&self.rows, &keep)
    }

    /// The live rows without the hidden column.
    fn show(&mut self) -> Result<RecordBatch, ArrowError> {
        if let Some(shown) = &self.shown {
            return Ok(shown.clone());
        }
        let columns: Vec<usize> = (0..self.rows.num_columns() - 1).collect();
        let shown = self.filtered()?.project(&columns)?;
        self.shown = Some(shown.clone());
        Ok(shown)
    }
}

fn keyed_columns(spec: &TableSpec) -> Columns {
    let mut columns = Columns::default();
    for column in &spec.columns {
        columns.add(&column.name, column.column_type);
    }
    columns.add(OFFSET, ColumnType::Int64);
    columns
}

fn stored_schema(spec: &TableSpec) -> SchemaRef {
    let mut columns = keyed_columns(spec);
    columns.add(DELETED, ColumnType::Boolean);
    columns.schema()
}

fn with_deleted(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let mut arrays = batch.columns().to_vec();
    arrays.push(std::sync::Arc::new(BooleanArray::from(vec![false; batch.num_rows()])));
    RecordBatch::try_new(schema.clone(), arrays)
}
