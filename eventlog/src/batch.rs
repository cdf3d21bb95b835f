use std::{ops::Range, sync::Arc};

use model::{Offset, Record, Timestamp};

use crate::body::{BodyError, Span, spans};

/// Records read from a log. Shares memory with other readers of the same records.
#[derive(Debug, Clone)]
pub struct Batch {
    slices: Vec<(Arc<Block>, Range<usize>)>,
    bytes: usize,
    next: Offset,
}

impl Batch {
    pub(crate) fn empty_at(from: Offset) -> Self {
        Self { slices: Vec::new(), bytes: 0, next: from }
    }

    /// The records, in the order of their offsets.
    pub fn records(&self) -> impl Iterator<Item = Record<'_>> {
        self.slices.iter().flat_map(|(block, range)| range.clone().map(|index| block.record(index)))
    }

    /// Where to read on.
    pub fn next(&self) -> Offset {
        self.next
    }

    /// Whether there are no records.
    pub fn is_empty(&self) -> bool {
        self.slices.is_empty()
    }

    /// Bytes of payload.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether another record would be too much. A batch has room for at least one.
    pub(crate) fn is_full(&self, max_bytes: usize) -> bool {
        !self.is_empty() && self.bytes >= max_bytes
    }

    /// Adds the records of `block` from [`Batch::next`] on, as many as fit. False if some did not.
    pub(crate) fn push(&mut self, block: &Arc<Block>, max_bytes: usize) -> bool {
        let first = (self.next.0 - block.base.0) as usize;
        let mut last = first;
        while last < block.spans.len() && (last == first && self.is_empty() || self.bytes < max_bytes) {
            self.bytes += (block.spans[last].end - block.spans[last].start) as usize;
            last += 1;
        }
        if last > first {
            self.slices.push((Arc::clone(block), first..last));
            self.next = block.base.plus(last as u64);
        }
        last == block.spans.len()
    }
}

/// The decoded records of one stored batch.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) base: Offset,
    at: Timestamp,
    body: Vec<u8>,
    spans: Vec<Span>,
}

impl Block {
    pub(crate) fn new(base: Offset, at: Timestamp, count: u32, body: Vec<u8>) -> Result<Self, BodyError> {
        let spans = spans(&body, count)?;
        Ok(Self { base, at, body, spans })
    }

    /// The offset after the last record.
    pub(crate) fn next(&self) -> Offset {
        self.base.plus(self.spans.len() as u64)
    }

    /// What it takes in memory, about.
    pub(crate) fn weight(&self) -> usize {
        self.body.len() + self.spans.len() * size_of::<Span>() + 128
    }

    fn record(&self, index: usize) -> Record<'_> {
        let span = &self.spans[index];
        Record {
            offset: self.base.plus(index as u64),
            at: self.at,
            kind: span.kind,
            payload: &self.body[span.start as usize..span.end as usize],
        }
    }
}
