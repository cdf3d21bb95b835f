//! Models that need no declaration: one per planned event, `profiles`, and the changes of audiences.

use std::sync::Arc;

use model::{ColumnType, Span, naming};

use super::declared::{
    Aggregate, At, Cumulative, Declared, Dimension, Entity, Input, Kind, Measure, Metric, Model,
    OwnAggregate, Side, Simple, Texts,
};
use crate::{
    Aggregation, Audience, DimensionKind, EntityType, Grain, PeriodAggregation, PlannedEvent, ProfileRules,
    Relation, TrackingPlan, names,
};

/// Name of the model over the change log of audiences.
const CHANGES: &str = "audience_changes";
/// How many members each audience has.
const SIZE: &str = "audience_size";
/// How many more it has after a change.
const GAIN: &str = "audience_gain";

/// Adds every automatic model that no declared one replaces, by its name or by its relation, and the
/// metrics that come with them.
pub(super) fn add(
    declared: &mut Declared,
    plan: &TrackingPlan,
    profile: &ProfileRules,
    audiences: &[Audience],
) {
    let events = plan.events.iter().filter(|event| names::is_element_name(&event.table)).map(of_event);
    let mut automatic: Vec<Model> = events.chain(std::iter::once(of_profiles(profile))).collect();
    if !audiences.is_empty() {
        automatic.push(of_audience_changes());
    }
    for model in automatic {
        let name = &model.name.value;
        let replaced = declared.refused.models.contains(name)
            || declared.models.iter().any(|m| {
                m.name.value.eq_ignore_ascii_case(name)
                    || m.relation == model.relation
                    || m.relation == Relation::table("events", name.as_str())
            });
        if replaced {
            continue;
        }
        if *name == CHANGES {
            add_audience_size(declared);
        }
        declared.models.push(model);
    }
}

/// What no file says has no place.
fn nowhere<T>(value: T) -> At<T> {
    At { value, span: Span { file: Arc::from(""), line: 0, column: 0 } }
}

fn named(name: &str) -> At<String> {
    nowhere(name.to_owned())
}

fn described(text: impl Into<String>) -> Texts {
    Texts { label: None, description: Some(text.into()), meta: None }
}

fn entity(name: &str, entity_type: EntityType, expr: &str) -> Entity {
    Entity {
        name: named(name),
        entity_type,
        expr: Some(expr.to_owned()),
        identifier: None,
        role: None,
        texts: Texts::default(),
    }
}

fn column(name: &str, kind: DimensionKind, column_type: ColumnType, texts: Texts) -> Dimension {
    Dimension {
        name: named(name),
        kind,
        expr: Some(name.to_owned()),
        is_partition: false,
        validity: None,
        column_type: Some(column_type),
        texts,
    }
}

fn time(name: &str, description: &str) -> Dimension {
    // The finest grain the calendar functions of every dialect know.
    column(name, DimensionKind::Time(Grain::Millisecond), ColumnType::Timestamp, described(description))
}

/// A column as a dimension, if its name can be one.
fn dimension(name: &str, column_type: ColumnType, taken: &[&str]) -> Option<Dimension> {
    if names::fault(name).is_some() || taken.contains(&name) {
        return None;
    }
    let kind = match column_type {
        ColumnType::Date => DimensionKind::Time(Grain::Day),
        ColumnType::Timestamp => DimensionKind::Time(Grain::Millisecond),
        _ => DimensionKind::Categorical,
    };
    Some(column(name, kind, column_type, Texts::default()))
}

fn of_event(event: &PlannedEvent) -> Model {
    let taken = ["timestamp", "profile", event.table.as_str()];
    let properties = event.properties.iter().filter_map(|p| dimension(&p.column, p.column_type, &taken));
    Model {
        name: named(&event.table),
        relation: Relation::table("warehouse", event.table.as_str()),
        texts: described(format!("Every '{}' event.", event.name)),
        primary_entity: None,
        agg_time: Some(named("timestamp")),
        entities: vec![
            entity(&event.table, EntityType::Primary, "id"),
            entity("profile", EntityType::Foreign, "profile_id"),
        ],
        dimensions: std::iter::once(time("timestamp", "When it happened.")).chain(properties).collect(),
        measures: Vec::new(),
        automatic: true,
    }
}

fn of_profiles(profile: &ProfileRules) -> Model {
    let taken = ["first_seen", "updated_at", "profile"];
    let traits = profile.traits.iter().filter_map(|t| {
        let column = naming::column_name(&t.name);
        dimension(&column, t.column_type, &taken)
    });
    let seen = [
        time("first_seen", "When the profile was first seen."),
        time("updated_at", "When the profile last changed."),
    ];
    Model {
        name: named("profiles"),
        relation: Relation::table("profiles", "profiles"),
        texts: described("The golden record, one row per profile."),
        primary_entity: None,
        agg_time: Some(named("first_seen")),
        entities: vec![entity("profile", EntityType::Primary, "profile_id")],
        dimensions: seen.into_iter().chain(traits).collect(),
        measures: vec![Measure {
            name: named("profile_count"),
            aggregate: Aggregate {
                agg: Aggregation::Count,
                expr: Some("1".to_owned()),
                agg_time: None,
                non_additive: None,
            },
            create_metric: true,
            metric_label: None,
            texts: described("How many profiles there are."),
        }],
        automatic: true,
    }
}

/// The change log: one row each time a profile enters or leaves an audience.
fn of_audience_changes() -> Model {
    let text = |name, says| column(name, DimensionKind::Categorical, ColumnType::String, described(says));
    Model {
        name: named(CHANGES),
        relation: Relation::table("audiences", "changes"),
        texts: described("Every profile that entered or left an audience."),
        primary_entity: None,
        agg_time: Some(named("changed_at")),
        entities: vec![
            entity("audience_change", EntityType::Primary, "seq"),
            entity("audience", EntityType::Foreign, "audience"),
            entity("profile", EntityType::Foreign, "profile_id"),
        ],
        dimensions: vec![
            Dimension { expr: Some("at".to_owned()), ..time("changed_at", "When it happened.") },
            text("change", "Entered or left."),
            text("reason", "What made it so."),
        ],
        measures: Vec::new(),
        automatic: true,
    }
}

/// The size of an audience is what its changes add up to since the beginning, so any moment of history
/// has an exact answer.
fn add_audience_size(declared: &mut Declared) {
    let taken = |name: &str| declared.metrics.iter().any(|m| m.name.value.eq_ignore_ascii_case(name));
    if taken(SIZE) || taken(GAIN) || declared.refused.metrics.contains(SIZE) {
        return;
    }
    let metric = |name: &str, texts, kind, private| Metric {
        name: named(name),
        texts,
        kind,
        filters: Vec::new(),
        time_granularity: None,
        private,
        made: true,
    };
    let gain = Aggregate {
        agg: Aggregation::Sum,
        expr: Some("CASE WHEN change = 'entered' THEN 1 ELSE -1 END".to_owned()),
        agg_time: None,
        non_additive: None,
    };
    let own = Some(OwnAggregate { model: named(CHANGES), aggregate: gain });
    let simple = Simple { measure: None, own, fill_nulls_with: None, join_to_timespine: false };
    let size = Cumulative {
        input: Side::Metric(Input::named(named(GAIN))),
        window: None,
        grain_to_date: None,
        old_window: None,
        old_grain_to_date: None,
        period_agg: Some(PeriodAggregation::Last),
    };
    let gain = metric(GAIN, described("Members gained, less members lost."), Kind::Simple(simple), true);
    let says = described("How many members each audience has, by metric_time and audience.");
    declared.metrics.push(gain);
    declared.metrics.push(metric(SIZE, says, Kind::Cumulative(size), false));
}
