//! Models that need no declaration: one per planned event, and `profiles`.

use model::{ColumnType, naming};

use super::model::{LoadedModel, Places};
use crate::{
    Aggregation, Dimension, DimensionKind, Entity, EntityType, Grain, Measure, PlannedEvent, ProfileRules,
    SemanticModel, TrackingPlan, names,
};

/// Adds every automatic model that no declared one replaces, by its name or by its relation.
pub(super) fn add(models: &mut Vec<LoadedModel>, plan: &TrackingPlan, profile: &ProfileRules) {
    let automatic: Vec<SemanticModel> = plan
        .events
        .iter()
        .filter(|event| names::is_element_name(&event.table))
        .map(of_event)
        .chain(std::iter::once(of_profiles(profile)))
        .collect();
    for model in automatic {
        let replaced = models.iter().any(|m| {
            m.model.name == model.name
                || m.model.relation == model.relation
                || (m.model.relation.0 == "events" && m.model.relation.1 == model.relation.1)
        });
        if !replaced {
            models.push(LoadedModel { model, places: Places::default(), wanted: Vec::new() });
        }
    }
}

fn entity(name: &str, entity_type: EntityType, expr: &str) -> Entity {
    Entity { name: name.to_owned(), entity_type, expr: expr.to_owned(), identifier: None }
}

fn time(name: &str, description: &str) -> Dimension {
    Dimension {
        name: name.to_owned(),
        expr: name.to_owned(),
        // The finest grain the calendar functions of every dialect know.
        kind: DimensionKind::Time(Grain::Millisecond),
        column_type: Some(ColumnType::Timestamp),
        description: Some(description.to_owned()),
    }
}

/// A column as a dimension, if its name can be one.
fn dimension(column: &str, column_type: ColumnType, taken: &[&str]) -> Option<Dimension> {
    if names::fault(column).is_some() || taken.contains(&column) {
        return None;
    }
    let kind = match column_type {
        ColumnType::Date => DimensionKind::Time(Grain::Day),
        ColumnType::Timestamp => DimensionKind::Time(Grain::Millisecond),
        _ => DimensionKind::Categorical,
    };
    let (name, expr) = (column.to_owned(), column.to_owned());
    Some(Dimension { name, expr, kind, column_type: Some(column_type), description: None })
}

fn of_event(event: &PlannedEvent) -> SemanticModel {
    let taken = ["timestamp", "profile", event.table.as_str()];
    let properties = event.properties.iter().filter_map(|p| dimension(&p.column, p.column_type, &taken));
    SemanticModel {
        name: event.table.clone(),
        relation: ("warehouse".to_owned(), event.table.clone()),
        label: None,
        description: Some(format!("Every '{}' event.", event.name)),
        primary_entity: Some(event.table.clone()),
        default_agg_time_dimension: Some("timestamp".to_owned()),
        entities: vec![
            entity(&event.table, EntityType::Primary, "id"),
            entity("profile", EntityType::Foreign, "profile_id"),
        ],
        dimensions: std::iter::once(time("timestamp", "When it happened.")).chain(properties).collect(),
        measures: Vec::new(),
        automatic: true,
    }
}

fn of_profiles(profile: &ProfileRules) -> SemanticModel {
    let taken = ["first_seen", "updated_at", "profile"];
    let traits = profile.traits.iter().filter_map(|t| {
        let column = naming::column_name(&t.name);
        dimension(&column, t.column_type, &taken)
    });
    SemanticModel {
        name: "profiles".to_owned(),
        relation: ("profiles".to_owned(), "profiles".to_owned()),
        label: None,
        description: Some("The golden record, one row per profile.".to_owned()),
        primary_entity: Some("profile".to_owned()),
        default_agg_time_dimension: Some("first_seen".to_owned()),
        entities: vec![entity("profile", EntityType::Primary, "profile_id")],
        dimensions: [
            time("first_seen", "When the profile was first seen."),
            time("updated_at", "When the profile last changed."),
        ]
        .into_iter()
        .chain(traits)
        .collect(),
        measures: vec![Measure {
            name: "profile_count".to_owned(),
            agg: Aggregation::Count,
            expr: "1".to_owned(),
            agg_time_dimension: None,
            column_type: Some(ColumnType::Int64),
        }],
        automatic: true,
    }
}
