use std::{io, sync::Arc};

use model::Offset;

use super::{Shared, segment::Segment};
use crate::{
    Batch, Error,
    batch::Block,
    body::BodyError,
    format::BatchHeader,
    scan::{Item, Scan},
};

/// What one trip to the disk decodes at most, beyond the first batch.
const FETCH_BYTES: usize = 1 << 20;

impl Shared {
    pub(super) fn read(&self, from: Offset, max_bytes: usize) -> Result<Batch, Error> {
        // The end first: segments and the cache then hold everything before it.
        let (end, start) = (self.end(), self.start());
        if from > end {
            return Err(Error::AfterEnd { from, end });
        }
        if from < start {
            return Err(Error::BeforeStart { from, start });
        }
        let mut batch = Batch::empty_at(from);
        while batch.next() < end && !batch.is_full(max_bytes) {
            if let Some(block) = self.cache.get(batch.next()) {
                batch.push(&block, max_bytes);
                continue;
            }
            match self.fetch(batch.next(), end, max_bytes.saturating_sub(batch.bytes())) {
                Ok(blocks) => {
                    self.cache.fetched(&blocks);
                    let _all_fit = blocks.iter().all(|block| batch.push(block, max_bytes));
                }
                Err(error) if batch.is_empty() => return Err(error),
                // The records before it first; the next call meets it again.
                Err(_) => break,
            }
        }
        Ok(batch)
    }

    /// Batches from disk, without gaps, the first of them with `from` in it.
    fn fetch(&self, from: Offset, end: Offset, wanted: usize) -> Result<Vec<Arc<Block>>, Error> {
        let (segment, segment_end) = self.segment_of(from, end)?;
        let file = match self.storage.open(&segment.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound && from < self.start() => {
                return Err(Error::BeforeStart { from, start: self.start() });
            }
            Err(error) => return Err(Error::io("open", &segment.path)(error)),
        };
        let (base, at) = segment.nearest(from);
        let mut scan = Scan::from(&*file, segment.bytes(), segment.salt, at, base);
        let mut blocks = Vec::new();
        let mut bytes = 0;
        while bytes < wanted.clamp(1, FETCH_BYTES) {
            let Some(item) = scan.next().map_err(Error::io("read", &segment.path))? else { break };
            match item {
                Item::Batch { at, header } => {
                    segment.note(header.base, at);
                    if header.next() <= from {
                        continue;
                    }
                    match decode(&segment, &mut scan, at, &header) {
                        Ok(block) => {
                            bytes += block.weight();
                            blocks.push(Arc::new(block));
                        }
                        Err(error) if blocks.is_empty() => return Err(error),
                        Err(_) => break,
                    }
                }
                Item::Hole { at, first, next, .. } => {
                    let next = next.unwrap_or(segment_end);
                    if next <= from {
                        continue;
                    }
                    if blocks.is_empty() {
                        return Err(segment.damaged(first, next, at));
                    }
                    break;
                }
            }
        }
        if blocks.is_empty() {
            // The file ends before its successor starts.
            return Err(segment.damaged(scan.expect(), segment_end, scan.at()));
        }
        Ok(blocks)
    }

    /// The segment that `offset` is in, and where the next one starts.
    fn segment_of(&self, offset: Offset, end: Offset) -> Result<(Arc<Segment>, Offset), Error> {
        let segments = self.segments();
        let after = segments.partition_point(|segment| segment.base() <= offset);
        let Some(index) = after.checked_sub(1) else {
            return Err(Error::BeforeStart { from: offset, start: segments[0].base() });
        };
        let segment_end = segments.get(after).map_or(end, |next| next.base());
        Ok((Arc::clone(&segments[index]), segment_end))
    }
}

impl Segment {
    pub(super) fn damaged(&self, first: Offset, next: Offset, at: u64) -> Error {
        Error::Damaged { first, next, file: self.name(), at }
    }
}

fn decode(segment: &Segment, scan: &mut Scan<'_>, at: u64, header: &BatchHeader) -> Result<Block, Error> {
    let damaged = || segment.damaged(header.base, header.next(), at);
    let body = scan.body(at, header).map_err(Error::io("read", &segment.path))?.ok_or_else(damaged)?;
    Block::new(header.base, header.clock, header.count, body).map_err(|error| match error {
        BodyError::Malformed => damaged(),
        BodyError::UnknownKind { index, kind } => {
            Error::UnknownKind { offset: header.base.plus(index), kind }
        }
    })
}
