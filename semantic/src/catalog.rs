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
    MetricKind, MetricQuery, OrderBy, SemanticModel, TimeRange,
};
pub use plan::{OnViolation, PlannedEvent, PlannedProperty, TrackingPlan, Unplanned, Violation};
pub use subscription::Subscription;

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
}
