use sqlparser::ast::{Expr, Query, SetExpr, SetOperator, SetQuantifier, Statement};

use super::{
    build::{
        Parts, and, bare, call, column, cross_join, derived, named, operand, outer_join, query, select, table,
    },
    datafusion,
};
use crate::query::{Branch, Formula, Leaf, Plan};

/// A plan as SQL.
pub(crate) struct Rendered {
    pub(crate) statement: Statement,
    pub(crate) sql: String,
    pub(crate) tables: Vec<(String, String)>,
}

/// Writes a plan: one SELECT for one branch; several branches meet by their group-bys (Q6).
pub(crate) fn render(plan: &Plan) -> Rendered {
    let body = match plan.branches.as_slice() {
        [branch] => single(plan, branch),
        branches if plan.groups.is_empty() => crossed(plan, branches),
        branches => united(plan, branches),
    };
    let statement = Statement::Query(Box::new(query(body, &plan.order, plan.limit)));
    Rendered { sql: format!("{statement:#}"), statement, tables: tables(plan) }
}

fn tables(plan: &Plan) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut add = |table: (String, String)| {
        if !found.contains(&table) {
            found.push(table);
        }
    };
    for branch in &plan.branches {
        add(branch.source.table.clone());
        branch.source.joins.iter().for_each(|join| add(join.table.clone()));
        for filter in &branch.filters {
            let _ = sqlparser::ast::visit_relations(filter, |name| {
                let mut parts = name.0.iter().filter_map(|p| p.as_ident()).map(|i| i.value.clone());
                if let (Some(schema), Some(table)) = (parts.next(), parts.next()) {
                    add((schema, table));
                }
                std::ops::ControlFlow::<()>::Continue(())
            });
        }
    }
    found
}

/// The group-bys of a branch under their output names.
fn keys(plan: &Plan, branch: &Branch) -> Vec<sqlparser::ast::SelectItem> {
    branch.groups.iter().zip(&plan.groups).map(|(expr, (name, _))| named(expr.clone(), name)).collect()
}

fn aggregate(leaf: &Leaf) -> Expr {
    datafusion::aggregate(leaf.agg, leaf.expr.clone(), leaf.column_type)
}

/// What a metric is, given what its leaves are.
fn formula(formula: &Formula, leaf: &dyn Fn(usize) -> Expr) -> Expr {
    match formula {
        Formula::Leaf(n) => leaf(*n),
        Formula::Ratio(numerator, denominator) => {
            datafusion::ratio(self::formula(numerator, leaf), self::formula(denominator, leaf))
        }
    }
}

/// FROM, WHERE and GROUP BY of a branch.
fn scan(plan: &Plan, branch: &Branch) -> Parts {
    let source = &branch.source;
    let joins = source.joins.iter().filter_map(|join| {
        Some(outer_join(table(&join.table, &join.alias), and(join.on.iter().cloned())?, join.full))
    });
    // One filter stands alone; several are each in parentheses (Q3.1).
    let selection = match branch.filters.as_slice() {
        [one] => Some(one.clone()),
        many => and(many.iter().cloned().map(operand)),
    };
    let aggregated = !branch.leaves.is_empty();
    Parts {
        distinct: !aggregated,
        from: Some(table(&source.table, &source.alias)),
        joins: joins.collect(),
        selection,
        group_by: if aggregated { plan.groups.len() } else { 0 },
        ..Parts::default()
    }
}

fn single(plan: &Plan, branch: &Branch) -> SetExpr {
    let mut projection = keys(plan, branch);
    for (name, metric) in &plan.metrics {
        projection.push(named(formula(metric, &|n| aggregate(&branch.leaves[n])), name));
    }
    select(Parts { projection, ..scan(plan, branch) })
}

/// Branches of one row each.
fn crossed(plan: &Plan, branches: &[Branch]) -> SetExpr {
    let mut names = Vec::new();
    let mut tables = branches.iter().enumerate().map(|(i, branch)| {
        let alias = format!("branch_{}", i + 1);
        let projection = branch.leaves.iter().map(|l| named(aggregate(l), &l.column)).collect();
        names.extend(branch.leaves.iter().map(|l| (alias.clone(), l.column.clone())));
        derived(query(select(Parts { projection, ..scan(plan, branch) }), &[], None), &alias)
    });
    let from = tables.next();
    let joins = tables.by_ref().map(cross_join).collect();
    drop(tables);
    let leaf = |n: usize| column(&names[n].0, &names[n].1);
    let projection = plan.metrics.iter().map(|(name, metric)| named(formula(metric, &leaf), name)).collect();
    select(Parts { projection, from, joins, ..Parts::default() })
}

/// Branches one below the other, merged by their group-bys. Grouping makes null keys meet, as a full
/// outer join on `IS NOT DISTINCT FROM` would, for any number of branches and without a chain of joins.
fn united(plan: &Plan, branches: &[Branch]) -> SetExpr {
    let leaves: Vec<&Leaf> = branches.iter().flat_map(|b| &b.leaves).collect();
    let mut arms = branches.iter().map(|branch| {
        let mut projection = keys(plan, branch);
        for leaf in &leaves {
            let own = branch.leaves.iter().any(|l| l.column == leaf.column);
            let expr = if own { aggregate(leaf) } else { datafusion::null_of(leaf.column_type) };
            projection.push(named(expr, &leaf.column));
        }
        select(Parts { projection, ..scan(plan, branch) })
    });
    let first = arms.next().unwrap_or_else(|| select(Parts::default()));
    let union: SetExpr = arms.fold(first, |left, right| SetExpr::SetOperation {
        op: SetOperator::Union,
        set_quantifier: SetQuantifier::All,
        left: Box::new(left),
        right: Box::new(right),
    });
    let inner: Query = query(union, &[], None);
    // Each key stands in each branch once, so the largest value is the only one.
    let leaf = |n: usize| call("max", vec![bare(&leaves[n].column)]);
    let mut projection: Vec<_> = plan.groups.iter().map(|(name, _)| named(bare(name), name)).collect();
    projection.extend(plan.metrics.iter().map(|(name, metric)| named(formula(metric, &leaf), name)));
    select(Parts {
        projection,
        from: Some(derived(inner, "branches")),
        group_by: plan.groups.len(),
        ..Parts::default()
    })
}
