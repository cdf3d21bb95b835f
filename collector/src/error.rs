use model::{CodecError, ErrorKind, Offset, Retry};

/// What can go wrong outside a tracking request (those have answers of their own).
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Two write keys are equal.
    #[error("write key of source {source_name} is used twice")]
    RepeatedKey {
        /// The second source with it.
        source_name: String,
    },
    /// The log could not be read.
    #[error("reading the log failed")]
    Log(#[from] eventlog::Error),
    /// The log did not take a record.
    #[error("appending to the log failed")]
    Append(#[from] eventlog::AppendError),
    /// Derived state could not be read or written.
    #[error("derived state failed")]
    State(#[from] state::Error),
    /// Stored bytes are damaged.
    #[error(transparent)]
    Damaged(#[from] CodecError),
    /// No dead letter has this id.
    #[error("no dead letter {0}")]
    NoDeadLetter(Offset),
    /// The log did not commit within the deadline.
    #[error("the log did not commit within the deadline")]
    NotReady,
    /// A worker could not be started.
    #[error("starting a worker failed")]
    Worker(#[from] std::io::Error),
}

impl Error {
    /// The kind transports map.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::RepeatedKey { .. } => ErrorKind::Invalid,
            Self::Log(error) => error.kind(),
            Self::Append(error) => error.kind(),
            Self::State(error) => error.kind(),
            Self::NoDeadLetter(_) => ErrorKind::NotFound,
            Self::NotReady => ErrorKind::Unavailable,
            Self::Damaged(_) | Self::Worker(_) => ErrorKind::Internal,
        }
    }

    /// Whether the same call may succeed later.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Append(error) => error.retry(),
            Self::Log(error) => error.retry(),
            Self::State(error) => error.retry(),
            Self::NotReady => Retry::Now,
            _ => Retry::No,
        }
    }
}
