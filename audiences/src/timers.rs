use std::{cmp::Reverse, collections::BinaryHeap};

/// When to look at which profile again.
///
/// A profile has at most one entry that counts, its smallest deadline, which the profile itself
/// knows. A deadline that moves later leaves its old entry behind, to be looked at again when it
/// comes up; one that moves earlier gets a second entry. So a renewed member costs nothing here.
#[derive(Debug, Default)]
pub(crate) struct Timers(BinaryHeap<Reverse<(i64, u32)>>);

/// No deadline.
pub(crate) const NEVER: i64 = i64::MAX;

impl Timers {
    pub(crate) fn add(&mut self, at: i64, profile: u32) {
        self.0.push(Reverse((at, profile)));
    }

    /// The first entry.
    pub(crate) fn first(&self) -> Option<(i64, u32)> {
        self.0.peek().map(|entry| entry.0)
    }

    pub(crate) fn pop(&mut self) -> Option<(i64, u32)> {
        self.0.pop().map(|entry| entry.0)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<(i64, u32)>()
    }
}
