//! What one table has to store in a flush.

use arrow::{array::RecordBatch, datatypes::SchemaRef};

use crate::delta::Change;

#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) batches: Vec<RecordBatch>,
    pub(crate) schema: SchemaRef,
    pub(crate) change: Change,
}

impl Work {
    pub(crate) fn rows(&self) -> u64 {
        self.batches.iter().map(|batch| batch.num_rows() as u64).sum()
    }
}
