mod cache;
mod manifest;
mod queue;
mod read;
mod recovery;
mod retention;
mod segment;
mod tail;
mod verify;
mod writer;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use model::{Clock, NewRecord, Offset, Timestamp};
use tokio::sync::{oneshot, watch};

use self::{
    cache::Cache,
    queue::{Pending, Queue},
    segment::Segment,
    writer::Writer,
};
use crate::{
    AppendError, Appended, Batch, Error, Lock, Log, Options, Recovery, Statistics, Storage, Verification,
    body::Body,
};

/// Records of one append are one body, whose places are 32-bit numbers.
const MAX_APPEND_BYTES: usize = 1 << 30;
const OVERLOADED: AppendError = AppendError::Overloaded { retry_after: Duration::from_secs(1) };
const FULL: AppendError = AppendError::Full { retry_after: Duration::from_secs(2) };

/// A log in segment files of one folder, for one process. Clones are handles of the same log; when the
/// last one is dropped, or one is closed, what waits is committed and the folder is free for another.
#[derive(Debug, Clone)]
pub struct EmbeddedLog {
    shared: Arc<Shared>,
    /// Ends the writer with the last handle.
    _writer: Arc<WriterThread>,
}

/// What the handles, their readers and the writer share.
#[derive(Debug)]
struct Shared {
    storage: Arc<dyn Storage>,
    dir: PathBuf,
    queue: Queue,
    /// In the order of their offsets, at least one; the last is written to.
    segments: RwLock<Vec<Arc<Segment>>>,
    cache: Cache,
    end: watch::Sender<Offset>,
    /// The log's clock, in microseconds.
    at: std::sync::atomic::AtomicI64,
    failed: watch::Sender<Option<String>>,
    stopped: watch::Sender<bool>,
    /// Consumers that hold retention back, and what they have released.
    released: Mutex<BTreeMap<String, Option<Offset>>>,
    counters: Counters,
    lock: Mutex<Option<Lock>>,
}

#[derive(Debug, Default)]
struct Counters {
    syncs: AtomicU64,
    commits: AtomicU64,
    appends: AtomicU64,
    records: AtomicU64,
    bytes: AtomicU64,
    bytes_written: AtomicU64,
    full: AtomicU64,
}

#[derive(Debug)]
struct WriterThread {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl EmbeddedLog {
    /// Opens the log in `options.dir` for this process alone, after repairing what an unclean end left.
    ///
    /// Refused if another process has it ([`Error::Locked`]), or if segment files are missing, swapped or
    /// duplicated. Damaged records do not prevent it: they are reported here and where they are read.
    pub fn open(
        options: Options,
        storage: Arc<dyn Storage>,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Recovery), Error> {
        let recovered = recovery::recover(&options, &*storage, &*clock)?;
        let consumers = options.consumers.iter().map(|name| (name.clone(), None));
        let shared = Arc::new(Shared {
            storage,
            dir: options.dir.clone(),
            queue: Queue::new(options.queue_bytes),
            segments: RwLock::new(recovered.segments),
            cache: Cache::new(),
            end: watch::Sender::new(recovered.active.next),
            at: recovered.active.clock.as_micros().into(),
            failed: watch::Sender::new(None),
            stopped: watch::Sender::new(false),
            released: Mutex::new(consumers.collect()),
            counters: Counters::default(),
            lock: Mutex::new(Some(recovered.lock)),
        });
        shared.queue.ask_retention();
        let writer = Writer::new(Arc::clone(&shared), options, clock, recovered.active, recovered.manifest);
        let thread = std::thread::Builder::new()
            .name("eventlog".to_owned())
            .spawn(move || writer.run())
            .map_err(Error::io("start the writer of", &shared.dir))?;
        let writer = WriterThread { shared: Arc::clone(&shared), thread: Mutex::new(Some(thread)) };
        Ok((Self { shared, _writer: Arc::new(writer) }, recovered.recovery))
    }

    /// Says why, once the storage broke. Nothing is acknowledged after that; the process should end with
    /// an error, and the next one starts from what is known to be stored.
    pub fn failed(&self) -> watch::Receiver<Option<String>> {
        self.shared.failed.subscribe()
    }

    /// Counts since the log was opened.
    pub fn statistics(&self) -> Statistics {
        let counters = &self.shared.counters;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Statistics {
            syncs: count(&counters.syncs),
            commits: count(&counters.commits),
            appends: count(&counters.appends),
            records: count(&counters.records),
            bytes: count(&counters.bytes),
            bytes_written: count(&counters.bytes_written),
            full: count(&counters.full),
            queue_bytes: self.shared.queue.bytes() as u64,
            stored_bytes: self.shared.segments().iter().map(|segment| segment.bytes()).sum(),
        }
    }

    /// Blocking. Reads every byte of every segment and says what is not whole.
    pub fn verify(&self) -> Result<Verification, Error> {
        self.shared.verify()
    }

    /// Takes no more records, commits what waits and frees the folder. Reading goes on.
    pub async fn close(&self) {
        self.shared.queue.close();
        let mut stopped = self.shared.stopped.subscribe();
        // The sender lives as long as this handle.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    }
}

impl Log for EmbeddedLog {
    /// Records of a future dropped before their commit began are not stored.
    async fn append(&self, records: Vec<NewRecord>) -> Result<Appended, AppendError> {
        if records.is_empty() {
            let (at, first) = (self.shared.at.load(Ordering::Acquire), self.end());
            return Ok(Appended { first, next: first, at: Timestamp::from_micros(at) });
        }
        let body = Body::encode(&records, MAX_APPEND_BYTES).ok_or(AppendError::TOO_LARGE)?;
        drop(records);
        let (reply, answer) = oneshot::channel();
        self.shared.queue.push(Pending { body, reply })?;
        answer.await.unwrap_or(Err(AppendError::Failed))
    }

    fn read(&self, from: Offset, max_bytes: usize) -> Result<Batch, Error> {
        self.shared.read(from, max_bytes)
    }

    fn start(&self) -> Offset {
        self.shared.start()
    }

    fn end(&self) -> Offset {
        self.shared.end()
    }

    fn watch_end(&self) -> watch::Receiver<Offset> {
        self.shared.end.subscribe()
    }

    fn release(&self, consumer: &str, upto: Offset) {
        if let Some(released) = lock(&self.shared.released).get_mut(consumer) {
            *released = (*released).max(Some(upto));
        }
        self.shared.queue.ask_retention();
    }
}

impl Shared {
    fn end(&self) -> Offset {
        *self.end.borrow()
    }

    fn start(&self) -> Offset {
        self.segments()[0].base()
    }

    fn segments(&self) -> std::sync::RwLockReadGuard<'_, Vec<Arc<Segment>>> {
        self.segments.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn segments_mut(&self) -> std::sync::RwLockWriteGuard<'_, Vec<Arc<Segment>>> {
        self.segments.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for WriterThread {
    fn drop(&mut self) {
        self.shared.queue.close();
        let thread = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        // A writer that panicked has said so in `failed`.
        let _ = thread.map(JoinHandle::join);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
