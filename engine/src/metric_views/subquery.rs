//! Subqueries in the conditions of a tower: they run first, and their values travel as literals (SQL-6).

use std::{collections::HashMap, sync::Arc};

use datafusion::{
    common::{
        Result, ScalarValue,
        tree_node::{Transformed, TreeNode, TreeNodeRecursion},
    },
    logical_expr::{
        Expr, LogicalPlan, Subquery,
        expr::{Exists, InList, InSubquery},
        lit,
    },
};

use super::{
    refusal,
    tower::{Sorts, Tower},
};
use crate::Error;

/// The values of subqueries that have run.
#[derive(Debug, Default)]
pub(crate) struct Shipped(HashMap<usize, Vec<ScalarValue>>);

impl Shipped {
    /// Keeps the values of the first column.
    pub(crate) fn put(&mut self, subquery: &Arc<LogicalPlan>, values: Vec<ScalarValue>) {
        self.0.insert(key(subquery), values);
    }

    fn values(&self, subquery: &Subquery) -> Result<&[ScalarValue]> {
        let values = self.0.get(&key(&subquery.subquery));
        let missing = || Error::internal("a subquery of a tower was not run").into_stream_item();
        values.map(Vec::as_slice).ok_or_else(missing)
    }

    /// The expression with values in the place of its subqueries.
    pub(super) fn fill(&self, expr: Expr) -> Result<Expr> {
        if self.0.is_empty() {
            return Ok(expr);
        }
        let filled = expr.transform_up(|expr| {
            Ok(match expr {
                Expr::InSubquery(InSubquery { expr, subquery, negated }) => {
                    let list: Vec<Expr> = self.values(&subquery)?.iter().cloned().map(lit).collect();
                    Transformed::yes(match list.is_empty() {
                        true => lit(negated),
                        false => Expr::InList(InList { expr, list, negated }),
                    })
                }
                Expr::Exists(Exists { subquery, negated }) => {
                    Transformed::yes(lit(self.values(&subquery)?.is_empty() == negated))
                }
                Expr::ScalarSubquery(subquery) => match self.values(&subquery)? {
                    [] => Transformed::yes(lit(ScalarValue::try_from(
                        subquery.subquery.schema().field(0).data_type(),
                    )?)),
                    [value] => Transformed::yes(lit(value.clone())),
                    _ => {
                        let text = "a subquery that stands for one value gave more than one row";
                        return Err(Error::Invalid(text.to_owned()).into_stream_item());
                    }
                },
                other => Transformed::no(other),
            })
        })?;
        Ok(filled.data)
    }
}

fn key(subquery: &Arc<LogicalPlan>) -> usize {
    Arc::as_ptr(subquery) as usize
}

/// The subqueries that must run before the towers of a plan can be rewritten. Those elsewhere stay
/// where they are.
pub(crate) fn to_ship(plan: &LogicalPlan) -> Result<Vec<Arc<LogicalPlan>>, Error> {
    let mut found = Vec::new();
    plan.apply_with_subqueries(|node| {
        let aggregate = matches!(node, LogicalPlan::Aggregate(a) if Tower::stands(&a.input, Sorts::Pass));
        if !aggregate && !Tower::stands(node, Sorts::Pass) {
            return Ok(TreeNodeRecursion::Continue);
        }
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                let subquery = match expr {
                    Expr::InSubquery(InSubquery { subquery, .. }) | Expr::Exists(Exists { subquery, .. }) => {
                        subquery
                    }
                    Expr::ScalarSubquery(subquery) => subquery,
                    _ => return Ok(TreeNodeRecursion::Continue),
                };
                if !subquery.outer_ref_columns.is_empty() {
                    let below = match node {
                        LogicalPlan::Aggregate(aggregate) => &aggregate.input,
                        other => other,
                    };
                    if let Some(tower) = Tower::of(below, Sorts::Pass)? {
                        return Err(refusal::correlated(tower.view()).into_stream_item());
                    }
                }
                if !found.iter().any(|known| Arc::ptr_eq(known, &subquery.subquery)) {
                    found.push(Arc::clone(&subquery.subquery));
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(found)
}
