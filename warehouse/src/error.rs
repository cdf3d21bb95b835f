use std::time::Duration;

use deltalake::DeltaTableError;
use model::{CodecError, ErrorKind, Offset, Retry};

/// What can go wrong in the embedded warehouse.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder of the tables cannot be used.
    #[error("warehouse folder {path} cannot be used")]
    Folder {
        /// Which file or folder.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Reading or committing a table failed.
    #[error("table {table} cannot be read or written")]
    Delta {
        /// Which table.
        table: String,
        /// Why.
        #[source]
        source: Box<DeltaTableError>,
    },
    /// A data file or a batch is not what its table's schema says.
    #[error("table {table} does not fit its schema")]
    Arrow {
        /// Which table.
        table: String,
        /// Why.
        #[source]
        source: arrow::error::ArrowError,
    },
    /// No version of a table is whole, so the log must be replayed into a new one.
    #[error("table {table} has no whole version left")]
    Damaged {
        /// Which table.
        table: String,
    },
    /// An event on the log cannot be decoded.
    #[error("the event at offset {offset} cannot be decoded")]
    Event {
        /// Where it stands.
        offset: Offset,
        /// Why.
        #[source]
        source: CodecError,
    },
    /// An earlier flush failed after its data may have been half synced; only a restart is safe.
    #[error("the warehouse stopped after a failed flush: {0}")]
    Stopped(String),
}

impl Error {
    pub(crate) fn folder(path: &std::path::Path, source: std::io::Error) -> Self {
        Self::Folder { path: path.display().to_string(), source }
    }

    pub(crate) fn delta(table: &str, source: DeltaTableError) -> Self {
        Self::Delta { table: table.to_owned(), source: Box::new(source) }
    }

    pub(crate) fn arrow(table: &str, source: arrow::error::ArrowError) -> Self {
        Self::Arrow { table: table.to_owned(), source }
    }

    /// Its kind from the closed set.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Folder { .. } | Self::Delta { .. } | Self::Stopped(_) => ErrorKind::Unavailable,
            Self::Arrow { .. } | Self::Damaged { .. } | Self::Event { .. } => ErrorKind::Internal,
        }
    }

    /// Whether the same call may succeed later. A failed flush leaves its rows waiting in memory.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Folder { .. } | Self::Delta { .. } => Retry::After(Duration::from_secs(1)),
            _ => Retry::No,
        }
    }
}
