use model::MembershipChange;
use state::{Keyspace, Store};
use tokio::sync::watch;

use crate::Error;

/// The change log: every membership change, dense by `seq` from 1 (`audiences.md` §7).
///
/// The pipeline writes it in the commit that changes the membership; `head` is the last committed
/// `seq`, so a reader never sees a change whose input is not committed.
#[derive(Debug, Clone)]
pub struct ChangeLog {
    changes: Keyspace,
    head: watch::Receiver<u64>,
}

impl ChangeLog {
    /// Opens the change log of `store`; `head` follows the last committed `seq` (0 for none).
    pub fn new(store: &Store, head: watch::Receiver<u64>) -> Result<Self, Error> {
        Ok(Self { changes: store.keyspace("changes")?, head })
    }

    /// Up to `limit` changes after the cursor `after` (0 for the beginning).
    pub fn read(&self, after: u64, limit: usize) -> Result<Vec<MembershipChange>, Error> {
        let head = self.head();
        if after >= head || limit == 0 {
            return Ok(Vec::new());
        }
        let (from, to) = (after.saturating_add(1).to_be_bytes(), head.saturating_add(1).to_be_bytes());
        let mut changes = Vec::new();
        for entry in self.changes.range(&from, Some(&to)).take(limit) {
            changes.push(MembershipChange::decode(&entry?.1)?);
        }
        // `seq` is dense, so a gap in front means that retention has passed the cursor.
        match changes.first() {
            Some(first) if first.seq == after + 1 => Ok(changes),
            Some(first) => Err(Error::CursorExpired { oldest: first.seq - 1 }),
            None => Err(Error::CursorExpired { oldest: head }),
        }
    }

    /// `seq` of the last committed change; 0 if there is none.
    pub fn head(&self) -> u64 {
        *self.head.borrow()
    }

    /// Follows [`ChangeLog::head`].
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.head.clone()
    }
}
