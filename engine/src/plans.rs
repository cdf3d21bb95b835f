use arrow::datatypes::SchemaRef;
use datafusion::logical_expr::LogicalPlan;

use crate::{
    Error,
    metric_views::Asked,
    names::Names,
    reads::{Clock, rebound},
};

/// An optimised plan that is used again over later snapshots (CCH-1). Its schema is what was announced.
#[derive(Debug)]
pub(crate) struct KeptPlan {
    pub(crate) plan: LogicalPlan,
    pub(crate) schema: SchemaRef,
    pub(crate) sql: String,
    pub(crate) clock: Clock,
    pub(crate) asked: Vec<Asked>,
}

impl KeptPlan {
    /// The plan over a snapshot; `None` if a table has other columns now.
    pub(crate) fn over(&self, names: &Names) -> Result<Option<LogicalPlan>, Error> {
        rebound(self.plan.clone(), names)
    }

    /// Whether the times in it are still right.
    pub(crate) fn fits(&self, today: i64) -> bool {
        match self.clock {
            Clock::Still => true,
            Clock::Day(day) => day == today,
            Clock::Moving => false,
        }
    }
}
