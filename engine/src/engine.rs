use std::{
    fmt,
    num::NonZeroUsize,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arrow::datatypes::SchemaRef;
use datafusion::{
    common::ScalarValue,
    execution::{SessionState, TaskContext, context::SQLOptions},
    logical_expr::{LogicalPlan, TableType},
    physical_plan::ExecutionPlan,
    sql::parser::Statement,
};
use futures::{FutureExt as _, future::BoxFuture};
use model::{Clock, Offset, Principal};
use moka::sync::Cache;
use semantic::{Catalog, Compiled, MetricQuery};
use tokio::{runtime::Handle, sync::watch, time::timeout};

use crate::{
    Answer, Error, Prepared, Provenance, Request, TableInfo, TableKind, column_names, fit,
    names::{Names, NamesCatalog},
    parameters::Parameters,
    run::{self, Deadline},
    session::Sessions,
    statement,
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
    catalog: watch::Receiver<Arc<Catalog>>,
    acknowledged: watch::Receiver<Offset>,
    sessions: Sessions,
    /// Compiled metric queries by definitions and question (CCH-1). Plans are made per query, as they
    /// are bound to a snapshot.
    compiled: Cache<(u64, String), Arc<Compiled>>,
    options: Options,
    clock: Arc<dyn Clock>,
    queries: AtomicU64,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("options", &self.shared.options).finish_non_exhaustive()
    }
}

/// Compiled metric queries that are kept.
const COMPILED: u64 = 1_000;

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
        let compiled = Cache::new(COMPILED);
        let queries = AtomicU64::new(0);
        let shared = Shared { warehouse, catalog, acknowledged, sessions, compiled, options, clock, queries };
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
        self.answer(principal, request).boxed()
    }

    async fn answer(&self, principal: &Principal, request: Request) -> Result<Answer, Error> {
        let query_id = self.next_query_id();
        tracing::debug!(query = %query_id, principal = %principal.name, "query");
        let deadline = Deadline::after(self.shared.options.deadline);
        self.fresh().await?;
        let planning = Planning::new(self)?;
        let (as_of, catalog_version) = (planning.names.as_of(), planning.definitions.version);
        let engine = self.clone();
        let step = async move { planning.executable(&engine, request).await };
        let runtime = &self.shared.options.runtime;
        let ready = deadline.run(runtime, step).await?;
        let stream = run::start(ready.plan, ready.context, &ready.schema, deadline, runtime);
        let provenance = Provenance {
            query_id,
            as_of,
            catalog_version,
            sql: ready.sql,
            truncated: false,
            warnings: Vec::new(),
        };
        Ok(Answer { schema: ready.schema, stream: Box::pin(stream), provenance })
    }

    /// Plans a request and runs nothing. Parameters need no values here; with values, the schema is
    /// that of the bound statement.
    pub fn prepare<'a>(
        &'a self,
        principal: &'a Principal,
        request: &'a Request,
    ) -> BoxFuture<'a, Result<Prepared, Error>> {
        self.describe(principal, request).boxed()
    }

    async fn describe(&self, principal: &Principal, request: &Request) -> Result<Prepared, Error> {
        tracing::debug!(principal = %principal.name, "prepare");
        let planning = Planning::new(self)?;
        let catalog_version = planning.definitions.version;
        let (engine, request) = (self.clone(), request.clone());
        let step = async move { planning.described(&engine, request).await };
        let deadline = Deadline::after(self.shared.options.deadline);
        let (planned, parameters) = deadline.run(&self.shared.options.runtime, step).await?;
        Ok(Prepared {
            schema: planned.schema,
            parameters: parameters.schema(),
            sql: planned.sql,
            catalog_version,
        })
    }

    /// Everything the principal can read, sorted by schema and name.
    pub async fn tables(&self, principal: &Principal) -> Result<Vec<TableInfo>, Error> {
        tracing::debug!(principal = %principal.name, "tables");
        let planning = Planning::new(self)?;
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
        let acknowledged = *self.shared.acknowledged.borrow();
        let mut visible = self.shared.warehouse.visible();
        let readable = visible.wait_for(|visible| *visible >= acknowledged);
        match timeout(self.shared.options.freshness_wait, readable).await {
            Ok(Ok(_)) => Ok(()),
            _ => {
                let text = "events that are already acknowledged are not readable yet: try again";
                Err(Error::Unavailable(text.to_owned()))
            }
        }
    }

    fn next_query_id(&self) -> String {
        let n = self.shared.queries.fetch_add(1, Ordering::Relaxed);
        format!("q_{:x}_{n}", self.shared.clock.now().as_micros())
    }

    fn compiled(&self, definitions: &Catalog, query: &MetricQuery) -> Result<Arc<Compiled>, Error> {
        let key = (definitions.version, format!("{query:?}"));
        if let Some(compiled) = self.shared.compiled.get(&key) {
            return Ok(compiled);
        }
        let compiled = Arc::new(semantic::compile(definitions, query).map_err(Error::Metrics)?);
        self.shared.compiled.insert(key, Arc::clone(&compiled));
        Ok(compiled)
    }
}

/// One request on its way: names pinned to a snapshot, and a session over them.
struct Planning {
    definitions: Arc<Catalog>,
    names: Arc<Names>,
    session: SessionState,
}

/// A checked plan with what is announced about it.
struct Planned {
    plan: LogicalPlan,
    schema: SchemaRef,
    sql: String,
}

/// A request as far as it goes without values for its parameters.
struct Parsed {
    plan: LogicalPlan,
    sql: String,
    names: Option<Vec<String>>,
    values: Vec<ScalarValue>,
}

/// A plan that can start.
struct Executable {
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
    schema: SchemaRef,
    sql: String,
}

impl Planning {
    fn new(engine: &Engine) -> Result<Self, Error> {
        let definitions = engine.catalog();
        let names = Names::new(engine.shared.warehouse.snapshot(), Arc::clone(&definitions));
        let session = engine.shared.sessions.session(Arc::new(NamesCatalog(Arc::clone(&names))));
        Ok(Self { definitions, names, session })
    }

    async fn executable(self, engine: &Engine, request: Request) -> Result<Executable, Error> {
        let parsed = self.parse(engine, request).await?;
        let parameters = Parameters::of(&parsed.plan)?;
        let planned = self.bind(parsed, &parameters)?;
        let plan = match &planned.plan {
            LogicalPlan::Explain(_) => self.session.create_physical_plan(&planned.plan).await?,
            _ => {
                let optimized = self.session.optimizer().optimize(planned.plan, &self.session, |_, _| {})?;
                self.session.query_planner().create_physical_plan(&optimized, &self.session).await?
            }
        };
        Ok(Executable { plan, context: self.session.task_ctx(), schema: planned.schema, sql: planned.sql })
    }

    async fn described(self, engine: &Engine, request: Request) -> Result<(Planned, Parameters), Error> {
        let mut parsed = self.parse(engine, request).await?;
        let parameters = Parameters::of(&parsed.plan)?;
        if parsed.values.is_empty() {
            parsed.values = parameters.nulls()?;
        }
        Ok((self.bind(parsed, &parameters)?, parameters))
    }

    async fn parse(&self, engine: &Engine, request: Request) -> Result<Parsed, Error> {
        match request {
            Request::Metrics(query) => {
                let compiled = engine.compiled(&self.definitions, &query)?;
                let statement = Statement::Statement(Box::new(compiled.statement.clone()));
                let plan = self.plan(statement).await?;
                Ok(Parsed { plan, sql: compiled.sql.clone(), names: None, values: Vec::new() })
            }
            Request::Sql { text, parameters } => {
                let statement = statement::parse(&text)?;
                let names = column_names::of(&statement);
                let plan = self.plan(statement).await?;
                Ok(Parsed { plan, sql: text, names, values: parameters })
            }
        }
    }

    async fn plan(&self, statement: Statement) -> Result<LogicalPlan, Error> {
        for reference in self.session.resolve_table_references(&statement)? {
            // `FROM generate_series(1, 3)` looks like a table here.
            let function = reference.schema().is_none()
                && self.session.table_functions().contains_key(reference.table());
            if !function {
                self.names.check(&reference)?;
            }
        }
        let plan = self.session.statement_to_plan(statement).await?;
        let reads =
            SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        reads.verify_plan(&plan).map_err(|_| Error::ReadOnly("this statement".to_owned()))?;
        Ok(plan)
    }

    /// Puts values in and settles the types. What is announced comes from the analysed plan: the
    /// optimiser may narrow it, and both `prepare` and `query` must say the same (FLT-5).
    fn bind(&self, parsed: Parsed, parameters: &Parameters) -> Result<Planned, Error> {
        let bound = parameters.bind(parsed.plan, &parsed.values)?;
        let plan = match bound {
            LogicalPlan::Explain(_) => bound,
            _ => {
                self.session.analyzer().execute_and_check(bound, self.session.config_options(), |_, _| {})?
            }
        };
        // A parameter's value decides whether a column can be null: with parameters, all can.
        let nullable = !parameters.is_empty();
        let names = parsed.names.filter(|names| names.len() == plan.schema().fields().len());
        let schema = fit::schema(plan.schema().as_arrow(), names.as_deref(), nullable);
        Ok(Planned { plan, schema, sql: parsed.sql })
    }
}
