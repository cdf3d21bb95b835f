//! Answers that are kept, and equal questions that share one run (CCH-2).

use std::{
    collections::HashMap,
    fmt::Write as _,
    sync::{Arc, Mutex, PoisonError},
};

use arrow::{array::RecordBatch, compute::take_record_batch, datatypes::SchemaRef, error::ArrowError};
use model::Offset;
use moka::sync::Cache;
use semantic::MetricRequest;
use tokio::sync::watch;

use crate::{QueryOptions, Request, reads::Reads};

/// An answer is kept if it takes at most this part of the memory for answers.
const SHARE: u64 = 16;
/// Questions whose answers are known to be too large.
const LARGE: u64 = 10_000;
/// What an entry takes besides its rows.
const OVERHEAD: usize = 1_024;

/// A question as its equals have it: definitions, policy and options, and the question with its filters
/// and metrics in one order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key(Arc<str>);

impl Key {
    pub(crate) fn new(version: u64, policy: u64, options: &QueryOptions, request: &Request) -> Self {
        let mut text = String::with_capacity(256);
        let QueryOptions { read_cache: _, min_max_as_measure, bare_measures } = options;
        // Writing to a text never fails.
        let _ = write!(text, "{version:x} {policy:x} {min_max_as_measure} {bare_measures} ");
        match request {
            Request::Sql { text: sql, parameters } => {
                let _ = write!(text, "sql {parameters:?} {}", sql.trim());
            }
            Request::Metrics(query) => {
                let mut metrics: Vec<String> = query.metrics.iter().map(|m| format!("{m:?}")).collect();
                metrics.sort_unstable();
                let mut filters: Vec<&str> = query.filters.iter().map(|f| f.trim()).collect();
                filters.sort_unstable();
                filters.dedup();
                let semantic::MetricQuery {
                    metrics: _,
                    filters: _,
                    group_by,
                    time,
                    order_by,
                    limit,
                    saved_query,
                    keep_duplicates,
                    min_max_only,
                } = query;
                let _ = write!(
                    text,
                    "metrics {metrics:?} {group_by:?} {filters:?} {time:?} {order_by:?} {limit:?} \
                     {saved_query:?} {keep_duplicates} {min_max_only}"
                );
            }
        }
        Self(text.into())
    }
}

/// An answer that is kept.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) schema: SchemaRef,
    pub(crate) batches: Vec<RecordBatch>,
    pub(crate) reads: Reads,
    /// The snapshot it was worked out on.
    pub(crate) as_of: Offset,
    pub(crate) sql: String,
    /// The metrics in the order of its columns, which stand last.
    pub(crate) metrics: Vec<MetricRequest>,
}

impl Entry {
    fn bytes(&self) -> usize {
        let rows: usize = self.batches.iter().map(RecordBatch::get_array_memory_size).sum();
        rows + self.sql.len() + OVERHEAD
    }

    /// The answer with its metrics in another order.
    pub(crate) fn ordered(
        &self,
        metrics: &[MetricRequest],
    ) -> Result<(SchemaRef, Vec<RecordBatch>), ArrowError> {
        if self.metrics == metrics {
            return Ok((Arc::clone(&self.schema), self.batches.clone()));
        }
        let groups = self.schema.fields().len().saturating_sub(self.metrics.len());
        let place = |wanted: &MetricRequest| self.metrics.iter().position(|m| m == wanted);
        let order: Vec<usize> =
            (0..groups).chain(metrics.iter().filter_map(place).map(|n| groups + n)).collect();
        let schema = Arc::new(self.schema.project(&order)?);
        let batches = self.batches.iter().map(|batch| batch.project(&order)).collect::<Result<_, _>>()?;
        Ok((schema, batches))
    }
}

/// The answers that are kept, and the questions being worked out.
#[derive(Debug)]
pub(crate) struct Results {
    entries: Cache<Key, Arc<Entry>>,
    large: Cache<Key, ()>,
    running: Arc<Mutex<HashMap<Key, watch::Receiver<()>>>>,
    most: usize,
}

/// Who works a question out.
pub(crate) enum Joined {
    /// The caller; equal questions wait until the flight is dropped.
    Lead(Flight),
    /// Somebody else does: until this closes.
    Wait(watch::Receiver<()>),
}

/// A question being worked out. Dropping it lets those who wait look for the answer, or work it out
/// themselves.
#[derive(Debug)]
pub(crate) struct Flight {
    key: Key,
    running: Arc<Mutex<HashMap<Key, watch::Receiver<()>>>>,
    _ends: watch::Sender<()>,
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

impl Results {
    pub(crate) fn new(bytes: u64) -> Self {
        let weigh = |_: &Key, entry: &Arc<Entry>| u32::try_from(entry.bytes()).unwrap_or(u32::MAX);
        let most = usize::try_from(bytes / SHARE).unwrap_or(usize::MAX);
        Self {
            entries: Cache::builder().max_capacity(bytes).weigher(weigh).build(),
            large: Cache::new(LARGE),
            running: Arc::default(),
            most,
        }
    }

    /// Most bytes of an answer that is kept.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// The answer of an equal question, whether or not it is still right.
    pub(crate) fn last(&self, key: &Key) -> Option<Arc<Entry>> {
        self.entries.get(key)
    }

    pub(crate) fn keep(&self, key: Key, entry: Entry) {
        self.entries.insert(key, Arc::new(entry));
    }

    /// Forgets all answers; says how many there were.
    pub(crate) fn clear(&self) -> u64 {
        self.entries.run_pending_tasks();
        let entries = self.entries.entry_count();
        self.entries.invalidate_all();
        self.large.invalidate_all();
        entries
    }

    pub(crate) fn is_large(&self, key: &Key) -> bool {
        self.large.contains_key(key)
    }

    pub(crate) fn too_large(&self, key: Key) {
        self.entries.invalidate(&key);
        self.large.insert(key, ());
    }

    /// Works a question out together with its equals.
    pub(crate) fn join(&self, key: &Key) -> Joined {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ends) = running.get(key) {
            return Joined::Wait(ends.clone());
        }
        let (sender, ends) = watch::channel(());
        running.insert(key.clone(), ends);
        Joined::Lead(Flight { key: key.clone(), running: Arc::clone(&self.running), _ends: sender })
    }
}

/// Rows that hold on to no more memory than they need: a few rows of a large batch keep all of it.
pub(crate) fn compact(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    const SMALL: usize = 16 * 1024;
    if batch.get_array_memory_size() <= SMALL || batch.num_columns() == 0 {
        return Ok(batch.clone());
    }
    let rows = u32::try_from(batch.num_rows()).unwrap_or(u32::MAX);
    let all = arrow::array::UInt32Array::from_iter_values(0..rows);
    take_record_batch(batch, &all)
}
