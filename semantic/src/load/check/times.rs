//! The time dimensions that aggregates go by (V7), and those they are reduced over (V13).

use super::{Index, own_aggregates, time_grain, time_names};
use crate::{
    load::declared::{Aggregate, At, Model},
    names,
    report::Report,
};

pub(super) fn check(index: &Index<'_>, report: &mut Report) {
    for model in index.declared_models() {
        if let Some(time) = &model.agg_time {
            is_time(model, time, "", report);
        }
        for measure in &model.measures {
            let owner = format!("measure '{}'", measure.name.value);
            let hint = format!("defaults of model '{}'", model.name.value);
            aggregate(model, &measure.aggregate, (&owner, &measure.name, &hint), report);
        }
    }
    for (metric, own) in own_aggregates(index) {
        let owner = format!("metric '{}'", metric.name.value);
        let Some(model) = index.models.get(own.model.value.as_str()) else {
            let mut known = index.models.keys().copied();
            index.unknown((&owner, "model"), (&own.model.value, &own.model.span), &mut known, report);
            continue;
        };
        let hint = format!("that of model '{}'", model.name.value);
        aggregate(model, &own.aggregate, (&owner, &metric.name, &hint), report);
    }
}

fn is_time(model: &Model, time: &At<String>, owner: &str, report: &mut Report) -> bool {
    let found = time_grain(model, &time.value).is_some();
    if !found {
        let message =
            format!("{owner}'{}' is not a time dimension of model '{}'", time.value, model.name.value);
        let close = names::closest(&time.value, time_names(model));
        report.suggest("unknown_time_dimension", &time.span, message, close);
    }
    found
}

fn aggregate(
    model: &Model,
    aggregate: &Aggregate,
    (owner, name, hint): (&str, &At<String>, &str),
    report: &mut Report,
) {
    let time = aggregate.agg_time.as_ref().or(model.agg_time.as_ref());
    let Some(time) = time else {
        let message = format!("{owner} has no time dimension: set agg_time_dimension, or {hint}");
        report.error("unknown_time_dimension", &name.span, message);
        return;
    };
    // The default has been judged with its model.
    let own = model.agg_time.as_ref().is_none_or(|default| default.span != time.span);
    let is_time = if own {
        is_time(model, time, &format!("{owner}: "), report)
    } else {
        time_grain(model, &time.value).is_some()
    };
    if is_time {
        non_additive(model, aggregate, time, owner, report);
    }
}

/// V13.
fn non_additive(model: &Model, aggregate: &Aggregate, time: &At<String>, owner: &str, report: &mut Report) {
    let Some(non_additive) = &aggregate.non_additive else { return };
    let over = &non_additive.dimension;
    if is_time(model, over, &format!("{owner}: "), report) {
        let (grain, base) = (time_grain(model, &over.value), time_grain(model, &time.value));
        if let (Some(grain), Some(base)) = (grain, base)
            && grain != base
        {
            let message = format!(
                "{owner}: non_additive_dimension '{}' has the grain {grain}, but '{}' has {base}",
                over.value, time.value
            );
            report.error("bad_non_additive", &over.span, message);
        }
    }
    for grouping in &non_additive.window_groupings {
        let known = || model.entities.iter().map(|e| e.name.value.as_str());
        if !known().any(|name| name == grouping.value) {
            let message = format!(
                "{owner}: window grouping '{}' is not an entity of model '{}'",
                grouping.value, model.name.value
            );
            let close = names::closest(&grouping.value, known());
            report.suggest("bad_non_additive", &grouping.span, message, close);
        }
    }
}
