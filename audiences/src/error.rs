use model::{CodecError, ErrorKind, Retry};

/// Why an engine could not be restored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A stored record is damaged or of a newer format.
    #[error("stored audience state cannot be read")]
    Damaged(#[from] CodecError),
    /// A stored record names something that is not stored.
    #[error("stored audience state is incomplete: {0}")]
    Incomplete(&'static str),
}

impl Error {
    /// What went wrong, for transports.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Internal
    }

    /// Whether the same call may succeed later.
    pub fn retry(&self) -> Retry {
        Retry::No
    }
}
