use std::{collections::HashSet, sync::Arc};

use arrow::datatypes::{Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::{
    catalog::{Session, TableProvider, default_table_source::source_as_provider},
    common::Result,
    logical_expr::{Expr, LogicalPlan, TableType},
    physical_plan::ExecutionPlan,
};

use super::{column::ViewColumn, refusal, views::View};

/// A metric view as a statement sees it. It is never scanned: the rewrite replaces it.
#[derive(Debug)]
pub(crate) struct MetricViewTable {
    pub(crate) view: Arc<View>,
    /// What `*` stands for, then the hidden columns that the statement names.
    pub(crate) columns: Vec<ViewColumn>,
    schema: SchemaRef,
}

impl MetricViewTable {
    /// The view with the hidden columns that are among the words of the statement.
    pub(crate) fn new(view: Arc<View>, words: &HashSet<String>) -> Self {
        let mut hidden: Vec<ViewColumn> = words.iter().filter_map(|word| view.hidden(word)).collect();
        hidden.sort_by(|a, b| a.name.cmp(&b.name));
        let columns: Vec<ViewColumn> = view.columns.iter().cloned().chain(hidden).collect();
        let field = |column: &ViewColumn| Field::new(&column.name, column.data_type.clone(), true);
        let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
        Self { view, columns, schema }
    }

    pub(crate) fn column(&self, name: &str) -> Option<&ViewColumn> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The metric view that a plan node scans; its provider, as the view lives in it.
    pub(crate) fn scanned(plan: &LogicalPlan) -> Option<Arc<dyn TableProvider>> {
        let LogicalPlan::TableScan(scan) = plan else { return None };
        source_as_provider(&scan.source).ok().filter(|provider| provider.is::<Self>())
    }
}

#[async_trait]
impl TableProvider for MetricViewTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        _: &dyn Session,
        _: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Err(refusal::aggregate_first(&self.view).into_stream_item())
    }
}
