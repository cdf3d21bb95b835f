//! Which messages are already on the log. Derived state: it can be thrown away and is made again from
//! the log of the window (C-33, C-34).
//!
//! New keys are *pending* while their append runs, then *hot* in memory. When there are enough hot keys
//! a thread writes them as one sorted run to the store, together with how much of the log is covered,
//! and keeps them in memory until the next run; older runs stand behind filters.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    thread::JoinHandle,
};

use eventlog::Log;
use model::{Clock, Offset, Timestamp};
use parking_lot::{Condvar, Mutex};
use state::{Keyspace, Store};
use tokio::sync::watch;

use crate::{DedupOptions, DedupStatistics, Error, answer::Rejection};

mod filter;
mod fingerprint;
mod restore;
mod runs;

pub(crate) use fingerprint::Fingerprint;
use runs::{Runs, Segment};

type Map = HashMap<Fingerprint, Timestamp, fingerprint::Build>;
/// What became of an append: `None` while it runs.
type Fate = Option<Result<(), Rejection>>;

/// The index. Dropping it waits for its thread, so that the store has one writer at a time.
#[derive(Debug)]
pub(crate) struct Dedup {
    shared: Arc<Shared>,
    worker: Option<JoinHandle<()>>,
}

/// What the thread is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Nothing,
    Flush,
    Stop,
}

struct Shared {
    options: DedupOptions,
    clock: Arc<dyn Clock>,
    end: watch::Receiver<Offset>,
    release: Box<dyn Fn(Offset) + Send + Sync>,
    blocks: Keyspace,
    index: Mutex<Index>,
    runs: Mutex<Runs>,
    wish: Mutex<Wish>,
    wished: Condvar,
}

#[derive(Default)]
struct Index {
    hot: Map,
    /// The last run, written or being written.
    older: Arc<Map>,
    segments: Arc<Vec<Segment>>,
    /// Grows whenever keys leave memory.
    epoch: u64,
    pending: HashMap<Fingerprint, u64, fingerprint::Build>,
    flights: BTreeMap<u64, Flight>,
    next_flight: u64,
}

/// An append that runs.
struct Flight {
    /// Its records come at or after this offset.
    not_before: Offset,
    fate: watch::Sender<Fate>,
}

/// What a request may append. Dropping it without settling counts as a failed append.
pub(crate) struct Reservation {
    shared: Arc<Shared>,
    flight: Option<u64>,
    keys: Vec<Fingerprint>,
    /// For each item: nobody has it yet.
    pub(crate) fresh: Vec<bool>,
    /// Appends of other requests that carry some of the items.
    pub(crate) others: Vec<watch::Receiver<Fate>>,
}

impl Dedup {
    /// Brings the index up to the end of the log. Blocking.
    pub(crate) fn open<L: Log>(
        options: DedupOptions,
        store: &Store,
        log: &L,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let (runs, covered) = Runs::open(store, options.hot_keys, log.end())?;
        let index = Index { segments: Arc::clone(&runs.segments), ..Index::default() };
        let releaser = log.clone();
        let shared = Arc::new(Shared {
            clock,
            end: log.watch_end(),
            release: Box::new(move |upto| releaser.release("collector", upto)),
            blocks: runs.blocks(),
            index: Mutex::new(index),
            runs: Mutex::new(runs),
            wish: Mutex::new(Wish::Nothing),
            wished: Condvar::new(),
            options,
        });
        if shared.options.window.is_zero() {
            (shared.release)(Offset(u64::MAX));
        } else {
            shared.catch_up(log, covered.max(log.start()))?;
        }
        let worker = Arc::clone(&shared);
        let worker = std::thread::Builder::new().name("etalon-dedup".into()).spawn(move || worker.work())?;
        Ok(Self { shared, worker: Some(worker) })
    }

    /// Decides which items are new and reserves them until the reservation is settled (C-30 to C-32).
    /// Of equal items the first wins (C-31); `None` is an item that cannot be recognised.
    pub(crate) fn reserve(&self, items: &[Option<Fingerprint>]) -> Result<Reservation, Error> {
        let shared = &self.shared;
        let mut reservation = Reservation {
            shared: Arc::clone(shared),
            flight: None,
            keys: Vec::new(),
            fresh: vec![true; items.len()],
            others: Vec::new(),
        };
        if shared.options.window.is_zero() || items.iter().all(Option::is_none) {
            return Ok(reservation);
        }
        let now = shared.clock.now();
        loop {
            let (segments, epoch) = shared.index.lock().cold();
            for (fresh, key) in reservation.fresh.iter_mut().zip(items) {
                let at = key.map_or(Ok(None), |key| runs::find(&segments, &shared.blocks, key))?;
                *fresh = !at.is_some_and(|at| shared.remembers(at, now));
            }
            let mut index = shared.index.lock();
            if index.epoch == epoch {
                shared.reserve_in(&mut index, items, now, &mut reservation);
                return Ok(reservation);
            }
        }
    }

    /// Whether a key is known to be on the log.
    pub(crate) fn knows(&self, key: Fingerprint) -> Result<bool, Error> {
        let now = self.shared.clock.now();
        let (segments, _) = self.shared.index.lock().cold();
        if runs::find(&segments, &self.shared.blocks, key)?.is_some_and(|at| self.shared.remembers(at, now)) {
            return Ok(true);
        }
        let index = self.shared.index.lock();
        Ok(self.shared.is_hot(&index, key, now))
    }

    pub(crate) fn statistics(&self) -> DedupStatistics {
        let hot = {
            let index = self.shared.index.lock();
            index.hot.len() + index.pending.len()
        };
        let runs = self.shared.runs.lock();
        DedupStatistics {
            hot_keys: hot as u64,
            cold_keys: runs.keys(),
            filter_bytes: runs.segments.iter().map(|s| s.filter.bytes() as u64).sum(),
            evicted_keys: runs.evicted,
        }
    }
}

impl Drop for Dedup {
    fn drop(&mut self) {
        self.shared.ask(Wish::Stop);
        if let Some(worker) = self.worker.take() {
            // A panic of the thread has been printed by it.
            let _ = worker.join();
        }
    }
}

impl Index {
    fn cold(&self) -> (Arc<Vec<Segment>>, u64) {
        (Arc::clone(&self.segments), self.epoch)
    }
}

impl Shared {
    fn ask(&self, wish: Wish) {
        let mut present = self.wish.lock();
        if *present != Wish::Stop {
            *present = wish;
        }
        self.wished.notify_one();
    }

    /// The thread: writes a run whenever there are enough hot keys.
    fn work(&self) {
        loop {
            let mut wish = self.wish.lock();
            self.wished.wait_while(&mut wish, |wish| *wish == Wish::Nothing);
            if *wish == Wish::Stop {
                return;
            }
            *wish = Wish::Nothing;
            drop(wish);
            if let Err(error) = self.flush_if_full() {
                tracing::error!(%error, "writing the index of seen messages failed, will be tried again");
            }
        }
    }

    fn remembers(&self, at: Timestamp, now: Timestamp) -> bool {
        now.since(at) < self.options.window
    }

    fn is_hot(&self, index: &Index, key: Fingerprint, now: Timestamp) -> bool {
        let at = index.hot.get(&key).or_else(|| index.older.get(&key));
        at.is_some_and(|at| self.remembers(*at, now))
    }

    fn reserve_in(
        &self,
        index: &mut Index,
        items: &[Option<Fingerprint>],
        now: Timestamp,
        reservation: &mut Reservation,
    ) {
        let flight = index.next_flight;
        let mut waits: Vec<u64> = Vec::new();
        for (fresh, key) in reservation.fresh.iter_mut().zip(items) {
            let (true, Some(key)) = (*fresh, *key) else { continue };
            match index.pending.get(&key) {
                Some(&other) => {
                    *fresh = false;
                    if other != flight && !waits.contains(&other) {
                        waits.push(other);
                    }
                }
                None if self.is_hot(index, key, now) => *fresh = false,
                None => {
                    index.pending.insert(key, flight);
                    reservation.keys.push(key);
                }
            }
        }
        let fate = |id: &u64| index.flights.get(id).map(|f| f.fate.subscribe());
        reservation.others = waits.iter().filter_map(fate).collect();
        if !reservation.keys.is_empty() {
            index.next_flight += 1;
            let not_before = *self.end.borrow();
            index.flights.insert(flight, Flight { not_before, fate: watch::Sender::new(None) });
            reservation.flight = Some(flight);
        }
    }

    /// Every event before the answer is in the index: appends that still run come after it.
    fn covered(&self, index: &Index) -> Offset {
        index.flights.first_key_value().map_or_else(|| *self.end.borrow(), |(_, flight)| flight.not_before)
    }

    fn flush_if_full(&self) -> Result<(), Error> {
        let covered = self.covered(&self.index.lock());
        self.flush(covered)
    }

    /// Writes the hot keys as a run if there are enough of them. `covered` is an offset before which
    /// every event is in the index.
    fn flush(&self, covered: Offset) -> Result<(), Error> {
        let mut runs = self.runs.lock();
        let older = {
            let mut index = self.index.lock();
            if index.hot.len() < self.options.hot_keys {
                return Ok(());
            }
            index.epoch += 1;
            index.older = Arc::new(std::mem::take(&mut index.hot));
            Arc::clone(&index.older)
        };
        let now = self.clock.now();
        let written = runs
            .write(&older, covered)
            .and_then(|()| runs.expire(now, self.options.window, self.options.max_keys));
        let mut index = self.index.lock();
        index.segments = Arc::clone(&runs.segments);
        if written.is_err() {
            // Nothing may be forgotten: back to the hot keys, the next call tries again.
            index.epoch += 1;
            let back = std::mem::take(&mut index.older);
            for (key, at) in back.iter() {
                index.hot.entry(*key).or_insert(*at);
            }
        } else {
            (self.release)(covered);
        }
        written
    }
}

impl Reservation {
    /// Keys the index learns with the reserved ones.
    pub(crate) fn also(&mut self, keys: impl IntoIterator<Item = Fingerprint>) {
        self.keys.extend(keys);
    }

    /// Ends the reservation: the append was durable at the log's time `at`, or failed.
    pub(crate) fn settle(mut self, result: Result<Timestamp, Rejection>) {
        self.end(result);
    }

    fn end(&mut self, result: Result<Timestamp, Rejection>) {
        let Some(flight) = self.flight.take() else { return };
        let full = {
            let mut index = self.shared.index.lock();
            for key in &self.keys {
                index.pending.remove(key);
                if let Ok(at) = result {
                    index.hot.insert(*key, at);
                }
            }
            if let Some(flight) = index.flights.remove(&flight) {
                flight.fate.send_replace(Some(result.map(|_| ())));
            }
            index.hot.len() >= self.shared.options.hot_keys
        };
        if full {
            self.shared.ask(Wish::Flush);
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.end(Err(Rejection::StorageFailed));
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("options", &self.options).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
