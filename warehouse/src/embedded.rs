use std::{path::PathBuf, sync::Arc, time::Duration};

use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream};
use model::{Clock, Offset, Timestamp};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::{
    Error,
    delta::DeltaFiles,
    delta_files,
    flush::Work,
    maintain, open,
    snapshot::Snapshot,
    spec::{EventTablePlan, Options, RowBatch, TableSpec},
    state::{Body, CONFLICTS, EVENTS, State},
    store,
};

/// Tables that are stored side by side in one flush.
const SIDE_BY_SIDE: usize = 4;
/// Time between two looks for maintenance work.
const MAINTENANCE: Duration = Duration::from_secs(5);

/// The embedded warehouse. Cheap to clone; all clones are the same warehouse.
#[derive(Debug, Clone)]
pub struct Embedded {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    options: Options,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    durable: watch::Sender<Offset>,
    visible: watch::Sender<Offset>,
    failed: watch::Sender<Option<String>>,
    /// Rows in memory only.
    pending: watch::Sender<usize>,
    full: Notify,
    flushing: tokio::sync::Mutex<()>,
    maintaining: tokio::sync::Mutex<()>,
    /// Files nothing refers to, and since when.
    retired: Mutex<Vec<(PathBuf, Timestamp)>>,
}

/// What the warehouse is doing, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statistics {
    /// Rows in memory only.
    pub pending_rows: usize,
    /// Tables shown.
    pub tables: usize,
    /// Events that could not be decoded, and were skipped.
    pub undecodable: u64,
    /// Replaced files not removed yet.
    pub retired_files: usize,
}

struct Job {
    slot: usize,
    files: Arc<tokio::sync::Mutex<DeltaFiles>>,
    work: Work,
}

impl Embedded {
    /// Opens or makes the warehouse in `options.dir`. Feed it from [`Self::durable`] on; rows that a
    /// table has stored beyond that are skipped.
    ///
    /// Boxed: a future is compiled where it is polled, which would be once more for every caller.
    pub fn open(
        options: Options,
        plan: Vec<EventTablePlan>,
        keyed: Vec<TableSpec>,
        clock: Arc<dyn Clock>,
    ) -> BoxFuture<'static, Result<Self, Error>> {
        Self::opened(options, plan, keyed, clock).boxed()
    }

    async fn opened(
        options: Options,
        plan: Vec<EventTablePlan>,
        keyed: Vec<TableSpec>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let (mut state, orphans) = open::open(options.clone(), &plan, keyed).await?;
        // `events` is stored last, so what it has stored all tables have.
        let events = state.slots[EVENTS].log().map_or(Offset(0), |table| table.durable);
        let durable = events.max(open::read_progress(&options.dir.join("progress")));
        state.next = durable;
        let now = clock.now();
        let retired = orphans.into_iter().map(|path| (path, now)).collect();
        Ok(Self {
            inner: Arc::new(Inner {
                options,
                clock,
                state: Mutex::new(state),
                durable: watch::Sender::new(durable),
                visible: watch::Sender::new(durable),
                failed: watch::Sender::new(None),
                pending: watch::Sender::new(0),
                full: Notify::new(),
                flushing: tokio::sync::Mutex::new(()),
                maintaining: tokio::sync::Mutex::new(()),
                retired: Mutex::new(retired),
            }),
        })
    }

    /// Everything before it is stored in every table.
    pub fn durable(&self) -> Offset {
        *self.inner.durable.borrow()
    }

    /// [`Self::durable`] as it moves.
    pub fn watch_durable(&self) -> watch::Receiver<Offset> {
        self.inner.durable.subscribe()
    }

    /// What a snapshot taken now contains, as it moves.
    pub fn visible(&self) -> watch::Receiver<Offset> {
        self.inner.visible.subscribe()
    }

    /// `Some` once a commit failed in a way that only a restart mends; nothing is stored after that.
    pub fn failed(&self) -> watch::Receiver<Option<String>> {
        self.inner.failed.subscribe()
    }

    /// Takes rows; the next snapshot has them. Rows that are stored already are skipped (SINK-1).
    pub fn apply(&self, batch: RowBatch) {
        let now = self.inner.clock.now();
        let mut state = self.inner.state.lock();
        state.apply(&batch, now);
        let (next, waiting) = (state.next, state.waiting);
        drop(state);
        self.inner.pending.send_modify(|rows| *rows += batch.events.len() + batch.upserts.len());
        self.inner.visible.send_replace(next);
        if waiting >= self.inner.options.flush_rows {
            self.inner.full.notify_one();
        }
    }

    /// Waits while too many rows wait to be stored, so that memory stays bounded. Call it before
    /// [`Self::apply`].
    pub async fn ready(&self) {
        let most = self.inner.options.pending_rows;
        let mut pending = self.inner.pending.subscribe();
        // The sender lives as long as `self`.
        _ = pending.wait_for(|rows| *rows < most).await;
    }

    /// All tables as they are now. Nothing is read or opened.
    pub fn snapshot(&self) -> Snapshot {
        let snapshot = self.inner.state.lock().snapshot();
        snapshot.expect("batches were made for the columns they are shown with")
    }

    /// Figures for metrics.
    pub fn statistics(&self) -> Statistics {
        let state = self.inner.state.lock();
        Statistics {
            pending_rows: *self.inner.pending.borrow(),
            tables: state.slots.len(),
            undecodable: state.undecodable,
            retired_files: self.inner.retired.lock().len(),
        }
    }

    /// Stores all rows applied so far, one commit per table with the offset in it (rule 13).
    ///
    /// Runs to its end even if the caller stops waiting: a commit that is not accounted for would be
    /// made twice.
    pub async fn flush(&self) -> Result<Offset, Error> {
        let this = self.clone();
        let flush = tokio::spawn(async move { this.flush_now().await });
        flush.await.map_err(|e| Error::Stopped(e.to_string()))?
    }

    async fn flush_now(&self) -> Result<Offset, Error> {
        let _one = self.inner.flushing.lock().await;
        if let Some(why) = self.inner.failed.borrow().clone() {
            return Err(Error::Stopped(why));
        }
        let this = self.clone();
        let begun = tokio::task::spawn_blocking(move || this.begin_flush()).await;
        let (next, rows, jobs) = begun.map_err(|e| Error::Stopped(e.to_string()))??;
        let stored = self.store_all(next, jobs).await;
        if let Err(error) = stored {
            self.inner.state.lock().waiting += rows;
            return Err(error);
        }
        if next > self.durable() {
            let path = self.inner.options.dir.join("progress");
            let text = format!("1 {next}\n");
            let task = {
                let path = path.clone();
                tokio::task::spawn_blocking(move || store::replace_file(&path, text.as_bytes()))
            };
            let written = task.await.map_err(std::io::Error::other).and_then(|written| written);
            written.map_err(|e| Error::folder(&path, e))?;
            self.inner.durable.send_replace(next);
        }
        self.inner.pending.send_modify(|pending| *pending = pending.saturating_sub(rows));
        Ok(next)
    }

    fn begin_flush(&self) -> Result<(Offset, usize, Vec<Job>), Error> {
        let mut state = self.inner.state.lock();
        let mut jobs = Vec::new();
        for (slot, table) in state.slots.iter_mut().enumerate() {
            let work = match &mut table.body {
                Body::Plain(body) | Body::Typed(body, _) => body.begin_flush(),
                Body::Keyed(body) => body.begin_flush(),
            };
            if let Some(work) = work.map_err(|e| Error::arrow(&table.name, e))? {
                jobs.push(Job { slot, files: table.files.clone(), work });
            }
        }
        let rows = std::mem::take(&mut state.waiting);
        Ok((state.next, rows, jobs))
    }

    /// Conflicts come first, because they are not found again once their table is stored; `events`
    /// comes last, because its offset stands for all tables if the progress file is lost.
    async fn store_all(&self, next: Offset, jobs: Vec<Job>) -> Result<(), Error> {
        let (mut first, mut middle, mut last) = (Vec::new(), Vec::new(), Vec::new());
        for job in jobs {
            match job.slot {
                CONFLICTS => first.push(job),
                EVENTS => last.push(job),
                _ => middle.push(job),
            }
        }
        for group in [first, middle, last] {
            let stores = group.into_iter().map(|job| self.store(next, job));
            // All of them end, also after a failure: each accounts for its own commit.
            let ended: Vec<Result<(), Error>> =
                stream::iter(stores).buffer_unordered(SIDE_BY_SIDE).collect().await;
            ended.into_iter().collect::<Result<(), Error>>()?;
        }
        Ok(())
    }

    async fn store(&self, next: Offset, job: Job) -> Result<(), Error> {
        let (rows, change) = (job.work.rows(), job.work.change);
        let mut files = job.files.lock_owned().await;
        let (files, committed) = self
            .in_background(async move {
                let work = job.work;
                let committed = files.commit(&work.batches, &work.schema, next, work.change).await;
                (files, committed)
            })
            .await?;
        let replaced = committed.inspect_err(|error| {
            if let Some(why) = files.broken() {
                tracing::error!(%error, table = files.name(), "commit failed, nothing more is stored");
                self.inner.failed.send_replace(Some(why.to_owned()));
            }
        })?;
        self.retire(replaced);
        let stored = files.scan().await.inspect_err(|error| {
            // The rows are stored and shown from memory; storing them again would double them.
            self.inner.failed.send_replace(Some(error.to_string()));
        })?;
        let mut state = self.inner.state.lock();
        match &mut state.slots[job.slot].body {
            Body::Plain(table) | Body::Typed(table, _) => table.end_flush(next, stored),
            Body::Keyed(table) => table.end_flush(next, rows, change),
        }
        Ok(())
    }

    /// Computes where [`Options::background`] says. The lock of the state is never taken there: a thread
    /// that yields to all others would hold up everyone who waits for it.
    async fn in_background<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Error> {
        let done = match &self.inner.options.background {
            Some(background) => background.spawn(work),
            None => tokio::spawn(work),
        };
        done.await.map_err(|e| Error::Stopped(e.to_string()))
    }

    fn retire(&self, paths: Vec<PathBuf>) {
        let now = self.inner.clock.now();
        self.inner.retired.lock().extend(paths.into_iter().map(|path| (path, now)));
    }

    /// Merges small files, writes checkpoints, shortens logs and removes files that no query can be
    /// reading. [`Self::run`] calls it.
    pub fn maintain(&self) -> BoxFuture<'_, Result<(), Error>> {
        self.maintain_tables().boxed()
    }

    async fn maintain_tables(&self) -> Result<(), Error> {
        let _one = self.inner.maintaining.lock().await;
        let slots: Vec<_> = {
            let state = self.inner.state.lock();
            let merged = |body: &Body| !matches!(body, Body::Keyed(_));
            state.slots.iter().map(|slot| (slot.files.clone(), merged(&slot.body))).collect()
        };
        for (slot, (files, merged)) in slots.into_iter().enumerate() {
            if merged {
                self.compact(slot, &files).await?;
            }
            let mut files = files.lock_owned().await;
            let commits = self.inner.options.checkpoint_commits;
            let (files, written) = self
                .in_background(async move {
                    let written = files.checkpoint(commits).await;
                    (files, written)
                })
                .await?;
            if written? {
                self.show(slot, &files).await?;
            }
        }
        self.remove_retired().await
    }

    async fn compact(&self, slot: usize, files: &tokio::sync::Mutex<DeltaFiles>) -> Result<(), Error> {
        let options = &self.inner.options;
        let (name, writer, chosen) = {
            let files = files.lock().await;
            let chosen = maintain::choose(files.live()?, options.compact_files, options.compact_bytes);
            if chosen.is_empty() {
                return Ok(());
            }
            (files.name().to_owned(), files.writer()?, chosen)
        };
        // Flushes go on meanwhile: only the commit needs the table.
        let (inputs, table) = (chosen.clone(), name.clone());
        let merged =
            self.in_background(async move { maintain::merge(&table, writer, inputs).await }).await??;
        let mut files = files.lock().await;
        let retired = maintain::replace(&mut files, merged, &chosen, options.compact_bytes).await?;
        self.show(slot, &files).await?;
        self.retire(retired);
        Ok(())
    }

    async fn show(&self, slot: usize, files: &DeltaFiles) -> Result<(), Error> {
        let stored = files.scan().await?;
        if let Some(table) = self.inner.state.lock().slots[slot].log() {
            table.show(stored);
        }
        Ok(())
    }

    async fn remove_retired(&self) -> Result<(), Error> {
        let before = self.inner.clock.now().minus(self.inner.options.retention);
        let due: Vec<PathBuf> = {
            let mut retired = self.inner.retired.lock();
            retired.extract_if(.., |(_, since)| *since <= before).map(|(path, _)| path).collect()
        };
        for path in due {
            let removed = delta_files::remove_if_there(&path);
            removed.map_err(|e| Error::folder(&path, e))?;
        }
        Ok(())
    }

    /// Flushes at least every `flush_interval` and maintains the tables, until `shutdown` is true;
    /// then flushes once more.
    pub fn run(&self, shutdown: watch::Receiver<bool>) -> BoxFuture<'_, ()> {
        self.flush_and_maintain(shutdown).boxed()
    }

    async fn flush_and_maintain(&self, shutdown: watch::Receiver<bool>) {
        tokio::join!(self.run_flushes(shutdown.clone()), self.run_maintenance(shutdown));
        if let Err(error) = self.flush().await {
            tracing::error!(%error, "last flush failed, its rows are replayed at the next start");
        }
    }

    async fn run_flushes(&self, mut shutdown: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                _ = shutdown.wait_for(|stop| *stop) => return,
                () = self.inner.full.notified() => {}
                () = tokio::time::sleep(self.inner.options.flush_interval) => {}
            }
            if let Err(error) = self.flush().await {
                tracing::error!(%error, "flush failed, its rows stay in memory");
            }
        }
    }

    async fn run_maintenance(&self, mut shutdown: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                _ = shutdown.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(MAINTENANCE) => {}
            }
            if let Err(error) = self.maintain().await {
                tracing::warn!(%error, "maintenance failed, it is tried again");
            }
        }
    }
}
