//! What there is to ask for, as the dbt-compatible interfaces list it: one reading of the definitions
//! for templates and GraphQL.

use model::{Diagnostic, Severity};
use semantic::{
    Aggregation, Catalog, Dimension, DimensionKind, Entity, Grain, GroupBy, Metric, MetricInput, MetricKind,
    MetricQuery, MetricRequest, SemanticModel, SimpleMetric, TimeGrain,
};

use crate::{Error, error::closest};

pub use crate::semantic_layer::{GroupByParts, group_by_parts, value_queries};

/// A dimension that metrics can be grouped and filtered by.
#[derive(Debug, Clone)]
pub struct ListedDimension<'a> {
    /// The name to ask for.
    pub qualified_name: String,
    /// Categorical, or time with its finest grain.
    pub kind: DimensionKind,
    /// Text for people.
    pub description: Option<String>,
    /// Its declaration; `metric_time` and audiences have none.
    pub declared: Option<&'a Dimension>,
    /// The grains it can be asked at, from fine to coarse.
    pub grains: Vec<TimeGrain>,
}

/// An entity that metrics can be grouped by.
#[derive(Debug, Clone)]
pub struct ListedEntity<'a> {
    /// The name to ask for.
    pub name: String,
    /// Its declaration.
    pub declared: &'a Entity,
}

/// What a simple metric aggregates; for a metric without a measure of its own, the metric itself.
#[derive(Debug, Clone)]
pub struct ListedMeasure<'a> {
    /// Name of the measure.
    pub name: &'a str,
    /// How it is aggregated.
    pub agg: Aggregation,
    /// SQL over the model's columns.
    pub expr: &'a str,
    /// Its time dimension.
    pub agg_time_dimension: &'a str,
    /// `config.meta` of the measure as JSON text.
    pub meta: Option<&'a str>,
}

/// Metrics anybody may ask for; with `search`, those whose name or texts hold it, in any case.
pub fn metrics<'a>(catalog: &'a Catalog, search: Option<&str>) -> impl Iterator<Item = &'a Metric> {
    let search = search.map(str::to_lowercase);
    catalog.metrics.iter().filter(move |metric| {
        let texts = [Some(metric.name.as_str()), Some(&metric.label), metric.description.as_deref()];
        !metric.private && holds(search.as_deref(), texts)
    })
}

fn holds<'a>(search: Option<&str>, texts: impl IntoIterator<Item = Option<&'a str>>) -> bool {
    search.is_none_or(|search| texts.into_iter().flatten().any(|text| text.to_lowercase().contains(search)))
}

/// The metrics of these names, or everything that is wrong with the names.
pub fn named<'a>(catalog: &'a Catalog, names: &[String]) -> Result<Vec<&'a Metric>, Error> {
    let mut found = Vec::new();
    let mut faults = Vec::new();
    for name in names {
        match catalog.metric(&name.to_lowercase()).filter(|metric| !metric.private) {
            Some(metric) => found.push(metric),
            None => faults.push(unknown_metric(catalog, name)),
        }
    }
    if faults.is_empty() { Ok(found) } else { Err(Error::Metrics(faults)) }
}

fn unknown_metric(catalog: &Catalog, name: &str) -> Diagnostic {
    Diagnostic {
        code: "unknown_metric",
        severity: Severity::Error,
        span: None,
        message: format!("unknown metric '{name}'"),
        suggestion: closest(name, metrics(catalog, None).map(|m| m.name.as_str())).map(str::to_owned),
    }
}

/// What these metrics have in common; of no metrics, everything.
pub fn dimensions<'a>(
    catalog: &'a Catalog,
    metrics: &[&Metric],
    search: Option<&str>,
) -> Vec<ListedDimension<'a>> {
    let names: Vec<String> = metrics.iter().map(|metric| metric.name.clone()).collect();
    let search = search.map(str::to_lowercase);
    let listed = catalog.dimensions(&names).into_iter().map(|dimension| ListedDimension {
        declared: declaration(catalog, &dimension.qualified_name),
        grains: grains(catalog, dimension.kind),
        qualified_name: dimension.qualified_name,
        kind: dimension.kind,
        description: dimension.description,
    });
    let speaks_of = |dimension: &ListedDimension<'_>| {
        let label = dimension.declared.and_then(|declared| declared.label.as_deref());
        holds(
            search.as_deref(),
            [Some(dimension.qualified_name.as_str()), label, dimension.description.as_deref()],
        )
    };
    listed.filter(speaks_of).collect()
}

/// `listing__user__country` is declared by a model whose rows are `user`s.
fn declaration<'a>(catalog: &'a Catalog, qualified_name: &str) -> Option<&'a Dimension> {
    let (path, name) = qualified_name.rsplit_once("__")?;
    let owner = path.rsplit("__").next()?;
    let owns = |model: &&SemanticModel| {
        model.primary_entity.as_deref() == Some(owner) || model.entities.iter().any(|e| e.name == owner)
    };
    let find = |model: &'a SemanticModel| model.dimensions.iter().find(|d| d.name == name);
    let primary = catalog.semantic_models.iter().filter(|m| m.primary_entity.as_deref() == Some(owner));
    primary.chain(catalog.semantic_models.iter().filter(owns)).find_map(find)
}

/// The grains a dimension can be asked at: standard ones, then those of time spines.
fn grains(catalog: &Catalog, kind: DimensionKind) -> Vec<TimeGrain> {
    let DimensionKind::Time(finest) = kind else { return Vec::new() };
    let standard = Grain::ALL.into_iter().filter(|grain| *grain >= finest).map(TimeGrain::Standard);
    let spines = catalog.time_spines.iter().filter(|spine| spine.grain >= finest);
    let custom = spines.flat_map(|spine| &spine.custom_grains).map(|c| TimeGrain::Custom(c.name.clone()));
    standard.chain(custom).collect()
}

/// The grains `metric_time` can be asked at with all these metrics.
pub fn metric_time_grains(catalog: &Catalog, metrics: &[&Metric]) -> Vec<TimeGrain> {
    let listed = dimensions(catalog, metrics, None);
    listed.into_iter().find(|d| d.qualified_name == "metric_time").map(|d| d.grains).unwrap_or_default()
}

/// What these metrics have in common; of no metrics, the entities of all models.
pub fn entities<'a>(
    catalog: &'a Catalog,
    metrics: &[&Metric],
    search: Option<&str>,
) -> Vec<ListedEntity<'a>> {
    let search = search.map(str::to_lowercase);
    let mut found: Vec<ListedEntity<'a>> = Vec::new();
    let models: Vec<&SemanticModel> = match metrics {
        [] => catalog.semantic_models.iter().collect(),
        metrics => {
            leaves(catalog, metrics).into_iter().filter_map(|(_, leaf)| model(catalog, leaf)).collect()
        }
    };
    let common = |entity: &&Entity| {
        metrics.is_empty() || models.iter().all(|m| m.entities.iter().any(|e| e.name == entity.name))
    };
    let of_first = if metrics.is_empty() { &models[..] } else { &models[..models.len().min(1)] };
    for entity in of_first.iter().flat_map(|model| &model.entities).filter(common) {
        let texts = [Some(entity.name.as_str()), entity.label.as_deref(), entity.description.as_deref()];
        if holds(search.as_deref(), texts) && !found.iter().any(|e| e.name == entity.name) {
            found.push(ListedEntity { name: entity.name.clone(), declared: entity });
        }
    }
    found
}

/// What the simple metrics below these aggregate, each once.
pub fn measures<'a>(catalog: &'a Catalog, metrics: &[&Metric]) -> Vec<ListedMeasure<'a>> {
    let mut found: Vec<ListedMeasure<'a>> = Vec::new();
    for (metric, leaf) in leaves(catalog, metrics) {
        let name = leaf.measure.as_deref().unwrap_or(&metric.name);
        if found.iter().any(|measure| measure.name == name) {
            continue;
        }
        let declared =
            model(catalog, leaf).and_then(|m| m.measures.iter().find(|measure| measure.name == name));
        found.push(ListedMeasure {
            name,
            agg: leaf.agg,
            expr: &leaf.expr,
            agg_time_dimension: &leaf.agg_time_dimension,
            meta: declared.and_then(|measure| measure.meta.as_deref()),
        });
    }
    found
}

/// The simple metrics below these, each once.
fn leaves<'a>(catalog: &'a Catalog, metrics: &[&Metric]) -> Vec<(&'a Metric, &'a SimpleMetric)> {
    let mut found = Vec::new();
    for metric in metrics {
        below(catalog, &metric.name, &mut |metric| {
            if let MetricKind::Simple(simple) = &metric.kind {
                let known = found.iter().any(|(m, _): &(&Metric, &SimpleMetric)| m.name == metric.name);
                if !known {
                    found.push((metric, simple));
                }
            }
        });
    }
    found
}

/// Visits a metric and all its inputs. The loader has refused metrics that contain themselves.
fn below<'a>(catalog: &'a Catalog, name: &str, visit: &mut dyn FnMut(&'a Metric)) {
    let Some(metric) = catalog.metric(name) else { return };
    visit(metric);
    for input in inputs(metric) {
        below(catalog, &input.name, visit);
    }
}

/// The inputs of a metric, in the order they are declared.
pub fn inputs(metric: &Metric) -> Vec<&MetricInput> {
    match &metric.kind {
        MetricKind::Simple(_) => Vec::new(),
        MetricKind::Ratio { numerator, denominator } => vec![numerator, denominator],
        MetricKind::Derived { inputs, .. } => inputs.iter().collect(),
        MetricKind::Cumulative { input, .. } => vec![input],
        MetricKind::Conversion(conversion) => vec![&conversion.base, &conversion.conversion],
    }
}

fn model<'a>(catalog: &'a Catalog, leaf: &SimpleMetric) -> Option<&'a SemanticModel> {
    catalog.semantic_models.iter().find(|model| model.name == leaf.model)
}

/// Whether a metric has a value only per point of time: it adds up over a window, or looks back.
pub fn requires_metric_time(catalog: &Catalog, metric: &Metric) -> bool {
    let mut requires = false;
    below(catalog, &metric.name, &mut |metric| {
        requires |= match &metric.kind {
            MetricKind::Cumulative { scope, .. } => *scope != semantic::CumulativeScope::AllTime,
            MetricKind::Derived { inputs, .. } => {
                inputs.iter().any(|i| i.offset_window.is_some() || i.offset_to_grain.is_some())
            }
            _ => false,
        };
    });
    requires
}

/// The metrics that can be grouped by all of these.
pub fn metrics_for_dimensions<'a>(catalog: &'a Catalog, group_by: &[String]) -> Vec<&'a Metric> {
    let answers = |metric: &&Metric| {
        let query = grouped(catalog, std::slice::from_ref(metric), group_by);
        semantic::compile(catalog, &query).is_ok()
    };
    metrics(catalog, None).filter(answers).collect()
}

/// Metrics by group-bys, and by time where they need it.
pub(crate) fn grouped(catalog: &Catalog, metrics: &[&Metric], group_by: &[String]) -> MetricQuery {
    let mut group_by: Vec<GroupBy> = group_by.iter().map(|name| GroupBy::Name(name.clone())).collect();
    let has_time = group_by.iter().any(|g| g.text().to_lowercase().contains("metric_time"));
    if !has_time && metrics.iter().any(|metric| requires_metric_time(catalog, metric)) {
        group_by.push(GroupBy::Name("metric_time".to_owned()));
    }
    let metrics = metrics.iter().map(|metric| MetricRequest::named(&metric.name)).collect();
    MetricQuery { metrics, group_by, ..MetricQuery::default() }
}

/// Conditions that hold together, as one; none is no condition.
pub fn all_of(filters: &[String]) -> Option<String> {
    match filters {
        [] => None,
        [one] => Some(one.clone()),
        many => Some(many.iter().map(|filter| format!("({filter})")).collect::<Vec<_>>().join(" AND ")),
    }
}
