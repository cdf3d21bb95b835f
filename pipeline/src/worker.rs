//! The loop: one run of records at a time, in log order.

use std::{sync::Arc, time::Duration};

use eventlog::Log;
use model::{Clock, NewRecord, Offset, RecordKind, Timestamp};
use semantic::Catalog;
use tokio::sync::watch;
use warehouse::{Embedded, RowBatch};

use crate::{
    Error,
    rows::{self, VersionCounts},
    service::Progress,
    step::Step,
    stores::Stores,
};

/// Bytes read at once: small enough that one commit stays short, large enough to share it.
const READ_BYTES: usize = 1 << 20;

/// Name under which the log keeps segments for us.
pub(crate) const CONSUMER: &str = "pipeline";
/// Name under which the log keeps segments for the warehouse.
pub(crate) const WAREHOUSE_CONSUMER: &str = "warehouse";

pub(crate) struct Worker<L> {
    pub(crate) log: L,
    pub(crate) stores: Stores,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) identity: identity::Handle,
    pub(crate) audiences: audiences::Handle,
    pub(crate) warehouse: Embedded,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) next: Offset,
    pub(crate) last_change: u64,
    pub(crate) pruned: Offset,
    pub(crate) version: VersionClock,
}

/// A row of `identity_versions` is due once a second of the log's clock in which something changed.
#[derive(Debug, Default)]
pub(crate) struct VersionClock {
    counts: VersionCounts,
    profiles: usize,
    second: i64,
}

impl<L: Log> Worker<L> {
    /// Runs until `stop` turns true, or something breaks.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) -> Result<(), Error> {
        let mut end = self.log.watch_end();
        while !*stop.borrow() {
            let batch = self.log.read(self.next, READ_BYTES);
            let batch = batch.map_err(|source| Error::Log { offset: self.next, source })?;
            if !batch.is_empty() {
                self.process(&batch)?;
                // Waiting rows are bounded: a flush that is behind holds the reader back.
                self.warehouse.ready().await;
                continue;
            }
            let deadline = self.audiences.read().next_deadline();
            tokio::select! {
                _ = end.wait_for(|end| *end > self.next) => {}
                _ = stop.wait_for(|stop| *stop) => {}
                () = self.until_after(deadline) => self.tick().await?,
            }
        }
        Ok(())
    }

    /// Resolves once the clock has passed `deadline`, which fires with the first later clock (EV-2).
    async fn until_after(&self, deadline: Option<Timestamp>) {
        let Some(deadline) = deadline else { return std::future::pending().await };
        loop {
            let now = self.clock.now();
            if now.as_millis() > deadline.as_millis() {
                return;
            }
            let wait = deadline.since(now).max(Duration::from_millis(1));
            tokio::time::sleep(wait).await;
        }
    }

    async fn tick(&self) -> Result<(), Error> {
        self.log.append(vec![NewRecord { kind: RecordKind::Tick, payload: Vec::new() }]).await?;
        Ok(())
    }

    fn process(&mut self, batch: &eventlog::Batch) -> Result<(), Error> {
        let next = batch.next();
        let mut clock = None;
        let mut events = 0;
        let (rows, profiles) = {
            let mut identity = self.identity.write();
            let mut audiences = self.audiences.write();
            let mut step =
                Step::new(&self.stores, &self.catalog, &mut identity, &mut audiences, self.last_change);
            let mut definitions = None;
            for record in batch.records() {
                step.record(&record)?;
                clock = Some(record.at);
                events += u64::from(record.kind == RecordKind::Event);
                if record.kind == RecordKind::Definitions {
                    definitions = self.definitions(&mut step, &record)?.or(definitions);
                }
            }
            let mut output = step.finish(next)?;
            if let Some(version) = definitions {
                self.stores.put_definitions(&mut output.commit, version);
            }
            let durable = self.warehouse.durable();
            if durable > self.pruned {
                self.stores.outbox.prune(&mut output.commit, self.pruned, durable)?;
                self.pruned = durable;
            }
            output.commit.commit()?;
            self.last_change = output.last_change;
            self.version.add(output.counts);
            (output.rows, identity.len())
        };
        self.publish(rows, next, clock, profiles);
        self.progress.events(events);
        Ok(())
    }

    /// Shows what was committed to readers, subscribers and the warehouse.
    fn publish(&mut self, mut rows: RowBatch, next: Offset, clock: Option<Timestamp>, profiles: usize) {
        if let Some(row) = clock.and_then(|clock| self.version.row(clock, profiles, next)) {
            rows.upserts.push(row);
        }
        self.next = next;
        // Subscribers wait for changes, and the changes are stored: they go first.
        self.progress.changes(self.last_change);
        self.warehouse.apply(rows);
        self.progress.position(next);
        self.log.release(CONSUMER, next);
        self.log.release(WAREHOUSE_CONSUMER, self.warehouse.durable());
    }
}

impl VersionClock {
    fn add(&mut self, counts: VersionCounts) {
        self.counts.merges += counts.merges;
        self.counts.splits += counts.splits;
    }

    fn row(&mut self, clock: Timestamp, profiles: usize, next: Offset) -> Option<warehouse::Upsert> {
        let second = clock.as_millis() / 1_000;
        let changed = self.counts != VersionCounts::default() || profiles != self.profiles;
        if !changed || second == self.second {
            return None;
        }
        let counts = std::mem::take(&mut self.counts);
        self.profiles = profiles;
        self.second = second;
        Some(rows::version(clock, profiles, counts, Offset(next.0.saturating_sub(1))))
    }
}
