use std::time::Duration;

use model::{CodecError, ErrorKind, Retry};

/// Why the change log or a delivery cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error("the state store failed")]
    Store(#[from] state::Error),
    /// A stored record cannot be read.
    #[error("stored deliveries cannot be read")]
    Damaged(#[from] CodecError),
    /// The cursor lies before the oldest change that is kept: list, then start from there.
    #[error("the cursor is older than the oldest change kept")]
    CursorExpired {
        /// The oldest cursor that works.
        oldest: u64,
    },
    /// An endpoint cannot be used as it is written.
    #[error("webhook endpoint {name}: {reason}")]
    Endpoint {
        /// Which endpoint.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The HTTP client could not be built.
    #[error("no HTTP client for webhooks")]
    Client(#[source] reqwest::Error),
}

impl Error {
    pub(crate) fn endpoint(name: &str, reason: impl Into<String>) -> Self {
        Self::Endpoint { name: name.to_owned(), reason: reason.into() }
    }

    /// What went wrong, for transports.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Store(_) => ErrorKind::Unavailable,
            Self::Damaged(_) | Self::Client(_) => ErrorKind::Internal,
            Self::CursorExpired { .. } => ErrorKind::NotFound,
            Self::Endpoint { .. } => ErrorKind::Invalid,
        }
    }

    /// Whether the same call may succeed later.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Store(_) => Retry::After(Duration::from_secs(1)),
            _ => Retry::No,
        }
    }
}
