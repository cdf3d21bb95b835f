//! Makes equal what means the same (`semantic-layer.md` 1.6). Pure, and doing it again changes nothing.
//!
//! N3 is not written down: a catalog keeps the aggregation that was declared, and [`aggregate`] compares
//! them as the rule says. N10 is the flag `private`, which listings and requests obey.

mod aggregate;
mod inputs;
mod names;

use std::collections::{HashMap, HashSet};

use super::declared::{At, Cumulative, Declared, Kind, Metric, Model, OwnAggregate, Simple, Spine, Texts};
use crate::{TimeGrain, TimeWindow};

pub(super) use aggregate::counts_rows;

/// N1 to N9, in this order.
pub(super) fn normalise(mut declared: Declared) -> Declared {
    names::lower(&mut declared);
    expressions(&mut declared);
    metrics_of_measures(&mut declared);
    simple_metrics(&mut declared);
    inputs::measures_become_metrics(&mut declared);
    cumulative_metrics(&mut declared.metrics);
    windows(&mut declared);
    time_dimensions(&mut declared);
    declared
}

/// N2: an element without an expression is the column of its name.
fn expressions(declared: &mut Declared) {
    for model in &mut declared.models {
        for entity in &mut model.entities {
            // The profile's key stands in every event table under this name.
            let column = if entity.name.value == "profile" { "profile_id" } else { &entity.name.value };
            entity.expr.get_or_insert_with(|| column.to_owned());
        }
        for dimension in &mut model.dimensions {
            dimension.expr.get_or_insert_with(|| dimension.name.value.clone());
        }
        for measure in &mut model.measures {
            measure.aggregate.expr.get_or_insert_with(|| measure.name.value.clone());
        }
    }
    for metric in &mut declared.metrics {
        if let Kind::Simple(Simple { own: Some(own), .. }) = &mut metric.kind {
            own.aggregate.expr.get_or_insert_with(|| metric.name.value.clone());
        }
    }
    for (name, column) in declared.spines.iter_mut().flat_map(|s| &mut s.custom_grains) {
        column.get_or_insert_with(|| name.value.clone());
    }
}

/// N4: measures that want a metric of their own get one, unless there is one of that name.
fn metrics_of_measures(declared: &mut Declared) {
    let mut taken: HashSet<&str> = declared.metrics.iter().map(|m| m.name.value.as_str()).collect();
    taken.extend(declared.refused.metrics.iter().map(String::as_str));
    let mut made: Vec<Metric> = Vec::new();
    for measure in declared.models.iter().flat_map(|m| &m.measures) {
        if !measure.create_metric || !taken.insert(&measure.name.value) {
            continue;
        }
        let label = measure.metric_label.clone().map(|text| At::new(text, &measure.name.span));
        made.push(Metric {
            name: measure.name.clone(),
            texts: Texts { label, description: measure.texts.description.clone(), meta: None },
            kind: Kind::Simple(Simple {
                measure: Some(inputs::plain(measure.name.clone())),
                own: None,
                fill_nulls_with: None,
                join_to_timespine: false,
            }),
            filters: Vec::new(),
            time_granularity: None,
            private: false,
            made: true,
        });
    }
    declared.metrics.extend(made);
}

/// N5: a simple metric aggregates as its measure does; the filters of both must hold.
fn simple_metrics(declared: &mut Declared) {
    let Declared { models, metrics, .. } = declared;
    let measures = inputs::measures(models);
    for metric in metrics {
        let Kind::Simple(simple) = &mut metric.kind else { continue };
        let Some(input) = &mut simple.measure else { continue };
        if simple.own.is_none()
            && let Some((model, measure)) = measures.get(input.name.value.as_str())
        {
            simple.own = Some(OwnAggregate {
                model: At::new(model.name.value.clone(), &input.name.span),
                aggregate: measure.aggregate.clone(),
            });
        }
        simple.fill_nulls_with = simple.fill_nulls_with.or(input.fill_nulls_with.take());
        simple.join_to_timespine |= std::mem::take(&mut input.join_to_timespine);
        // A manifest in which both generations are mixed says the filter twice.
        let mut filters = std::mem::take(&mut input.filters);
        filters.append(&mut metric.filters);
        let mut seen = HashSet::new();
        filters.retain(|filter| seen.insert(filter.value.clone()));
        metric.filters = filters;
    }
}

/// N7: the old place of windows. Where both say something, the check compares them.
fn cumulative_metrics(metrics: &mut [Metric]) {
    for metric in metrics {
        let Kind::Cumulative(Cumulative {
            window,
            grain_to_date,
            old_window,
            old_grain_to_date,
            period_agg,
            ..
        }) = &mut metric.kind
        else {
            continue;
        };
        if window.is_none() || window == old_window {
            *window = window.take().or(old_window.take());
            *old_window = None;
        }
        if grain_to_date.is_none() || grain_to_date == old_grain_to_date {
            *grain_to_date = grain_to_date.take().or(old_grain_to_date.take());
            *old_grain_to_date = None;
        }
        period_agg.get_or_insert(crate::PeriodAggregation::First);
    }
}

/// N8: plurals of custom grains; readers have done it for those of the calendar.
fn windows(declared: &mut Declared) {
    let Declared { metrics, spines, .. } = declared;
    for metric in metrics {
        match &mut metric.kind {
            Kind::Cumulative(c) => {
                c.window.iter_mut().chain(&mut c.old_window).for_each(|w| singular(&mut w.value, spines));
            }
            Kind::Conversion(c) => c.window.iter_mut().for_each(|w| singular(&mut w.value, spines)),
            Kind::Derived { inputs, .. } => {
                inputs.iter_mut().filter_map(|i| i.offset_window.as_mut()).for_each(|w| {
                    singular(&mut w.value, spines);
                });
            }
            Kind::Simple(_) | Kind::Ratio { .. } => {}
        }
    }
}

fn singular(window: &mut TimeWindow, spines: &[Spine]) {
    let TimeGrain::Custom(name) = &mut window.grain else { return };
    let known = |name: &str| spines.iter().flat_map(|s| &s.custom_grains).any(|(n, _)| n.value == name);
    if let Some(one) = name.strip_suffix('s').filter(|one| !known(name) && known(one)) {
        *name = one.to_owned();
    }
}

/// N9: a simple metric's time dimension is its own, else the measure's, else the model's default.
fn time_dimensions(declared: &mut Declared) {
    let Declared { models, metrics, .. } = declared;
    let defaults: HashMap<&str, &Model> = models.iter().rev().map(|m| (m.name.value.as_str(), m)).collect();
    for metric in metrics {
        if let Kind::Simple(Simple { own: Some(own), .. }) = &mut metric.kind
            && own.aggregate.agg_time.is_none()
        {
            let model = defaults.get(own.model.value.as_str());
            own.aggregate.agg_time = model.and_then(|m| m.agg_time.clone());
        }
    }
}
