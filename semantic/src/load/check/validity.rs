//! Models whose rows are valid for a time (V14, V15).

use super::{Index, own_aggregates};
use crate::{EntityType, Validity, load::declared::Model, report::Report};

pub(super) fn check(index: &Index<'_>, report: &mut Report) {
    for model in index.declared_models() {
        window(model, report);
        naturals(model, report);
    }
    // Metrics of the 2026 spec are measures of their model.
    for (metric, own) in own_aggregates(index) {
        let Some(model) = index.models.get(own.model.value.as_str()) else { continue };
        if has_window(model) {
            report.error("bad_model", &metric.name.span, no_measures(model));
        }
    }
}

fn has_window(model: &Model) -> bool {
    model.dimensions.iter().any(|d| d.validity.is_some())
}

fn no_measures(model: &Model) -> String {
    let name = &model.name.value;
    format!("model '{name}' has a validity window, so it cannot define measures; put them in another model")
}

/// V14.
fn window(model: &Model, report: &mut Report) {
    if !has_window(model) {
        return;
    }
    let name = &model.name.value;
    let ends = |end| model.dimensions.iter().filter(|d| d.validity == Some(end)).count();
    let (starts, ends) = (ends(Validity::Start), ends(Validity::End));
    if (starts, ends) != (1, 1) {
        let message = format!(
            "model '{name}' has {starts} start and {ends} end dimensions of its validity window, it needs one of each"
        );
        report.error("bad_model", &model.name.span, message);
    }
    if !model.entities.iter().any(|e| e.entity_type == EntityType::Natural) {
        let message = format!("model '{name}' has a validity window but no entity of type natural");
        report.error("bad_model", &model.name.span, message);
    }
    for entity in &model.entities {
        if matches!(entity.entity_type, EntityType::Primary | EntityType::Unique) {
            let key = &entity.name.value;
            let message = format!(
                "model '{name}' has a validity window, so its key '{key}' repeats: make it natural or foreign"
            );
            report.error("bad_model", &entity.name.span, message);
        }
    }
    if let Some(measure) = model.measures.first() {
        report.error("bad_model", &measure.name.span, no_measures(model));
    }
}

/// V15.
fn naturals(model: &Model, report: &mut Report) {
    let name = &model.name.value;
    let mut naturals = model.entities.iter().filter(|e| e.entity_type == EntityType::Natural);
    let Some(first) = naturals.next() else { return };
    if !has_window(model) {
        let entity = &first.name.value;
        let message =
            format!("natural entity '{entity}' needs is_start and is_end dimensions in model '{name}'");
        report.error("bad_model", &first.name.span, message);
    }
    if let Some(second) = naturals.next() {
        let (a, b) = (&first.name.value, &second.name.value);
        let message = format!("model '{name}' has two natural entities, '{a}' and '{b}'");
        report.error("bad_model", &second.name.span, message);
    }
}
