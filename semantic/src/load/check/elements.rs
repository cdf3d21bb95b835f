//! Names of models and their elements (V3 to V6), and entities that lead nowhere (V29).

use std::collections::HashMap;

use model::Span;

use super::Index;
use crate::{
    DimensionKind, EntityType,
    load::declared::{At, Dimension, Model},
    report::Report,
};

pub(super) fn check(index: &Index<'_>, report: &mut Report) {
    for model in index.declared_models() {
        elements(model, report);
        primary(model, report);
    }
    one_of_each_name(index, report);
    custom_grains(index, report);
    qualified_names(index, report);
    kinds(index, report);
    lonely(index, report);
}

/// V3 for things of one kind.
fn unique<'a>(kind: &str, names: impl Iterator<Item = &'a At<String>>, report: &mut Report) {
    let mut seen: HashMap<&str, &Span> = HashMap::new();
    for name in names {
        match seen.get(name.value.as_str()) {
            Some(first) => taken(&name.value, kind, first, &name.span, report),
            None => _ = seen.insert(&name.value, &name.span),
        }
    }
}

/// `'status' is already the entity at line 12`.
fn taken(name: &str, kind: &str, first: &Span, again: &Span, report: &mut Report) {
    let place = if first.file == again.file { format!("line {}", first.line) } else { first.to_string() };
    report.error("duplicate_name", again, format!("'{name}' is already the {kind} at {place}"));
}

fn one_of_each_name(index: &Index<'_>, report: &mut Report) {
    let declared = index.declared;
    unique("model", index.declared_models().map(|m| &m.name), report);
    unique("metric", declared.metrics.iter().map(|m| &m.name), report);
    unique("saved query", declared.saved_queries.iter().map(|q| &q.name), report);
    unique("metric view", declared.views.iter().flatten().map(|v| &v.name), report);
    measures(index, report);
}

/// V3: one name, one element of a model.
fn elements(model: &Model, report: &mut Report) {
    let entities = model.entities.iter().map(|e| ("entity", &e.name));
    let dimensions = model.dimensions.iter().map(|d| ("dimension", &d.name));
    let measures = model.measures.iter().map(|m| ("measure", &m.name));
    let mut seen: HashMap<&str, (&str, &Span)> = HashMap::new();
    for (kind, name) in entities.chain(dimensions).chain(measures) {
        match seen.get(name.value.as_str()) {
            Some((first, at)) => taken(&name.value, first, at, &name.span, report),
            None => _ = seen.insert(&name.value, (kind, &name.span)),
        }
    }
}

/// V3 across models: metrics name measures without their model.
fn measures(index: &Index<'_>, report: &mut Report) {
    let mut seen: HashMap<&str, &Model> = HashMap::new();
    for model in &index.declared.models {
        for measure in &model.measures {
            let Some(first) = seen.insert(&measure.name.value, model) else { continue };
            if std::ptr::eq(first, model) {
                continue;
            }
            let name = &measure.name.value;
            let message = format!("'{name}' is already a measure of model '{}'", first.name.value);
            report.error("duplicate_name", &measure.name.span, message);
        }
    }
}

/// V3: custom grains among themselves, and a grain and an element.
fn custom_grains(index: &Index<'_>, report: &mut Report) {
    let grains: Vec<&At<String>> =
        index.declared.spines.iter().flat_map(|s| &s.custom_grains).map(|(name, _)| name).collect();
    unique("custom grain", grains.iter().copied(), report);
    if grains.is_empty() {
        return;
    }
    let places: HashMap<&str, &Span> = grains.iter().map(|g| (g.value.as_str(), &g.span)).collect();
    for model in index.declared_models() {
        let names = model.entities.iter().map(|e| &e.name).chain(model.dimensions.iter().map(|d| &d.name));
        for name in names.chain(model.measures.iter().map(|m| &m.name)) {
            if let Some(first) = places.get(name.value.as_str()) {
                taken(&name.value, "custom grain", first, &name.span, report);
            }
        }
    }
}

/// V4.
fn primary(model: &Model, report: &mut Report) {
    let (name, span) = (&model.name.value, &model.name.span);
    let mut primaries = model.entities.iter().filter(|e| e.entity_type == EntityType::Primary);
    match (primaries.next(), primaries.next(), &model.primary_entity) {
        (Some(first), Some(second), _) => {
            let (first, again) = (&first.name.value, &second.name);
            let message = format!("model '{name}' has two primary entities, '{first}' and '{}'", again.value);
            report.error("bad_model", &again.span, message);
        }
        (Some(entity), None, Some(declared)) => {
            let entity = &entity.name.value;
            let message =
                format!("primary_entity is set although the entity '{entity}' is primary; remove one");
            report.error("bad_model", &declared.span, message);
        }
        (None, _, None) if !model.dimensions.is_empty() => {
            let message = format!(
                "model '{name}' has dimensions but no primary entity: mark one entity as primary or set primary_entity"
            );
            report.error("bad_model", span, message);
        }
        _ => {}
    }
}

/// The entity in front of a model's dimensions.
pub(in crate::load) fn primary_entity(model: &Model) -> Option<&str> {
    let primary = model.entities.iter().find(|e| e.entity_type == EntityType::Primary);
    primary.map(|e| &e.name).or(model.primary_entity.as_ref()).map(|name| name.value.as_str())
}

/// V5.
fn qualified_names(index: &Index<'_>, report: &mut Report) {
    let mut seen: HashMap<(&str, &str), (&Model, &Dimension)> = HashMap::new();
    for model in &index.declared.models {
        let Some(entity) = primary_entity(model) else { continue };
        for dimension in &model.dimensions {
            let name = dimension.name.value.as_str();
            let Some((first, other)) = seen.insert((entity, name), (model, dimension)) else { continue };
            if std::ptr::eq(first, model) {
                continue;
            }
            // An automatic model has no place to show.
            let span = if model.automatic { &other.name.span } else { &dimension.name.span };
            let message = format!(
                "'{entity}__{name}' is defined by models '{}' and '{}'; a dimension name must be unique per \
                 primary entity",
                first.name.value, model.name.value
            );
            report.error("duplicate_name", span, message);
        }
    }
}

/// V6. Where even the qualified names of two dimensions are equal, V5 has spoken.
fn kinds(index: &Index<'_>, report: &mut Report) {
    let mut dimensions: HashMap<&str, (&Model, &Dimension)> = HashMap::new();
    for model in index.declared_models() {
        for dimension in &model.dimensions {
            let Some((first, other)) = dimensions.get(dimension.name.value.as_str()) else {
                dimensions.insert(&dimension.name.value, (model, dimension));
                continue;
            };
            let coincide = primary_entity(first) == primary_entity(model);
            if std::ptr::eq(*first, model) || coincide {
                continue;
            }
            for words in [time_words, partition_words] {
                let (before, now) = (words(other), words(dimension));
                if before != now {
                    let name = &dimension.name.value;
                    let (a, b) = (&first.name.value, &model.name.value);
                    let message = format!("'{name}' is {before} in '{a}' but {now} in '{b}'");
                    report.warn("mixed_dimension", &dimension.name.span, message, None);
                }
            }
        }
    }
    for model in index.declared_models() {
        let entities = model.entities.iter().map(|e| ("an entity", &e.name));
        let measures = model.measures.iter().map(|m| ("a measure", &m.name));
        for (kind, name) in entities.chain(measures) {
            let Some((first, _)) = dimensions.get(name.value.as_str()) else { continue };
            if std::ptr::eq(*first, model) {
                continue;
            }
            let (text, a, b) = (&name.value, &first.name.value, &model.name.value);
            let message = format!("'{text}' is a dimension in '{a}' but {kind} in '{b}'");
            let same_path = kind == "an entity"
                && primary_entity(first).is_some()
                && primary_entity(first) == primary_entity(model)
                && primary_entity(model) != Some(text);
            if same_path {
                report.error("mixed_dimension", &name.span, message);
            } else {
                report.warn("mixed_dimension", &name.span, message, None);
            }
        }
    }
}

fn time_words(dimension: &Dimension) -> &'static str {
    if matches!(dimension.kind, DimensionKind::Time(_)) { "a time dimension" } else { "categorical" }
}

fn partition_words(dimension: &Dimension) -> &'static str {
    if dimension.is_partition { "a partition" } else { "no partition" }
}

/// V29: a foreign key that leads nowhere.
fn lonely(index: &Index<'_>, report: &mut Report) {
    let mut models_of: HashMap<&str, usize> = HashMap::new();
    for entity in index.declared.models.iter().flat_map(|m| &m.entities) {
        *models_of.entry(&entity.name.value).or_default() += 1;
    }
    for entity in index.declared_models().flat_map(|m| &m.entities) {
        let name = entity.name.value.as_str();
        if entity.entity_type == EntityType::Foreign && models_of.get(name) == Some(&1) {
            let message = format!("entity '{name}' occurs in one model only, so nothing can join to it");
            report.warn("lonely_entity", &entity.name.span, message, None);
        }
    }
}
