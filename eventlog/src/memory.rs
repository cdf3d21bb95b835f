use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use model::{Clock, NewRecord, Offset, Timestamp};
use tokio::sync::watch;

use crate::{AppendError, Appended, Batch, Error, Log, batch::Block, body::Body};

/// A log in memory, for tests of what stands on a log. Keeps everything; clones are handles of the same.
#[derive(Debug, Clone)]
pub struct MemoryLog {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    end: watch::Sender<Offset>,
}

#[derive(Debug, Default)]
struct State {
    /// By base offset.
    blocks: BTreeMap<u64, Arc<Block>>,
    at: Timestamp,
    refusal: Option<AppendError>,
    released: BTreeMap<String, Offset>,
}

impl MemoryLog {
    /// An empty log.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let end = watch::Sender::new(Offset(0));
        Self { shared: Arc::new(Shared { clock, state: Mutex::default(), end }) }
    }

    /// Answers every append with this, until it is `None` again.
    pub fn refuse(&self, refusal: Option<AppendError>) {
        self.state().refusal = refusal;
    }

    /// Up to where a consumer has released the log.
    pub fn released(&self, consumer: &str) -> Option<Offset> {
        self.state().released.get(consumer).copied()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append_now(&self, records: &[NewRecord]) -> Result<Appended, AppendError> {
        let mut state = self.state();
        if let Some(refusal) = state.refusal {
            return Err(refusal);
        }
        let first = self.end();
        let at = state.at.max(self.shared.clock.now());
        if records.is_empty() {
            return Ok(Appended { first, next: first, at });
        }
        let body = Body::encode(records, u32::MAX as usize).ok_or(AppendError::TOO_LARGE)?;
        let block = Block::new(first, at, body.count, body.bytes).expect("a body just encoded is one");
        let next = block.next();
        state.at = at;
        state.blocks.insert(first.0, Arc::new(block));
        self.shared.end.send_replace(next);
        Ok(Appended { first, next, at })
    }
}

impl Log for MemoryLog {
    async fn append(&self, records: Vec<NewRecord>) -> Result<Appended, AppendError> {
        self.append_now(&records)
    }

    fn read(&self, from: Offset, max_bytes: usize) -> Result<Batch, Error> {
        let state = self.state();
        let end = self.end();
        if from > end {
            return Err(Error::AfterEnd { from, end });
        }
        let mut batch = Batch::empty_at(from);
        let first = state.blocks.range(..=from.0).next_back().map_or(from.0, |(base, _)| *base);
        for block in state.blocks.range(first..).map(|(_, block)| block).filter(|b| b.next() > from) {
            if batch.is_full(max_bytes) || !batch.push(block, max_bytes) {
                break;
            }
        }
        Ok(batch)
    }

    fn start(&self) -> Offset {
        Offset(0)
    }

    fn end(&self) -> Offset {
        *self.shared.end.borrow()
    }

    fn watch_end(&self) -> watch::Receiver<Offset> {
        self.shared.end.subscribe()
    }

    fn release(&self, consumer: &str, upto: Offset) {
        self.state().released.insert(consumer.to_owned(), upto);
    }
}
