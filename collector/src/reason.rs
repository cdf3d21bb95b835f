/// Why an item, or a whole request, went to quarantine (`collector.md` §7, §9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Reason {
    Unparsable,
    NotAnObject,
    TooDeep,
    EventTooLarge,
    TooManyProperties,
    KeyMismatch,
    UnknownType,
    MissingIds,
    MissingEvent,
    MissingTarget,
    PlanViolation,
    IdempotencyConflict,
    InvalidJson,
    EmptyBatch,
    BadGzip,
}

impl Reason {
    pub(crate) const ALL: [Self; 15] = [
        Self::Unparsable,
        Self::NotAnObject,
        Self::TooDeep,
        Self::EventTooLarge,
        Self::TooManyProperties,
        Self::KeyMismatch,
        Self::UnknownType,
        Self::MissingIds,
        Self::MissingEvent,
        Self::MissingTarget,
        Self::PlanViolation,
        Self::IdempotencyConflict,
        Self::InvalidJson,
        Self::EmptyBatch,
        Self::BadGzip,
    ];

    /// The stable name.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Unparsable => "unparsable",
            Self::NotAnObject => "not_an_object",
            Self::TooDeep => "too_deep",
            Self::EventTooLarge => "event_too_large",
            Self::TooManyProperties => "too_many_properties",
            Self::KeyMismatch => "key_mismatch",
            Self::UnknownType => "unknown_type",
            Self::MissingIds => "missing_ids",
            Self::MissingEvent => "missing_event",
            Self::MissingTarget => "missing_target",
            Self::PlanViolation => "plan_violation",
            Self::IdempotencyConflict => "idempotency_conflict",
            Self::InvalidJson => "invalid_json",
            Self::EmptyBatch => "empty_batch",
            Self::BadGzip => "bad_gzip",
        }
    }
}

/// A refusal of one item: the reason, where, and in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    pub(crate) pointer: String,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(reason: Reason, pointer: &str, message: impl Into<String>) -> Self {
        Self { reason, pointer: pointer.to_owned(), message: message.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_stands_at_its_number() {
        for (i, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, i, "{}", reason.as_str());
        }
    }
}
