use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use model::SourceName;

use crate::{
    answer::{Rejection, Tally},
    reason::Reason,
};

/// What the collector has done since it started. Plain numbers; the caller renders them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Statistics {
    /// Per source.
    pub sources: Vec<SourceStatistics>,
    /// Requests refused, by code.
    pub rejected: Vec<(&'static str, u64)>,
    /// Requests answered with counts.
    pub requests: u64,
    /// Bytes of bodies, inflated.
    pub bytes: u64,
    /// `NaN` and infinities that became null.
    pub non_finite: u64,
    /// Strings with a lone surrogate or invalid UTF-8.
    pub mended_text: u64,
    /// Objects with a repeated key.
    pub repeated_keys: u64,
    /// Event times later than receivedAt, clamped.
    pub future_timestamp: u64,
    /// Events without a message id, which cannot be deduplicated.
    pub without_message_id: u64,
    /// Webhook calls without an idempotency key.
    pub webhook_without_key: u64,
    /// Track calls that do not fit their plan but were kept.
    pub plan_violations_kept: u64,
    /// Requests of SDKs about themselves, thrown away.
    pub self_metrics: u64,
    /// Bytes of requests waiting for their commit.
    pub waiting_bytes: u64,
    /// Time from a read request to its answer.
    pub latency: Latency,
    /// The index of seen messages.
    pub dedup: DedupStatistics,
}

/// Counts of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceStatistics {
    /// Which source.
    pub source: SourceName,
    /// Events on the log.
    pub accepted: u64,
    /// Events that were there already.
    pub duplicate: u64,
    /// Items quarantined, by reason.
    pub quarantined: Vec<(&'static str, u64)>,
}

/// A histogram of times.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Latency {
    /// Upper bound of a bucket and how many times fell into it (not cumulative); the last bound is
    /// `Duration::MAX`.
    pub buckets: Vec<(Duration, u64)>,
    /// Sum of all times.
    pub sum: Duration,
}

/// The index of seen messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DedupStatistics {
    /// Keys in memory, about 24 bytes each.
    pub hot_keys: u64,
    /// Keys on disk.
    pub cold_keys: u64,
    /// Bytes of filters in memory.
    pub filter_bytes: u64,
    /// Keys forgotten before their window ended, because there were too many.
    pub evicted_keys: u64,
}

/// Bucket bounds in microseconds.
const BOUNDS: [u64; 15] = [
    500,
    1_000,
    2_000,
    3_000,
    5_000,
    7_500,
    10_000,
    15_000,
    25_000,
    50_000,
    100_000,
    250_000,
    1_000_000,
    5_000_000,
    u64::MAX,
];

/// Counters of one source.
#[derive(Debug, Default)]
pub(crate) struct SourceCounters {
    accepted: AtomicU64,
    duplicate: AtomicU64,
    quarantined: [AtomicU64; Reason::ALL.len()],
}

impl SourceCounters {
    pub(crate) fn add(&self, tally: Tally) {
        self.accepted.fetch_add(tally.accepted.into(), Relaxed);
        self.duplicate.fetch_add(tally.duplicate.into(), Relaxed);
    }

    pub(crate) fn quarantined(&self, reason: Reason) {
        self.quarantined[reason as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn snapshot(&self, source: &SourceName) -> SourceStatistics {
        SourceStatistics {
            source: source.clone(),
            accepted: self.accepted.load(Relaxed),
            duplicate: self.duplicate.load(Relaxed),
            quarantined: Reason::ALL
                .into_iter()
                .map(|r| (r.as_str(), self.quarantined[r as usize].load(Relaxed)))
                .filter(|(_, count)| *count > 0)
                .collect(),
        }
    }
}

/// What was noticed while judging the items of a request; added to the counters once per request.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Notes {
    pub(crate) non_finite: u32,
    pub(crate) mended_text: u32,
    pub(crate) repeated_keys: u32,
    pub(crate) future_timestamp: u32,
    pub(crate) without_message_id: u32,
    pub(crate) webhook_without_key: u32,
    pub(crate) plan_violations_kept: u32,
}

/// Counters of the whole collector.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    rejected: [AtomicU64; Rejection::ALL.len()],
    requests: AtomicU64,
    bytes: AtomicU64,
    notes: [AtomicU64; 7],
    self_metrics: AtomicU64,
    latency: [AtomicU64; BOUNDS.len()],
    latency_micros: AtomicU64,
}

impl Counters {
    pub(crate) fn rejected(&self, rejection: Rejection) {
        self.rejected[rejection as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn self_metrics(&self) {
        self.self_metrics.fetch_add(1, Relaxed);
    }

    pub(crate) fn answered(&self, bytes: usize, took: Duration) {
        self.requests.fetch_add(1, Relaxed);
        self.bytes.fetch_add(bytes as u64, Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|bound| *bound < micros);
        self.latency[bucket].fetch_add(1, Relaxed);
        self.latency_micros.fetch_add(micros, Relaxed);
    }

    pub(crate) fn noticed(&self, notes: Notes) {
        let numbers = [
            notes.non_finite,
            notes.mended_text,
            notes.repeated_keys,
            notes.future_timestamp,
            notes.without_message_id,
            notes.webhook_without_key,
            notes.plan_violations_kept,
        ];
        for (counter, number) in self.notes.iter().zip(numbers) {
            if number > 0 {
                counter.fetch_add(number.into(), Relaxed);
            }
        }
    }

    /// The numbers; sources, waiting bytes and the index are added by the caller.
    pub(crate) fn snapshot(&self) -> Statistics {
        let [
            non_finite,
            mended_text,
            repeated_keys,
            future_timestamp,
            without_message_id,
            webhook_without_key,
            kept,
        ] = self.notes.each_ref().map(|n| n.load(Relaxed));
        let bucket = |(bound, count): (&u64, &AtomicU64)| {
            let bound = if *bound == u64::MAX { Duration::MAX } else { Duration::from_micros(*bound) };
            (bound, count.load(Relaxed))
        };
        Statistics {
            rejected: Rejection::ALL
                .into_iter()
                .map(|r| (r.code(), self.rejected[r as usize].load(Relaxed)))
                .filter(|(_, count)| *count > 0)
                .collect(),
            requests: self.requests.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            non_finite,
            mended_text,
            repeated_keys,
            future_timestamp,
            without_message_id,
            webhook_without_key,
            plan_violations_kept: kept,
            self_metrics: self.self_metrics.load(Relaxed),
            latency: Latency {
                buckets: BOUNDS.iter().zip(&self.latency).map(bucket).collect(),
                sum: Duration::from_micros(self.latency_micros.load(Relaxed)),
            },
            ..Statistics::default()
        }
    }
}
