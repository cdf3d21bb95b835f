//! Declarations that have been judged become the catalog's values.

use std::collections::{HashMap, HashSet};

use model::ColumnType;

use super::{
    check::primary_entity,
    declared::{self, At, Declared, Input, Kind, Side, Simple},
    order,
};
use crate::{
    ConstantProperty, ConversionMetric, CumulativeScope, CustomGrain, Dimension, Entity, Grain, Measure,
    Metric, MetricInput, MetricKind, MetricView, NonAdditive, OrderBy, PeriodAggregation, PlannedEvent,
    Relation, SavedQuery, SemanticModel, SimpleMetric, TimeGrain, TimeSpine, TrackingPlan, sql,
};

/// The semantic part of a catalog.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) models: Vec<SemanticModel>,
    pub(super) metrics: Vec<Metric>,
    pub(super) saved_queries: Vec<SavedQuery>,
    pub(super) spines: Vec<TimeSpine>,
    pub(super) views: Vec<MetricView>,
}

pub(super) fn build(declared: &Declared, broken: &HashSet<String>, plan: &TrackingPlan) -> Built {
    let types = Types::new(declared, plan);
    let models = declared.models.iter().map(|m| model(m, &types)).collect();
    // What no file says comes last.
    let (written, automatic): (Vec<_>, Vec<_>) = declared.metrics.iter().partition(|m| m.name.span.line > 0);
    let mut seen = HashSet::new();
    let all = written.into_iter().chain(automatic);
    let sound = all.filter(|m| !broken.contains(&m.name.value) && seen.insert(&m.name.value));
    let metrics: Vec<Metric> = sound.filter_map(|m| metric(m, &types)).collect();
    let views = match &declared.views {
        Some(views) => views.iter().map(view).collect(),
        None => default_views(declared, &metrics),
    };
    let saved_queries = declared.saved_queries.iter().map(saved_query).collect();
    Built { models, metrics, saved_queries, spines: spines(&declared.spines), views }
}

/// Types of columns, which the tracking plan and the traits give away.
struct Types<'a> {
    events: HashMap<&'a str, &'a PlannedEvent>,
    relations: HashMap<&'a str, &'a Relation>,
}

impl<'a> Types<'a> {
    fn new(declared: &'a Declared, plan: &'a TrackingPlan) -> Self {
        Self {
            events: plan.events.iter().map(|e| (e.table.as_str(), e)).collect(),
            relations: declared.models.iter().map(|m| (m.name.value.as_str(), &m.relation)).collect(),
        }
    }

    fn of(&self, relation: &Relation, expr: &str) -> Option<ColumnType> {
        let Relation::Table { database: None, schema, name } = relation else { return None };
        let event =
            self.events.get(name.as_str()).filter(|_| matches!(schema.as_str(), "warehouse" | "events"));
        let column = |name: &str| {
            let event = event?;
            match event.properties.iter().find(|p| p.column == name) {
                Some(property) => Some(property.column_type),
                None if name == "timestamp" => Some(ColumnType::Timestamp),
                None if matches!(name, "id" | "profile_id") => Some(ColumnType::String),
                None => None,
            }
        };
        sql::infer(&sql::parse_expr(expr).ok()?, &column)
    }

    fn result(&self, relation: &Relation, aggregate: &declared::Aggregate) -> Option<ColumnType> {
        sql::result_type(aggregate.agg, self.of(relation, expr(aggregate.expr.as_ref())))
    }
}

fn expr(text: Option<&String>) -> &str {
    text.map(String::as_str).unwrap_or_default()
}

fn value<T: Clone>(at: Option<&At<T>>) -> Option<T> {
    at.map(|at| at.value.clone())
}

fn values(list: &[At<String>]) -> Vec<String> {
    list.iter().map(|at| at.value.clone()).collect()
}

fn model(model: &declared::Model, types: &Types<'_>) -> SemanticModel {
    let entities = model.entities.iter().map(|e| Entity {
        name: e.name.value.clone(),
        entity_type: e.entity_type,
        expr: expr(e.expr.as_ref()).to_owned(),
        identifier: e.identifier.clone(),
        role: e.role.clone(),
        label: value(e.texts.label.as_ref()),
        description: e.texts.description.clone(),
        meta: e.texts.meta.clone(),
    });
    let dimensions = model.dimensions.iter().map(|d| Dimension {
        name: d.name.value.clone(),
        expr: expr(d.expr.as_ref()).to_owned(),
        kind: d.kind,
        is_partition: d.is_partition,
        validity: d.validity,
        column_type: d.column_type.or_else(|| types.of(&model.relation, expr(d.expr.as_ref()))),
        label: value(d.texts.label.as_ref()),
        description: d.texts.description.clone(),
        meta: d.texts.meta.clone(),
    });
    let measures = model.measures.iter().map(|m| Measure {
        name: m.name.value.clone(),
        agg: m.aggregate.agg,
        expr: expr(m.aggregate.expr.as_ref()).to_owned(),
        agg_time_dimension: value(m.aggregate.agg_time.as_ref()),
        non_additive: m.aggregate.non_additive.as_ref().map(non_additive),
        column_type: types.result(&model.relation, &m.aggregate),
        label: value(m.texts.label.as_ref()),
        description: m.texts.description.clone(),
        meta: m.texts.meta.clone(),
    });
    SemanticModel {
        name: model.name.value.clone(),
        relation: model.relation.clone(),
        label: value(model.texts.label.as_ref()),
        description: model.texts.description.clone(),
        primary_entity: primary_entity(model).map(str::to_owned),
        default_agg_time_dimension: value(model.agg_time.as_ref()),
        entities: entities.collect(),
        dimensions: dimensions.collect(),
        measures: measures.collect(),
        meta: model.texts.meta.clone(),
        automatic: model.automatic,
    }
}

fn non_additive(non_additive: &declared::NonAdditive) -> NonAdditive {
    NonAdditive {
        dimension: non_additive.dimension.value.clone(),
        window_choice: non_additive.window_choice,
        window_groupings: values(&non_additive.window_groupings),
    }
}

/// `None` for what the checks have refused.
fn metric(metric: &declared::Metric, types: &Types<'_>) -> Option<Metric> {
    let kind = match &metric.kind {
        Kind::Simple(simple) => MetricKind::Simple(self::simple(simple, types)?),
        Kind::Ratio { numerator, denominator } => {
            MetricKind::Ratio { numerator: input(numerator), denominator: input(denominator) }
        }
        Kind::Derived { expr, inputs } => {
            MetricKind::Derived { expr: expr.value.clone(), inputs: inputs.iter().map(input).collect() }
        }
        Kind::Cumulative(cumulative) => MetricKind::Cumulative {
            input: side(&cumulative.input)?,
            scope: scope(cumulative),
            period_agg: cumulative.period_agg.unwrap_or(PeriodAggregation::First),
        },
        Kind::Conversion(conversion) => MetricKind::Conversion(self::conversion(conversion)?),
    };
    Some(Metric {
        name: metric.name.value.clone(),
        label: value(metric.texts.label.as_ref()).unwrap_or_else(|| metric.name.value.clone()),
        description: metric.texts.description.clone(),
        kind,
        filters: values(&metric.filters),
        time_granularity: value(metric.time_granularity.as_ref()),
        private: metric.private,
        meta: metric.texts.meta.clone(),
    })
}

fn simple(simple: &Simple, types: &Types<'_>) -> Option<SimpleMetric> {
    let own = simple.own.as_ref()?;
    let relation = types.relations.get(own.model.value.as_str())?;
    let aggregate = &own.aggregate;
    Some(SimpleMetric {
        model: own.model.value.clone(),
        agg: aggregate.agg,
        expr: expr(aggregate.expr.as_ref()).to_owned(),
        agg_time_dimension: aggregate.agg_time.as_ref()?.value.clone(),
        non_additive: aggregate.non_additive.as_ref().map(non_additive),
        fill_nulls_with: simple.fill_nulls_with,
        join_to_timespine: simple.join_to_timespine,
        measure: simple.measure.as_ref().map(|m| m.name.value.clone()),
        column_type: types.result(relation, aggregate),
    })
}

fn scope(cumulative: &declared::Cumulative) -> CumulativeScope {
    match (&cumulative.window, &cumulative.grain_to_date) {
        (Some(window), _) => CumulativeScope::Window(window.value.clone()),
        (None, Some(At { value: TimeGrain::Standard(grain), .. })) => CumulativeScope::GrainToDate(*grain),
        _ => CumulativeScope::AllTime,
    }
}

fn conversion(conversion: &declared::Conversion) -> Option<ConversionMetric> {
    let pairs = conversion.constant_properties.iter();
    Some(ConversionMetric {
        entity: conversion.entity.value.clone(),
        base: side(&conversion.base)?,
        conversion: side(&conversion.conversion)?,
        calculation: conversion.calculation,
        window: value(conversion.window.as_ref()),
        constant_properties: pairs
            .map(|(base, conversion)| ConstantProperty {
                base_property: base.value.clone(),
                conversion_property: conversion.value.clone(),
            })
            .collect(),
    })
}

fn side(side: &Side) -> Option<MetricInput> {
    match side {
        Side::Metric(metric) => Some(input(metric)),
        Side::Measure(_) => None,
    }
}

fn input(input: &Input) -> MetricInput {
    MetricInput {
        name: input.name.value.clone(),
        filters: values(&input.filters),
        alias: value(input.alias.as_ref()),
        offset_window: value(input.offset_window.as_ref()),
        offset_to_grain: match &input.offset_to_grain {
            Some(At { value: TimeGrain::Standard(grain), .. }) => Some(*grain),
            _ => None,
        },
    }
}

pub(super) fn saved_query(query: &declared::SavedQuery) -> SavedQuery {
    let order_by = query.order_by.iter().map(|text| {
        let order = order::parse(&text.value);
        // Spelled as the group-by is, so that the two are easily compared.
        let group_by = query.group_by.iter().map(|g| g.value.as_str());
        let name = order::matching(&order.name, group_by).map_or(order.name.clone(), str::to_owned);
        OrderBy { name, descending: order.descending }
    });
    SavedQuery {
        name: query.name.value.clone(),
        label: value(query.label.as_ref()),
        description: query.description.clone(),
        metrics: values(&query.metrics),
        group_by: values(&query.group_by),
        filters: values(&query.filters),
        order_by: order_by.collect(),
        limit: query.limit,
        exports: query.exports.clone(),
        tags: query.tags.clone(),
        cache: query.cache,
    }
}

/// From fine to coarse, one of each grain: the first that was declared.
fn spines(declared: &[declared::Spine]) -> Vec<TimeSpine> {
    let mut seen: HashSet<Grain> = HashSet::new();
    let first = declared.iter().filter(|s| seen.insert(s.grain.value));
    let mut spines: Vec<TimeSpine> = first
        .map(|spine| TimeSpine {
            grain: spine.grain.value,
            points: spine.points.clone(),
            custom_grains: spine
                .custom_grains
                .iter()
                .map(|(name, column)| CustomGrain {
                    name: name.value.clone(),
                    column: column.clone().unwrap_or_else(|| name.value.clone()),
                })
                .collect(),
        })
        .collect();
    spines.sort_by_key(|spine| spine.grain);
    spines
}

fn view(view: &declared::View) -> MetricView {
    let dimensions =
        view.dimensions.as_ref().map(|list| list.iter().map(|dimension| dimension.value.clone()).collect());
    MetricView {
        name: view.name.value.clone(),
        description: view.description.clone(),
        metrics: values(&view.metrics),
        dimensions,
        filters: values(&view.filters),
    }
}

/// One view per semantic model with metrics, and one of all metrics (`query-interfaces.md` 1.2).
fn default_views(declared: &Declared, metrics: &[Metric]) -> Vec<MetricView> {
    let by_name: HashMap<&str, &Metric> = metrics.iter().map(|m| (m.name.as_str(), m)).collect();
    let mut models_of = HashMap::new();
    let mut of_model: HashMap<&str, Vec<String>> = HashMap::new();
    let mut all = Vec::new();
    for metric in metrics.iter().filter(|m| !m.private) {
        all.push(metric.name.clone());
        if let Some(model) = only_model(metric, &by_name, &mut models_of) {
            of_model.entry(model).or_default().push(metric.name.clone());
        }
    }
    let plain = |name: &str, description: Option<String>, metrics| MetricView {
        name: name.to_owned(),
        description,
        metrics,
        dimensions: None,
        filters: Vec::new(),
    };
    let mut views: Vec<MetricView> = Vec::new();
    for model in declared.models.iter().filter(|m| m.name.value != "all") {
        if let Some(metrics) = of_model.remove(model.name.value.as_str()) {
            views.push(plain(&model.name.value, model.texts.description.clone(), metrics));
        }
    }
    if !all.is_empty() {
        views.push(plain("all", Some("Every metric.".to_owned()), all));
    }
    views
}

/// The model all rows of a metric come from; a conversion shows the dimensions of its base.
fn only_model<'a>(
    metric: &'a Metric,
    by_name: &HashMap<&str, &'a Metric>,
    known: &mut HashMap<&'a str, Option<&'a str>>,
) -> Option<&'a str> {
    if let Some(known) = known.get(metric.name.as_str()) {
        return *known;
    }
    let inputs: Vec<&MetricInput> = match &metric.kind {
        MetricKind::Simple(simple) => return Some(&simple.model),
        MetricKind::Ratio { numerator, denominator } => vec![numerator, denominator],
        MetricKind::Derived { inputs, .. } => inputs.iter().collect(),
        MetricKind::Cumulative { input, .. } => vec![input],
        MetricKind::Conversion(conversion) => vec![&conversion.base],
    };
    let mut models = inputs
        .into_iter()
        .map(|input| by_name.get(input.name.as_str()).copied().and_then(|m| only_model(m, by_name, known)));
    let first = models.next().flatten();
    let only = first.filter(|first| models.all(|model| model == Some(*first)));
    known.insert(&metric.name, only);
    only
}
