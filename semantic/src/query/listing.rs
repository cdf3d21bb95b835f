use std::collections::BTreeMap;

use super::{
    graph::{Item, Target},
    leaves::{Above, BranchKind},
    planner::Planner,
    resolve::Seat,
};
use crate::{
    Catalog, CumulativeScope, DimensionKind, Entity, Grain, Metric, MetricKind, QueryableDimension, TimeGrain,
};

/// Where the metrics' group-bys are looked up: each seat once; `None` where a metric is unknown.
fn seats(catalog: &Catalog, metrics: &[String]) -> Option<Vec<Seat>> {
    let mut planner = Planner::new(catalog);
    for name in metrics {
        planner.take_apart(catalog.graph.metric(&name.to_lowercase())?, &Above::default())?;
    }
    let mut found: Vec<Seat> = Vec::new();
    for branch in &planner.branches {
        if !found.contains(&branch.seat) {
            found.push(branch.seat);
        }
    }
    Some(found)
}

/// Items that every seat reaches under one name, sorted by it.
fn common(catalog: &Catalog, seats: &[Seat]) -> Vec<Item> {
    let models = &catalog.semantic_models;
    let mut at: Vec<usize> = seats.iter().filter_map(|s| s.model).collect();
    at.sort_unstable();
    at.dedup();
    let Some((first, others)) = at.split_first() else { return Vec::new() };
    let same = |m: usize, item: &Item| {
        catalog.graph.find(models, m, &item.path, &item.name).is_ok_and(|i| i.path == item.path)
    };
    let mut found: BTreeMap<String, Item> = BTreeMap::new();
    for item in catalog.graph.items(models, *first) {
        let itself = catalog.graph.find(models, *first, &item.path, &item.name).is_ok_and(|i| i == item);
        if itself && others.iter().all(|m| same(*m, &item)) {
            found.insert(item.qualified(), item);
        }
    }
    found.into_values().collect()
}

/// What these metrics can all be grouped by. Names are the shortest that resolve.
pub(crate) fn dimensions(catalog: &Catalog, metrics: &[String]) -> Vec<QueryableDimension> {
    let Some(seats) = seats(catalog, metrics) else { return Vec::new() };
    let mut found = Vec::new();
    if let Some(finest) = finest(&seats) {
        found.push(QueryableDimension {
            qualified_name: "metric_time".to_owned(),
            kind: DimensionKind::Time(finest),
            column_type: Some(model::ColumnType::Timestamp),
            description: Some("The time of each metric.".to_owned()),
        });
    }
    if metrics.is_empty() {
        let every =
            (0..catalog.semantic_models.len()).flat_map(|m| catalog.graph.items(&catalog.semantic_models, m));
        let mut local: Vec<Item> = every.filter(|i| i.hops.is_empty()).collect();
        local.sort_by_key(Item::qualified);
        local.dedup_by_key(|i| i.qualified());
        found.extend(local.iter().filter_map(|item| listed(catalog, item)));
        return found;
    }
    found.extend(common(catalog, &seats).iter().filter_map(|item| listed(catalog, item)));
    if seats.iter().all(|s| s.profile(catalog, &[]).is_ok()) {
        found.extend(catalog.audiences.iter().map(|audience| QueryableDimension {
            qualified_name: format!("profile__in_{}", audience.name),
            kind: DimensionKind::Categorical,
            column_type: Some(model::ColumnType::Boolean),
            description: audience.description.clone(),
        }));
    }
    found
}

/// The finest grain that all have; `None` where one has no time.
fn finest(seats: &[Seat]) -> Option<Grain> {
    seats.iter().map(|s| s.base).collect::<Option<Vec<Grain>>>()?.into_iter().max()
}

fn listed(catalog: &Catalog, item: &Item) -> Option<QueryableDimension> {
    let Target::Dimension(m, d) = item.target else { return None };
    let dimension = &catalog.semantic_models[m].dimensions[d];
    Some(QueryableDimension {
        qualified_name: item.qualified(),
        kind: dimension.kind,
        column_type: dimension.column_type,
        description: dimension.description.clone(),
    })
}

/// Entities these metrics can all be grouped by, with their qualified names.
pub(crate) fn entities<'a>(catalog: &'a Catalog, metrics: &[String]) -> Vec<(String, &'a Entity)> {
    let Some(seats) = seats(catalog, metrics) else { return Vec::new() };
    let of = |item: &Item| match item.target {
        Target::Entity(m, e) => Some((item.qualified(), &catalog.semantic_models[m].entities[e])),
        Target::Dimension(..) => None,
    };
    common(catalog, &seats).iter().filter_map(of).collect()
}

/// Grains of `metric_time` these metrics can all be asked for by, custom ones last.
pub(crate) fn queryable_grains(catalog: &Catalog, metrics: &[String]) -> Vec<TimeGrain> {
    let finest = match seats(catalog, metrics) {
        Some(seats) if seats.is_empty() => catalog.time_spines.iter().map(|s| s.grain).min(),
        Some(seats) => finest(&seats),
        None => None,
    };
    let Some(finest) = finest else { return Vec::new() };
    let standard = Grain::ALL.into_iter().filter(|g| *g >= finest).map(TimeGrain::Standard);
    let fitting = catalog.time_spines.iter().filter(|s| s.grain >= finest);
    let custom = fitting.flat_map(|s| &s.custom_grains).map(|g| TimeGrain::Custom(g.name.clone()));
    standard.chain(custom).collect()
}

/// Public metrics that can be grouped by all of these names.
pub(crate) fn metrics_for<'a>(catalog: &'a Catalog, dimensions: &[String]) -> Vec<&'a Metric> {
    let custom = |grain: &str| catalog.graph.custom_grain(grain).is_some();
    let asked: Result<Vec<_>, _> =
        dimensions.iter().map(|d| super::names::Asked::parse(d, &custom)).collect();
    let Ok(asked) = asked else { return Vec::new() };
    let fits = |metric: &&Metric| {
        let Some(seats) = seats(catalog, std::slice::from_ref(&metric.name)) else { return false };
        asked.iter().all(|one| {
            seats
                .iter()
                .all(|s| s.resolve(catalog, one, &TimeGrain::Standard(s.base.unwrap_or(Grain::Day))).is_ok())
        })
    };
    catalog.metrics.iter().filter(|m| !m.private).filter(fits).collect()
}

/// Whether a metric has an answer only by time.
pub(crate) fn requires_metric_time(catalog: &Catalog, metric: &str) -> bool {
    let Some(number) = catalog.graph.metric(&metric.to_lowercase()) else { return false };
    let mut planner = Planner::new(catalog);
    planner.take_apart(number, &Above::default());
    let windowed = |kind: &BranchKind| {
        matches!(
            kind,
            BranchKind::Cumulative(CumulativeScope::Window(_) | CumulativeScope::GrainToDate(_), _)
        )
    };
    planner.branches.iter().any(|b| b.needs_time.is_some() || windowed(&b.kind))
        || matches!(&catalog.metrics[number].kind, MetricKind::Derived { inputs, .. }
            if inputs.iter().any(|i| i.offset_window.is_some() || i.offset_to_grain.is_some()))
}
