use datafusion::{
    common::{JoinType, Result, tree_node::Transformed},
    logical_expr::{Expr, Join, LogicalPlan},
    optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule},
};

/// Alias of the current rows of `identity_map` inside event views. A blank keeps it apart from what
/// people write.
pub(crate) const CURRENT_IDENTITY: &str = "current identity";

/// A query over an event view that does not ask for `profile_id` need not read `identity_map`: the
/// map has at most one current row per record, so the left join neither adds nor removes rows.
#[derive(Debug)]
pub(crate) struct DropUnusedIdentityJoin;

impl OptimizerRule for DropUnusedIdentityJoin {
    fn name(&self) -> &str {
        "drop_unused_identity_join"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        if !matches!(plan, LogicalPlan::Projection(_) | LogicalPlan::Aggregate(_)) {
            return Ok(Transformed::no(plan));
        }
        let events = match plan.inputs().as_slice() {
            [LogicalPlan::Join(join)] if is_identity_join(join) => join.left.as_ref().clone(),
            _ => return Ok(Transformed::no(plan)),
        };
        let expressions = plan.expressions();
        if expressions.iter().any(asks_for_identity) {
            return Ok(Transformed::no(plan));
        }
        Ok(Transformed::yes(plan.with_new_exprs(expressions, vec![events])?))
    }
}

fn is_identity_join(join: &Join) -> bool {
    let aliased = match join.right.as_ref() {
        LogicalPlan::SubqueryAlias(alias) => alias.alias.table() == CURRENT_IDENTITY,
        LogicalPlan::Projection(projection) => match projection.input.as_ref() {
            LogicalPlan::SubqueryAlias(alias) => alias.alias.table() == CURRENT_IDENTITY,
            _ => false,
        },
        _ => false,
    };
    aliased && join.join_type == JoinType::Left && join.filter.is_none()
}

fn asks_for_identity(expression: &Expr) -> bool {
    expression
        .column_refs()
        .iter()
        .any(|column| column.relation.as_ref().is_some_and(|table| table.table() == CURRENT_IDENTITY))
}
