use std::{num::NonZeroU32, time::Duration};

use model::{ColumnType, RecordId};

/// Which values link records (`identity.md` §2).
#[derive(Debug, Clone, PartialEq)]
pub struct IdentityRules {
    /// Identifier types; order is priority, the first is the strongest.
    pub identifiers: Vec<IdentifierType>,
    /// Values, patterns and records that link nothing.
    pub block: Vec<Block>,
    /// Pairs that belong together.
    pub must: Vec<(RecordId, RecordId)>,
    /// Pairs that never belong together.
    pub never: Vec<(RecordId, RecordId)>,
    /// Whether the built-in block list applies.
    pub default_blocks: bool,
    /// How far before its arrival an event of a tracking source may count.
    pub max_backdate: Duration,
}

/// One identifier type.
#[derive(Debug, Clone, PartialEq)]
pub struct IdentifierType {
    /// Declared name.
    pub name: String,
    /// At most this many distinct values in one profile.
    pub limit: Option<NonZeroU32>,
    /// A value carried by more live records is suspended.
    pub max_fanout: Option<NonZeroU32>,
    /// Applied in order, after NFC and trim.
    pub normalize: Vec<Normalizer>,
    /// For a composite: the traits it is made of.
    pub from: Vec<String>,
    /// Which observations of a record count.
    pub keep: Keep,
    /// Order of links inside the level.
    pub order: LinkOrder,
    /// What happens to a value that touches clusters which may not meet.
    pub on_conflict: OnConflict,
}

/// Turns spellings of one value into one text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Normalizer {
    /// No further effect: trim always runs.
    Trim,
    /// Lower case.
    Lowercase,
    /// Lower case; exactly one `@` with text on both sides and no blank, else unusable.
    Email,
    /// Keep 0-9.
    Digits,
    /// E.164-like; the country's digits are put before a national number.
    Phone {
        /// Calling code, digits only.
        country: Option<String>,
    },
    /// Replace every match of a pattern.
    Replace {
        /// Regular expression, checked at load.
        pattern: String,
        /// Replacement text.
        text: String,
    },
}

/// Which observations of a record count for a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keep {
    /// All of them.
    #[default]
    All,
    /// Only the newest that mentions the type.
    Latest,
}

/// Order of links inside one priority level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LinkOrder {
    /// By (first_seen, rid, value).
    #[default]
    OldestFirst,
    /// By (-last_seen, first_seen, rid, value).
    NewestFirst,
}

/// What happens to a value that touches clusters which may not meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnConflict {
    /// Its links are refused one by one.
    #[default]
    Reject,
    /// All its links are refused.
    Isolate,
}

/// Something that links nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The identifier type; `None` for all types, or for a record.
    pub identifier: Option<String>,
    /// What is blocked.
    pub target: BlockTarget,
}

/// What a block names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlockTarget {
    /// One value, compared after normalisation.
    Value(String),
    /// A pattern on the whole value, checked at load.
    Pattern(String),
    /// All links of one record.
    Record(RecordId),
}

/// The golden record (`identity.md` §9).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ProfileRules {
    /// Declared traits, in file order. Undeclared traits merge by `latest` and have type json.
    pub traits: Vec<TraitRule>,
}

/// How one trait's values meet.
#[derive(Debug, Clone, PartialEq)]
pub struct TraitRule {
    /// Its name; also its column.
    pub name: String,
    /// Its type.
    pub column_type: ColumnType,
    /// Which value wins.
    pub merge: MergeRule,
    /// Only candidates of the first listed source that has one count; empty for all.
    pub sources: Vec<String>,
    /// What counts when no listed source has a candidate.
    pub otherwise: Otherwise,
}

/// Which value of a trait wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeRule {
    /// Largest event time; tie: smallest rid.
    Latest,
    /// Smallest event time; tie: smallest rid.
    First,
    /// All elements, each once.
    Union,
    /// Smallest by the type's order.
    Min,
    /// Largest by the type's order.
    Max,
    /// True if any is.
    Any,
    /// True if all are.
    All,
    /// Value held by most records.
    MostFrequent,
}

/// What counts when no listed source has a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Otherwise {
    /// The other sources' candidates.
    #[default]
    Others,
    /// Nothing.
    None,
}
