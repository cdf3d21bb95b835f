//! What `system` shows of the definitions, and the rows of `audiences.catalog` that they give.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
};
use datafusion::{
    catalog::{MemTable, TableProvider},
    common::Result,
};
use semantic::{Catalog, DimensionKind, MetricKind};

/// `system.metrics`: what can be asked by name.
pub(crate) fn metrics(catalog: &Catalog) -> Result<Arc<dyn TableProvider>> {
    let all = &catalog.metrics;
    table(vec![
        required("name", all.iter().map(|m| m.name.as_str())),
        required("label", all.iter().map(|m| m.label.as_str())),
        optional("description", all.iter().map(|m| m.description.as_deref())),
        required("type", all.iter().map(|m| metric_type(&m.kind))),
    ])
}

/// `system.dimensions`: per metric, what it can be grouped and filtered by.
pub(crate) fn dimensions(catalog: &Catalog) -> Result<Arc<dyn TableProvider>> {
    let mut rows = Vec::new();
    for metric in &catalog.metrics {
        let of_metric = catalog.dimensions(std::slice::from_ref(&metric.name));
        rows.extend(of_metric.into_iter().map(|dimension| (metric.name.as_str(), dimension)));
    }
    table(vec![
        required("metric", rows.iter().map(|(metric, _)| *metric)),
        required("name", rows.iter().map(|(_, d)| d.qualified_name.as_str())),
        required("type", rows.iter().map(|(_, d)| dimension_type(d.kind))),
        optional("description", rows.iter().map(|(_, d)| d.description.as_deref())),
    ])
}

/// The declared audiences, without their sizes.
pub(crate) fn audiences(catalog: &Catalog) -> Result<Arc<dyn TableProvider>> {
    let all = &catalog.audiences;
    let versions: Vec<String> = all.iter().map(|a| format!("{:016x}", a.hash)).collect();
    table(vec![
        required("name", all.iter().map(|a| a.name.as_str())),
        optional("label", all.iter().map(|a| a.label.as_deref())),
        optional("description", all.iter().map(|a| a.description.as_deref())),
        required("version", versions.iter().map(String::as_str)),
    ])
}

fn metric_type(kind: &MetricKind) -> &'static str {
    match kind {
        MetricKind::Simple { .. } => "simple",
        MetricKind::Ratio { .. } => "ratio",
    }
}

fn dimension_type(kind: DimensionKind) -> &'static str {
    match kind {
        DimensionKind::Categorical => "categorical",
        DimensionKind::Time(_) => "time",
    }
}

fn required<'a>(name: &str, values: impl Iterator<Item = &'a str>) -> (Field, ArrayRef) {
    (Field::new(name, DataType::Utf8, false), Arc::new(StringArray::from_iter_values(values)))
}

fn optional<'a>(name: &str, values: impl Iterator<Item = Option<&'a str>>) -> (Field, ArrayRef) {
    (Field::new(name, DataType::Utf8, true), Arc::new(StringArray::from_iter(values)))
}

fn table(columns: Vec<(Field, ArrayRef)>) -> Result<Arc<dyn TableProvider>> {
    let (fields, arrays): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    let schema = Arc::new(Schema::new(fields));
    let rows = RecordBatch::try_new(Arc::clone(&schema), arrays)?;
    Ok(Arc::new(MemTable::try_new(schema, vec![vec![rows]])?))
}
