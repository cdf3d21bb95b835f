//! One request on its way from text to a plan that can start.

use std::{collections::HashMap, sync::Arc};

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::{
    catalog::{TableProvider, view::ViewTable},
    common::ScalarValue,
    execution::{SessionState, TaskContext, context::SQLOptions},
    logical_expr::{LogicalPlan, LogicalPlanBuilder},
    physical_plan::{ExecutionPlan, execute_stream},
    prelude::ident,
    sql::parser::Statement,
};
use futures::{FutureExt, StreamExt};
use semantic::{Catalog, Compiled, MetricQuery};

use crate::{
    Engine, Error, QueryOptions, Request, column_names, fit, metadata,
    metric_views::{self, Asked, MetricViewTable, Rewrite, Shipped},
    names::{Names, NamesCatalog},
    parameters::Parameters,
    plans::KeptPlan,
    reads::Reads,
    semantic_layer::{self, Columns, Relation, Template, Templates},
    statement,
    stop::{Stop, stoppable},
};

/// Most values of a subquery that travel as literals (`limits.ship_keys`).
const SHIP_KEYS: usize = 50_000;

/// Names pinned to a snapshot, and a session over them.
pub(crate) struct Planning {
    engine: Engine,
    pub(crate) definitions: Arc<Catalog>,
    pub(crate) names: Arc<Names>,
    session: SessionState,
    options: QueryOptions,
    stop: Stop,
    /// What was read on the way: subqueries that ran first.
    reads: Reads,
    asked: Vec<Asked>,
}

/// A checked plan with what is announced about it.
pub(crate) struct Planned {
    plan: LogicalPlan,
    pub(crate) schema: SchemaRef,
    pub(crate) sql: String,
}

/// A request as far as it goes without values for its parameters.
struct Parsed {
    plan: LogicalPlan,
    sql: String,
    names: Option<Vec<String>>,
    values: Vec<ScalarValue>,
    star: bool,
}

/// A plan that can start.
pub(crate) struct Executable {
    pub(crate) plan: Arc<dyn ExecutionPlan>,
    pub(crate) context: Arc<TaskContext>,
    /// The plan as it can be used again; `None` if it is for this moment only.
    pub(crate) kept: Option<Arc<KeptPlan>>,
    pub(crate) schema: SchemaRef,
    pub(crate) sql: String,
    pub(crate) reads: Reads,
    pub(crate) asked: Vec<Asked>,
}

/// Whether subqueries that must run first do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ship {
    Run,
    /// Nothing runs: the schema is the same whatever they give (FLT-4).
    Pretend,
}

impl Planning {
    pub(crate) fn new(engine: &Engine, options: &QueryOptions, stop: &Stop) -> Self {
        let definitions = engine.catalog();
        let views = engine.views(&definitions);
        let names = Names::new(engine.snapshot(), Arc::clone(&definitions), views);
        let session = engine.session(Arc::new(NamesCatalog(Arc::clone(&names))));
        let reads = Reads::new(engine.today());
        let (engine, options, stop) = (engine.clone(), options.clone(), stop.clone());
        Self { engine, definitions, names, session, options, stop, reads, asked: Vec::new() }
    }

    pub(crate) async fn executable(
        mut self,
        request: Request,
        kept: Option<Arc<KeptPlan>>,
    ) -> Result<Executable, Error> {
        if let Some(kept) = kept
            && let Some(plan) = kept.over(&self.names)?
        {
            self.reads.add(&plan, &self.names)?;
            self.reads.set_clock(kept.clock);
            self.asked.clone_from(&kept.asked);
            let (schema, sql) = (Arc::clone(&kept.schema), kept.sql.clone());
            return self.start(plan, schema, sql, Some(kept)).await;
        }
        let parsed = self.parse(request).await?;
        let parameters = Parameters::of(&parsed.plan)?;
        let Planned { plan, schema, sql } = self.bind(parsed, &parameters, Ship::Run).await?;
        if let LogicalPlan::Explain(_) = &plan {
            self.reads.never_again();
            let context = self.session.task_ctx();
            let plan = self.session.create_physical_plan(&plan).await?;
            let (reads, asked) = (self.reads, self.asked);
            return Ok(Executable { plan, context, kept: None, schema, sql, reads, asked });
        }
        let shipped = !self.reads.is_empty();
        let plan = self.session.optimizer().optimize(plan, &self.session, |_, _| {})?;
        self.reads.add(&plan, &self.names)?;
        let kept = (self.reads.can_repeat() && !shipped).then(|| {
            Arc::new(KeptPlan {
                plan: plan.clone(),
                schema: Arc::clone(&schema),
                sql: sql.clone(),
                clock: self.reads.clock(),
                asked: self.asked.clone(),
            })
        });
        self.start(plan, schema, sql, kept).await
    }

    async fn start(
        self,
        plan: LogicalPlan,
        schema: SchemaRef,
        sql: String,
        kept: Option<Arc<KeptPlan>>,
    ) -> Result<Executable, Error> {
        let context = self.session.task_ctx();
        let plan = self.session.query_planner().create_physical_plan(&plan, &self.session).await?;
        let plan = stoppable(plan, &self.stop)?;
        Ok(Executable { plan, context, kept, schema, sql, reads: self.reads, asked: self.asked })
    }

    pub(crate) async fn described(mut self, request: Request) -> Result<(Planned, Parameters), Error> {
        let mut parsed = self.parse(request).await?;
        let parameters = Parameters::of(&parsed.plan)?;
        if parsed.values.is_empty() {
            parsed.values = parameters.nulls()?;
        }
        Ok((self.bind(parsed, &parameters, Ship::Pretend).await?, parameters))
    }

    /// Every table and view with its columns.
    pub(crate) fn describe_views(&self) {
        for view in self.names.tables("metrics") {
            let reference = datafusion::common::TableReference::partial("metrics", view);
            self.names.describe_view(&reference, &|query| self.types(query));
        }
    }

    async fn parse(&mut self, request: Request) -> Result<Parsed, Error> {
        match request {
            Request::Metrics(query) => {
                let compiled = self.engine.compiled(&self.definitions, &query)?;
                let statement = Statement::Statement(Box::new(compiled.statement.clone()));
                let plan = self.plan(statement).await?;
                let sql = compiled.sql.clone();
                self.asked.push(Asked { query, compiled });
                Ok(Parsed { plan, sql, names: None, values: Vec::new(), star: false })
            }
            Request::Sql { text, parameters } => {
                if let Some(templates) = semantic_layer::find(&text)? {
                    return self.with_templates(templates, text, parameters).await;
                }
                let statement::Parsed { statement, words, star, .. } = statement::parse(&text)?;
                self.names.mention(words);
                let names = column_names::of(&statement);
                let plan = self.plan(statement).await?;
                Ok(Parsed { plan, sql: text, names, values: parameters, star })
            }
        }
    }

    /// Plans a statement over templates: each is a relation that this statement alone knows.
    async fn with_templates(
        &mut self,
        templates: Templates,
        sql: String,
        values: Vec<ScalarValue>,
    ) -> Result<Parsed, Error> {
        let mut relations: HashMap<String, Arc<dyn TableProvider>> = HashMap::new();
        let mut columns = Columns::default();
        let mut faults = Vec::new();
        for Template { name, relation, .. } in templates.relations {
            let listed = matches!(relation, Relation::Compiled(_) | Relation::Listing(_));
            match self.relation(relation).await {
                Ok(table) => {
                    columns.add(&table.schema(), listed);
                    relations.insert(name, table);
                }
                Err(Error::Metrics(more)) => faults.extend(more),
                Err(error) => return Err(error),
            }
        }
        if !faults.is_empty() {
            return Err(Error::Metrics(faults));
        }
        let statement::Parsed { mut statement, words, star, .. } = statement::parse(&templates.text)?;
        columns.fold(&mut statement);
        let inner = self.over(self.names.with(relations));
        inner.names.mention(words);
        let plan = inner.plan(statement.clone()).await?;
        let names = columns.shown(&statement, plan.schema().as_arrow());
        Ok(Parsed { plan, sql, names, values, star })
    }

    /// The same way over other names.
    fn over(&self, names: Arc<Names>) -> Self {
        let session = self.engine.session(Arc::new(NamesCatalog(Arc::clone(&names))));
        Self {
            engine: self.engine.clone(),
            definitions: Arc::clone(&self.definitions),
            names,
            session,
            options: self.options.clone(),
            stop: self.stop.clone(),
            reads: Reads::new(self.engine.today()),
            asked: Vec::new(),
        }
    }

    async fn relation(&mut self, relation: Relation) -> Result<Arc<dyn TableProvider>, Error> {
        let plan = match relation {
            Relation::Listing(listing) => return listing.rows(&self.definitions),
            Relation::Compiled(query) => {
                let compiled = self.engine.compiled(&self.definitions, &query)?;
                return semantic_layer::compiled(&compiled.sql);
            }
            Relation::Query(query) => self.metrics(query).await?,
            Relation::Values { metrics, group_by } => {
                let (check, values) = metadata::value_queries(&self.definitions, &metrics, &group_by)?;
                if let Some(check) = check {
                    self.engine.compiled(&self.definitions, &check)?;
                }
                let plan = self.metrics(values).await?;
                let first = ident(plan.schema().field(0).name());
                LogicalPlanBuilder::from(plan).project([first])?.build()?
            }
        };
        Ok(Arc::new(ViewTable::new(plan, None)))
    }

    async fn metrics(&mut self, query: MetricQuery) -> Result<LogicalPlan, Error> {
        let compiled = self.engine.compiled(&self.definitions, &query)?;
        let plan = self.plan(Statement::Statement(Box::new(compiled.statement.clone()))).await?;
        self.asked.push(Asked { query, compiled });
        Ok(plan)
    }

    async fn plan(&self, statement: Statement) -> Result<LogicalPlan, Error> {
        for reference in self.session.resolve_table_references(&statement)? {
            // `FROM generate_series(1, 3)` looks like a table here.
            let function = reference.schema().is_none()
                && self.session.table_functions().contains_key(reference.table());
            if !function {
                self.names.check(&reference)?;
                self.names.describe_view(&reference, &|query| self.types(query));
            }
        }
        let plan = self.session.statement_to_plan(statement).await?;
        let reads =
            SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        reads.verify_plan(&plan).map_err(|_| Error::ReadOnly("this statement".to_owned()))?;
        Ok(plan)
    }

    /// Puts values in, replaces metric views and settles the types. What is announced comes from the
    /// analysed plan: the optimiser may narrow it, and both `prepare` and `query` must say the same
    /// (FLT-5).
    async fn bind(&mut self, parsed: Parsed, parameters: &Parameters, ship: Ship) -> Result<Planned, Error> {
        let bound = parameters.bind(parsed.plan, &parsed.values)?;
        self.reads.note_clock(&bound)?;
        let bound = self.without_views(bound, parsed.star, ship).await?;
        let plan = match bound {
            LogicalPlan::Explain(_) => bound,
            _ => {
                self.session.analyzer().execute_and_check(bound, self.session.config_options(), |_, _| {})?
            }
        };
        self.reads.note_clock(&plan)?;
        // A parameter's value decides whether a column can be null: with parameters, all can.
        let nullable = !parameters.is_empty();
        let names = parsed.names.filter(|names| names.len() == plan.schema().fields().len());
        let schema = fit::schema(plan.schema().as_arrow(), names.as_deref(), nullable);
        Ok(Planned { plan, schema, sql: parsed.sql })
    }

    /// The plan with metric queries in the place of metric views.
    async fn without_views(
        &mut self,
        plan: LogicalPlan,
        star: bool,
        ship: Ship,
    ) -> Result<LogicalPlan, Error> {
        if !has_views(&plan)? {
            return Ok(plan);
        }
        let mut shipped = Shipped::default();
        for subquery in metric_views::to_ship(&plan)? {
            let values = match ship {
                Ship::Pretend => Vec::new(),
                Ship::Run => {
                    let inner = subquery.as_ref().clone();
                    let inner = Box::pin(self.without_views(inner, star, ship)).await?;
                    self.values(inner).await?
                }
            };
            shipped.put(&subquery, values);
        }
        let mut rewrite = Rewrite {
            definitions: &self.definitions,
            session: &self.session,
            options: &self.options,
            star,
            shipped: &shipped,
            compile: &|query| {
                let compiled = self.engine.compiled(&self.definitions, query)?;
                let plan = self.plan_compiled(&compiled)?;
                Ok((compiled, plan))
            },
            asked: Vec::new(),
        };
        let plan = rewrite.run(plan)?;
        let asked = rewrite.asked;
        self.asked.extend(asked);
        Ok(plan)
    }

    /// The first column of a subquery that must run first.
    async fn values(&mut self, plan: LogicalPlan) -> Result<Vec<ScalarValue>, Error> {
        let session = &self.session;
        let plan = session.analyzer().execute_and_check(plan, session.config_options(), |_, _| {})?;
        let plan = session.optimizer().optimize(plan, session, |_, _| {})?;
        self.reads.add(&plan, &self.names)?;
        let plan = session.query_planner().create_physical_plan(&plan, session).await?;
        let plan = stoppable(plan, &self.stop)?;
        let mut batches = execute_stream(plan, session.task_ctx())?;
        let mut values = Vec::new();
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            for row in 0..batch.num_rows() {
                values.push(ScalarValue::try_from_array(batch.column(0), row)?);
            }
            if values.len() > SHIP_KEYS {
                return Err(Error::Exhausted(format!(
                    "a subquery that filters a metric view gives more than {SHIP_KEYS} values \
                     (limits.ship_keys): filter by what the values have in common"
                )));
            }
        }
        Ok(values)
    }

    fn plan_compiled(&self, compiled: &Compiled) -> Result<LogicalPlan, Error> {
        let statement = Statement::Statement(Box::new(compiled.statement.clone()));
        // Names are looked up in memory, so there is nothing to wait for.
        let planned = self.session.statement_to_plan(statement).now_or_never();
        Ok(planned.ok_or_else(|| Error::internal("a compiled metric query waits for its names"))??)
    }

    /// The types of a metric query's columns: as declared, else as planned.
    fn types(&self, query: &MetricQuery) -> Option<Vec<DataType>> {
        let compiled = self.engine.compiled(&self.definitions, query).ok()?;
        metric_views::types_of(&compiled).or_else(|| {
            let plan = self.plan_compiled(&compiled).ok()?;
            Some(plan.schema().fields().iter().map(|field| fit::fitted(field.data_type())).collect())
        })
    }
}

fn has_views(plan: &LogicalPlan) -> Result<bool, Error> {
    use datafusion::common::tree_node::TreeNodeRecursion::{Continue, Stop};
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        found |= MetricViewTable::scanned(node).is_some();
        Ok(if found { Stop } else { Continue })
    })?;
    Ok(found)
}
