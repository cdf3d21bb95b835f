use std::{
    fmt,
    num::NonZeroUsize,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use datafusion::{catalog::CatalogProvider, execution::SessionState, logical_expr::TableType};
use futures::{FutureExt as _, future::BoxFuture};
use model::{Clock, Offset, Principal};
use moka::sync::Cache;
use semantic::{Catalog, Compiled, MetricQuery};
use tokio::{runtime::Handle, sync::watch, time::timeout};

use crate::{
    Answer, Error, Explanation, Prepared, QueryOptions, Request, TableInfo, TableKind, answer, explain, fit,
    metric_views::Views,
    names::Names,
    planning::Planning,
    plans::KeptPlan,
    results::{Key, Results},
    run::{Deadline, Limits},
    semantic_layer,
    session::Sessions,
    stop::Stop,
};

/// What the engine may use.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where queries run: a runtime of their own keeps a heavy query from delaying everything else.
    pub runtime: Handle,
    /// Memory of all queries together; a query over its fair part spills, or fails if it cannot.
    pub memory_bytes: usize,
    /// Where queries spill; `None` for nowhere.
    pub spill_dir: Option<PathBuf>,
    /// A query takes no longer, reading its answer included.
    pub deadline: Duration,
    /// How long a query waits for acknowledged events to become readable.
    pub freshness_wait: Duration,
    /// How many threads one query uses.
    pub partitions: NonZeroUsize,
    /// Rows per batch.
    pub batch_rows: NonZeroUsize,
    /// An answer with more rows is an error, never a shorter answer.
    pub result_rows: u64,
    /// Memory for answers that are kept; 0 keeps none.
    pub result_cache_bytes: u64,
}

impl Options {
    /// Moderate limits on a runtime.
    pub fn on(runtime: Handle) -> Self {
        let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self {
            runtime,
            memory_bytes: 1 << 30,
            spill_dir: None,
            deadline: Duration::from_secs(300),
            freshness_wait: Duration::from_secs(10),
            partitions: cores.min(NonZeroUsize::new(8).unwrap_or(NonZeroUsize::MIN)),
            batch_rows: NonZeroUsize::new(8_192).unwrap_or(NonZeroUsize::MIN),
            result_rows: 50_000_000,
            result_cache_bytes: 64 << 20,
        }
    }
}

/// Answers queries. Cloning is cheap; clones share everything.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

struct Shared {
    warehouse: warehouse::Embedded,
    visible: watch::Receiver<Offset>,
    catalog: watch::Receiver<Arc<Catalog>>,
    acknowledged: watch::Receiver<Offset>,
    sessions: Sessions,
    /// Compiled metric queries by definitions and question, and optimised plans (CCH-1). A plan is
    /// bound to the snapshot of each query.
    compiled: Cache<(u64, String), Arc<Compiled>>,
    plans: Cache<Key, Arc<KeptPlan>>,
    /// The metric views of the current definitions, with their version.
    views: Mutex<Option<(u64, Arc<Views>)>>,
    results: Results,
    options: Options,
    clock: Arc<dyn Clock>,
    queries: AtomicU64,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("options", &self.shared.options).finish_non_exhaustive()
    }
}

/// Compiled metric queries that are kept, and plans.
const COMPILED: u64 = 1_000;
const PLANS: u64 = 500;
const DAY_MICROS: i64 = 86_400_000_000;

impl Engine {
    /// An engine over a warehouse. `catalog` is the current definitions, `acknowledged` the log's end:
    /// a query sees every event before the end it found when it was asked.
    pub fn new(
        warehouse: warehouse::Embedded,
        catalog: watch::Receiver<Arc<Catalog>>,
        acknowledged: watch::Receiver<Offset>,
        options: Options,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let sessions = Sessions::new(&options, Arc::clone(&clock))?;
        let shared = Shared {
            visible: warehouse.visible(),
            warehouse,
            catalog,
            acknowledged,
            sessions,
            compiled: Cache::new(COMPILED),
            plans: Cache::new(PLANS),
            views: Mutex::default(),
            results: Results::new(options.result_cache_bytes),
            options,
            clock,
            queries: AtomicU64::new(0),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The current definitions.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.shared.catalog.borrow().clone()
    }

    /// Runs a request. Every event acknowledged before the call counts.
    ///
    /// Boxed, as all of these are: a future is compiled where it is polled, and every interface would
    /// compile the whole query engine again.
    pub fn query<'a>(
        &'a self,
        principal: &'a Principal,
        request: Request,
    ) -> BoxFuture<'a, Result<Answer, Error>> {
        async move { self.query_with(principal, request, &QueryOptions::default()).await }.boxed()
    }

    /// [`Engine::query`] under the settings of a session.
    pub fn query_with<'a>(
        &'a self,
        principal: &'a Principal,
        request: Request,
        options: &'a QueryOptions,
    ) -> BoxFuture<'a, Result<Answer, Error>> {
        tracing::debug!(principal = %principal.name, "query");
        answer::answer(self, request, options).boxed()
    }

    /// Plans a request and runs nothing. Parameters need no values here; with values, the schema is
    /// that of the bound statement.
    pub fn prepare<'a>(
        &'a self,
        principal: &'a Principal,
        request: &'a Request,
    ) -> BoxFuture<'a, Result<Prepared, Error>> {
        async move { self.prepare_with(principal, request, &QueryOptions::default()).await }.boxed()
    }

    /// [`Engine::prepare`] under the settings of a session.
    pub fn prepare_with<'a>(
        &'a self,
        principal: &'a Principal,
        request: &'a Request,
        options: &'a QueryOptions,
    ) -> BoxFuture<'a, Result<Prepared, Error>> {
        self.describe(principal, request, options).boxed()
    }

    async fn describe(
        &self,
        principal: &Principal,
        request: &Request,
        options: &QueryOptions,
    ) -> Result<Prepared, Error> {
        tracing::debug!(principal = %principal.name, "prepare");
        let (request, explain) = explain::split(request.clone())?;
        let request = semantic_layer::lowered(request)?;
        let deadline = self.deadline();
        let planning = Planning::new(self, options, &Stop::at(deadline));
        let catalog_version = planning.definitions.version;
        let step = async move { planning.described(request).await };
        let (planned, parameters) = deadline.run(&self.shared.options.runtime, step).await?;
        Ok(Prepared {
            schema: if explain.is_some() { explain::schema() } else { planned.schema },
            parameters: parameters.schema(),
            sql: planned.sql,
            catalog_version,
        })
    }

    /// What a request would do, or with `analyze` what it does: the SQL that runs, the tables it reads,
    /// what is in memory already (`query-interfaces.md` 1.6).
    pub async fn explain(
        &self,
        principal: &Principal,
        request: Request,
        options: &QueryOptions,
        analyze: bool,
    ) -> Result<Explanation, Error> {
        tracing::debug!(principal = %principal.name, "explain");
        explain::explain(self, request, options, analyze).await
    }

    /// Everything the principal can read, sorted by schema and name.
    pub async fn tables(&self, principal: &Principal) -> Result<Vec<TableInfo>, Error> {
        tracing::debug!(principal = %principal.name, "tables");
        let planning = Planning::new(self, &QueryOptions::default(), &Stop::at(self.deadline()));
        planning.describe_views();
        let mut tables = Vec::new();
        for schema in Names::schemas() {
            for name in planning.names.tables(schema) {
                let Some(table) = planning.names.table(schema, &name)? else { continue };
                let kind = match table.table_type() {
                    TableType::View => TableKind::View,
                    _ => TableKind::Table,
                };
                let columns = fit::schema(&table.schema(), None, false);
                tables.push(TableInfo { schema: schema.to_owned(), name, kind, columns });
            }
        }
        Ok(tables)
    }

    /// All schemas, sorted, those without tables included.
    pub fn schemas(&self) -> Vec<String> {
        Names::schemas().map(str::to_owned).to_vec()
    }

    /// Every acknowledged event counts: waits until those of this moment are readable, in tables and,
    /// as rows follow them, in profiles and memberships. Queries do so by themselves.
    pub async fn fresh(&self) -> Result<(), Error> {
        let acknowledged = self.acknowledged();
        if self.visible() >= acknowledged {
            return Ok(());
        }
        let mut visible = self.shared.visible.clone();
        let readable = visible.wait_for(|visible| *visible >= acknowledged);
        match timeout(self.shared.options.freshness_wait, readable).await {
            Ok(Ok(_)) => Ok(()),
            _ => {
                let text = "events that are already acknowledged are not readable yet: try again";
                Err(Error::Unavailable(text.to_owned()))
            }
        }
    }

    /// Forgets what is kept for speed; says how many entries there were. Never needed for right answers.
    pub fn invalidate_caches(&self) -> u64 {
        let Shared { compiled, plans, .. } = &*self.shared;
        compiled.run_pending_tasks();
        plans.run_pending_tasks();
        let entries = compiled.entry_count() + plans.entry_count();
        compiled.invalidate_all();
        plans.invalidate_all();
        entries + self.shared.results.clear()
    }

    pub(crate) fn acknowledged(&self) -> Offset {
        *self.shared.acknowledged.borrow()
    }

    /// What a snapshot taken now contains.
    pub(crate) fn visible(&self) -> Offset {
        *self.shared.visible.borrow()
    }

    pub(crate) fn snapshot(&self) -> warehouse::Snapshot {
        self.shared.warehouse.snapshot()
    }

    pub(crate) fn session(&self, names: Arc<dyn CatalogProvider>) -> SessionState {
        self.shared.sessions.session(names)
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.shared.options.runtime
    }

    pub(crate) fn deadline(&self) -> Deadline {
        Deadline::after(self.shared.options.deadline)
    }

    pub(crate) fn limits(&self, deadline: Deadline, stop: Stop) -> Limits {
        Limits { deadline, stop, result_rows: self.shared.options.result_rows }
    }

    pub(crate) fn results(&self) -> &Results {
        &self.shared.results
    }

    pub(crate) fn plans(&self) -> &Cache<Key, Arc<KeptPlan>> {
        &self.shared.plans
    }

    /// Today, in days since the epoch.
    pub(crate) fn today(&self) -> i64 {
        self.shared.clock.now().as_micros().div_euclid(DAY_MICROS)
    }

    pub(crate) fn next_query_id(&self) -> String {
        let n = self.shared.queries.fetch_add(1, Ordering::Relaxed);
        format!("q_{:x}_{n}", self.shared.clock.now().as_micros())
    }

    pub(crate) fn views(&self, definitions: &Arc<Catalog>) -> Arc<Views> {
        let mut views = self.shared.views.lock().unwrap_or_else(PoisonError::into_inner);
        match views.as_ref() {
            Some((version, views)) if *version == definitions.version => Arc::clone(views),
            _ => {
                let made = Arc::new(Views::new(Arc::clone(definitions)));
                *views = Some((definitions.version, Arc::clone(&made)));
                made
            }
        }
    }

    pub(crate) fn compiled(
        &self,
        definitions: &Catalog,
        query: &MetricQuery,
    ) -> Result<Arc<Compiled>, Error> {
        let key = (definitions.version, format!("{query:?}"));
        if let Some(compiled) = self.shared.compiled.get(&key) {
            return Ok(compiled);
        }
        let compiled = Arc::new(semantic::compile(definitions, query).map_err(Error::Metrics)?);
        self.shared.compiled.insert(key, Arc::clone(&compiled));
        Ok(compiled)
    }
}
