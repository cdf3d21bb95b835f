use std::collections::BTreeMap;

use model::{Offset, ProfileId, RecordId, Timestamp};

use crate::RecordOrigin;

/// What one observation changed, exactly: an id that is in no list kept its members, its traits and
/// its identifiers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The record observed.
    pub record: RecordId,
    /// The profile that holds it now.
    pub profile: ProfileId,
    /// Records whose profile id changed, the new record included.
    pub moved: Vec<RecordMove>,
    /// Ids that are shown no more, with the id that holds their anchor now.
    pub hidden: Vec<(ProfileId, Option<ProfileId>)>,
    /// Ids that are shown from now on.
    pub shown: Vec<ProfileId>,
    /// Live profiles whose golden traits or identifiers differ from before.
    pub traits_changed: Vec<ProfileId>,
}

impl Outcome {
    /// An observation that changed no profile.
    pub(crate) fn quiet(record: RecordId, profile: ProfileId) -> Self {
        Self {
            record,
            profile,
            moved: Vec::new(),
            hidden: Vec::new(),
            shown: Vec::new(),
            traits_changed: Vec::new(),
        }
    }
}

/// One record that changed profiles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordMove {
    /// The record.
    pub rid: RecordId,
    /// Its profile before; `None` for a new record.
    pub from: Option<ProfileId>,
    /// Its profile now.
    pub to: ProfileId,
}

/// What a profile id stands for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Current {
    /// It is shown.
    Live(ProfileId),
    /// Its anchor record is part of this profile now.
    MovedTo(ProfileId),
    /// Its records were removed.
    Gone,
    /// No record has this id.
    Unknown,
}

/// A profile: identifiers and golden record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Its id, that of its anchor.
    pub id: ProfileId,
    /// The member with the smallest (first_seen, rid).
    pub anchor: RecordId,
    /// How many records it has.
    pub records: u32,
    /// Accepted values by type, sorted; types without a value are left out.
    pub identifiers: BTreeMap<String, Vec<String>>,
    /// Golden traits that have a value.
    pub traits: BTreeMap<String, TraitValue>,
    /// When its anchor was first seen.
    pub first_seen: Timestamp,
    /// Newest observation of any member.
    pub updated_at: Timestamp,
    /// Newest version in which one of its records changed.
    pub version: Offset,
}

/// A golden value and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraitValue {
    /// The value as JSON text, cast to the trait's type.
    pub json: String,
    /// The record that supplied it; for `union`, `any` and `all` the latest that contributed.
    pub record: RecordId,
    /// When it was stated.
    pub at: Timestamp,
}

/// One record, as the tables `identities`, `identity_map` and `identity_links` show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordView {
    /// `source:key`.
    pub rid: RecordId,
    /// The part before the first colon.
    pub source: String,
    /// The part after it.
    pub key: String,
    /// Where it comes from.
    pub kind: RecordOrigin,
    /// Earliest observation.
    pub first_seen: Timestamp,
    /// Latest observation.
    pub last_seen: Timestamp,
    /// Folded traits with a value, as a JSON object.
    pub traits: String,
    /// The profile that holds it.
    pub profile: ProfileId,
    /// Version in which it last changed.
    pub version: Offset,
    /// Its values, by type in priority order, then by value.
    pub links: Vec<LinkView>,
}

/// One value that a record carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkView {
    /// The identifier type.
    pub identifier: String,
    /// The normalised value.
    pub value: String,
    /// Earliest observation that carries it; for a record stated by a row, the row's time.
    pub first_seen: Timestamp,
    /// Latest observation that carries it.
    pub last_seen: Timestamp,
    /// What became of it.
    pub status: LinkStatus,
}

/// What became of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinkStatus {
    /// The value is an identifier of the record's profile.
    Accepted,
    /// Refused by a limit, a `never` pair or isolation.
    Rejected,
    /// The value is carried by more records than its type allows.
    Suspended,
    /// The value or the record is blocked.
    Blocked,
}

impl LinkStatus {
    /// Name in `identity_links.status`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Suspended => "suspended",
            Self::Blocked => "blocked",
        }
    }
}
