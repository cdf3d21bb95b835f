//! Rules over all definitions together (`semantic-layer.md` 1.7). Rules about one value stand where it is
//! read; what needs the joins between models stands in [`catalog`].

mod catalog;
mod conversions;
mod elements;
mod inputs;
mod labels;
mod spines;
mod times;
mod validity;
mod windows;

use std::collections::{HashMap, HashSet};

use model::Span;

use super::declared::{Declared, Kind, Measure, Metric, Model, OwnAggregate, Simple};
use crate::{DimensionKind, Grain, names, report::Report};

pub(super) use catalog::check_catalog;
pub(super) use elements::primary_entity;

/// Judges everything. The metrics it returns cannot stand, so nothing may be built on them.
pub(super) fn check(declared: &Declared, report: &mut Report) -> HashSet<String> {
    let index = Index::new(declared);
    elements::check(&index, report);
    validity::check(&index, report);
    times::check(&index, report);
    labels::check(&index, report);
    let broken = inputs::check(&index, report);
    windows::check(&index, report);
    conversions::check(&index, report);
    spines::check(&index, report);
    broken
}

/// Everything by its name; the first of a name counts.
struct Index<'a> {
    declared: &'a Declared,
    models: HashMap<&'a str, &'a Model>,
    measures: HashMap<&'a str, (&'a Model, &'a Measure)>,
    metrics: HashMap<&'a str, &'a Metric>,
    custom_grains: HashSet<&'a str>,
}

impl<'a> Index<'a> {
    fn new(declared: &'a Declared) -> Self {
        let measures =
            declared.models.iter().flat_map(|m| m.measures.iter().map(move |measure| (m, measure)));
        let custom = declared.spines.iter().flat_map(|s| &s.custom_grains);
        Self {
            declared,
            models: first(declared.models.iter().map(|m| (m.name.value.as_str(), m))),
            measures: first(measures.map(|(m, measure)| (measure.name.value.as_str(), (m, measure)))),
            metrics: first(declared.metrics.iter().map(|m| (m.name.value.as_str(), m))),
            custom_grains: custom.map(|(name, _)| name.value.as_str()).collect(),
        }
    }

    /// Models that a person wrote.
    fn declared_models(&self) -> impl Iterator<Item = &'a Model> {
        self.declared.models.iter().filter(|m| !m.automatic)
    }

    /// Reports a name that nothing has, unless it may be in what could not be read.
    fn unknown(
        &self,
        (owner, what): (&str, &str),
        (name, span): (&str, &Span),
        known: &mut dyn Iterator<Item = &'a str>,
        report: &mut Report,
    ) {
        let refused = &self.declared.refused;
        let read_badly = match what {
            "measure" => refused.measures.contains(name),
            "model" => refused.models.contains(name),
            _ => refused.metrics.contains(name),
        };
        if read_badly || refused.files {
            return;
        }
        let message = format!("{owner}: {what} '{name}' does not exist");
        report.suggest("unknown_input", span, message, names::closest(name, known));
    }

    /// The grain of a simple metric's time.
    fn base_grain(&self, own: &OwnAggregate) -> Option<Grain> {
        let model = self.models.get(own.model.value.as_str())?;
        time_grain(model, &own.aggregate.agg_time.as_ref()?.value)
    }
}

fn first<'a, T>(items: impl Iterator<Item = (&'a str, T)>) -> HashMap<&'a str, T> {
    let mut found = HashMap::new();
    for (name, item) in items {
        found.entry(name).or_insert(item);
    }
    found
}

fn time_grain(model: &Model, name: &str) -> Option<Grain> {
    let found = model.dimensions.iter().find(|d| d.name.value == name)?;
    if let DimensionKind::Time(grain) = found.kind { Some(grain) } else { None }
}

fn time_names(model: &Model) -> impl Iterator<Item = &str> {
    let times = model.dimensions.iter().filter(|d| matches!(d.kind, DimensionKind::Time(_)));
    times.map(|d| d.name.value.as_str())
}

/// Metrics that aggregate by their own word, not by that of a measure.
fn own_aggregates<'a>(index: &Index<'a>) -> impl Iterator<Item = (&'a Metric, &'a OwnAggregate)> {
    index.declared.metrics.iter().filter_map(|metric| match &metric.kind {
        Kind::Simple(Simple { measure: None, own: Some(own), .. }) => Some((metric, own)),
        _ => None,
    })
}
