//! A table as DataFusion sees it: what is stored at a pinned version, and the rows not stored yet.

use std::sync::Arc;

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use async_trait::async_trait;
use datafusion::{
    catalog::{Session, TableProvider},
    common::{Result, ScalarValue},
    datasource::memory::MemorySourceConfig,
    logical_expr::{Expr, TableProviderFilterPushDown, TableType},
    physical_expr::{
        PhysicalExpr,
        expressions::{CastExpr, Column, Literal},
    },
    physical_plan::{ExecutionPlan, projection::ProjectionExec, union::UnionExec},
};
use deltalake::delta_datafusion::DeltaScanNext;

/// One table of a snapshot. Filters and projection reach the stored part; DataFusion filters again,
/// so that both parts answer alike.
#[derive(Debug)]
pub(crate) struct PinnedTable {
    pub(crate) schema: SchemaRef,
    pub(crate) stored: Option<Arc<DeltaScanNext>>,
    pub(crate) tail: Vec<RecordBatch>,
}

#[async_trait]
impl TableProvider for PinnedTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut inputs: Vec<Arc<dyn ExecutionPlan>> = Vec::with_capacity(2);
        if let Some(stored) = &self.stored {
            inputs.push(self.scan_stored(stored, state, projection, filters, limit).await?);
        }
        if !self.tail.is_empty() || inputs.is_empty() {
            let partitions = [self.tail.clone()];
            inputs.push(MemorySourceConfig::try_new_exec(&partitions, self.schema(), projection.cloned())?);
        }
        match inputs.len() {
            1 => Ok(inputs.remove(0)),
            _ => UnionExec::try_new(inputs),
        }
    }
}

impl PinnedTable {
    /// The stored part with our columns: those it does not have yet are null.
    async fn scan_stored(
        &self,
        stored: &Arc<DeltaScanNext>,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let theirs = stored.schema();
        let wanted = match projection {
            Some(columns) => Arc::new(self.schema.project(columns)?),
            None => self.schema(),
        };
        let present: Vec<usize> =
            wanted.fields().iter().filter_map(|field| theirs.index_of(field.name()).ok()).collect();
        let known =
            |filter: &&Expr| filter.column_refs().iter().all(|column| theirs.index_of(&column.name).is_ok());
        let candidates: Vec<&Expr> = filters.iter().filter(known).collect();
        let support = stored.supports_filters_pushdown(&candidates)?;
        let pushed: Vec<Expr> = candidates
            .into_iter()
            .zip(support)
            .filter(|(_, support)| *support != TableProviderFilterPushDown::Unsupported)
            .map(|(filter, _)| filter.clone())
            .collect();
        let plan = stored.scan(state, Some(&present), &pushed, limit).await?;
        project(plan, &wanted)
    }
}

/// The plan's columns by name as `wanted` has them.
fn project(plan: Arc<dyn ExecutionPlan>, wanted: &SchemaRef) -> Result<Arc<dyn ExecutionPlan>> {
    let got = plan.schema();
    let same = got.fields().len() == wanted.fields().len()
        && got
            .fields()
            .iter()
            .zip(wanted.fields())
            .all(|(a, b)| a.name() == b.name() && a.data_type() == b.data_type());
    if same {
        return Ok(plan);
    }
    let column = |field: &arrow::datatypes::FieldRef| -> Result<(Arc<dyn PhysicalExpr>, String)> {
        let name = field.name().clone();
        let Ok(index) = got.index_of(&name) else {
            let null = ScalarValue::try_from(field.data_type())?;
            return Ok((Arc::new(Literal::new(null)), name));
        };
        let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(&name, index));
        if got.field(index).data_type() == field.data_type() {
            return Ok((column, name));
        }
        Ok((Arc::new(CastExpr::new(column, field.data_type().clone(), None)), name))
    };
    let columns = wanted.fields().iter().map(column).collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(ProjectionExec::try_new(columns, plan)?))
}
