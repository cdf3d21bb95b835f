//! Keys and relationships become entities. Both ends of a relationship share one, named after the key it
//! leads to; where that name would mean two keys, after the relationship.

use std::collections::{HashMap, HashSet};

use super::Dataset;
use crate::{
    EntityType,
    load::declared::{At, Entity, Texts},
    names,
    report::Report,
};

/// Many rows of `from` lead to one row of `to`.
pub(in crate::load) struct Relationship {
    pub(super) name: At<String>,
    pub(super) from: At<String>,
    pub(super) to: At<String>,
    pub(super) from_columns: Vec<String>,
    pub(super) to_columns: Vec<String>,
    /// Exported by us: the entity it was made of.
    pub(super) entity: Option<String>,
}

/// The entities of one dataset.
#[derive(Default)]
pub(super) struct Entities {
    pub(super) entities: Vec<Entity>,
    /// What stands in front of its dimensions where no entity is primary.
    pub(super) primary: Option<At<String>>,
}

/// Entities of each dataset, in their order.
pub(super) fn entities(
    datasets: &[Dataset],
    relationships: &[Relationship],
    report: &mut Report,
) -> Vec<Entities> {
    let place: HashMap<&str, usize> =
        datasets.iter().enumerate().map(|(i, d)| (d.name.value.as_str(), i)).collect();
    let sound: Vec<&Relationship> =
        relationships.iter().filter(|r| fits(r, datasets, &place, report)).collect();
    let shared = shared_names(datasets, &sound);
    let mut found: Vec<Entities> = datasets.iter().map(|_| Entities::default()).collect();
    for relationship in &sound {
        let (Some(from), Some(to)) =
            (place.get(relationship.from.value.as_str()), place.get(relationship.to.value.as_str()))
        else {
            continue;
        };
        if relationship.entity.is_some() && datasets[*from].exported && datasets[*to].exported {
            continue;
        }
        let key = key_name(&relationship.to_columns);
        let name = match &relationship.entity {
            Some(entity) => entity.clone(),
            None if shared.contains(&key) => relationship.name.value.clone(),
            None => key,
        };
        let is_primary = same(&datasets[*to].primary_key, &relationship.to_columns);
        let primary_taken = found[*to].entities.iter().any(|e| e.entity_type == EntityType::Primary);
        let kind = match is_primary && !primary_taken {
            true => EntityType::Primary,
            false => EntityType::Unique,
        };
        let name = At::new(name, &relationship.name.span);
        add(&mut found[*to], &name, kind, &relationship.to_columns);
        add(&mut found[*from], &name, EntityType::Foreign, &relationship.from_columns);
    }
    for (dataset, found) in datasets.iter().zip(&mut found).filter(|(dataset, _)| !dataset.exported) {
        own_keys(dataset, found, &shared);
    }
    found
}

/// Whether a relationship is between datasets that are read here.
fn fits(
    relationship: &Relationship,
    datasets: &[Dataset],
    place: &HashMap<&str, usize>,
    report: &mut Report,
) -> bool {
    let owner = format!("relationship '{}'", relationship.name.value);
    let mut sound = true;
    for end in [&relationship.from, &relationship.to] {
        if place.contains_key(end.value.as_str()) {
            continue;
        }
        sound = false;
        let close = names::closest(&end.value, datasets.iter().map(|d| d.name.value.as_str()));
        let message = format!("{owner}: dataset '{}' does not exist", end.value);
        report.suggest("unknown_input", &end.span, message, close);
    }
    let (from, to) = (relationship.from_columns.len(), relationship.to_columns.len());
    if sound && (from != to || from == 0) {
        let message = format!("{owner} has {from} from_columns but {to} to_columns");
        report.error("bad_relationship", &relationship.name.span, message);
        sound = false;
    }
    sound
}

/// Key names that would mean two things: keys of two datasets, or two ways from one dataset to another.
fn shared_names(datasets: &[Dataset], relationships: &[&Relationship]) -> HashSet<String> {
    let mut owners: HashMap<String, HashSet<&str>> = HashMap::new();
    for dataset in datasets.iter().filter(|d| !d.primary_key.is_empty()) {
        owners.entry(key_name(&dataset.primary_key)).or_default().insert(&dataset.name.value);
    }
    for relationship in relationships {
        owners.entry(key_name(&relationship.to_columns)).or_default().insert(&relationship.to.value);
    }
    let mut shared: HashSet<String> =
        owners.into_iter().filter(|(_, owners)| owners.len() > 1).map(|(name, _)| name).collect();
    let mut ways: HashSet<(&str, String)> = HashSet::new();
    for relationship in relationships {
        let key = key_name(&relationship.to_columns);
        if !ways.insert((&relationship.from.value, key.clone())) {
            shared.insert(key);
        }
    }
    shared
}

/// Keys that no relationship leads to.
fn own_keys(dataset: &Dataset, found: &mut Entities, shared: &HashSet<String>) {
    let has_primary = found.entities.iter().any(|e| e.entity_type == EntityType::Primary);
    if !dataset.primary_key.is_empty() && !has_primary {
        let key = key_name(&dataset.primary_key);
        let name = if shared.contains(&key) { dataset.name.value.clone() } else { key };
        add(found, &At::new(name, &dataset.name.span), EntityType::Primary, &dataset.primary_key);
    }
    for columns in &dataset.unique_keys {
        let expr = key_expr(columns);
        if !columns.is_empty() && !found.entities.iter().any(|e| e.expr.as_deref() == Some(expr.as_str())) {
            let name = format!("{}_{}", dataset.name.value, key_name(columns));
            add(found, &At::new(name, &dataset.name.span), EntityType::Unique, columns);
        }
    }
    if !found.entities.iter().any(|e| e.entity_type == EntityType::Primary) {
        found.primary = Some(dataset.name.clone());
    }
}

fn add(found: &mut Entities, name: &At<String>, entity_type: EntityType, columns: &[String]) {
    if found.entities.iter().any(|e| e.name.value == name.value) {
        return;
    }
    found.entities.push(Entity {
        name: name.clone(),
        entity_type,
        expr: Some(key_expr(columns)),
        identifier: None,
        role: None,
        texts: Texts::default(),
    });
}

fn same(a: &[String], b: &[String]) -> bool {
    a.len() == b.len() && a.iter().all(|column| b.contains(column))
}

/// `product_id`, or `order_id_line` for a key of two columns.
fn key_name(columns: &[String]) -> String {
    columns.join("_").to_lowercase()
}

/// A key of several columns is one text. The separator is escaped by none of them, but a length in front
/// of each value keeps `a|b` and `c` apart from `a` and `b|c`.
fn key_expr(columns: &[String]) -> String {
    match columns {
        [column] => column.clone(),
        _ => {
            let parts: Vec<String> = columns
                .iter()
                .map(|c| {
                    let text = format!("CAST({c} AS VARCHAR)");
                    format!("CAST(CHARACTER_LENGTH({text}) AS VARCHAR) || ':' || {text}")
                })
                .collect();
            parts.join(" || ")
        }
    }
}
