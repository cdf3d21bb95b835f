use std::{collections::BTreeMap, sync::Arc, time::Duration};

use model::{Offset, Timestamp};
use state::{Keyspace, Store};

use super::{Fingerprint, Map, filter::Filter};
use crate::Error;

/// Keys in one stored block.
const BLOCK: usize = 256;
const ENTRY: usize = 24;
/// Runs that share one filter, at most: so that a question asks few filters.
const RUNS_PER_SEGMENT: usize = 16;
const COVERED: &[u8] = b"covered";

/// Older keys on disk: sorted runs of 24-byte entries in blocks of 256. Keyspace `dedup` holds a block
/// under (run, its last fingerprint); keyspace `dedup_meta` how much of the log they cover.
#[derive(Debug)]
pub(super) struct Runs {
    store: Store,
    blocks: Keyspace,
    meta: Keyspace,
    next: u64,
    capacity: usize,
    pub(super) evicted: u64,
    /// Replaced as a whole, so that questions need no lock while they read.
    pub(super) segments: Arc<Vec<Segment>>,
}

/// Runs that follow each other, behind one filter.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub(super) filter: Arc<Filter>,
    room: usize,
    runs: Vec<Run>,
}

#[derive(Debug, Clone, Copy)]
struct Run {
    id: u64,
    keys: u64,
    newest: Timestamp,
}

impl Runs {
    /// Opens what is stored; the offset is where the log must be read on. Without a readable state, or
    /// with one ahead of the log, that is the start: the index is derived and can be made again (C-34).
    pub(super) fn open(store: &Store, run_keys: usize, end: Offset) -> Result<(Self, Offset), Error> {
        let mut runs = Self {
            store: store.clone(),
            blocks: store.keyspace("dedup")?,
            meta: store.keyspace("dedup_meta")?,
            next: 0,
            capacity: run_keys,
            evicted: 0,
            segments: Arc::new(Vec::new()),
        };
        let covered = runs.meta.get(COVERED)?.and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes);
        match covered.map(Offset) {
            Some(covered) if covered <= end && runs.load()? => Ok((runs, covered)),
            _ => {
                runs.clear()?;
                Ok((runs, Offset(0)))
            }
        }
    }

    /// Reads every block once, to fill the filters. `false` if one is damaged.
    fn load(&mut self) -> Result<bool, Error> {
        let mut runs: BTreeMap<u64, (Vec<Fingerprint>, Timestamp)> = BTreeMap::new();
        let stored = self.blocks.clone();
        for block in stored.range(&[], None) {
            let (key, value) = block?;
            let (Some(id), true) = (key.first_chunk::<8>(), value.len() % ENTRY == 0) else {
                return Ok(false);
            };
            let id = u64::from_be_bytes(*id);
            if !runs.contains_key(&id) {
                self.adopt(&mut runs);
            }
            let (keys, newest) =
                runs.entry(id).or_insert_with(|| (Vec::new(), Timestamp::from_micros(i64::MIN)));
            for (key, at) in entries(&value) {
                keys.push(key);
                *newest = at.max(*newest);
            }
        }
        self.adopt(&mut runs);
        Ok(true)
    }

    fn adopt(&mut self, runs: &mut BTreeMap<u64, (Vec<Fingerprint>, Timestamp)>) {
        while let Some((id, (keys, newest))) = runs.pop_first() {
            self.next = self.next.max(id + 1);
            let run = Run { id, keys: keys.len() as u64, newest };
            self.add(run, keys.into_iter());
        }
    }

    fn clear(&mut self) -> Result<(), Error> {
        self.segments = Arc::new(Vec::new());
        delete_all(&self.store, &self.blocks, &[])?;
        let mut batch = self.store.batch();
        batch.delete(&self.meta, COVERED);
        batch.commit()?;
        Ok(())
    }

    /// Writes one run and how much of the log is covered with it, in one commit.
    pub(super) fn write(&mut self, map: &Map, covered: Offset) -> Result<(), Error> {
        let mut sorted: Vec<(Fingerprint, Timestamp)> = map.iter().map(|(k, at)| (*k, *at)).collect();
        sorted.sort_unstable();
        let id = self.next;
        let mut batch = self.store.batch();
        for block in sorted.chunks(BLOCK) {
            let Some((last, _)) = block.last() else { continue };
            let mut value = Vec::with_capacity(block.len() * ENTRY);
            for (key, at) in block {
                value.extend_from_slice(&key.to_bytes());
                value.extend_from_slice(&at.as_micros().to_be_bytes());
            }
            batch.put(&self.blocks, block_key(id, *last), value);
        }
        batch.put(&self.meta, COVERED, covered.0.to_be_bytes());
        batch.commit()?;
        self.next += 1;
        let newest = sorted.iter().map(|(_, at)| *at).max();
        if let Some(newest) = newest {
            let run = Run { id, keys: sorted.len() as u64, newest };
            self.add(run, sorted.iter().map(|(key, _)| *key));
        }
        Ok(())
    }

    fn add(&mut self, run: Run, keys: impl Iterator<Item = Fingerprint>) {
        let mut segments = (*self.segments).clone();
        let fits = segments.last().is_some_and(|s| s.runs.len() < s.room);
        if !fits {
            let room = (1 << segments.len().min(4)).min(RUNS_PER_SEGMENT);
            let filter = Arc::new(Filter::new(room * self.capacity.max(run.keys as usize)));
            segments.push(Segment { filter, room, runs: Vec::new() });
        }
        if let Some(segment) = segments.last_mut() {
            keys.for_each(|key| segment.filter.insert(key));
            segment.runs.push(run);
        }
        self.segments = Arc::new(segments);
    }

    /// Forgets runs whose keys are all older than the window, and the oldest while there are too many.
    pub(super) fn expire(&mut self, now: Timestamp, window: Duration, max_keys: u64) -> Result<(), Error> {
        let mut total = self.keys();
        let mut gone = Vec::new();
        let mut segments = (*self.segments).clone();
        for segment in &mut segments {
            segment.runs.retain(|run| {
                let old = now.since(run.newest) >= window;
                let over = total > max_keys;
                if old || over {
                    total -= run.keys;
                    gone.push(run.id);
                    self.evicted += if old { 0 } else { run.keys };
                }
                !(old || over)
            });
        }
        if gone.is_empty() {
            return Ok(());
        }
        segments.retain(|s| !s.runs.is_empty());
        self.segments = Arc::new(segments);
        gone.into_iter().try_for_each(|id| delete_all(&self.store, &self.blocks, &id.to_be_bytes()))
    }

    pub(super) fn keys(&self) -> u64 {
        self.segments.iter().flat_map(|s| &s.runs).map(|r| r.keys).sum()
    }

    pub(super) fn blocks(&self) -> Keyspace {
        self.blocks.clone()
    }
}

/// When a key was last accepted, if an older run has it.
pub(super) fn find(
    segments: &[Segment],
    blocks: &Keyspace,
    key: Fingerprint,
) -> Result<Option<Timestamp>, Error> {
    for segment in segments.iter().rev().filter(|s| s.filter.may_contain(key)) {
        for run in segment.runs.iter().rev() {
            let to = (run.id + 1).to_be_bytes();
            let Some(block) = blocks.range(&block_key(run.id, key), Some(&to)).next() else { continue };
            let (_, value) = block?;
            if let Some((_, at)) = entries(&value).find(|(k, _)| *k == key) {
                return Ok(Some(at));
            }
        }
    }
    Ok(None)
}

fn block_key(run: u64, last: Fingerprint) -> Vec<u8> {
    [&run.to_be_bytes()[..], &last.to_bytes()].concat()
}

fn entries(block: &[u8]) -> impl Iterator<Item = (Fingerprint, Timestamp)> {
    let (entries, _) = block.as_chunks::<ENTRY>();
    entries.iter().filter_map(|entry| {
        let (key, at) = entry.split_first_chunk::<16>()?;
        let at = i64::from_be_bytes(*at.first_chunk()?);
        Some((Fingerprint::from_bytes(*key), Timestamp::from_micros(at)))
    })
}

fn delete_all(store: &Store, blocks: &Keyspace, prefix: &[u8]) -> Result<(), Error> {
    loop {
        let keys: Vec<Vec<u8>> =
            blocks.prefix(prefix).take(4_096).map(|e| e.map(|(key, _)| key)).collect::<Result<_, _>>()?;
        if keys.is_empty() {
            return Ok(());
        }
        let mut batch = store.batch();
        keys.into_iter().for_each(|key| batch.delete(blocks, key));
        batch.commit()?;
    }
}
