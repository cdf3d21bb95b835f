use std::collections::BTreeMap;

use hashbrown::HashTable;
use model::{ProfileId, RecordId};
use sha2::{Digest, Sha256};

use crate::{bits::Bits, leaf::Leaf, program::Program, states::States, timers::NEVER};

mod membership;

pub(crate) use membership::Memberships;

/// Key of an identity record: 128 bits of the hash of its id.
pub(crate) type RecordKey = [u8; 16];

/// No record, no profile.
const NONE: u32 = u32::MAX;

/// Who exists: identity records with what was counted for each, and profiles as sets of records.
///
/// Calls are counted per record, so that a merge moves nothing and a split has nothing to undo.
#[derive(Debug, Default)]
pub(crate) struct Population {
    profiles: Vec<Profile>,
    by_id: BTreeMap<ProfileId, u32>,
    records: Vec<Record>,
    by_key: HashTable<u32>,
    /// Room for the states of a profile of several records.
    found: Vec<Found>,
}

#[derive(Debug)]
pub(crate) struct Profile {
    pub(crate) id: ProfileId,
    first: u32,
    /// Changes so far; kept while the profile is hidden.
    pub(crate) seq: u32,
    /// When a leaf turns although nothing arrives.
    pub(crate) deadline: i64,
    /// Its first entry in the timers; never after `deadline`.
    pub(crate) timer: i64,
    pub(crate) memberships: Memberships,
    /// States of the leaves over the golden record.
    pub(crate) golden: States,
    /// Merged away.
    pub(crate) hidden: bool,
}

#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) key: RecordKey,
    profile: u32,
    next: u32,
    pub(crate) states: States,
}

#[derive(Debug, Clone, Copy)]
struct Found {
    leaf: u32,
    record: u32,
}

/// The key of a record.
pub(crate) fn key_of(record: &RecordId) -> RecordKey {
    let digest = Sha256::digest(record.as_str());
    std::array::from_fn(|i| digest[i])
}

/// SHA-256 is as good a hash as any, so its first bytes serve the table.
fn table_hash(key: &RecordKey) -> u64 {
    let (head, _) = key.split_first_chunk().expect("a key has 16 bytes");
    u64::from_le_bytes(*head)
}

impl Population {
    /// The profile of an id, which is made if it is new.
    pub(crate) fn enter(&mut self, id: ProfileId) -> (u32, bool) {
        if let Some(slot) = self.by_id.get(&id) {
            return (*slot, false);
        }
        let slot = u32::try_from(self.profiles.len()).expect("profiles are numbered in 32 bits");
        self.profiles.push(Profile {
            id,
            first: NONE,
            seq: 0,
            deadline: NEVER,
            timer: NEVER,
            memberships: Memberships::default(),
            golden: States::default(),
            hidden: false,
        });
        self.by_id.insert(id, slot);
        (slot, true)
    }

    pub(crate) fn find(&self, id: ProfileId) -> Option<u32> {
        self.by_id.get(&id).copied()
    }

    pub(crate) fn profile(&self, slot: u32) -> &Profile {
        &self.profiles[slot as usize]
    }

    pub(crate) fn profile_mut(&mut self, slot: u32) -> &mut Profile {
        &mut self.profiles[slot as usize]
    }

    /// Profiles by id, from the one after `after`.
    pub(crate) fn ids_after(&self, after: Option<ProfileId>) -> impl Iterator<Item = (ProfileId, u32)> + '_ {
        use std::ops::Bound;
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.by_id.range((from, Bound::Unbounded)).map(|(id, slot)| (*id, *slot))
    }

    pub(crate) fn len(&self) -> usize {
        self.profiles.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.profiles.is_empty() && self.records.is_empty()
    }

    /// Number of records.
    pub(crate) fn records(&self) -> usize {
        self.records.len()
    }

    /// The record of a key, which is made if it is new.
    pub(crate) fn record_of(&mut self, key: RecordKey) -> u32 {
        let hash = table_hash(&key);
        if let Some(slot) = self.by_key.find(hash, |slot| self.records[*slot as usize].key == key) {
            return *slot;
        }
        let slot = u32::try_from(self.records.len()).expect("records are numbered in 32 bits");
        self.records.push(Record { key, profile: NONE, next: NONE, states: States::default() });
        let records = &self.records;
        self.by_key.insert_unique(hash, slot, |slot| table_hash(&records[*slot as usize].key));
        slot
    }

    pub(crate) fn record(&self, slot: u32) -> &Record {
        &self.records[slot as usize]
    }

    pub(crate) fn record_mut(&mut self, slot: u32) -> &mut Record {
        &mut self.records[slot as usize]
    }

    /// Whose record it is; `None` for a new one.
    pub(crate) fn owner(&self, record: u32) -> Option<u32> {
        Some(self.records[record as usize].profile).filter(|profile| *profile != NONE)
    }

    /// Gives a record to a profile; the owner before, if that was another.
    pub(crate) fn give(&mut self, record: u32, profile: u32) -> Option<u32> {
        let before = self.owner(record);
        if before == Some(profile) {
            return None;
        }
        if let Some(before) = before {
            self.unlink(record, before);
        }
        let first = std::mem::replace(&mut self.profiles[profile as usize].first, record);
        let slot = &mut self.records[record as usize];
        slot.profile = profile;
        slot.next = first;
        before
    }

    fn unlink(&mut self, record: u32, profile: u32) {
        let next = self.records[record as usize].next;
        let mut at = self.profiles[profile as usize].first;
        if at == record {
            self.profiles[profile as usize].first = next;
            return;
        }
        while self.records[at as usize].next != record {
            at = self.records[at as usize].next;
        }
        self.records[at as usize].next = next;
    }

    fn records_of(&self, profile: u32) -> impl Iterator<Item = u32> + '_ {
        let present = |at: u32| (at != NONE).then_some(at);
        std::iter::successors(present(self.profiles[profile as usize].first), move |at| {
            present(self.records[*at as usize].next)
        })
    }

    /// Shows each leaf state of a profile, those of several records united.
    pub(crate) fn for_each_state(
        &mut self,
        program: &Program,
        profile: u32,
        mut show: impl FnMut(u32, &Leaf, &[u64]),
    ) {
        let mut found = std::mem::take(&mut self.found);
        self.states_with(program, profile, &mut found, &mut show);
        self.found = found;
    }

    /// The states of these leaves, for readers.
    pub(crate) fn states_of(&self, program: &Program, profile: u32, wanted: &Bits) -> Vec<(u32, Vec<u64>)> {
        let mut states = Vec::new();
        self.states_with(program, profile, &mut Vec::new(), &mut |leaf, _, state| {
            if wanted.has(leaf) {
                states.push((leaf, state.to_vec()));
            }
        });
        states
    }

    fn states_with(
        &self,
        program: &Program,
        profile: u32,
        found: &mut Vec<Found>,
        show: &mut dyn FnMut(u32, &Leaf, &[u64]),
    ) {
        for (leaf, state) in self.profiles[profile as usize].golden.iter() {
            show(leaf, program.get(leaf), state);
        }
        let first = self.profiles[profile as usize].first;
        if first == NONE {
            return;
        }
        if self.records[first as usize].next == NONE {
            for (leaf, state) in self.records[first as usize].states.iter() {
                show(leaf, program.get(leaf), state);
            }
            return;
        }
        found.clear();
        for record in self.records_of(profile) {
            found.extend(self.record(record).states.iter().map(|(leaf, _)| Found { leaf, record }));
        }
        found.sort_unstable_by_key(|found| found.leaf);
        let mut united = Vec::new();
        for same in found.chunk_by(|a, b| a.leaf == b.leaf) {
            let leaf = program.get(same[0].leaf);
            united.clear();
            united.extend_from_slice(self.record(same[0].record).states.get(same[0].leaf));
            for other in &same[1..] {
                leaf.merge(&mut united, self.record(other.record).states.get(other.leaf));
            }
            show(same[0].leaf, leaf, &united);
        }
    }

    /// Bytes held, by the capacities of what holds them.
    pub(crate) fn bytes(&self) -> usize {
        let held = |profile: &Profile| profile.golden.bytes() + profile.memberships.bytes();
        self.profiles.capacity() * size_of::<Profile>()
            + self.records.capacity() * size_of::<Record>()
            + self.by_key.allocation_size()
            // A B-tree leaf is about two thirds full.
            + self.by_id.len() * (size_of::<(ProfileId, u32)>() * 3 / 2)
            + self.profiles.iter().map(held).sum::<usize>()
            + self.records.iter().map(|record| record.states.bytes()).sum::<usize>()
    }
}
