use std::{fmt, sync::Arc, time::Duration};

use axum::Router;
use eventlog::Log;
use model::{Clock, NewRecord, RecordKind};
use semantic::Catalog;
use state::{Keyspace, Store};
use tokio::sync::watch;

use crate::{
    DeadLetters, Error, Options, Statistics, WriteKey, commit::WaitingBytes, dedup::Dedup, serve,
    source::Sources, statistics::Counters,
};

/// The write side's HTTP entrance. Clones share everything.
pub struct Collector<L> {
    inner: Arc<Inner<L>>,
}

/// The parts every request uses.
pub(crate) struct Inner<L> {
    pub(crate) options: Options,
    pub(crate) sources: Sources,
    pub(crate) catalog: watch::Receiver<Arc<Catalog>>,
    pub(crate) log: L,
    pub(crate) letters: Keyspace,
    pub(crate) dedup: Dedup,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) counters: Counters,
    pub(crate) waiting_bytes: WaitingBytes,
}

impl<L: Log> Collector<L> {
    /// Opens the collector. Blocking: reads the log since the last checkpoint of the index of seen
    /// messages, so that no port accepts a message before the index knows what the log holds (C-33).
    pub fn open(
        options: Options,
        write_keys: Vec<WriteKey>,
        catalog: watch::Receiver<Arc<Catalog>>,
        log: L,
        store: Store,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let inner = Inner {
            sources: Sources::new(write_keys)?,
            catalog,
            letters: store.keyspace("dead_letters")?,
            dedup: Dedup::open(options.dedup.clone(), &store, &log, Arc::clone(&clock))?,
            log,
            clock,
            counters: Counters::default(),
            waiting_bytes: WaitingBytes::default(),
            options,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The tracking endpoints, as the fallback of a router: the owner of the port nests its own routes
    /// before it. The peer's address is taken from `axum::extract::ConnectInfo<SocketAddr>`.
    pub fn router(&self) -> Router {
        let inner = Arc::clone(&self.inner);
        Router::new().fallback(move |request| serve::serve(Arc::clone(&inner), request))
    }

    /// What happened so far.
    pub fn statistics(&self) -> Statistics {
        let inner = &self.inner;
        Statistics {
            sources: inner.sources.counters().map(|(name, counters)| counters.snapshot(name)).collect(),
            waiting_bytes: inner.waiting_bytes.load(std::sync::atomic::Ordering::Relaxed) as u64,
            dedup: inner.dedup.statistics(),
            ..inner.counters.snapshot()
        }
    }

    /// The quarantine.
    pub fn dead_letters(&self) -> DeadLetters<L> {
        DeadLetters::new(Arc::clone(&self.inner))
    }

    /// Proves that an event could be stored now, by committing a record that means nothing.
    pub async fn readiness(&self) -> Result<(), Error> {
        const DEADLINE: Duration = Duration::from_secs(2);
        let probe = vec![NewRecord { kind: RecordKind::Probe, payload: Vec::new() }];
        let appended = tokio::time::timeout(DEADLINE, self.inner.log.append(probe)).await;
        appended.map_err(|_| Error::NotReady)??;
        Ok(())
    }
}

impl<L> Clone for Collector<L> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<L> fmt::Debug for Collector<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector").field("options", &self.inner.options).finish_non_exhaustive()
    }
}
