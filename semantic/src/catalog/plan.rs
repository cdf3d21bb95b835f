use std::collections::HashMap;

use model::ColumnType;

use super::Literal;

/// The events that are expected, and their typed properties.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TrackingPlan {
    /// What happens to track calls that are not listed.
    pub unplanned: Unplanned,
    /// The listed events, in file order.
    pub events: Vec<PlannedEvent>,
    by_name: HashMap<String, usize>,
}

impl TrackingPlan {
    /// A plan of these events. Of two events with one name the first counts.
    pub fn new(unplanned: Unplanned, events: Vec<PlannedEvent>) -> Self {
        let mut by_name = HashMap::with_capacity(events.len());
        for (i, event) in events.iter().enumerate() {
            by_name.entry(event.name.clone()).or_insert(i);
        }
        Self { unplanned, events, by_name }
    }

    /// The listed event of this name; constant time.
    pub fn event(&self, name: &str) -> Option<&PlannedEvent> {
        self.by_name.get(name).map(|i| &self.events[*i])
    }
}

/// What happens to a track call that the plan does not list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unplanned {
    /// Accept it.
    #[default]
    Accept,
    /// Send it to the dead letters.
    Reject,
}

/// One expected event.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedEvent {
    /// The name as sent.
    pub name: String,
    /// Its table: [`model::naming::event_table_name`] of the name.
    pub table: String,
    /// What happens to a call that does not fit.
    pub on_violation: OnViolation,
    /// Typed properties, in file order.
    pub properties: Vec<PlannedProperty>,
}

/// What happens to a call that does not fit its plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnViolation {
    /// Send it to the dead letters.
    #[default]
    Reject,
    /// Keep it, leave the typed column null, count it.
    Keep,
}

/// One typed property.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedProperty {
    /// The name as sent; a dotted path reaches into objects.
    pub name: String,
    /// Its column: [`model::naming::column_name`] of the name.
    pub column: String,
    /// Its type.
    pub column_type: ColumnType,
    /// Whether it must be there and not null.
    pub required: bool,
    /// Smallest number allowed, as written.
    pub minimum: Option<String>,
    /// Largest number allowed, as written.
    pub maximum: Option<String>,
    /// The values allowed; empty for all.
    pub one_of: Vec<Literal>,
}

/// One way in which a call does not fit the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// JSON pointer into the call, such as `/properties/revenue`.
    pub pointer: String,
    /// What is wrong, with the expected type.
    pub message: String,
}
