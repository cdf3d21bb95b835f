//! Calendars and the metrics that need one (V29).

use std::collections::HashMap;

use super::{Index, inputs::metric_inputs};
use crate::{
    Grain, SpinePoints,
    load::declared::{Kind, Metric, Simple, Spine},
    report::Report,
};

pub(super) fn check(index: &Index<'_>, report: &mut Report) {
    let spines = &index.declared.spines;
    let mut first: HashMap<Grain, &Spine> = HashMap::new();
    for spine in spines {
        let grain = spine.grain.value;
        let Some(before) = first.insert(grain, spine) else { continue };
        first.insert(grain, before);
        let message = format!(
            "{} and {} both have the grain {grain}; the first one is used",
            name(before),
            name(spine)
        );
        report.warn("two_spines", &spine.grain.span, message, None);
    }
    // One warning says it for all.
    let finest = spines.iter().map(|s| s.grain.value).min();
    for metric in index.declared.metrics.iter().filter(|m| !m.made) {
        let Some(why) = needs_spine(metric) else { continue };
        let (owner, span) = (&metric.name.value, &metric.name.span);
        match finest {
            None if index.declared.refused.files => {}
            None => {
                let message = format!("metric '{owner}' {why} and needs a time spine, but none is declared");
                report.warn("no_spine", span, message, None);
            }
            Some(finest) => {
                if let Some(base) = own_grain(index, metric).filter(|base| *base < finest) {
                    let message = format!(
                        "metric '{owner}' has times of grain {base}, finer than every time spine: it is computed by {finest}"
                    );
                    report.warn("no_fine_spine", span, message, None);
                }
            }
        }
    }
}

fn name(spine: &Spine) -> String {
    match &spine.points {
        SpinePoints::Generated { .. } => "the generated time spine".to_owned(),
        SpinePoints::Table { relation, .. } => format!("time spine {relation}"),
    }
}

fn needs_spine(metric: &Metric) -> Option<&'static str> {
    match &metric.kind {
        Kind::Simple(Simple { join_to_timespine: true, .. }) => Some("joins a time spine"),
        Kind::Cumulative(_) => Some("is cumulative"),
        Kind::Derived { inputs, .. }
            if inputs.iter().any(|i| i.offset_window.is_some() || i.offset_to_grain.is_some()) =>
        {
            Some("compares periods")
        }
        _ => None,
    }
}

/// The finest time of the simple metrics a metric is directly made of.
fn own_grain(index: &Index<'_>, metric: &Metric) -> Option<Grain> {
    let of = |metric: &Metric| match &metric.kind {
        Kind::Simple(Simple { own: Some(own), .. }) => index.base_grain(own),
        _ => None,
    };
    let inputs = metric_inputs(metric);
    let inputs = inputs.iter().filter_map(|i| index.metrics.get(i.name.value.as_str()));
    of(metric).into_iter().chain(inputs.filter_map(|m| of(m))).min()
}
