use model::{RecordId, Timestamp};

/// Where a record comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordOrigin {
    /// Events without a user id.
    Anonymous,
    /// Events with a user id, and merge calls.
    Known,
    /// Rows of an import.
    Row,
}

impl RecordOrigin {
    /// Name in `identities.kind`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Known => "known",
            Self::Row => "row",
        }
    }
}

/// One statement about one record at one time. `(at, msg)` is unique within a record; the same
/// observation again counts once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// The record.
    pub rid: RecordId,
    /// Where the record comes from.
    pub kind: RecordOrigin,
    /// Event time.
    pub at: Timestamp,
    /// Message or run id: orders observations of equal time.
    pub msg: String,
    /// Identifier type and value as sent. A blank value mentions the type without one, which clears
    /// it where only the latest mention counts.
    pub ids: Vec<(String, String)>,
    /// Trait name and value as JSON text; null or blank text clears.
    pub traits: Vec<(String, String)>,
    /// States the whole record (a row) instead of adding to it (an event).
    pub replace: bool,
}
