//! The walk over a plan that puts metric queries in the place of towers.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::{
    common::{
        DFSchema, Result,
        tree_node::{Transformed, TreeNode},
    },
    execution::SessionState,
    logical_expr::{Aggregate, EmptyRelation, Expr, FetchType, LogicalPlan, LogicalPlanBuilder, Union},
};
use semantic::{Catalog, Compiled, MetricQuery};

use super::{
    measure::wanted,
    question::Question,
    refusal,
    subquery::Shipped,
    tower::{Sorts, Tower},
};
use crate::{Error, QueryOptions};

/// A metric query that a statement asks, and its SQL.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) query: MetricQuery,
    pub(crate) compiled: Arc<Compiled>,
}

/// Compiles a metric query and plans its SQL.
type Compile<'a> = dyn Fn(&MetricQuery) -> Result<(Arc<Compiled>, LogicalPlan), Error> + 'a;

/// Puts metric queries in the place of towers.
pub(crate) struct Rewrite<'a> {
    pub(crate) definitions: &'a Catalog,
    pub(crate) session: &'a SessionState,
    pub(crate) options: &'a QueryOptions,
    /// Whether the statement has a `*`.
    pub(crate) star: bool,
    pub(crate) shipped: &'a Shipped,
    pub(crate) compile: &'a Compile<'a>,
    pub(crate) asked: Vec<Asked>,
}

/// What stands above a node.
#[derive(Debug, Clone, Copy, Default)]
struct Above {
    /// A join, union or window, which take no tower.
    combines: bool,
    /// A LIMIT.
    limited: bool,
    /// `LIMIT 0`.
    nothing: bool,
}

impl Rewrite<'_> {
    /// The plan without metric views, or why not.
    pub(crate) fn run(&mut self, plan: LogicalPlan) -> Result<LogicalPlan, Error> {
        Ok(self.node(plan, Above::default())?)
    }

    fn node(&mut self, plan: LogicalPlan, above: Above) -> Result<LogicalPlan> {
        if let LogicalPlan::Aggregate(aggregate) = &plan
            && let Some(tower) = Tower::of(&aggregate.input, Sorts::Pass)?
        {
            return self.aggregate(aggregate, tower).map_err(Error::into_stream_item);
        }
        if let Some(tower) = Tower::of(&plan, Sorts::Stop)? {
            return self.bare(&plan, tower, above).map_err(Error::into_stream_item);
        }
        let below = below(&plan, above)?;
        let plan = plan.map_children(|child| self.node(child, below).map(Transformed::yes))?.data;
        let plan = plan.map_subqueries(|inner| {
            let LogicalPlan::Subquery(mut subquery) = inner else {
                return self.node(inner, Above::default()).map(Transformed::yes);
            };
            let rewritten = self.node(Arc::unwrap_or_clone(subquery.subquery), Above::default())?;
            subquery.subquery = Arc::new(rewritten);
            Ok(Transformed::yes(LogicalPlan::Subquery(subquery)))
        })?;
        match plan.data {
            LogicalPlan::Union(union) => {
                Union::try_new_with_loose_types(union.inputs).map(LogicalPlan::Union)
            }
            other => other.recompute_schema(),
        }
    }

    /// An aggregate over a tower becomes the metric query it asks for (SQL-1).
    fn aggregate(&mut self, node: &Aggregate, mut tower: Tower) -> Result<LogicalPlan, Error> {
        self.fill(&mut tower)?;
        let schema = node.input.schema();
        let mut question = Question::new(&tower, self.definitions);
        for key in &node.group_expr {
            if matches!(key, Expr::GroupingSet(_)) {
                return Err(refusal::grouping_sets(tower.view()));
            }
            let key = self.shipped.fill(tower.inline(key, schema)?)?;
            question.group(&key)?;
        }
        for call in &node.aggr_expr {
            let call = self.shipped.fill(tower.inline(call, schema)?)?.unalias();
            let Expr::AggregateFunction(call) = &call else {
                return Err(refusal::no_such_aggregate(&call.human_display().to_string(), tower.view()));
            };
            question.aggregate(wanted(call, &tower, self.definitions, self.options)?)?;
        }
        self.replace(&question, &node.schema)
    }

    /// A tower without an aggregate is grouped by the dimensions it selects (SQL-4).
    fn bare(&mut self, node: &LogicalPlan, mut tower: Tower, above: Above) -> Result<LogicalPlan, Error> {
        let view = Arc::clone(tower.view());
        if above.combines {
            return Err(refusal::aggregate_first(&view));
        }
        let measures = tower.outputs.iter().any(|output| tower.measure_in(output).is_some());
        if !self.options.bare_measures && measures {
            return Err(refusal::bare_measures(&view));
        }
        if self.star && !above.limited && tower.is_star() {
            return Err(refusal::star_without_limit(&view));
        }
        if above.nothing {
            let schema = Arc::clone(node.schema());
            return Ok(LogicalPlan::EmptyRelation(EmptyRelation { produce_one_row: false, schema }));
        }
        self.fill(&mut tower)?;
        let mut question = Question::new(&tower, self.definitions);
        for output in &tower.outputs {
            question.bare(output)?;
        }
        self.replace(&question, node.schema())
    }

    fn fill(&self, tower: &mut Tower) -> Result<(), Error> {
        for expr in tower.outputs.iter_mut().chain(&mut tower.filters) {
            *expr = self.shipped.fill(std::mem::take(expr))?;
        }
        Ok(())
    }

    /// The compiled question under the names and types of the node it replaces.
    fn replace(&mut self, question: &Question<'_>, schema: &DFSchema) -> Result<LogicalPlan, Error> {
        let query = question.query(self.session)?;
        let (compiled, plan) = (self.compile)(&query)?;
        self.asked.push(Asked { query, compiled });
        let answer: Vec<Expr> = plan
            .schema()
            .iter()
            .map(|(table, field)| Expr::Column(datafusion::common::Column::new(table.cloned(), field.name())))
            .collect();
        let types: Vec<DataType> = schema.fields().iter().map(|f| f.data_type().clone()).collect();
        let columns = question.columns(&answer, &types)?;
        let named = schema
            .iter()
            .zip(columns)
            .map(|((table, field), column)| column.alias_qualified(table.cloned(), field.name()));
        Ok(LogicalPlanBuilder::from(plan).project(named.collect::<Vec<_>>())?.build()?)
    }
}

/// What the children of a node have above them.
fn below(plan: &LogicalPlan, above: Above) -> Result<Above> {
    Ok(match plan {
        LogicalPlan::Projection(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Subquery(_)
        | LogicalPlan::SubqueryAlias(_) => above,
        LogicalPlan::Limit(limit) => {
            let fetch = match limit.get_fetch_type()? {
                FetchType::Literal(fetch) => fetch,
                FetchType::UnsupportedExpr => None,
            };
            Above { combines: false, limited: limit.fetch.is_some(), nothing: fetch == Some(0) }
        }
        LogicalPlan::Distinct(datafusion::logical_expr::Distinct::All(_)) => {
            Above { combines: false, ..above }
        }
        LogicalPlan::Aggregate(_) | LogicalPlan::Explain(_) | LogicalPlan::Analyze(_) => Above::default(),
        _ => Above { combines: true, limited: false, nothing: false },
    })
}
