//! The parts of a catalog in our own format, as the loader reads them from extensions.

use std::sync::Arc;

use crate::{
    Aggregation, ConversionCalculation, ConversionMetric, CumulativeScope, Dimension, DimensionKind, Entity,
    EntityType, ExportDestination, Measure, Metric, MetricInput, MetricKind, MetricView, NonAdditive,
    Percentile, PeriodAggregation, Relation, SavedQuery, SemanticModel, SimpleMetric, SpinePoints, TimeSpine,
    Validity, WindowChoice,
    report::Report,
    yaml::{
        self, Node,
        write::{list, map, plain, text},
    },
};

fn texts<'a>(items: impl IntoIterator<Item = &'a String>) -> Node {
    list(items.into_iter().map(text))
}

/// A list that says nothing is left out.
fn some_texts(items: &[String]) -> Option<Node> {
    (!items.is_empty()).then(|| texts(items))
}

fn yes(value: bool) -> Option<Node> {
    value.then(|| plain(true))
}

/// `config` with metadata, which is kept as JSON.
fn config(meta: Option<&String>) -> Option<Node> {
    let meta = yaml::parse_json(&Arc::from(""), meta?, &mut Report::default())?;
    Some(map([("meta", Some(meta))]))
}

pub(super) fn model(model: &SemanticModel) -> Node {
    let has_primary = model.entities.iter().any(|e| e.entity_type == EntityType::Primary);
    let default = model.default_agg_time_dimension.as_ref();
    map([
        ("name", Some(text(&model.name))),
        ("label", model.label.as_ref().map(text)),
        ("description", model.description.as_ref().map(text)),
        ("defaults", default.map(|time| map([("agg_time_dimension", Some(text(time)))]))),
        ("primary_entity", model.primary_entity.as_ref().filter(|_| !has_primary).map(text)),
        ("entities", Some(list(model.entities.iter().map(entity)))),
        ("dimensions", Some(list(model.dimensions.iter().map(dimension)))),
        ("measures", Some(list(model.measures.iter().map(measure)))),
        ("config", config(model.meta.as_ref())),
    ])
}

fn entity(entity: &Entity) -> Node {
    let kind = match entity.entity_type {
        EntityType::Primary => "primary",
        EntityType::Unique => "unique",
        EntityType::Foreign => "foreign",
        EntityType::Natural => "natural",
    };
    map([
        ("name", Some(text(&entity.name))),
        ("type", Some(text(kind))),
        ("expr", Some(text(&entity.expr))),
        ("identifier", entity.identifier.as_ref().map(text)),
        ("role", entity.role.as_ref().map(text)),
        ("label", entity.label.as_ref().map(text)),
        ("description", entity.description.as_ref().map(text)),
        ("config", config(entity.meta.as_ref())),
    ])
}

fn dimension(dimension: &Dimension) -> Node {
    let grain = match dimension.kind {
        DimensionKind::Categorical => None,
        DimensionKind::Time(grain) => Some(grain),
    };
    let validity = dimension.validity.map(|end| match end {
        Validity::Start => map([("is_start", Some(plain(true)))]),
        Validity::End => map([("is_end", Some(plain(true)))]),
    });
    let params = grain.is_some() || validity.is_some();
    map([
        ("name", Some(text(&dimension.name))),
        ("type", Some(text(if grain.is_some() { "time" } else { "categorical" }))),
        ("expr", Some(text(&dimension.expr))),
        ("is_partition", yes(dimension.is_partition)),
        (
            "type_params",
            params.then(|| {
                map([
                    ("time_granularity", grain.map(|grain| text(grain.as_str()))),
                    ("validity_params", validity),
                ])
            }),
        ),
        ("label", dimension.label.as_ref().map(text)),
        ("description", dimension.description.as_ref().map(text)),
        ("config", config(dimension.meta.as_ref())),
    ])
}

fn measure(measure: &Measure) -> Node {
    let (agg, params) = aggregation(measure.agg);
    map([
        ("name", Some(text(&measure.name))),
        ("agg", Some(text(agg))),
        ("agg_params", params),
        ("expr", Some(text(&measure.expr))),
        ("agg_time_dimension", measure.agg_time_dimension.as_ref().map(text)),
        ("non_additive_dimension", measure.non_additive.as_ref().map(non_additive)),
        ("label", measure.label.as_ref().map(text)),
        ("description", measure.description.as_ref().map(text)),
        ("config", config(measure.meta.as_ref())),
    ])
}

/// dbt's name of an aggregation, and its parameters.
fn aggregation(agg: Aggregation) -> (&'static str, Option<Node>) {
    let params = |percentile: Percentile| {
        map([
            ("percentile", Some(plain(percentile.fraction))),
            ("use_discrete_percentile", yes(percentile.discrete)),
            ("use_approximate_percentile", yes(percentile.approximate)),
        ])
    };
    match agg {
        Aggregation::Sum => ("sum", None),
        Aggregation::Min => ("min", None),
        Aggregation::Max => ("max", None),
        Aggregation::Average => ("average", None),
        Aggregation::Count => ("count", None),
        Aggregation::CountDistinct => ("count_distinct", None),
        Aggregation::ApproxCountDistinct => ("approx_count_distinct", None),
        Aggregation::SumBoolean => ("sum_boolean", None),
        Aggregation::Median { approximate } => {
            let median = Percentile { fraction: 0.5, discrete: false, approximate };
            ("median", approximate.then(|| params(median)))
        }
        Aggregation::Percentile(percentile) => ("percentile", Some(params(percentile))),
    }
}

fn non_additive(non_additive: &NonAdditive) -> Node {
    let choice = match non_additive.window_choice {
        WindowChoice::Min => "min",
        WindowChoice::Max => "max",
    };
    map([
        ("name", Some(text(&non_additive.dimension))),
        ("window_choice", Some(text(choice))),
        ("window_groupings", some_texts(&non_additive.window_groupings)),
    ])
}

pub(super) fn metric(metric: &Metric) -> Node {
    let private = yes(metric.private);
    let params = match &metric.kind {
        MetricKind::Simple(simple) => self::simple(simple, private),
        MetricKind::Ratio { numerator, denominator } => map([
            ("numerator", Some(input(numerator))),
            ("denominator", Some(input(denominator))),
            ("is_private", private),
        ]),
        MetricKind::Derived { expr, inputs } => map([
            ("expr", Some(text(expr))),
            ("metrics", Some(list(inputs.iter().map(input)))),
            ("is_private", private),
        ]),
        MetricKind::Cumulative { input, scope, period_agg } => map([
            ("cumulative_type_params", Some(cumulative(input, scope, *period_agg))),
            ("is_private", private),
        ]),
        MetricKind::Conversion(conversion) => {
            map([("conversion_type_params", Some(self::conversion(conversion))), ("is_private", private)])
        }
    };
    map([
        ("name", Some(text(&metric.name))),
        ("type", Some(text(metric.kind.as_str()))),
        ("type_params", Some(params)),
        ("filter", some_texts(&metric.filters)),
        ("time_granularity", metric.time_granularity.as_ref().map(|grain| text(grain.as_str()))),
        ("label", (metric.label != metric.name).then(|| text(&metric.label))),
        ("description", metric.description.as_ref().map(text)),
        ("config", config(metric.meta.as_ref())),
    ])
}

fn simple(simple: &SimpleMetric, private: Option<Node>) -> Node {
    let (agg, agg_params) = aggregation(simple.agg);
    let params = map([
        ("semantic_model", Some(text(&simple.model))),
        ("agg", Some(text(agg))),
        ("agg_params", agg_params),
        ("agg_time_dimension", Some(text(&simple.agg_time_dimension))),
        ("non_additive_dimension", simple.non_additive.as_ref().map(non_additive)),
    ]);
    map([
        ("measure", simple.measure.as_ref().map(text)),
        ("metric_aggregation_params", Some(params)),
        ("expr", Some(text(&simple.expr))),
        ("fill_nulls_with", simple.fill_nulls_with.map(plain)),
        ("join_to_timespine", yes(simple.join_to_timespine)),
        ("is_private", private),
    ])
}

fn input(input: &MetricInput) -> Node {
    map([
        ("name", Some(text(&input.name))),
        ("filter", some_texts(&input.filters)),
        ("alias", input.alias.as_ref().map(text)),
        ("offset_window", input.offset_window.as_ref().map(|w| text(w.to_string()))),
        ("offset_to_grain", input.offset_to_grain.map(|grain| text(grain.as_str()))),
    ])
}

fn cumulative(of: &MetricInput, scope: &CumulativeScope, period_agg: PeriodAggregation) -> Node {
    let (window, grain) = match scope {
        CumulativeScope::AllTime => (None, None),
        CumulativeScope::Window(window) => (Some(text(window.to_string())), None),
        CumulativeScope::GrainToDate(grain) => (None, Some(text(grain.as_str()))),
    };
    let period = match period_agg {
        PeriodAggregation::First => "first",
        PeriodAggregation::Last => "last",
        PeriodAggregation::Average => "average",
    };
    map([
        ("metric", Some(input(of))),
        ("window", window),
        ("grain_to_date", grain),
        ("period_agg", Some(text(period))),
    ])
}

fn conversion(conversion: &ConversionMetric) -> Node {
    let calculation = match conversion.calculation {
        ConversionCalculation::Conversions => "conversions",
        ConversionCalculation::ConversionRate => "conversion_rate",
    };
    let pairs = conversion.constant_properties.iter().map(|pair| {
        map([
            ("base_property", Some(text(&pair.base_property))),
            ("conversion_property", Some(text(&pair.conversion_property))),
        ])
    });
    map([
        ("entity", Some(text(&conversion.entity))),
        ("base_metric", Some(input(&conversion.base))),
        ("conversion_metric", Some(input(&conversion.conversion))),
        ("calculation", Some(text(calculation))),
        ("window", conversion.window.as_ref().map(|window| text(window.to_string()))),
        ("constant_properties", Some(list(pairs))),
    ])
}

pub(super) fn spine(spine: &TimeSpine) -> Node {
    let grain = text(spine.grain.as_str());
    let (relation, column) = match &spine.points {
        SpinePoints::Generated { from, to } => {
            return map([
                ("grain", Some(grain)),
                ("from", Some(text(from.to_string()))),
                ("to", Some(text(to.to_string()))),
            ]);
        }
        SpinePoints::Table { relation, column } => (relation, column),
    };
    let custom = spine
        .custom_grains
        .iter()
        .map(|custom| map([("name", Some(text(&custom.name))), ("column_name", Some(text(&custom.column)))]));
    map([
        ("node_relation", Some(node_relation(relation))),
        ("primary_column", Some(map([("name", Some(text(column))), ("time_granularity", Some(grain))]))),
        ("custom_granularities", Some(list(custom))),
    ])
}

fn node_relation(relation: &Relation) -> Node {
    match relation {
        Relation::Table { database, schema, name } => map([
            ("database", database.as_ref().map(text)),
            ("schema_name", Some(text(schema))),
            ("alias", Some(text(name))),
        ]),
        Relation::Query(query) => map([("relation_name", Some(text(query)))]),
    }
}

pub(super) fn saved_query(query: &SavedQuery) -> Node {
    let order_by = query.order_by.iter().map(|order| {
        let sign = if order.descending { "-" } else { "" };
        text(format!("{sign}{}", order.name))
    });
    let exports = query.exports.iter().map(|export| {
        let export_as = match export.export_as {
            ExportDestination::Table => "table",
            ExportDestination::View => "view",
        };
        let config = map([
            ("export_as", Some(text(export_as))),
            ("schema", export.schema.as_ref().map(text)),
            ("alias", export.alias.as_ref().map(text)),
        ]);
        map([("name", Some(text(&export.name))), ("config", Some(config))])
    });
    let params = map([
        ("metrics", Some(texts(&query.metrics))),
        ("group_by", Some(texts(&query.group_by))),
        ("where", some_texts(&query.filters)),
        ("order_by", Some(list(order_by))),
        ("limit", query.limit.map(plain)),
    ]);
    let cache = yes(query.cache).map(|yes| map([("cache", Some(map([("enabled", Some(yes))])))]));
    map([
        ("name", Some(text(&query.name))),
        ("label", query.label.as_ref().map(text)),
        ("description", query.description.as_ref().map(text)),
        ("query_params", Some(params)),
        ("exports", Some(list(exports))),
        ("tags", some_texts(&query.tags)),
        ("config", cache),
    ])
}

pub(super) fn metric_view(view: &MetricView) -> Node {
    let dimensions = view.dimensions.as_ref().map(|dimensions| {
        list(dimensions.iter().map(|dimension| {
            map([("name", Some(text(&dimension.name))), ("as", dimension.alias.as_ref().map(text))])
        }))
    });
    map([
        ("name", Some(text(&view.name))),
        ("description", view.description.as_ref().map(text)),
        ("metrics", Some(texts(&view.metrics))),
        ("dimensions", dimensions),
        ("filter", some_texts(&view.filters)),
    ])
}
