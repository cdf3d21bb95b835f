use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use model::Offset;

use crate::batch::Block;

/// For readers that follow the end: what was committed last.
const TAIL_BYTES: usize = 16 << 20;
/// For readers further back: what was read from disk last.
const READ_BYTES: usize = 8 << 20;

/// Decoded batches, so that they are not read and decompressed over and over. Apart from each other,
/// because a reader far back must not push out what everybody else is about to read.
#[derive(Debug)]
pub(crate) struct Cache {
    tail: Mutex<Ring>,
    read: Mutex<Ring>,
}

impl Cache {
    pub(crate) fn new() -> Self {
        Self { tail: Mutex::new(Ring::new(TAIL_BYTES)), read: Mutex::new(Ring::new(READ_BYTES)) }
    }

    pub(crate) fn committed(&self, block: Arc<Block>) {
        lock(&self.tail).push(block);
    }

    pub(crate) fn fetched(&self, blocks: &[Arc<Block>]) {
        let mut read = lock(&self.read);
        blocks.iter().for_each(|block| read.push(Arc::clone(block)));
    }

    /// The batch that `offset` is in.
    pub(crate) fn get(&self, offset: Offset) -> Option<Arc<Block>> {
        lock(&self.tail).get(offset).or_else(|| lock(&self.read).get(offset))
    }
}

fn lock(ring: &Mutex<Ring>) -> MutexGuard<'_, Ring> {
    ring.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Batches up to a weight; the first in is the first out.
#[derive(Debug)]
struct Ring {
    blocks: BTreeMap<u64, Arc<Block>>,
    order: VecDeque<u64>,
    weight: usize,
    limit: usize,
}

impl Ring {
    fn new(limit: usize) -> Self {
        Self { blocks: BTreeMap::new(), order: VecDeque::new(), weight: 0, limit }
    }

    fn push(&mut self, block: Arc<Block>) {
        let base = block.base.0;
        if self.blocks.contains_key(&base) {
            return;
        }
        self.weight += block.weight();
        self.blocks.insert(base, block);
        self.order.push_back(base);
        // The newest stays, however large: its reader takes it in several pieces.
        while self.weight > self.limit && self.order.len() > 1 {
            let gone = self.order.pop_front().and_then(|oldest| self.blocks.remove(&oldest));
            self.weight -= gone.map_or(0, |block| block.weight());
        }
    }

    fn get(&self, offset: Offset) -> Option<Arc<Block>> {
        let (_, block) = self.blocks.range(..=offset.0).next_back()?;
        (offset < block.next()).then(|| Arc::clone(block))
    }
}
