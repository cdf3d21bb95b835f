use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use eventlog::Log;
use model::{NewRecord, Retry, Timestamp};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    answer::{Rejection, Tally},
    collector::Inner,
    judge::Judged,
    source::Source,
    statistics::SourceCounters,
};

impl<L: Log> Inner<L> {
    /// Appends what is new of a request and answers when it is durable. Held for at most the configured
    /// time (C-9). The append itself goes on when the client leaves or the time is over, so that the
    /// index learns what became of it: a retry in the meantime waits for the same commit (C-32).
    pub(crate) async fn commit(
        self: &Arc<Self>,
        source: &Source,
        judged: Vec<Judged>,
    ) -> Result<Tally, Rejection> {
        let bytes = judged.iter().map(|j| j.record.payload.len()).sum();
        let waiting = Waiting::enter(self, bytes)?;
        let inner = Arc::clone(self);
        let counters = Arc::clone(&source.counters);
        let task = tokio::spawn(async move {
            let result = inner.store(judged, &counters).await;
            drop(waiting);
            result
        });
        match timeout(self.options.hold, task).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(Rejection::StorageFailed),
            Err(_) => Err(Rejection::Overloaded),
        }
    }

    async fn store(&self, judged: Vec<Judged>, counters: &SourceCounters) -> Result<Tally, Rejection> {
        let keys: Vec<_> = judged.iter().map(|j| j.fingerprint).collect();
        let mut reservation = self.dedup.reserve(&keys).map_err(|error| {
            tracing::error!(%error, "reading the index of seen messages failed");
            Rejection::StorageFailed
        })?;
        let mut tally = Tally::default();
        let mut records = Vec::with_capacity(judged.len());
        let (mut reasons, mut contents) = (Vec::new(), Vec::new());
        for (item, fresh) in judged.into_iter().zip(&reservation.fresh) {
            match (&item.refused, *fresh) {
                (Some(refusal), _) => {
                    tally.quarantined += 1;
                    reasons.push(refusal.reason);
                }
                (None, true) => {
                    tally.accepted += 1;
                    contents.extend(item.content);
                }
                (None, false) => {
                    tally.duplicate += 1;
                    continue;
                }
            }
            records.push(item.record);
        }
        let others = std::mem::take(&mut reservation.others);
        if records.is_empty() {
            reservation.settle(Err(Rejection::StorageFailed));
        } else {
            reservation.also(contents);
            let result = self.append(records).await;
            reservation.settle(result);
            result?;
        }
        for mut other in others {
            let fate = other.wait_for(Option::is_some).await.map(|fate| *fate);
            fate.ok().flatten().unwrap_or(Err(Rejection::StorageFailed))?;
        }
        counters.add(tally);
        reasons.into_iter().for_each(|reason| counters.quarantined(reason));
        Ok(tally)
    }

    /// Appends, again and again while the log has no room, until the hold is over.
    pub(crate) async fn append(&self, records: Vec<NewRecord>) -> Result<Timestamp, Rejection> {
        let deadline = Instant::now() + self.options.hold;
        loop {
            // The log takes the records for good, so a retry needs its own.
            let error = match self.log.append(records.clone()).await {
                Ok(appended) => return Ok(appended.at),
                Err(error) => error,
            };
            match error.retry() {
                Retry::No if error == eventlog::AppendError::Failed => return Err(Rejection::StorageFailed),
                Retry::No => return Err(Rejection::PayloadTooLarge),
                Retry::Now => {}
                Retry::After(pause) => {
                    let pause = pause.clamp(Duration::from_millis(5), Duration::from_millis(250));
                    if Instant::now() + pause >= deadline {
                        return Err(Rejection::Overloaded);
                    }
                    sleep(pause).await;
                }
            }
        }
    }
}

/// Bytes of one request that waits for its commit.
struct Waiting<L: Log> {
    inner: Arc<Inner<L>>,
    bytes: usize,
}

impl<L: Log> Waiting<L> {
    fn enter(inner: &Arc<Inner<L>>, bytes: usize) -> Result<Self, Rejection> {
        let before = inner.waiting_bytes.fetch_add(bytes, Relaxed);
        let waiting = Self { inner: Arc::clone(inner), bytes };
        // A single large request always passes, or it could never be stored.
        if before > 0 && before + bytes > inner.options.max_waiting_bytes {
            return Err(Rejection::Overloaded);
        }
        Ok(waiting)
    }
}

impl<L: Log> Drop for Waiting<L> {
    fn drop(&mut self) {
        self.inner.waiting_bytes.fetch_sub(self.bytes, Relaxed);
    }
}

/// Bytes of all requests that wait.
pub(crate) type WaitingBytes = AtomicUsize;
