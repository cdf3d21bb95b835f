use std::collections::{HashMap, HashSet};

use model::Span;

use super::{
    fields::{Fields, duplicate, unsupported},
    merge::Document,
    model::{LoadedModel, element_name, enabled, filters, grain},
};
use crate::{
    Metric, MetricInput, MetricKind,
    report::Report,
    yaml::{Node, NodeValue},
};

const KEYS: [&str; 9] =
    ["name", "type", "type_params", "filter", "time_granularity", "description", "label", "config", "tags"];

/// A metric with the places its problems are shown at.
#[derive(Debug)]
pub(super) struct LoadedMetric {
    pub(super) metric: Metric,
    pub(super) span: Span,
    /// The label, where one was written.
    pub(super) label: Option<Span>,
    /// The measure, or numerator and denominator.
    pub(super) inputs: Vec<Span>,
    /// Every filter text of the metric and its inputs.
    pub(super) filters: Vec<(String, Span)>,
}

/// All metrics, and the names of those this version refused: they are known, so nothing else is said.
#[derive(Debug, Default)]
pub(super) struct LoadedMetrics {
    pub(super) metrics: Vec<LoadedMetric>,
    pub(super) refused: HashSet<String>,
}

pub(super) fn read(
    document: &Document<'_>,
    models: &mut [LoadedModel],
    report: &mut Report,
) -> LoadedMetrics {
    let mut found = LoadedMetrics::default();
    let mut seen: HashMap<String, Span> = HashMap::new();
    for node in document.items("metrics", report) {
        let Some(read) = read_metric(node, report) else { continue };
        let (name, span) = match &read {
            Ok(loaded) => (loaded.metric.name.clone(), loaded.span.clone()),
            Err((name, span)) => (name.clone(), span.clone()),
        };
        if let Some(first) = seen.get(&name) {
            duplicate("metric", &name, first, &span, report);
            continue;
        }
        seen.insert(name.clone(), span);
        match read {
            Ok(loaded) => found.metrics.push(loaded),
            Err(_) => _ = found.refused.insert(name),
        }
    }
    create(&mut found, models, &seen);
    found
}

/// Metrics that measures ask for with `create_metric` (N4), and `profile_count`.
fn create(found: &mut LoadedMetrics, models: &mut [LoadedModel], seen: &HashMap<String, Span>) {
    for loaded in models {
        let automatic = loaded.model.automatic && !loaded.model.measures.is_empty();
        let wanted = if automatic { vec![(0, None)] } else { std::mem::take(&mut loaded.wanted) };
        for (i, label) in wanted {
            let name = loaded.model.measures[i].name.clone();
            if seen.contains_key(&name) {
                continue;
            }
            let span = loaded.places.measures.get(i).or(loaded.places.model.as_ref()).cloned();
            let span = span.unwrap_or_else(|| Span { file: "".into(), line: 0, column: 0 });
            let metric = Metric {
                label: label.unwrap_or_else(|| name.clone()),
                description: automatic.then(|| "How many profiles there are.".to_owned()),
                kind: MetricKind::Simple {
                    measure: MetricInput { name: name.clone(), filters: Vec::new(), alias: None },
                },
                filters: Vec::new(),
                time_granularity: None,
                name,
            };
            found.metrics.push(LoadedMetric {
                metric,
                inputs: vec![span.clone()],
                span,
                label: None,
                filters: Vec::new(),
            });
        }
    }
}

/// The metric, or the name of one that is not offered.
fn read_metric(node: &Node, report: &mut Report) -> Option<Result<LoadedMetric, (String, Span)>> {
    let mut fields = Fields::open(node, "a metric", &KEYS, &[], report)?;
    let name = element_name(&mut fields, report);
    fields.required_node("type", report);
    let kinds = [
        ("simple", "simple"),
        ("ratio", "ratio"),
        ("derived", "derived"),
        ("cumulative", "cumulative"),
        ("conversion", "conversion"),
    ];
    let kind = fields.choice("type", &kinds, report);
    let description = fields.text("description", report);
    let label = fields.word("label", report);
    let time_granularity = fields.word("time_granularity", report).and_then(|g| grain(g, report));
    let own = filters(fields.get("filter"), report);
    let enabled = enabled(&mut fields, report);
    if let Some(later @ ("derived" | "cumulative" | "conversion")) = kind {
        unsupported(&format!("a metric of type {later}"), fields.place_of("type"), report);
        return name.map(Err);
    }
    let params = fields.required_node("type_params", report);
    let mut inputs = Vec::new();
    let mut all_filters = own.clone();
    let kind = match (kind, params) {
        (Some("simple"), Some(params)) => {
            simple(params, name.as_ref(), &mut inputs, &mut all_filters, report)
        }
        (Some("ratio"), Some(params)) => ratio(params, &mut inputs, &mut all_filters, report),
        _ => None,
    };
    let (name, span) = name?;
    let Some(kind) = kind else { return Some(Err((name, span))) };
    if !enabled {
        return None;
    }
    let metric = Metric {
        label: label.map_or_else(|| name.clone(), |(text, _)| text.to_owned()),
        name,
        description,
        kind,
        filters: own.into_iter().map(|(text, _)| text).collect(),
        time_granularity,
    };
    Some(Ok(LoadedMetric {
        metric,
        span,
        label: label.map(|(_, s)| s.clone()),
        inputs,
        filters: all_filters,
    }))
}

fn simple(
    params: &Node,
    name: Option<&(String, Span)>,
    inputs: &mut Vec<Span>,
    filters: &mut Vec<(String, Span)>,
    report: &mut Report,
) -> Option<MetricKind> {
    let later = ["expr", "join_to_timespine", "fill_nulls_with", "metric_aggregation_params", "is_private"];
    let fields = Fields::open(params, "type_params of a simple metric", &["measure"], &later, report)?;
    let Some(node) = fields.get("measure") else {
        if !later.iter().any(|key| params.get(key).is_some())
            && params.get("measure").is_none_or(Node::is_null)
        {
            let shown = name.map_or("?", |(n, _)| n.as_str());
            report.error("bad_metric", &params.span, format!("metric '{shown}' needs agg (or a measure)"));
        }
        return None;
    };
    let measure = input(node, "a measure", inputs, filters, report)?;
    Some(MetricKind::Simple { measure })
}

fn ratio(
    params: &Node,
    inputs: &mut Vec<Span>,
    filters: &mut Vec<(String, Span)>,
    report: &mut Report,
) -> Option<MetricKind> {
    let mut fields =
        Fields::open(params, "type_params of a ratio metric", &["numerator", "denominator"], &[], report)?;
    let numerator = fields.required_node("numerator", report);
    let denominator = fields.required_node("denominator", report);
    let numerator = numerator.and_then(|n| input(n, "a numerator", inputs, filters, report));
    let denominator = denominator.and_then(|n| input(n, "a denominator", inputs, filters, report));
    Some(MetricKind::Ratio { numerator: numerator?, denominator: denominator? })
}

/// A name, or `{name, filter, alias}`.
fn input(
    node: &Node,
    what: &'static str,
    inputs: &mut Vec<Span>,
    all_filters: &mut Vec<(String, Span)>,
    report: &mut Report,
) -> Option<MetricInput> {
    if let NodeValue::Scalar { text, .. } = &node.value {
        inputs.push(node.span.clone());
        return Some(MetricInput { name: text.to_lowercase(), filters: Vec::new(), alias: None });
    }
    let later = ["join_to_timespine", "fill_nulls_with", "offset_window", "offset_to_grain"];
    let mut fields = Fields::open(node, what, &["name", "filter", "alias"], &later, report)?;
    let (name, span) = fields.required("name", report)?;
    let own = filters(fields.get("filter"), report);
    let alias = fields.text("alias", report);
    inputs.push(span.clone());
    all_filters.extend(own.iter().cloned());
    let filters = own.into_iter().map(|(text, _)| text).collect();
    Some(MetricInput { name: name.to_lowercase(), filters, alias })
}
