//! Stopping a query where it does not stop by itself. A task is aborted where it yields, and a join
//! whose filter keeps few rows works on for minutes between two of them: so its filter looks up, and
//! every join yields now and then (FLT-7).

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, FieldRef, Schema},
};
use datafusion::{
    common::{
        Result,
        tree_node::{Transformed, TreeNode},
    },
    logical_expr::ColumnarValue,
    physical_expr::PhysicalExpr,
    physical_plan::{
        ExecutionPlan,
        coop::CooperativeExec,
        joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec, utils::JoinFilter},
    },
};

use crate::run::Deadline;

/// Whether a query is to go on.
#[derive(Debug, Clone)]
pub(crate) struct Stop(Arc<State>);

#[derive(Debug)]
struct State {
    stopped: AtomicBool,
    deadline: Deadline,
}

impl Stop {
    pub(crate) fn at(deadline: Deadline) -> Self {
        Self(Arc::new(State { stopped: AtomicBool::new(false), deadline }))
    }

    /// Ends the query at the next place that looks.
    pub(crate) fn stop(&self) {
        self.0.stopped.store(true, Ordering::Relaxed);
    }

    /// Ends the query unless the guard is kept off before it goes.
    pub(crate) fn guard(&self) -> Guard {
        Guard(Some(self.clone()))
    }

    fn check(&self) -> Result<()> {
        match self.0.stopped.load(Ordering::Relaxed) || self.0.deadline.is_over() {
            true => Err(self.0.deadline.passed().into_stream_item()),
            false => Ok(()),
        }
    }
}

/// Stops a query when it is dropped.
#[derive(Debug)]
pub(crate) struct Guard(Option<Stop>);

impl Guard {
    /// The step is over, the query goes on.
    pub(crate) fn release(mut self) {
        self.0 = None;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(stop) = &self.0 {
            stop.stop();
        }
    }
}

/// The plan with joins that can be stopped.
pub(crate) fn stoppable(plan: Arc<dyn ExecutionPlan>, stop: &Stop) -> Result<Arc<dyn ExecutionPlan>> {
    let watched = |filter: &JoinFilter| {
        let inner = Arc::clone(filter.expression());
        let expression = Arc::new(Watched { inner, stop: stop.clone() });
        JoinFilter::new(expression, filter.column_indices().to_vec(), Arc::clone(filter.schema()))
    };
    let plan = plan.transform_up(|node| {
        let join: Arc<dyn ExecutionPlan> = if let Some(join) = node.downcast_ref::<HashJoinExec>() {
            let filter = join.filter().map(watched);
            join.builder().with_filter(filter).build_exec()?
        } else if let Some(join) = node.downcast_ref::<NestedLoopJoinExec>() {
            let projection = join.projection().as_ref().map(|p| p.to_vec());
            let (left, right) = (Arc::clone(join.left()), Arc::clone(join.right()));
            let filter = join.filter().map(watched);
            Arc::new(NestedLoopJoinExec::try_new(left, right, filter, join.join_type(), projection)?)
        } else if node.is::<CrossJoinExec>() {
            node
        } else {
            return Ok(Transformed::no(node));
        };
        Ok(Transformed::yes(Arc::new(CooperativeExec::new(join)) as Arc<dyn ExecutionPlan>))
    })?;
    Ok(plan.data)
}

/// An expression that fails once its query is to stop.
#[derive(Debug)]
struct Watched {
    inner: Arc<dyn PhysicalExpr>,
    stop: Stop,
}

impl PartialEq for Watched {
    fn eq(&self, other: &Self) -> bool {
        self.inner.eq(&other.inner)
    }
}

impl Eq for Watched {}

impl Hash for Watched {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl PhysicalExpr for Watched {
    fn data_type(&self, schema: &Schema) -> Result<DataType> {
        self.inner.data_type(schema)
    }

    fn nullable(&self, schema: &Schema) -> Result<bool> {
        self.inner.nullable(schema)
    }

    fn return_field(&self, schema: &Schema) -> Result<FieldRef> {
        self.inner.return_field(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        self.stop.check()?;
        self.inner.evaluate(batch)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.inner]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let inner = children.pop().unwrap_or_else(|| Arc::clone(&self.inner));
        Ok(Arc::new(Self { inner, stop: self.stop.clone() }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_sql(f)
    }
}
