use std::sync::Arc;

use model::Offset;

use super::{Shared, lock, recovery::open_manifest, segment::Segment, writer::Writer};
use crate::Error;

impl Writer {
    /// Removes the oldest segments that are beyond their time or the size of the log and that every
    /// consumer has passed. An error is one the log does not survive.
    pub(super) fn remove_old_segments(&mut self) -> Result<(), Error> {
        let segments = self.shared.segments().clone();
        let removable = self.removable(&segments);
        if removable == 0 {
            return Ok(());
        }
        let (removed, kept) = segments.split_at(removable);
        // First on record, then in fact: a removal that is interrupted is finished at the next start.
        match self.manifest.store(open_manifest(kept)) {
            Err(error) if error.is_full() => return Ok(()),
            stored => stored?,
        }
        *self.shared.segments_mut() = kept.to_vec();
        for segment in removed {
            match self.shared.storage.remove(&segment.path) {
                Ok(()) => tracing::info!(file = segment.name(), "event log segment removed"),
                Err(error) => tracing::warn!(file = segment.name(), %error, "event log segment stays"),
            }
        }
        Ok(())
    }

    /// How many of the oldest segments may go. The newest stays always.
    fn removable(&self, segments: &[Arc<Segment>]) -> usize {
        let released = self.shared.released();
        let now = self.clock.now();
        let mut total: u64 = segments.iter().map(|segment| segment.bytes()).sum();
        let removable = segments.windows(2).take_while(|pair| {
            let (segment, next) = (&pair[0], &pair[1]);
            let too_old = self.options.retention.is_some_and(|age| next.header.clock.plus(age) < now);
            let too_much = self.options.max_bytes.is_some_and(|max| total > max);
            total -= segment.bytes();
            (too_old || too_much) && next.base() <= released
        });
        removable.count()
    }
}

impl Shared {
    /// What every consumer has released. One that has not said anything holds everything.
    fn released(&self) -> Offset {
        let released = lock(&self.released);
        released.values().map(|upto| upto.unwrap_or_default()).min().unwrap_or(Offset(u64::MAX))
    }
}
