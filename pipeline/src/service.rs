//! Starting and stopping, and what others may see of the pipeline.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
};

use eventlog::Log;
use identity::{Identity, TenantKey};
use model::{Clock, Offset};
use semantic::Catalog;
use state::Store;
use tokio::sync::watch;
use warehouse::Embedded;

use crate::{
    Error, recovery,
    stores::Stores,
    worker::{VersionClock, Worker},
};

/// What the pipeline works with.
#[derive(Debug)]
pub struct Deps<L> {
    /// Where records come from.
    pub log: L,
    /// Where derived state goes.
    pub store: Store,
    /// The definitions in force.
    pub catalog: Arc<Catalog>,
    /// Where rows go; opened with [`crate::table_specs`].
    pub warehouse: Embedded,
    /// Makes profile ids.
    pub tenant_key: TenantKey,
    /// Says when a deadline is due. Results never depend on it: they use the log's clock.
    pub clock: Arc<dyn Clock>,
}

/// A running pipeline.
#[derive(Debug)]
pub struct Pipeline {
    handle: Handle,
    thread: JoinHandle<()>,
    stop: watch::Sender<bool>,
}

/// What others may see.
#[derive(Debug, Clone)]
pub struct Handle {
    /// Profiles, as of the last commit.
    pub identity: identity::Handle,
    /// Memberships, as of the last commit.
    pub audiences: audiences::Handle,
    progress: Arc<Progress>,
}

/// Counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statistics {
    /// Next offset to be read.
    pub position: Offset,
    /// Number of the newest membership change.
    pub changes: u64,
    /// Events processed since the start.
    pub events: u64,
}

#[derive(Debug)]
pub(crate) struct Progress {
    position: watch::Sender<Offset>,
    changes: watch::Sender<u64>,
    events: AtomicU64,
    failed: watch::Sender<Option<String>>,
}

impl Progress {
    pub(crate) fn changes(&self, head: u64) {
        self.changes.send_if_modified(|known| std::mem::replace(known, head) != head);
    }

    pub(crate) fn position(&self, next: Offset) {
        self.position.send_replace(next);
    }

    pub(crate) fn events(&self, count: u64) {
        self.events.fetch_add(count, Ordering::Relaxed);
    }
}

impl Handle {
    /// Next offset to be read: everything before it is in state.
    pub fn watch_position(&self) -> watch::Receiver<Offset> {
        self.progress.position.subscribe()
    }

    /// Number of the newest membership change that is committed.
    pub fn watch_changes(&self) -> watch::Receiver<u64> {
        self.progress.changes.subscribe()
    }

    /// Turns to a message when the pipeline has stopped because something broke.
    pub fn watch_failed(&self) -> watch::Receiver<Option<String>> {
        self.progress.failed.subscribe()
    }

    /// Counters.
    pub fn statistics(&self) -> Statistics {
        Statistics {
            position: *self.progress.position.borrow(),
            changes: *self.progress.changes.borrow(),
            events: self.progress.events.load(Ordering::Relaxed),
        }
    }
}

impl Pipeline {
    /// Restores state, gives the warehouse what it lost, and starts reading.
    ///
    /// # Errors
    ///
    /// [`Error::rebuild_helps`] says whether an empty store would do.
    pub async fn start<L: Log>(deps: Deps<L>) -> Result<Self, Error> {
        let stores = Stores::open(deps.store)?;
        let next = stores.input()?.max(deps.log.start());
        if next > deps.log.end() {
            return Err(Error::StateAhead { state: next, log: deps.log.end() });
        }
        let catalog = &deps.catalog;
        let identity = restore_identity(&stores, catalog, deps.tenant_key)?;
        let audiences = restore_audiences(&stores, catalog)?;
        recovery::refill(&deps.log, &stores, catalog, &identity, &deps.warehouse, next)?;
        if stores.definitions()? != Some(catalog.version) {
            deps.log.append(vec![recovery::definitions_record(catalog)]).await?;
        }
        let last_change = stores.last_change()?;
        let progress = Arc::new(Progress {
            position: watch::Sender::new(next),
            changes: watch::Sender::new(last_change),
            events: AtomicU64::new(0),
            failed: watch::Sender::new(None),
        });
        let handle = Handle {
            identity: identity::Handle::new(identity),
            audiences: audiences::Handle::new(audiences),
            progress: Arc::clone(&progress),
        };
        let worker = Worker {
            log: deps.log,
            stores,
            catalog: deps.catalog,
            identity: handle.identity.clone(),
            audiences: handle.audiences.clone(),
            warehouse: deps.warehouse,
            clock: deps.clock,
            progress,
            next,
            last_change,
            pruned: Offset(0),
            version: VersionClock::default(),
        };
        let (stop, stopped) = watch::channel(false);
        let thread = spawn(worker, stopped)?;
        Ok(Self { handle, thread, stop })
    }

    /// What others may see.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Stops after the present run of records and waits for the thread.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        let thread = self.thread;
        if tokio::task::spawn_blocking(move || thread.join()).await.is_err() {
            tracing::error!("the pipeline thread could not be joined");
        }
    }
}

/// The loop has a thread of its own: it computes for milliseconds at a time and must not hold up
/// connections.
fn spawn<L: Log>(worker: Worker<L>, stop: watch::Receiver<bool>) -> Result<JoinHandle<()>, Error> {
    let runtime = tokio::runtime::Handle::current();
    let progress = Arc::clone(&worker.progress);
    let thread = std::thread::Builder::new().name("pipeline".to_owned()).spawn(move || {
        if let Err(error) = runtime.block_on(worker.run(stop)) {
            tracing::error!(%error, "the pipeline has stopped");
            progress.failed.send_replace(Some(error.to_string()));
        }
    })?;
    Ok(thread)
}

fn restore_identity(stores: &Stores, catalog: &Catalog, key: TenantKey) -> Result<Identity, Error> {
    let mut broken = None;
    let records = stores.records.prefix(&[]).map_while(|entry| match entry {
        Ok((rid, value)) => Some((model::RecordId::new(String::from_utf8_lossy(&rid).into_owned()), value)),
        Err(error) => {
            broken = Some(error);
            None
        }
    });
    let identity = Identity::restore(catalog.identity.clone(), catalog.profile.clone(), key, records)?;
    broken.map_or(Ok(identity), |error| Err(error.into()))
}

fn restore_audiences(stores: &Stores, catalog: &Catalog) -> Result<audiences::Engine, Error> {
    let all = |keyspace: &state::Keyspace| keyspace.prefix(&[]).collect::<Result<Vec<_>, _>>();
    Ok(audiences::Engine::restore(
        &catalog.audiences,
        all(&stores.leaves)?,
        all(&stores.members)?,
        all(&stores.audience_meta)?,
    )?)
}
