use hashbrown::HashMap;

use super::NONE;
use crate::scan::{Edge, Refusal, Why};

/// A profile. Its members are the ring of records that starts at its anchor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    pub(super) anchor: u32,
    /// Zero for a free slot.
    pub(super) size: u32,
    /// The conflicted component it is part of; `NONE` when it is a clean component of its own.
    pub(super) conflict: u32,
    /// Holds a record of a `never` pair.
    pub(super) guarded: bool,
}

/// A component whose records do not fit into one profile: the only place where links are refused.
#[derive(Debug, Default)]
pub(super) struct Conflict {
    pub(super) groups: Vec<u32>,
    /// The profile that holds each accepted value.
    pub(super) held: HashMap<u32, u32>,
    /// In scan order, by the engine's numbers.
    pub(super) refused: Vec<Refusal>,
}

/// Every profile, by dense number.
#[derive(Debug, Default)]
pub(super) struct Groups {
    groups: Vec<Group>,
    free: Vec<u32>,
    /// For each profile, how many values of each limited type it holds. Kept for clean ones.
    counts: Vec<u32>,
    slots: usize,
    conflicts: Vec<Conflict>,
    free_conflicts: Vec<u32>,
}

impl Groups {
    pub(super) fn new(limited_types: usize) -> Self {
        Self { slots: limited_types, ..Self::default() }
    }

    pub(super) fn get(&self, group: u32) -> &Group {
        &self.groups[group as usize]
    }

    pub(super) fn get_mut(&mut self, group: u32) -> &mut Group {
        &mut self.groups[group as usize]
    }

    pub(super) fn len(&self) -> usize {
        self.groups.len() - self.free.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter().filter(|group| group.size > 0)
    }

    pub(super) fn counts(&self, group: u32) -> &[u32] {
        let from = group as usize * self.slots;
        &self.counts[from..from + self.slots]
    }

    pub(super) fn counts_mut(&mut self, group: u32) -> &mut [u32] {
        let from = group as usize * self.slots;
        &mut self.counts[from..from + self.slots]
    }

    pub(super) fn insert(&mut self, anchor: u32, size: u32) -> u32 {
        let group = Group { anchor, size, conflict: NONE, guarded: false };
        match self.free.pop() {
            Some(number) => {
                self.groups[number as usize] = group;
                self.counts_mut(number).fill(0);
                number
            }
            None => {
                self.groups.push(group);
                self.counts.resize(self.groups.len() * self.slots, 0);
                self.groups.len() as u32 - 1
            }
        }
    }

    pub(super) fn remove(&mut self, group: u32) {
        self.get_mut(group).size = 0;
        self.free.push(group);
    }

    pub(super) fn conflict(&self, conflict: u32) -> &Conflict {
        &self.conflicts[conflict as usize]
    }

    pub(super) fn conflicts(&self) -> impl Iterator<Item = &Conflict> {
        self.conflicts.iter().filter(|conflict| !conflict.groups.is_empty())
    }

    pub(super) fn insert_conflict(&mut self, conflict: Conflict) {
        let number = self.free_conflicts.pop().unwrap_or(self.conflicts.len() as u32);
        for group in &conflict.groups {
            self.groups[*group as usize].conflict = number;
        }
        match self.conflicts.get_mut(number as usize) {
            Some(slot) => *slot = conflict,
            None => self.conflicts.push(conflict),
        }
    }

    pub(super) fn remove_conflict(&mut self, conflict: u32) {
        self.conflicts[conflict as usize] = Conflict::default();
        self.free_conflicts.push(conflict);
    }
}

/// Renumbers a refusal of a local scan.
pub(super) fn renumber(refusal: &Refusal, records: &[u32], values: &[u32]) -> Refusal {
    let record = |local: u32| records[local as usize];
    let value = |local: u32| values[local as usize];
    let all = |locals: &[u32]| locals.iter().map(|local| value(*local)).collect();
    let edge = match refusal.edge {
        Edge::Link { record: r, value: v } => Edge::Link { record: record(r), value: value(v) },
        Edge::Must(a, b) => Edge::Must(record(a), record(b)),
    };
    let why = match &refusal.why {
        Why::Never { left, right } => Why::Never { left: record(*left), right: record(*right) },
        Why::IsolatedByNever { left, right } => {
            Why::IsolatedByNever { left: record(*left), right: record(*right) }
        }
        Why::Limit { kind, left, right } => Why::Limit { kind: *kind, left: all(left), right: all(right) },
        Why::IsolatedByLimit { kind, values } => Why::IsolatedByLimit { kind: *kind, values: all(values) },
    };
    Refusal { edge, why }
}
