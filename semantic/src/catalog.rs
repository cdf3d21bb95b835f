//! What a checked definitions file says. These are values: made by the loader, read by every crate.

mod audience;
mod identity;
mod metric;
mod plan;
mod subscription;

pub use audience::{
    Audience, CallKind, CallSelector, Comparison, EventNames, Expr, Filter, FilterTarget, Leaf, Literal,
    Operator, Window,
};
pub use identity::{
    Block, BlockTarget, IdentifierType, IdentityRules, Keep, LinkOrder, MergeRule, Normalizer, OnConflict,
    Otherwise, ProfileRules, TraitRule,
};
pub use metric::{
    Aggregation, Dimension, DimensionKind, Entity, EntityType, Grain, Measure, Metric, MetricInput,
    MetricKind, MetricQuery, OrderBy, QueryableDimension, SemanticModel, TimeRange, TimeSpine,
};
pub use plan::{OnViolation, PlannedEvent, PlannedProperty, TrackingPlan, Unplanned, Violation};
pub use subscription::Subscription;

use std::sync::Arc;

use crate::query::Graph;

/// Everything one set of definition files says, checked. Immutable: a reload makes a new one.
#[derive(Debug, Clone)]
pub struct Catalog {
    /// Hash of the normalised content; equal definitions have equal versions.
    pub version: u64,
    /// Which events are expected, and their typed properties.
    pub tracking_plan: TrackingPlan,
    /// Which values link records.
    pub identity: IdentityRules,
    /// The golden record.
    pub profile: ProfileRules,
    /// Declared models and the automatic ones (one per planned event, and `profiles`).
    pub semantic_models: Vec<SemanticModel>,
    /// All metrics, the automatic ones included.
    pub metrics: Vec<Metric>,
    /// All audiences.
    pub audiences: Vec<Audience>,
    /// All webhooks.
    pub subscriptions: Vec<Subscription>,
    /// The calendar, if one is declared.
    pub time_spine: Option<TimeSpine>,
    pub(crate) graph: Arc<Graph>,
}

impl Catalog {
    /// The metric of this name.
    pub fn metric(&self, name: &str) -> Option<&Metric> {
        self.graph.metric(name).map(|i| &self.metrics[i])
    }

    /// The audience of this name.
    pub fn audience(&self, name: &str) -> Option<&Audience> {
        self.audiences.iter().find(|a| a.name.as_str() == name)
    }

    /// What these metrics can all be grouped and filtered by, reachable without fan-out. Unknown
    /// metrics have no dimension; no metrics at all gives every dimension of every model.
    pub fn dimensions(&self, metrics: &[String]) -> Vec<QueryableDimension> {
        crate::query::dimensions(self, metrics)
    }
}
