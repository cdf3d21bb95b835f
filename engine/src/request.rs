use std::fmt;

use arrow::datatypes::SchemaRef;
use datafusion::{common::ScalarValue, execution::SendableRecordBatchStream};
use model::Offset;
use semantic::MetricQuery;

/// A question.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// Metrics by name, compiled by the definitions.
    Metrics(MetricQuery),
    /// One read-only statement.
    Sql {
        /// The statement; parameters are `$1`, `$2`, .. or `?`.
        text: String,
        /// One value per parameter, in order.
        parameters: Vec<ScalarValue>,
    },
}

impl Request {
    /// A statement without parameters.
    pub fn sql(text: impl Into<String>) -> Self {
        Self::Sql { text: text.into(), parameters: Vec::new() }
    }
}

/// A running query. Dropping the stream stops it.
pub struct Answer {
    /// Equal to what [`crate::Engine::prepare`] says and to the schema of every batch.
    pub schema: SchemaRef,
    /// The rows. A failure half way is an error item, never a clean end; turn it into a
    /// [`crate::Error`] with `Error::from`.
    pub stream: SendableRecordBatchStream,
    /// What was answered, and from which data.
    pub provenance: Provenance,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("schema", &self.schema)
            .field("provenance", &self.provenance)
            .finish_non_exhaustive()
    }
}

/// What was answered, and from which data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// Names this query in the log.
    pub query_id: String,
    /// Every event before this offset counts, none after.
    pub as_of: Offset,
    /// Version of the definitions used.
    pub catalog_version: u64,
    /// The SQL that ran.
    pub sql: String,
    /// Whether rows are missing from the end.
    pub truncated: bool,
    /// What the reader should know about the answer.
    pub warnings: Vec<String>,
}

/// What a request would answer, without running it.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// Columns of the answer.
    pub schema: SchemaRef,
    /// One field per parameter, named `$1`, `$2`, ..; text where nothing tells the type.
    pub parameters: SchemaRef,
    /// The SQL that would run.
    pub sql: String,
    /// Version of the definitions used.
    pub catalog_version: u64,
}

/// A table or view a principal can read.
#[derive(Debug, Clone)]
pub struct TableInfo {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Stored, or computed when asked.
    pub kind: TableKind,
    /// Its columns, as `SELECT *` gives them.
    pub columns: SchemaRef,
}

/// Whether rows are stored or computed when asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableKind {
    /// Stored.
    Table,
    /// Computed when asked.
    View,
}
