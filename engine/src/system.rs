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
use semantic::{Aggregation, Catalog, DimensionKind, Metric, MetricKind, TimeGrain};

use crate::metric_views::Views;

/// `system.metrics`: what can be asked by name.
pub(crate) fn metrics(catalog: &Catalog) -> Result<Arc<dyn TableProvider>> {
    let all: Vec<&Metric> = catalog.metrics.iter().filter(|m| !m.private).collect();
    let filters: Vec<String> = all.iter().map(|m| m.filters.join(" AND ")).collect();
    let simple = |m: &Metric| match &m.kind {
        MetricKind::Simple(simple) => Some(simple.clone()),
        _ => None,
    };
    let models: Vec<Option<String>> = all.iter().map(|m| simple(m).map(|s| s.model)).collect();
    table(vec![
        required("name", all.iter().map(|m| m.name.as_str())),
        required("label", all.iter().map(|m| m.label.as_str())),
        optional("description", all.iter().map(|m| m.description.as_deref())),
        required("type", all.iter().map(|m| m.kind.as_str())),
        optional("aggregation", all.iter().map(|m| simple(m).map(|s| aggregation(s.agg)))),
        optional("model", models.iter().map(Option::as_deref)),
        optional("filter", filters.iter().map(|f| Some(f.as_str()).filter(|f| !f.is_empty()))),
        optional("time_granularity", all.iter().map(|m| m.time_granularity.as_ref().map(TimeGrain::as_str))),
    ])
}

/// `system.metric_views`: the tables of schema `metrics`.
pub(crate) fn metric_views(views: &Views) -> Result<Arc<dyn TableProvider>> {
    let all: Vec<_> = views.listing().collect();
    let metrics: Vec<String> = all.iter().map(|(_, _, metrics)| metrics.join(", ")).collect();
    table(vec![
        required("name", all.iter().map(|(name, ..)| *name)),
        optional("description", all.iter().map(|(_, description, _)| *description)),
        required("metrics", metrics.iter().map(String::as_str)),
    ])
}

fn aggregation(agg: Aggregation) -> &'static str {
    match agg {
        Aggregation::Sum => "sum",
        Aggregation::Min => "min",
        Aggregation::Max => "max",
        Aggregation::Average => "average",
        Aggregation::Count => "count",
        Aggregation::CountDistinct => "count_distinct",
        Aggregation::ApproxCountDistinct => "approx_count_distinct",
        Aggregation::SumBoolean => "sum_boolean",
        Aggregation::Median { .. } => "median",
        Aggregation::Percentile(_) => "percentile",
    }
}

/// `system.dimensions`: per metric, what it can be grouped and filtered by.
pub(crate) fn dimensions(catalog: &Catalog) -> Result<Arc<dyn TableProvider>> {
    let mut rows = Vec::new();
    for metric in catalog.metrics.iter().filter(|m| !m.private) {
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

fn dimension_type(kind: DimensionKind) -> &'static str {
    match kind {
        DimensionKind::Categorical => "categorical",
        DimensionKind::Time(_) => "time",
    }
}

pub(crate) fn required<'a>(name: &str, values: impl Iterator<Item = &'a str>) -> (Field, ArrayRef) {
    (Field::new(name, DataType::Utf8, false), Arc::new(StringArray::from_iter_values(values)))
}

pub(crate) fn optional<'a>(name: &str, values: impl Iterator<Item = Option<&'a str>>) -> (Field, ArrayRef) {
    (Field::new(name, DataType::Utf8, true), Arc::new(StringArray::from_iter(values)))
}

pub(crate) fn table(columns: Vec<(Field, ArrayRef)>) -> Result<Arc<dyn TableProvider>> {
    let (fields, arrays): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    let schema = Arc::new(Schema::new(fields));
    let rows = RecordBatch::try_new(Arc::clone(&schema), arrays)?;
    Ok(Arc::new(MemTable::try_new(schema, vec![vec![rows]])?))
}
