use crate::{Offset, Timestamp};

/// What a log record holds. The log stores the number and never looks inside the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RecordKind {
    /// An accepted event: [`crate::Event::encode`].
    Event = 1,
    /// A quarantined item: [`crate::DeadLetter::encode`].
    DeadLetter = 2,
    /// Dead letters that were replayed or dropped: [`crate::DeadLetterState`].
    DeadLetterState = 3,
    /// The clock alone, appended when a deadline is due and nothing else arrives. Empty payload.
    Tick = 4,
    /// New definitions took effect: the JSON text of their audience and identity rules.
    Definitions = 5,
    /// Proves that the log can commit (readiness). Empty payload; readers skip it.
    Probe = 6,
}

impl RecordKind {
    /// The kind of a stored number; `None` for one of a newer format.
    pub fn from_u8(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Event,
            2 => Self::DeadLetter,
            3 => Self::DeadLetterState,
            4 => Self::Tick,
            5 => Self::Definitions,
            6 => Self::Probe,
            _ => return None,
        })
    }
}

/// A record to append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    /// What the payload holds.
    pub kind: RecordKind,
    /// The bytes.
    pub payload: Vec<u8>,
}

/// A record as read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its position.
    pub offset: Offset,
    /// The log's clock when it was committed; never goes back along the log.
    pub at: Timestamp,
    /// What the payload holds.
    pub kind: RecordKind,
    /// The bytes.
    pub payload: &'a [u8],
}
