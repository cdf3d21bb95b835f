use std::fmt;

use arrow::datatypes::SchemaRef;
use datafusion::{common::ScalarValue, execution::SendableRecordBatchStream};
use model::Offset;
use semantic::MetricQuery;

use crate::Error;

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

/// How a query is answered; the settings of a session.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct QueryOptions {
    /// Whether an equal question that is still right may be answered from memory. Without it the answer
    /// is worked out, and kept for others.
    pub read_cache: bool,
    /// `MIN` and `MAX` of a measure stand for the measure, as in Snowflake.
    pub min_max_as_measure: bool,
    /// Measures may be selected from a metric view without an aggregate (SQL-4).
    pub bare_measures: bool,
}

impl Default for QueryOptions {
    fn default() -> Self {
        Self { read_cache: true, min_max_as_measure: false, bare_measures: true }
    }
}

impl QueryOptions {
    /// The names [`QueryOptions::set`] knows.
    pub const SETTINGS: [&str; 3] =
        ["etalon.bare_measures", "etalon.min_max_as_measure", "etalon.read_cache"];

    /// Every setting of [`QueryOptions::SETTINGS`] with its value, as [`QueryOptions::set`] takes it.
    pub fn settings(&self) -> [(&'static str, &'static str); 3] {
        let values = [self.bare_measures, self.min_max_as_measure, self.read_cache];
        std::array::from_fn(|n| (Self::SETTINGS[n], if values[n] { "on" } else { "off" }))
    }

    /// Changes a setting by name, as `SET` and session options do.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), Error> {
        let name = name.to_lowercase();
        let value = value.trim().to_lowercase();
        let switch = match value.as_str() {
            "on" | "true" | "1" => Some(true),
            "off" | "false" | "0" => Some(false),
            _ => None,
        };
        let (setting, value) = match (name.as_str(), switch) {
            ("etalon.min_max_as_measure", Some(on)) => (&mut self.min_max_as_measure, on),
            ("etalon.read_cache", Some(on)) => (&mut self.read_cache, on),
            ("etalon.bare_measures", Some(on)) => (&mut self.bare_measures, on),
            ("etalon.bare_measures", None) if value == "error" => (&mut self.bare_measures, false),
            ("etalon.bare_measures", None) if value == "group" => (&mut self.bare_measures, true),
            (known, _) if Self::SETTINGS.contains(&known) => {
                return Err(Error::Invalid(format!("'{value}' is no value of {name}: use on or off")));
            }
            _ => return Err(Error::unknown("setting", name, Self::SETTINGS)),
        };
        *setting = value;
        Ok(())
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
    /// Whether rows are missing from the end. A limit of the server never cuts: it is an error.
    pub truncated: bool,
    /// Whether it was worked out for this question.
    pub cache: CacheUse,
    /// The stored tables that were read, sorted.
    pub tables: Vec<String>,
    /// What the reader should know about the answer.
    pub warnings: Vec<String>,
}

/// Where an answer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheUse {
    /// From memory: an equal question was answered before, and its tables have not changed since.
    Hit,
    /// Worked out.
    Miss,
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
