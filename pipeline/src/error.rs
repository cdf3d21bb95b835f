use model::{CodecError, ErrorKind, Offset, Retry};

/// Why the pipeline cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log cannot be read.
    #[error("the log cannot be read at offset {offset}: {source}")]
    Log {
        /// Where.
        offset: Offset,
        /// What the log says.
        source: eventlog::Error,
    },
    /// A record's payload is damaged, or of a newer format.
    #[error("record {offset} cannot be read: {source}")]
    Record {
        /// Which record.
        offset: Offset,
        /// What is wrong with it.
        source: CodecError,
    },
    /// Derived state is damaged, or of a newer format.
    #[error("derived state cannot be read: {0}")]
    StoredRow(#[from] CodecError),
    /// The state store failed.
    #[error("the state store failed: {0}")]
    State(#[from] state::Error),
    /// Identity's stored records cannot be read.
    #[error("identity state cannot be read: {0}")]
    Identity(#[from] identity::Error),
    /// The audiences' stored state cannot be read.
    #[error("audience state cannot be read: {0}")]
    Audiences(#[from] audiences::Error),
    /// The log did not take a tick or a definitions record.
    #[error("the log refused a record: {0}")]
    Append(#[from] eventlog::AppendError),
    /// State has seen records that the log does not hold; it must be rebuilt from the log.
    #[error("derived state has read up to offset {state}, but the log ends at {log}")]
    StateAhead {
        /// How far the state is.
        state: Offset,
        /// Where the log ends.
        log: Offset,
    },
    /// The thread could not be started.
    #[error("the pipeline thread could not be started: {0}")]
    Thread(#[from] std::io::Error),
}

impl Error {
    /// The kind, from the closed set.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Append(_) | Self::Log { .. } | Self::State(_) => ErrorKind::Unavailable,
            _ => ErrorKind::Internal,
        }
    }

    /// Never at once: what stops the pipeline stops it again.
    pub fn retry(&self) -> Retry {
        Retry::No
    }

    /// Whether throwing the derived state away and replaying the log mends it.
    pub fn rebuild_helps(&self) -> bool {
        matches!(self, Self::StateAhead { .. } | Self::StoredRow(_) | Self::Identity(_) | Self::Audiences(_))
    }
}
