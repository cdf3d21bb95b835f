use model::{CodecError, ErrorKind, RecordId, Retry};

/// Why stored identity state cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A stored record is damaged or of a newer format.
    #[error("stored identity record '{record}' cannot be read")]
    Stored {
        /// Which record.
        record: RecordId,
        /// Where its bytes stop making sense.
        #[source]
        source: CodecError,
    },
}

impl Error {
    pub(crate) fn stored(record: RecordId, source: CodecError) -> Self {
        Self::Stored { record, source }
    }

    /// The kind, from the closed set.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Stored { .. } => ErrorKind::Internal,
        }
    }

    /// Whether the same call may succeed later.
    pub fn retry(&self) -> Retry {
        Retry::No
    }
}
