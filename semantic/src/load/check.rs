//! Rules over all definitions together (`semantic-layer.md` 1.7).

use std::collections::{HashMap, HashSet};

use model::Span;

use super::{
    metric::{LoadedMetric, LoadedMetrics},
    model::LoadedModel,
};
use crate::{
    Catalog, DimensionKind, EntityType, Metric, MetricKind, SemanticModel, names, query, report::Report,
};

/// Models and metrics that stand, with the places of the metrics' filters.
pub(super) struct Judged {
    pub(super) models: Vec<SemanticModel>,
    pub(super) metrics: Vec<Metric>,
    pub(super) places: FilterPlaces,
}

/// Where each metric's filters were written: metric, text, place.
pub(super) type FilterPlaces = Vec<(String, String, Span)>;

/// V3 to V8, V29 and V30 for models.
pub(super) fn models(models: &[LoadedModel], report: &mut Report) {
    for loaded in models.iter().filter(|m| !m.model.automatic) {
        elements(loaded, report);
        primary(loaded, report);
        agg_time(loaded, report);
        let labels = loaded.places.labels.iter().map(|(l, s)| (l.as_str(), "element", s));
        unique_labels(labels, report);
    }
    qualified_names(models, report);
    measures(models, report);
    lonely(models, report);
    let labels = models
        .iter()
        .filter_map(|m| Some((m.model.label.as_deref()?, m.model.name.as_str(), m.places.label.as_ref()?)));
    unique_labels(labels, report);
}

/// V3: one name, one element.
fn elements(loaded: &LoadedModel, report: &mut Report) {
    let (model, places) = (&loaded.model, &loaded.places);
    let entities = model.entities.iter().map(|e| ("entity", &e.name)).zip(&places.entities);
    let dimensions = model.dimensions.iter().map(|d| ("dimension", &d.name)).zip(&places.dimensions);
    let measures = model.measures.iter().map(|m| ("measure", &m.name)).zip(&places.measures);
    let mut seen: HashMap<&str, (&str, &Span)> = HashMap::new();
    for ((kind, name), span) in entities.chain(dimensions).chain(measures) {
        match seen.get(name.as_str()) {
            Some((first, at)) => {
                let message = format!("'{name}' is already the {first} at line {}", at.line);
                report.error("duplicate_name", span, message);
            }
            None => _ = seen.insert(name, (kind, span)),
        }
    }
}

/// V4.
fn primary(loaded: &LoadedModel, report: &mut Report) {
    let (model, places) = (&loaded.model, &loaded.places);
    let Some(span) = &places.model else { return };
    let mut primaries =
        model.entities.iter().zip(&places.entities).filter(|(e, _)| e.entity_type == EntityType::Primary);
    if let (Some((first, _)), Some((second, span))) = (primaries.next(), primaries.next()) {
        let message = format!(
            "model '{}' has two primary entities, '{}' and '{}'",
            model.name, first.name, second.name
        );
        report.error("bad_model", span, message);
    }
    if !model.dimensions.is_empty() && model.primary_entity.is_none() {
        let message = format!(
            "model '{}' has dimensions but no primary entity: mark one entity as primary or set primary_entity",
            model.name
        );
        report.error("bad_model", span, message);
    }
}

/// V7: every measure has a time dimension of its model.
fn agg_time(loaded: &LoadedModel, report: &mut Report) {
    let (model, places) = (&loaded.model, &loaded.places);
    let is_time = |name: &str| {
        model.dimensions.iter().any(|d| d.name == name && matches!(d.kind, DimensionKind::Time(_)))
    };
    let times = || {
        model.dimensions.iter().filter(|d| matches!(d.kind, DimensionKind::Time(_))).map(|d| d.name.as_str())
    };
    if let (Some(name), Some(span)) = (&model.default_agg_time_dimension, &places.agg_time)
        && !is_time(name)
    {
        let message = format!("'{name}' is not a time dimension of model '{}'", model.name);
        report.suggest("unknown_time_dimension", span, message, names::closest(name, times()));
    }
    for (measure, span) in model.measures.iter().zip(&places.measures) {
        match (&measure.agg_time_dimension, &model.default_agg_time_dimension) {
            (Some(name), _) if !is_time(name) => {
                let message = format!(
                    "measure '{}': '{name}' is not a time dimension of model '{}'",
                    measure.name, model.name
                );
                report.suggest("unknown_time_dimension", span, message, names::closest(name, times()));
            }
            (None, None) => {
                let message = format!(
                    "measure '{}' has no time dimension: set agg_time_dimension, or defaults of model '{}'",
                    measure.name, model.name
                );
                report.error("unknown_time_dimension", span, message);
            }
            _ => {}
        }
    }
}

/// V5 and V6.
fn qualified_names(models: &[LoadedModel], report: &mut Report) {
    let mut qualified: HashMap<(&str, &str), &str> = HashMap::new();
    let mut kinds: HashMap<&str, (bool, &str)> = HashMap::new();
    for loaded in models {
        let model = &loaded.model;
        for (i, dimension) in model.dimensions.iter().enumerate() {
            let span = loaded.places.dimensions.get(i);
            if let Some(entity) = &model.primary_entity {
                let first = qualified.insert((entity, &dimension.name), &model.name);
                if let (Some(first), Some(span)) = (first, span) {
                    let message = format!(
                        "'{entity}__{}' is defined by models '{first}' and '{}'; a dimension name must be unique per \
                         primary entity",
                        dimension.name, model.name
                    );
                    report.error("duplicate_name", span, message);
                }
            }
            let Some(span) = span else { continue };
            let is_time = matches!(dimension.kind, DimensionKind::Time(_));
            match kinds.get(dimension.name.as_str()) {
                Some((other, first)) if *other != is_time => {
                    let word = |time: bool| if time { "a time dimension" } else { "categorical" };
                    let message = format!(
                        "'{}' is {} in '{first}' but {} in '{}'",
                        dimension.name,
                        word(*other),
                        word(is_time),
                        model.name
                    );
                    report.warn("mixed_dimension", span, message, None);
                }
                _ => _ = kinds.insert(&dimension.name, (is_time, &model.name)),
            }
        }
    }
}

/// V3 across models: metrics name measures without their model.
fn measures(models: &[LoadedModel], report: &mut Report) {
    let mut seen: HashMap<&str, &LoadedModel> = HashMap::new();
    for loaded in models {
        for (i, measure) in loaded.model.measures.iter().enumerate() {
            let Some(first) = seen.insert(&measure.name, loaded) else { continue };
            if std::ptr::eq(first, loaded) {
                continue;
            }
            if let Some(span) = loaded.places.measures.get(i) {
                let message =
                    format!("'{}' is already a measure of model '{}'", measure.name, first.model.name);
                report.error("duplicate_name", span, message);
            }
        }
    }
}

/// V29: a foreign key that leads nowhere.
fn lonely(models: &[LoadedModel], report: &mut Report) {
    for loaded in models {
        for (entity, span) in loaded.model.entities.iter().zip(&loaded.places.entities) {
            let elsewhere = models.iter().any(|other| {
                !std::ptr::eq(other, loaded) && other.model.entities.iter().any(|e| e.name == entity.name)
            });
            if entity.entity_type == EntityType::Foreign && !elsewhere {
                let message =
                    format!("entity '{}' occurs in one model only, so nothing can join to it", entity.name);
                report.warn("lonely_entity", span, message, None);
            }
        }
    }
}

/// V30.
fn unique_labels<'a>(labels: impl Iterator<Item = (&'a str, &'a str, &'a Span)>, report: &mut Report) {
    let mut seen: HashMap<&str, (&str, &Span)> = HashMap::new();
    for (label, owner, span) in labels {
        if let Some((first, at)) = seen.get(label) {
            let users = if *first == owner {
                format!("also used at {at}")
            } else {
                format!("used by '{first}' and '{owner}'")
            };
            report.error("duplicate_label", span, format!("label '{label}' is {users}"));
        } else {
            seen.insert(label, (owner, span));
        }
    }
}

/// V9, V30 and cycles. Metrics with a broken input are left out of the catalog, which an error refuses
/// anyway, so that later rules can rely on every input.
pub(super) fn metrics(models: Vec<LoadedModel>, loaded: LoadedMetrics, report: &mut Report) -> Judged {
    let measures: HashSet<&str> =
        models.iter().flat_map(|m| m.model.measures.iter().map(|m| m.name.as_str())).collect();
    let names: HashSet<&str> = loaded.metrics.iter().map(|m| m.metric.name.as_str()).collect();
    let mut broken: HashSet<String> = loaded.refused.clone();
    for item in &loaded.metrics {
        let mut sound = true;
        for (kind, input, span) in inputs(item) {
            let known = if kind == "measure" { &measures } else { &names };
            if known.contains(input) || loaded.refused.contains(input) {
                continue;
            }
            sound = false;
            let message = format!("metric '{}': {kind} '{input}' does not exist", item.metric.name);
            report.suggest("unknown_input", span, message, names::closest(input, known.iter().copied()));
        }
        if !sound {
            broken.insert(item.metric.name.clone());
        }
    }
    cycles(&loaded.metrics, &mut broken, report);
    let labels: Vec<_> = loaded
        .metrics
        .iter()
        .filter_map(|m| Some((m.metric.label.as_str(), m.metric.name.as_str(), m.label.as_ref()?)))
        .collect();
    metric_labels(&labels, report);
    let sound: Vec<LoadedMetric> =
        loaded.metrics.into_iter().filter(|m| !broken.contains(&m.metric.name)).collect();
    let places = sound
        .iter()
        .flat_map(|m| {
            m.filters.iter().map(|(text, span)| (m.metric.name.clone(), text.clone(), span.clone()))
        })
        .collect();
    Judged {
        models: models.into_iter().map(|m| m.model).collect(),
        metrics: sound.into_iter().map(|m| m.metric).collect(),
        places,
    }
}

fn metric_labels(labels: &[(&str, &str, &Span)], report: &mut Report) {
    let mut seen: HashMap<&str, &str> = HashMap::new();
    for (label, name, span) in labels {
        if let Some(first) = seen.insert(label, name) {
            report.error(
                "duplicate_label",
                span,
                format!("label '{label}' is used by metrics '{first}' and '{name}'"),
            );
        }
    }
}

fn inputs(item: &LoadedMetric) -> Vec<(&'static str, &str, &Span)> {
    let place = |i: usize| item.inputs.get(i).unwrap_or(&item.span);
    match &item.metric.kind {
        MetricKind::Simple { measure } => vec![("measure", measure.name.as_str(), place(0))],
        MetricKind::Ratio { numerator, denominator } => vec![
            ("input metric", numerator.name.as_str(), place(0)),
            ("input metric", denominator.name.as_str(), place(1)),
        ],
    }
}

/// Marks metrics that lean on themselves or on a broken one.
fn cycles(metrics: &[LoadedMetric], broken: &mut HashSet<String>, report: &mut Report) {
    // A metric is sound once all its metric inputs are; what never becomes sound is in a cycle or above
    // a broken one.
    let mut sound: HashSet<&str> = HashSet::new();
    let metric_inputs = |item: &LoadedMetric| -> Vec<String> {
        inputs(item)
            .into_iter()
            .filter(|(kind, ..)| *kind != "measure")
            .map(|(_, n, _)| n.to_owned())
            .collect()
    };
    loop {
        let before = sound.len();
        for item in metrics.iter().filter(|m| !broken.contains(&m.metric.name)) {
            if metric_inputs(item).iter().all(|n| sound.contains(n.as_str())) {
                sound.insert(&item.metric.name);
            }
        }
        if sound.len() == before {
            break;
        }
    }
    for item in metrics.iter().filter(|m| !sound.contains(m.metric.name.as_str())) {
        let reaches_broken = {
            let mut open = metric_inputs(item);
            let mut seen: HashSet<String> = HashSet::new();
            let mut found = broken.contains(&item.metric.name);
            while let Some(name) = open.pop() {
                found |= broken.contains(&name);
                if seen.insert(name.clone())
                    && let Some(next) = metrics.iter().find(|m| m.metric.name == name)
                {
                    open.extend(metric_inputs(next));
                }
            }
            found
        };
        if !reaches_broken {
            let message = format!("metric '{}' is computed from itself", item.metric.name);
            report.error("metric_cycle", &item.span, message);
        }
    }
    let unsound: Vec<String> =
        metrics.iter().map(|m| m.metric.name.clone()).filter(|n| !sound.contains(n.as_str())).collect();
    broken.extend(unsound);
}

/// V27: every filter of every metric resolves for every table it is applied to.
pub(super) fn filters(catalog: &Catalog, places: &FilterPlaces, report: &mut Report) {
    for (metric, text, span) in places {
        for fault in query::filter_faults(catalog, metric, text) {
            report.suggest("bad_filter", span, fault.message, fault.suggestion);
        }
    }
}
