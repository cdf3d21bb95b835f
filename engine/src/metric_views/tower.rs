use std::sync::Arc;

use datafusion::{
    catalog::TableProvider,
    common::{
        Column, DFSchema, Result,
        tree_node::{Transformed, TreeNode, TreeNodeRecursion},
    },
    logical_expr::{Expr, LogicalPlan},
};

use super::{column::ViewColumn, table::MetricViewTable, views::View};

/// SELECT, WHERE and aliasing over one view, laid flat: everything in terms of the view's columns, which
/// stand as columns without a table in front.
#[derive(Debug)]
pub(super) struct Tower {
    provider: Arc<dyn TableProvider>,
    /// One expression per output column.
    pub(super) outputs: Vec<Expr>,
    /// Conditions, ANDed.
    pub(super) filters: Vec<Expr>,
}

/// Whether an ORDER BY inside is passed over: an aggregate does not see the order of its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sorts {
    Pass,
    Stop,
}

impl Tower {
    /// The tower that ends at this node, if it is one.
    pub(super) fn of(plan: &LogicalPlan, sorts: Sorts) -> Result<Option<Self>> {
        if !Self::stands(plan, sorts) {
            return Ok(None);
        }
        Self::flatten(plan).map(Some)
    }

    /// Whether a node is the end of a tower.
    pub(super) fn stands(plan: &LogicalPlan, sorts: Sorts) -> bool {
        match plan {
            LogicalPlan::TableScan(_) => MetricViewTable::scanned(plan).is_some(),
            LogicalPlan::SubqueryAlias(alias) => Self::stands(&alias.input, sorts),
            LogicalPlan::Projection(projection) => Self::stands(&projection.input, sorts),
            LogicalPlan::Filter(filter) => Self::stands(&filter.input, sorts),
            LogicalPlan::Sort(sort) if sort.fetch.is_none() && sorts == Sorts::Pass => {
                Self::stands(&sort.input, sorts)
            }
            _ => false,
        }
    }

    fn flatten(plan: &LogicalPlan) -> Result<Self> {
        match plan {
            LogicalPlan::SubqueryAlias(alias) => Self::flatten(&alias.input),
            LogicalPlan::Sort(sort) => Self::flatten(&sort.input),
            LogicalPlan::Projection(projection) => {
                let mut tower = Self::flatten(&projection.input)?;
                let schema = projection.input.schema();
                let outputs = projection.expr.iter().map(|expr| inline(expr, schema, &tower.outputs));
                tower.outputs = outputs.collect::<Result<_>>()?;
                Ok(tower)
            }
            LogicalPlan::Filter(filter) => {
                let mut tower = Self::flatten(&filter.input)?;
                tower.filters.push(inline(&filter.predicate, filter.input.schema(), &tower.outputs)?);
                Ok(tower)
            }
            other => {
                let provider = MetricViewTable::scanned(other).ok_or_else(|| {
                    crate::Error::internal("a tower ends in no metric view").into_stream_item()
                })?;
                let fields = provider.schema();
                let outputs = fields.fields().iter().map(|f| column(f.name())).collect();
                Ok(Self { provider, outputs, filters: Vec::new() })
            }
        }
    }

    /// An expression over the tower's output columns, in terms of the view's.
    pub(super) fn inline(&self, expr: &Expr, schema: &DFSchema) -> Result<Expr> {
        inline(expr, schema, &self.outputs)
    }

    fn table(&self) -> &MetricViewTable {
        self.provider.downcast_ref().expect("a tower is made over a metric view only")
    }

    pub(super) fn view(&self) -> &Arc<View> {
        &self.table().view
    }

    /// The view's column that an expression is, if it is one.
    pub(super) fn column(&self, expr: &Expr) -> Option<&ViewColumn> {
        match expr {
            Expr::Column(column) => self.table().column(&column.name),
            _ => None,
        }
    }

    /// The first measure in an expression.
    pub(super) fn measure_in(&self, expr: &Expr) -> Option<String> {
        self.columns_in(expr).into_iter().find(|c| c.measure().is_some()).map(|c| c.name.clone())
    }

    /// The first dimension in an expression.
    pub(super) fn dimension_in(&self, expr: &Expr) -> Option<String> {
        self.columns_in(expr).into_iter().find(|c| c.measure().is_none()).map(|c| c.name.clone())
    }

    /// All the view's columns in an expression, in the order of the view.
    pub(super) fn columns_in(&self, expr: &Expr) -> Vec<&ViewColumn> {
        let used = expr.column_refs();
        self.table().columns.iter().filter(|c| used.iter().any(|u| u.name == c.name)).collect()
    }

    /// Whether the outputs are what `*` stands for.
    pub(super) fn is_star(&self) -> bool {
        let visible = &self.view().columns;
        self.outputs.len() >= visible.len()
            && visible
                .iter()
                .zip(&self.outputs)
                .all(|(column, output)| matches!(output, Expr::Column(output) if output.name == column.name))
    }
}

/// A column of the view.
pub(super) fn column(name: &str) -> Expr {
    Expr::Column(Column::new_unqualified(name))
}

fn inline(expr: &Expr, schema: &DFSchema, outputs: &[Expr]) -> Result<Expr> {
    let inlined = expr.clone().transform_down(|expr| match &expr {
        Expr::Column(column) => {
            let place = schema.index_of_column(column)?;
            let output = outputs.get(place).cloned().unwrap_or(expr);
            Ok(Transformed::new(output, true, TreeNodeRecursion::Jump))
        }
        _ => Ok(Transformed::no(expr)),
    })?;
    Ok(inlined.data.unalias_nested().data)
}
