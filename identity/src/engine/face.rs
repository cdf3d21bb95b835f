//! What consumers see of a profile, for telling whether it changed.

use std::collections::BTreeMap;

use super::{Identity, NONE};
use crate::{fold::Folded, stored};

/// Identifiers by number, and golden values.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Face {
    identifiers: Vec<u32>,
    traits: BTreeMap<String, String>,
}

impl Face {
    pub(super) fn is_empty(&self) -> bool {
        self.identifiers.is_empty() && self.traits.is_empty()
    }
}

impl Identity {
    pub(super) fn face(&self, group: u32) -> Face {
        let members = self.members(group);
        Face { identifiers: self.identifiers(group, &members), traits: self.trait_values(&members, None) }
    }

    pub(super) fn has_content(&self, group: u32) -> bool {
        let members = self.members(group);
        members.iter().any(|r| self.records.get(*r).links.iter().any(|value| self.is_held(*value, group)))
            || !self.trait_values(&members, None).is_empty()
    }

    /// Accepted values of a profile, by number.
    pub(super) fn identifiers(&self, group: u32, members: &[u32]) -> Vec<u32> {
        let carried = members.iter().flat_map(|record| self.records.get(*record).links.iter().copied());
        let mut held: Vec<u32> = carried.filter(|value| self.is_held(*value, group)).collect();
        held.sort_unstable();
        held.dedup();
        held
    }

    /// Whether a value that a member carries is an identifier of the profile.
    pub(super) fn is_held(&self, value: u32, group: u32) -> bool {
        let conflict = self.groups.get(group).conflict;
        let accepted = || self.groups.conflict(conflict).held.get(&value) == Some(&group);
        self.is_active(value) && (conflict == NONE || accepted())
    }

    pub(super) fn trait_values(&self, members: &[u32], only: Option<&[&str]>) -> BTreeMap<String, String> {
        let folded = self.folded(members);
        let golden = self.rules.golden.of(&folded, only);
        golden.into_iter().map(|(name, golden)| (name.to_owned(), golden.json)).collect()
    }

    pub(super) fn folded(&self, members: &[u32]) -> Vec<(&str, Folded<'_>)> {
        members
            .iter()
            .map(|record| (self.records.get(*record).rid.as_str(), self.folded_of(*record)))
            .collect()
    }

    pub(super) fn folded_of(&self, record: u32) -> Folded<'_> {
        let stored = &self.records.get(record).stored;
        stored::decode(stored).expect("stored bytes were checked when they came in")
    }
}
