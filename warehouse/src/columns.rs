//! The growing set of columns of one table, and the rows being collected for it.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{RecordBatch, RecordBatchOptions, new_null_array},
    compute::concat_batches,
    datatypes::{Field, Schema, SchemaRef},
    error::ArrowError,
};
use model::ColumnType;

use crate::column::{Cell, ColumnBuffer, column_type, data_type, field};

/// Columns are only ever added; a column keeps the type it was made with.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    names: HashMap<Box<str>, usize>,
    fields: Vec<Arc<Field>>,
    buffers: Vec<ColumnBuffer>,
    schema: Option<SchemaRef>,
    rows: usize,
}

impl Columns {
    pub(crate) fn len(&self) -> usize {
        self.fields.len()
    }

    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }

    pub(crate) fn name(&self, column: usize) -> &str {
        self.fields[column].name()
    }

    pub(crate) fn column_type(&self, column: usize) -> ColumnType {
        self.buffers[column].column_type()
    }

    /// The column of this name, made if it is new; an older one keeps its type.
    pub(crate) fn add(&mut self, name: &str, column_type: ColumnType) -> usize {
        if let Some(column) = self.find(name) {
            return column;
        }
        let column = self.fields.len();
        self.names.insert(name.into(), column);
        self.fields.push(Arc::new(field(name, column_type)));
        self.buffers.push(ColumnBuffer::new(column_type));
        self.schema = None;
        column
    }

    /// Takes over the columns of a stored table: what is stored decides the type. A planned text type
    /// (json, array, uuid) is kept where the store only knows that it is a text.
    pub(crate) fn adopt(&mut self, stored: &Schema) {
        for stored in stored.fields() {
            let kind = column_type(stored.data_type());
            match self.find(stored.name()) {
                None => _ = self.add(stored.name(), kind),
                Some(column) if data_type(self.column_type(column)) != data_type(kind) => {
                    self.fields[column] = Arc::new(field(stored.name(), kind));
                    self.buffers[column] = ColumnBuffer::new(kind);
                    self.schema = None;
                }
                Some(_) => {}
            }
        }
    }

    pub(crate) fn set(&mut self, column: usize, cell: Cell<'_>) {
        self.buffers[column].set(self.rows, cell);
    }

    pub(crate) fn set_text(&mut self, column: usize, text: Option<&str>) {
        if let Some(text) = text {
            self.set(column, Cell::Text(text));
        }
    }

    pub(crate) fn end_row(&mut self) {
        self.rows += 1;
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn schema(&mut self) -> SchemaRef {
        self.schema.get_or_insert_with(|| Arc::new(Schema::new(self.fields.clone()))).clone()
    }

    /// The rows collected so far as one batch; `None` if there are none.
    pub(crate) fn finish(&mut self) -> Option<RecordBatch> {
        let rows = std::mem::take(&mut self.rows);
        if rows == 0 {
            return None;
        }
        let arrays = self.buffers.iter_mut().map(|buffer| buffer.finish(rows)).collect();
        let batch = RecordBatch::try_new(self.schema(), arrays);
        Some(batch.expect("every buffer has its column's type and was padded to the same rows"))
    }
}

/// Rows in memory as batches of bounded size, few of them however often the tail is looked at.
#[derive(Debug, Default, Clone)]
pub(crate) struct Tail {
    batches: Vec<RecordBatch>,
}

/// Rows of a full batch.
pub(crate) const CHUNK_ROWS: usize = 8_192;

impl Tail {
    /// Adds a batch; small neighbours are merged as in a binary counter, so that a snapshot per row
    /// copies each row a few times only.
    pub(crate) fn push(&mut self, batch: RecordBatch) -> Result<(), ArrowError> {
        let mut batch = batch;
        while let Some(last) = self.batches.last() {
            let rows = last.num_rows() + batch.num_rows();
            if last.num_rows() > 2 * batch.num_rows() || rows > CHUNK_ROWS {
                break;
            }
            batch = concat_batches(&batch.schema(), &[conform(last, &batch.schema())?, batch.clone()])?;
            self.batches.pop();
        }
        self.batches.push(batch);
        Ok(())
    }

    pub(crate) fn batches(&self) -> &[RecordBatch] {
        &self.batches
    }

    pub(crate) fn take(&mut self) -> Vec<RecordBatch> {
        std::mem::take(&mut self.batches)
    }
}

/// The batch with the columns of `schema`, by name; those it lacks are null.
pub(crate) fn conform(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    if batch.schema_ref() == schema {
        return Ok(batch.clone());
    }
    let column = |field: &Arc<Field>| match batch.column_by_name(field.name()) {
        Some(array) if array.data_type() == field.data_type() => Ok(array.clone()),
        Some(array) => arrow::compute::cast(array, field.data_type()),
        None => Ok(new_null_array(field.data_type(), batch.num_rows())),
    };
    let arrays = schema.fields().iter().map(column).collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(schema.clone(), arrays, &options)
}
