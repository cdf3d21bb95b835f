use std::{io, path::Path, time::Duration};

use model::{ErrorKind, Offset, Retry};

/// Why records were not stored. None of them is, whichever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// No space left. The log takes records again by itself once there is.
    #[error("no space left for the event log")]
    Full {
        /// When to try again.
        retry_after: Duration,
    },
    /// More is waiting to be stored than the queue may hold.
    #[error("event log queue is full")]
    Overloaded {
        /// When to try again; [`Duration::MAX`] for records too large to be taken ever.
        retry_after: Duration,
    },
    /// The storage broke, or the log was closed: nothing is stored any more by this process.
    #[error("event log has stopped")]
    Failed,
}

impl AppendError {
    /// Records that fit in no batch, whenever they come.
    pub(crate) const TOO_LARGE: Self = Self::Overloaded { retry_after: Duration::MAX };

    /// What went wrong, from the closed set.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Full { .. } | Self::Overloaded { .. } => ErrorKind::Exhausted,
            Self::Failed => ErrorKind::Unavailable,
        }
    }

    /// Whether the same records may be stored later.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Full { retry_after } | Self::Overloaded { retry_after } if *retry_after < Duration::MAX => {
                Retry::After(*retry_after)
            }
            _ => Retry::No,
        }
    }
}

/// Why the log was not opened, or a record not read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process has the log open.
    #[error("event log {dir} is open in process {holder}")]
    Locked {
        /// Folder of the log.
        dir: String,
        /// Id of the process that holds it.
        holder: String,
    },
    /// Stored records are not readable. Reading goes on at `next`.
    #[error("event log records {first} to before {next} are damaged, at byte {at} of {file}")]
    Damaged {
        /// The first record that is lost.
        first: Offset,
        /// The first one after the damage.
        next: Offset,
        /// Segment file.
        file: String,
        /// Position in it.
        at: u64,
    },
    /// A segment file is gone.
    #[error("event log records {first} to before {next} are missing: no segment file before {file}")]
    Missing {
        /// The first record that is missing.
        first: Offset,
        /// The first one after the gap.
        next: Offset,
        /// Segment file after the gap.
        file: String,
    },
    /// A file that is a segment of the log, but not this one: swapped, or a copy.
    #[error("event log file {file} holds the segment that starts at record {base}: swapped or duplicated")]
    Misplaced {
        /// The file.
        file: String,
        /// Offset at which its content starts.
        base: Offset,
    },
    /// A file whose header is not readable in either copy.
    #[error("event log file {file} has a damaged header")]
    Header {
        /// The file.
        file: String,
    },
    /// A file of a newer format.
    #[error(
        "event log file {file} has format {version}, this version reads up to {}",
        crate::format::VERSION
    )]
    Newer {
        /// The file.
        file: String,
        /// Its format.
        version: u32,
    },
    /// A record of a kind this version does not know.
    #[error("event log record {offset} has the unknown kind {kind}")]
    UnknownKind {
        /// The record.
        offset: Offset,
        /// Its kind.
        kind: u8,
    },
    /// The record is no longer retained.
    #[error("event log record {from} is before the oldest one retained, {start}")]
    BeforeStart {
        /// Where reading was to start.
        from: Offset,
        /// The oldest record there is.
        start: Offset,
    },
    /// There is no such record yet.
    #[error("event log record {from} is after the end, {end}")]
    AfterEnd {
        /// Where reading was to start.
        from: Offset,
        /// The end.
        end: Offset,
    },
    /// The operating system refused.
    #[error("event log could not {action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: String,
        /// The reason.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.display().to_string();
        move |source| Self::Io { action, path, source }
    }

    /// Whether a write found no space. A sync that says so is a failed sync like any other.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self, Self::Io { action: "create" | "write", source, .. }
            if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
    }

    /// What went wrong, from the closed set.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Locked { .. } => ErrorKind::Conflict,
            Self::BeforeStart { .. } | Self::AfterEnd { .. } => ErrorKind::NotFound,
            Self::Newer { .. } | Self::UnknownKind { .. } => ErrorKind::Unsupported,
            Self::Io { .. } => ErrorKind::Unavailable,
            Self::Damaged { .. } | Self::Missing { .. } | Self::Misplaced { .. } | Self::Header { .. } => {
                ErrorKind::Internal
            }
        }
    }

    /// Whether the same call may succeed later.
    pub fn retry(&self) -> Retry {
        Retry::No
    }

    /// The records that are lost, if that is what this is: `first..next`.
    pub fn damaged(&self) -> Option<(Offset, Offset)> {
        if let Self::Damaged { first, next, .. } = self { Some((*first, *next)) } else { None }
    }
}
