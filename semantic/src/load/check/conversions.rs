//! Conversion metrics (V23, V24).

use super::{Index, inputs::is_simple};
use crate::{
    load::{
        declared::{At, Conversion, Kind, Metric, Model, Side, Simple},
        normalise::counts_rows,
    },
    names,
    report::Report,
};

pub(super) fn check(index: &Index<'_>, report: &mut Report) {
    for metric in &index.declared.metrics {
        let Kind::Conversion(conversion) = &metric.kind else { continue };
        let base = side(index, metric, &conversion.base, report);
        let other = side(index, metric, &conversion.conversion, report);
        shared(metric, conversion, base, other, report);
        if let Some(filter) = conversion.conversion.filters().first() {
            let message = format!(
                "metric '{}': a filter on the conversion side is applied before matching",
                metric.name.value
            );
            report.warn("conversion_filter", &filter.span, message, None);
        }
    }
}

/// The model of one side, whose rows must be counted.
fn side<'a>(index: &Index<'a>, metric: &Metric, side: &Side, report: &mut Report) -> Option<&'a Model> {
    if !is_simple(index, metric, side, report) {
        return None;
    }
    let Side::Metric(input) = side else { return None };
    let found = *index.metrics.get(input.name.value.as_str())?;
    let Kind::Simple(Simple { own: Some(own), .. }) = &found.kind else { return None };
    if !counts_rows(&own.aggregate) {
        let message = format!(
            "metric '{}': input '{}' must count: agg count, count_distinct, or sum of 1",
            metric.name.value, input.name.value
        );
        report.error("bad_input", &input.name.span, message);
    }
    index.models.get(own.model.value.as_str()).copied()
}

fn shared(
    metric: &Metric,
    conversion: &Conversion,
    base: Option<&Model>,
    other: Option<&Model>,
    report: &mut Report,
) {
    let owner = &metric.name.value;
    let mut missing = |what: &str, name: &At<String>, model: &Model, close: Option<String>| {
        let message =
            format!("metric '{owner}': {what} '{}' is missing in model '{}'", name.value, model.name.value);
        report.suggest("missing_element", &name.span, message, close);
    };
    for model in [base, other].into_iter().flatten() {
        let entities = || model.entities.iter().map(|e| e.name.value.as_str());
        if !entities().any(|name| name == conversion.entity.value) {
            let close = names::closest(&conversion.entity.value, entities());
            missing("entity", &conversion.entity, model, close);
        }
    }
    for (of_base, of_conversion) in &conversion.constant_properties {
        for (name, model) in [(of_base, base), (of_conversion, other)] {
            let Some(model) = model else { continue };
            let all = || {
                let entities = model.entities.iter().map(|e| e.name.value.as_str());
                entities.chain(model.dimensions.iter().map(|d| d.name.value.as_str()))
            };
            if !all().any(|element| element == name.value) {
                missing("constant property", name, model, names::closest(&name.value, all()));
            }
        }
    }
}
