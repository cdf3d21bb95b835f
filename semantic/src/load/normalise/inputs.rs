//! Measures that cumulative and conversion metrics use become metrics (N6).

use std::collections::{HashMap, HashSet};

use super::aggregate::signature;
use crate::load::declared::{
    At, Declared, Input, Kind, Measure, MeasureInput, Metric, Model, OwnAggregate, Side, Simple, Texts,
};

/// All measures by name; the first counts, a second was reported.
pub(super) fn measures(models: &[Model]) -> HashMap<&str, (&Model, &Measure)> {
    let mut found = HashMap::new();
    for model in models {
        for measure in &model.measures {
            found.entry(measure.name.value.as_str()).or_insert((model, measure));
        }
    }
    found
}

/// A measure as it is.
pub(super) fn plain(name: At<String>) -> MeasureInput {
    MeasureInput { name, filters: Vec::new(), alias: None, fill_nulls_with: None, join_to_timespine: false }
}

/// Simple metrics by what they compute, and the names that are taken.
struct Known {
    alike: HashMap<String, String>,
    taken: HashSet<String>,
    made: Vec<Metric>,
}

/// N6.
pub(super) fn measures_become_metrics(declared: &mut Declared) {
    let Declared { models, metrics, refused, .. } = declared;
    let measures = measures(models);
    let by_name: HashMap<&str, &Model> =
        models.iter().rev().map(|model| (model.name.value.as_str(), model)).collect();
    let mut known = Known {
        alike: HashMap::new(),
        taken: metrics.iter().map(|m| m.name.value.clone()).chain(refused.metrics.iter().cloned()).collect(),
        made: Vec::new(),
    };
    for metric in metrics.iter().filter(|m| m.filters.is_empty()) {
        if let Kind::Simple(simple @ Simple { own: Some(own), .. }) = &metric.kind
            && let Some(model) = by_name.get(own.model.value.as_str())
        {
            let key = signature(model, &own.aggregate, simple.fill_nulls_with, simple.join_to_timespine);
            known.alike.entry(key).or_insert_with(|| metric.name.value.clone());
        }
    }
    for metric in metrics.iter_mut() {
        match &mut metric.kind {
            Kind::Cumulative(cumulative) => known.replace(&mut cumulative.input, &measures),
            Kind::Conversion(conversion) => {
                known.replace(&mut conversion.base, &measures);
                known.replace(&mut conversion.conversion, &measures);
            }
            _ => {}
        }
    }
    metrics.append(&mut known.made);
}

impl Known {
    /// A measure that does not exist stays, and is reported.
    fn replace(&mut self, side: &mut Side, measures: &HashMap<&str, (&Model, &Measure)>) {
        let Side::Measure(input) = side else { return };
        let Some((model, measure)) = measures.get(input.name.value.as_str()) else { return };
        let (fill, join) = (input.fill_nulls_with, input.join_to_timespine);
        let key = signature(model, &measure.aggregate, fill, join);
        let name = match self.alike.get(&key) {
            Some(name) => name.clone(),
            None => {
                let name = self.free_name(&input.name.value, fill, join);
                self.taken.insert(name.clone());
                self.made.push(private(At::new(name.clone(), &input.name.span), model, measure, input));
                self.alike.insert(key, name.clone());
                name
            }
        };
        *side = Side::Metric(Input {
            filters: std::mem::take(&mut input.filters),
            alias: input.alias.take(),
            ..Input::named(At::new(name, &input.name.span))
        });
    }

    fn free_name(&self, measure: &str, fill: Option<i64>, join: bool) -> String {
        let mut name = measure.to_owned();
        if let Some(fill) = fill {
            let sign = if fill < 0 { "neg_" } else { "" };
            name.push_str(&format!("_fill_nulls_with_{sign}{}", fill.unsigned_abs()));
        }
        if join {
            name.push_str("_join_to_timespine");
        }
        if !self.taken.contains(&name) {
            return name;
        }
        let numbered = (1..).map(|n: u32| format!("{name}_{n}")).find(|n| !self.taken.contains(n));
        numbered.unwrap_or(name)
    }
}

fn private(name: At<String>, model: &Model, measure: &Measure, input: &MeasureInput) -> Metric {
    let own = OwnAggregate {
        model: At::new(model.name.value.clone(), &input.name.span),
        aggregate: measure.aggregate.clone(),
    };
    Metric {
        texts: Texts { label: None, description: measure.texts.description.clone(), meta: None },
        kind: Kind::Simple(Simple {
            measure: Some(plain(At::new(measure.name.value.clone(), &input.name.span))),
            own: Some(own),
            fill_nulls_with: input.fill_nulls_with,
            join_to_timespine: input.join_to_timespine,
        }),
        name,
        filters: Vec::new(),
        time_granularity: None,
        private: true,
        made: true,
    }
}
