//! Windows and grains of metrics (V16, V18, V22, V26).

use std::collections::HashMap;

use model::Span;

use super::{Index, inputs::metric_inputs};
use crate::{
    Grain, TimeGrain,
    load::declared::{At, Cumulative, Kind, Metric, Simple},
    names,
    report::Report,
};

pub(super) fn check(index: &Index<'_>, report: &mut Report) {
    let mut coarsest = Coarsest { index, known: HashMap::new() };
    for metric in &index.declared.metrics {
        let name = &metric.name.value;
        match &metric.kind {
            Kind::Cumulative(cumulative) => {
                one_scope(name, cumulative, report);
                standard(index, name, "grain_to_date", cumulative.grain_to_date.as_ref(), report);
                let grain = cumulative.window.as_ref().map(|w| At::new(w.value.grain.clone(), &w.span));
                standard(index, name, "window", grain.as_ref(), report);
            }
            Kind::Conversion(conversion) => {
                let grain = conversion.window.as_ref().map(|w| At::new(w.value.grain.clone(), &w.span));
                standard(index, name, "window", grain.as_ref(), report);
            }
            _ => {}
        }
        for input in metric_inputs(metric) {
            standard(index, name, "offset_to_grain", input.offset_to_grain.as_ref(), report);
            if let Some(window) = &input.offset_window {
                known_grain(index, &window.value.grain, &window.span, report);
            }
        }
        if let Some(grain) = &metric.time_granularity
            && known_grain(index, &grain.value, &grain.span, report)
        {
            not_finer(metric, grain, &mut coarsest, report);
        }
    }
}

/// V16. What normalising left in the old places differs from what is in the new ones.
fn one_scope(name: &str, cumulative: &Cumulative, report: &mut Report) {
    let window = cumulative.window.as_ref().or(cumulative.old_window.as_ref());
    let grain = cumulative.grain_to_date.as_ref().or(cumulative.old_grain_to_date.as_ref());
    if let (Some(_), Some(grain)) = (window, grain) {
        let message = format!("metric '{name}': set either window or grain_to_date, not both");
        report.error("bad_window", &grain.span, message);
    }
    let twice = |key: &str, old: String, new: String| {
        format!("metric '{name}': {key} is '{old}' here but '{new}' in cumulative_type_params; remove one")
    };
    if let (Some(old), Some(new)) = (&cumulative.old_window, &cumulative.window) {
        let message = twice("window", old.value.to_string(), new.value.to_string());
        report.error("bad_window", &old.span, message);
    }
    if let (Some(old), Some(new)) = (&cumulative.old_grain_to_date, &cumulative.grain_to_date) {
        let message = twice("grain_to_date", old.value.to_string(), new.value.to_string());
        report.error("bad_window", &old.span, message);
    }
}

/// V18.
fn standard(index: &Index<'_>, name: &str, key: &str, grain: Option<&At<TimeGrain>>, report: &mut Report) {
    let Some(grain) = grain else { return };
    if let TimeGrain::Custom(custom) = &grain.value
        && known_grain(index, &grain.value, &grain.span, report)
    {
        let message = format!("metric '{name}': {key} accepts standard grains only, '{custom}' is custom");
        report.error("custom_grain", &grain.span, message);
    }
}

/// V22.
fn known_grain(index: &Index<'_>, grain: &TimeGrain, span: &Span, report: &mut Report) -> bool {
    let TimeGrain::Custom(name) = grain else { return true };
    let known = index.custom_grains.contains(name.as_str());
    if !known && !index.declared.refused.files {
        let all = Grain::ALL.map(Grain::as_str).into_iter().chain(index.custom_grains.iter().copied());
        report.suggest("unknown_grain", span, format!("'{name}' is not a grain"), names::closest(name, all));
    }
    known
}

/// V26.
fn not_finer<'a>(
    metric: &'a Metric,
    grain: &At<TimeGrain>,
    coarsest: &mut Coarsest<'a>,
    report: &mut Report,
) {
    let TimeGrain::Standard(asked) = grain.value else { return };
    let Some((base, of)) = coarsest.of(metric, 0) else { return };
    if asked < base {
        let name = &metric.name.value;
        let message = format!("metric '{name}': granularity {asked} is finer than {base} of '{of}'");
        report.error("bad_granularity", &grain.span, message);
    }
}

/// The coarsest time among what metrics are made of, and what it belongs to.
struct Coarsest<'a> {
    index: &'a Index<'a>,
    known: HashMap<&'a str, Option<(Grain, &'a str)>>,
}

impl<'a> Coarsest<'a> {
    fn of(&mut self, metric: &'a Metric, depth: usize) -> Option<(Grain, &'a str)> {
        if let Some(known) = self.known.get(metric.name.value.as_str()) {
            return *known;
        }
        // A metric that is made of itself has been reported; deeper ones are made by no person.
        if depth > 100 {
            return None;
        }
        let found = match &metric.kind {
            Kind::Simple(Simple { own, .. }) => own.as_ref().and_then(|own| {
                let time = own.aggregate.agg_time.as_ref()?.value.as_str();
                let of = if depth == 0 { time } else { metric.name.value.as_str() };
                Some((self.index.base_grain(own)?, of))
            }),
            _ => {
                let inputs = metric_inputs(metric);
                let metrics = inputs.iter().filter_map(|i| self.index.metrics.get(i.name.value.as_str()));
                let all: Vec<&'a Metric> = metrics.copied().collect();
                all.into_iter().filter_map(|m| self.of(m, depth + 1)).max_by_key(|(grain, _)| *grain)
            }
        };
        if depth > 0 || !matches!(metric.kind, Kind::Simple(_)) {
            self.known.insert(&metric.name.value, found);
        }
        found
    }
}
