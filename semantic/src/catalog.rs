//! What a checked definitions file says. These are values: made by the loader, read by every crate.

mod audience;
mod grain;
mod identity;
mod metric;
mod model;
mod plan;
mod query;
mod saved_query;
mod spine;
mod subscription;

pub use self::model::{Dimension, DimensionKind, Entity, EntityType, Relation, SemanticModel, Validity};
pub use audience::{
    Audience, CallKind, CallSelector, Comparison, EventNames, Expr, Filter, FilterTarget, Leaf, Literal,
    Operator, Window,
};
pub use grain::{DatePart, Grain, TimeGrain, TimeWindow};
pub use identity::{
    Block, BlockTarget, IdentifierType, IdentityRules, Keep, LinkOrder, MergeRule, Normalizer, OnConflict,
    Otherwise, ProfileRules, TraitRule,
};
pub use metric::{
    Aggregation, ConstantProperty, ConversionCalculation, ConversionMetric, CumulativeScope, Measure, Metric,
    MetricInput, MetricKind, NonAdditive, Percentile, PeriodAggregation, SimpleMetric, WindowChoice,
};
pub use plan::{OnViolation, PlannedEvent, PlannedProperty, TrackingPlan, Unplanned, Violation};
pub use query::{
    GroupBy, MetricQuery, MetricRequest, MetricValue, OrderBy, QueryableDimension, TimeConstraint, TimeRange,
};
pub use saved_query::{Export, ExportDestination, MetricView, SavedQuery, ViewDimension};
pub use spine::{CustomGrain, SpinePoints, TimeSpine};
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
    /// Questions with a name.
    pub saved_queries: Vec<SavedQuery>,
    /// What BI sees as tables.
    pub metric_views: Vec<MetricView>,
    /// Calendars, from fine to coarse.
    pub time_spines: Vec<TimeSpine>,
    pub(crate) graph: Arc<Graph>,
}

impl Catalog {
    /// The metric of this name.
    pub fn metric(&self, name: &str) -> Option<&Metric> {
        self.graph.metric(name).map(|i| &self.metrics[i])
    }

    /// The metrics that can be asked for by name: not the private ones (N10).
    pub fn public_metrics(&self) -> impl Iterator<Item = &Metric> {
        self.metrics.iter().filter(|metric| !metric.private)
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

    /// Entities these metrics can all be grouped by, with their qualified names.
    pub fn entities(&self, metrics: &[String]) -> Vec<(String, &Entity)> {
        crate::query::entities(self, metrics)
    }

    /// Grains of `metric_time` these metrics can all be asked for by; custom ones come last.
    pub fn queryable_grains(&self, metrics: &[String]) -> Vec<TimeGrain> {
        crate::query::queryable_grains(self, metrics)
    }

    /// Public metrics that can be grouped by all of these names.
    pub fn metrics_for_dimensions(&self, dimensions: &[String]) -> Vec<&Metric> {
        crate::query::metrics_for(self, dimensions)
    }

    /// Whether a metric has an answer only by time.
    pub fn requires_metric_time(&self, metric: &str) -> bool {
        crate::query::requires_metric_time(self, metric)
    }
}
