use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};
use model::{ProfileId, RecordId};

use super::NONE;

/// A live record.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) rid: RecordId,
    /// Its possible profile id: shown while it is an anchor.
    pub(super) id: ProfileId,
    /// [`crate::stored`] form of its fold; empty for a free slot.
    pub(super) stored: Box<[u8]>,
    pub(super) first_seen: i64,
    /// Numbers of its values (F1), sorted.
    pub(super) links: Box<[u32]>,
    /// Its profile.
    pub(super) group: u32,
    /// The next member of its profile: members form a ring, so that two profiles merge by one swap.
    pub(super) next: u32,
    /// Log offset of the last change of its row, its links or its profile.
    pub(super) version: u64,
    /// Whether the change is still to be stored.
    pub(super) dirty: bool,
}

/// Every live record, by dense number.
#[derive(Debug, Default)]
pub(super) struct Records {
    slots: Vec<Record>,
    by_rid: HashTable<u32>,
    by_id: HashTable<u32>,
    free: Vec<u32>,
    hasher: DefaultHashBuilder,
}

impl Records {
    pub(super) fn get(&self, record: u32) -> &Record {
        &self.slots[record as usize]
    }

    pub(super) fn get_mut(&mut self, record: u32) -> &mut Record {
        &mut self.slots[record as usize]
    }

    pub(super) fn find(&self, rid: &str) -> Option<u32> {
        let hash = self.hasher.hash_one(rid);
        self.by_rid.find(hash, |n| self.get(*n).rid.as_str() == rid).copied()
    }

    pub(super) fn find_by_id(&self, id: ProfileId) -> Option<u32> {
        self.by_id.find(self.hasher.hash_one(id.0), |n| self.get(*n).id == id).copied()
    }

    /// Adds a record without content.
    pub(super) fn insert(&mut self, rid: RecordId, id: ProfileId) -> u32 {
        let (by_rid, by_id) = (self.hasher.hash_one(rid.as_str()), self.hasher.hash_one(id.0));
        let record = Record {
            rid,
            id,
            stored: Box::default(),
            first_seen: i64::MAX,
            links: Box::default(),
            group: NONE,
            next: NONE,
            version: 0,
            dirty: false,
        };
        let number = match self.free.pop() {
            Some(number) => {
                self.slots[number as usize] = record;
                number
            }
            None => {
                self.slots.push(record);
                self.slots.len() as u32 - 1
            }
        };
        let (slots, hasher) = (&self.slots, &self.hasher);
        self.by_rid.insert_unique(by_rid, number, |n| hasher.hash_one(slots[*n as usize].rid.as_str()));
        self.by_id.insert_unique(by_id, number, |n| hasher.hash_one(slots[*n as usize].id.0));
        number
    }

    pub(super) fn remove(&mut self, record: u32) {
        let (by_rid, by_id) = {
            let it = self.get(record);
            (self.hasher.hash_one(it.rid.as_str()), self.hasher.hash_one(it.id.0))
        };
        if let Ok(entry) = self.by_rid.find_entry(by_rid, |n| *n == record) {
            entry.remove();
        }
        if let Ok(entry) = self.by_id.find_entry(by_id, |n| *n == record) {
            entry.remove();
        }
        let slot = self.get_mut(record);
        slot.stored = Box::default();
        slot.links = Box::default();
        slot.group = NONE;
        self.free.push(record);
    }

    pub(super) fn numbers(&self) -> impl Iterator<Item = u32> {
        let live = |(number, record): (usize, &Record)| (!record.stored.is_empty()).then_some(number as u32);
        self.slots.iter().enumerate().filter_map(live)
    }

    /// Whether `a` comes before `b` in the order of anchors.
    pub(super) fn is_older(&self, a: u32, b: u32) -> bool {
        let (a, b) = (self.get(a), self.get(b));
        (a.first_seen, &a.rid) < (b.first_seen, &b.rid)
    }
}
