//! Listings as tables. Columns are found without case and shown in upper case.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, BooleanArray, ListBuilder, StringBuilder},
    datatypes::{DataType, Field},
};
use datafusion::{catalog::TableProvider, common::Result};
use semantic::{Aggregation, Catalog, DimensionKind, EntityType, Metric, TimeGrain};

use super::{
    template::{Listing, ListingKind},
    type_params,
};
use crate::{
    Error, metadata,
    system::{optional, required, table},
};

/// Columns by name, before they are a table.
type Columns = Vec<(Field, ArrayRef)>;

/// The rows of a listing.
pub(super) fn rows(
    catalog: &Catalog,
    listing: &Listing,
) -> std::result::Result<Arc<dyn TableProvider>, Error> {
    let search = listing.search.as_deref();
    let columns = match &listing.kind {
        ListingKind::Metrics => {
            let all = metadata::metrics(catalog, search).collect();
            metrics(catalog, &paged(listing, all))
        }
        ListingKind::MetricsForDimensions(group_by) => {
            let found = metadata::metrics_for_dimensions(catalog, group_by);
            let speaking: Vec<&str> = metadata::metrics(catalog, search).map(|m| m.name.as_str()).collect();
            let found = found.into_iter().filter(|m| speaking.contains(&m.name.as_str())).collect();
            metrics(catalog, &paged(listing, found))
        }
        ListingKind::Dimensions(names) => {
            let all = metadata::dimensions(catalog, &metadata::named(catalog, names)?, search);
            dimensions(&paged(listing, all))
        }
        ListingKind::Entities(names) => {
            let all = metadata::entities(catalog, &metadata::named(catalog, names)?, search);
            entities(&paged(listing, all))
        }
        ListingKind::Measures(names) => {
            let all = metadata::measures(catalog, &of(catalog, names)?);
            let speaking = all.into_iter().filter(|m| search.is_none_or(|text| m.name.contains(text)));
            measures(&paged(listing, speaking.collect()))
        }
        ListingKind::QueryableGranularities(names) => {
            let all = metadata::metric_time_grains(catalog, &metadata::named(catalog, names)?);
            let names: Vec<String> = paged(listing, all).iter().map(shown).collect();
            vec![required("name", names.iter().map(String::as_str))]
        }
        ListingKind::SavedQueries => saved_queries(&paged(listing, catalog.saved_queries.iter().collect())),
    };
    table(columns).map_err(Error::from)
}

/// One row with the SQL of a query.
pub(super) fn compiled(sql: &str) -> Result<Arc<dyn TableProvider>> {
    table(vec![required("sql", [sql].into_iter())])
}

/// The metrics of these names; without names, all.
fn of<'a>(catalog: &'a Catalog, names: &[String]) -> std::result::Result<Vec<&'a Metric>, Error> {
    match names {
        [] => Ok(metadata::metrics(catalog, None).collect()),
        names => metadata::named(catalog, names),
    }
}

fn paged<T>(listing: &Listing, all: Vec<T>) -> Vec<T> {
    let whole = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    match listing.page {
        None => all,
        Some((before, size)) => all.into_iter().skip(whole(before)).take(whole(size)).collect(),
    }
}

fn metrics(catalog: &Catalog, all: &[&Metric]) -> Columns {
    let types: Vec<String> = all.iter().map(|m| m.kind.as_str().to_uppercase()).collect();
    let params: Vec<String> = all.iter().map(|m| type_params::json(m)).collect();
    let filters: Vec<Option<String>> = all.iter().map(|m| metadata::all_of(&m.filters)).collect();
    let dimensions = all.iter().map(|metric| {
        metadata::dimensions(catalog, &[metric], None).into_iter().map(|d| d.qualified_name).collect()
    });
    let grains =
        all.iter().map(|metric| metadata::metric_time_grains(catalog, &[metric]).iter().map(shown).collect());
    let requires: BooleanArray =
        all.iter().map(|m| Some(metadata::requires_metric_time(catalog, m))).collect();
    vec![
        required("name", all.iter().map(|m| m.name.as_str())),
        optional("description", all.iter().map(|m| m.description.as_deref())),
        required("label", all.iter().map(|m| m.label.as_str())),
        required("type", types.iter().map(String::as_str)),
        required("type_params", params.iter().map(String::as_str)),
        optional("filter", filters.iter().map(Option::as_deref)),
        lists("dimensions", dimensions),
        lists("queryable_granularities", grains),
        (Field::new("requires_metric_time", DataType::Boolean, false), Arc::new(requires)),
    ]
}

fn dimensions(all: &[metadata::ListedDimension<'_>]) -> Columns {
    let kind = |d: &metadata::ListedDimension<'_>| match d.kind {
        DimensionKind::Categorical => "CATEGORICAL",
        DimensionKind::Time(_) => "TIME",
    };
    vec![
        required("name", all.iter().map(|d| d.qualified_name.as_str())),
        required("qualified_name", all.iter().map(|d| d.qualified_name.as_str())),
        required("type", all.iter().map(kind)),
        optional("label", all.iter().map(|d| d.declared?.label.as_deref())),
        optional("description", all.iter().map(|d| d.description.as_deref())),
        optional("expr", all.iter().map(|d| Some(d.declared?.expr.as_str()))),
        lists("queryable_granularities", all.iter().map(|d| d.grains.iter().map(shown).collect())),
    ]
}

fn entities(all: &[metadata::ListedEntity<'_>]) -> Columns {
    let kind = |entity: &metadata::ListedEntity<'_>| match entity.declared.entity_type {
        EntityType::Primary => "PRIMARY",
        EntityType::Unique => "UNIQUE",
        EntityType::Foreign => "FOREIGN",
        EntityType::Natural => "NATURAL",
    };
    vec![
        required("name", all.iter().map(|e| e.name.as_str())),
        required("type", all.iter().map(kind)),
        optional("role", all.iter().map(|e| e.declared.role.as_deref())),
        required("expr", all.iter().map(|e| e.declared.expr.as_str())),
        optional("description", all.iter().map(|e| e.declared.description.as_deref())),
    ]
}

fn measures(all: &[metadata::ListedMeasure<'_>]) -> Columns {
    vec![
        required("name", all.iter().map(|m| m.name)),
        required("agg", all.iter().map(|m| aggregation(m.agg))),
        required("agg_time_dimension", all.iter().map(|m| m.agg_time_dimension)),
        required("expr", all.iter().map(|m| m.expr)),
    ]
}

fn saved_queries(all: &[&semantic::SavedQuery]) -> Columns {
    let filters: Vec<Option<String>> = all.iter().map(|q| metadata::all_of(&q.filters)).collect();
    vec![
        required("name", all.iter().map(|q| q.name.as_str())),
        optional("description", all.iter().map(|q| q.description.as_deref())),
        optional("label", all.iter().map(|q| q.label.as_deref())),
        lists("metrics", all.iter().map(|q| q.metrics.clone())),
        lists("group_by", all.iter().map(|q| q.group_by.clone())),
        optional("where_filter", filters.iter().map(Option::as_deref)),
    ]
}

fn aggregation(agg: Aggregation) -> &'static str {
    match agg {
        Aggregation::Sum => "SUM",
        Aggregation::Min => "MIN",
        Aggregation::Max => "MAX",
        Aggregation::Average => "AVERAGE",
        Aggregation::Count => "COUNT",
        Aggregation::CountDistinct => "COUNT_DISTINCT",
        Aggregation::ApproxCountDistinct => "APPROX_COUNT_DISTINCT",
        Aggregation::SumBoolean => "SUM_BOOLEAN",
        Aggregation::Median { .. } => "MEDIAN",
        Aggregation::Percentile(_) => "PERCENTILE",
    }
}

/// Standard grains in capitals, custom ones as they are declared.
fn shown(grain: &TimeGrain) -> String {
    match grain {
        TimeGrain::Standard(grain) => grain.as_str().to_uppercase(),
        TimeGrain::Custom(name) => name.clone(),
    }
}

fn lists(name: &str, rows: impl Iterator<Item = Vec<String>>) -> (Field, ArrayRef) {
    let item = Arc::new(Field::new("item", DataType::Utf8, false));
    let mut builder = ListBuilder::new(StringBuilder::new()).with_field(Arc::clone(&item));
    for row in rows {
        for text in row {
            builder.values().append_value(text);
        }
        builder.append(true);
    }
    (Field::new(name, DataType::List(item), false), Arc::new(builder.finish()))
}
