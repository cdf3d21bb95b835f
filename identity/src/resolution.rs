use std::collections::BTreeMap;

use model::RecordId;

/// The whole output of F, fully ordered, so that two resolutions are equal exactly when the
/// profiles, identifiers, refusals and suspensions are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resolution {
    /// By (first_seen, rid) of the anchor.
    pub profiles: Vec<ResolvedProfile>,
    /// In scan order.
    pub refused: Vec<Refused>,
    /// Type, value and carriers of values above `max_fanout`, by type priority, then value.
    pub suspended: Vec<(String, String, usize)>,
}

/// One profile of a [`Resolution`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedProfile {
    /// The member with the smallest (first_seen, rid).
    pub anchor: RecordId,
    /// All members, by bytes.
    pub records: Vec<RecordId>,
    /// Accepted values by type, sorted.
    pub identifiers: BTreeMap<String, Vec<String>>,
}

/// A link or directive that F did not follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// What was refused.
    pub edge: RefusedEdge,
    /// Why, as things stood at that moment.
    pub reason: Reason,
}

/// What was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefusedEdge {
    /// A record's value.
    Link {
        /// The record.
        record: RecordId,
        /// The type.
        identifier: String,
        /// The value.
        value: String,
    },
    /// A `must` pair, smaller record first.
    Must(RecordId, RecordId),
}

/// Why something was refused, with the witnesses of both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// A `never` pair would have met.
    Never {
        /// The pair's record on the side of the record.
        left: RecordId,
        /// The pair's record on the side of the value.
        right: RecordId,
    },
    /// One profile would have held more values of a type than its limit.
    Limit {
        /// The type.
        identifier: String,
        /// Its values on the side of the record.
        left: Vec<String>,
        /// Its values on the side of the value.
        right: Vec<String>,
    },
    /// The value touches profiles that may not meet, and its type isolates such values.
    IsolatedByNever {
        /// One record of the pair.
        left: RecordId,
        /// The other.
        right: RecordId,
    },
    /// The same, because of a limit.
    IsolatedByLimit {
        /// The type.
        identifier: String,
        /// All its values that would have met.
        values: Vec<String>,
    },
}
