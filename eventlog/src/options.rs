use std::{path::PathBuf, time::Duration};

use model::Offset;

/// How an [`crate::EmbeddedLog`] is kept.
#[derive(Debug, Clone)]
pub struct Options {
    /// Folder of the log; created if it is not there.
    pub dir: PathBuf,
    /// Size at which a segment file is closed and the next one started.
    pub segment_bytes: u64,
    /// Whole segments older than this are removed; never by age if `None`.
    pub retention: Option<Duration>,
    /// The oldest whole segments beyond this size are removed; never by size if `None`.
    pub max_bytes: Option<u64>,
    /// How much may wait to be stored.
    pub queue_bytes: usize,
    /// Consumers whose [`crate::Log::release`] must have passed a segment before it is removed.
    pub consumers: Vec<String>,
}

impl Options {
    /// A log in `dir` that keeps everything.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            segment_bytes: 128 << 20,
            retention: None,
            max_bytes: None,
            queue_bytes: 64 << 20,
            consumers: Vec::new(),
        }
    }
}

/// What opening a log found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// The oldest retained record.
    pub start: Offset,
    /// The next offset to be given.
    pub end: Offset,
    /// Segment files.
    pub segments: usize,
    /// Whether the log had been closed in good order.
    pub clean: bool,
    /// An unfinished write that was cut off. Nothing in it had been acknowledged.
    pub torn: Option<Torn>,
    /// Damage found in the newest segment. [`crate::EmbeddedLog::verify`] looks at all of them.
    pub damaged: Vec<Damage>,
}

/// An unfinished write at the end of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    /// Segment file.
    pub file: String,
    /// Where it began.
    pub at: u64,
    /// How long it was.
    pub bytes: u64,
    /// How many batches it was part of; writes follow each other, so never more than one.
    pub batches: u64,
}

/// Stored bytes that are not what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Segment file.
    pub file: String,
    /// Where it begins.
    pub at: u64,
    /// How long it is.
    pub bytes: u64,
    /// The first record that is lost.
    pub first: Offset,
    /// The first one after the damage; equal to `first` if none is lost.
    pub next: Offset,
}

/// What reading every byte of a log found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verification {
    /// Segment files read.
    pub segments: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Whole batches.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// What is not whole.
    pub damaged: Vec<Damage>,
    /// Segment files that are whole, but the next one follows another content: one of the two is not ours.
    pub replaced: Vec<String>,
}

/// Counts since the log was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Syncs of segment files.
    pub syncs: u64,
    /// Commit groups, each one write and one sync.
    pub commits: u64,
    /// Appends acknowledged.
    pub appends: u64,
    /// Records acknowledged.
    pub records: u64,
    /// Bytes of these records.
    pub bytes: u64,
    /// Bytes written for them, compressed.
    pub bytes_written: u64,
    /// Commit groups refused for want of space.
    pub full: u64,
    /// Bytes waiting to be stored.
    pub queue_bytes: u64,
    /// Bytes in segment files.
    pub stored_bytes: u64,
}
