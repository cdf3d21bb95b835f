use std::io;

use model::{ErrorKind, Retry};

/// Why state could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process has the store open.
    #[error("state store is open in another process")]
    Locked,
    /// The files do not pass their checks. Derived state may be dropped and rebuilt from the log.
    #[error("state store is damaged: {0}")]
    Damaged(String),
    /// The files were written by another release of the storage engine.
    #[error("state store has a format this version does not read")]
    Format,
    /// An earlier write failed, so nothing is accepted any more until the process starts again.
    #[error("state store stopped after a failed write")]
    Stopped,
    /// The operating system refused a read or a write.
    #[error("state store i/o failed")]
    Io(#[from] io::Error),
    /// A batch mixes keyspaces of different stores.
    #[error("keyspace {0} belongs to another store")]
    Foreign(String),
}

impl Error {
    /// What went wrong, from the closed set.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Locked => ErrorKind::Conflict,
            Self::Stopped | Self::Io(_) => ErrorKind::Unavailable,
            Self::Format => ErrorKind::Unsupported,
            Self::Damaged(_) | Self::Foreign(_) => ErrorKind::Internal,
        }
    }

    /// Never: a write that failed once may have been half done, and the store says so itself.
    pub fn retry(&self) -> Retry {
        Retry::No
    }
}

impl From<fjall::Error> for Error {
    fn from(error: fjall::Error) -> Self {
        match error {
            fjall::Error::Io(error) => Self::Io(error),
            fjall::Error::Storage(fjall::LsmError::Io(error)) => Self::Io(error),
            fjall::Error::Locked => Self::Locked,
            fjall::Error::Poisoned => Self::Stopped,
            fjall::Error::InvalidVersion(_) => Self::Format,
            other => Self::Damaged(other.to_string()),
        }
    }
}
