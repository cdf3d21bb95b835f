use std::sync::Arc;

use async_graphql::{Enum, Json, Object, SimpleObject};
use engine::{Catalog, metadata};
use semantic::MetricKind;

use super::{
    dimension::Dimension,
    entity::Entity,
    grain::{self, TimeGranularity},
    measure::Measure,
    metric_params::{MetricTypeParams, WhereFilter},
    scalar::meta,
};

/// A number with one definition.
#[derive(Debug)]
pub(super) struct Metric {
    catalog: Arc<Catalog>,
    name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(super) enum MetricType {
    Simple,
    Ratio,
    Cumulative,
    Derived,
    Conversion,
}

#[derive(Debug, SimpleObject)]
pub(super) struct MetricConfig {
    meta: Json<serde_json::Value>,
}

impl Metric {
    /// A metric of this catalog.
    pub(super) fn new(catalog: &Arc<Catalog>, metric: &semantic::Metric) -> Self {
        Self { catalog: Arc::clone(catalog), name: metric.name.clone() }
    }

    fn declared(&self) -> &semantic::Metric {
        self.catalog.metric(&self.name).expect("it was found in this catalog")
    }

    fn grains(&self) -> Vec<semantic::TimeGrain> {
        metadata::metric_time_grains(&self.catalog, &[self.declared()])
    }
}

#[Object]
impl Metric {
    async fn name(&self) -> &str {
        &self.name
    }

    /// The name where none is declared.
    async fn label(&self) -> Option<&str> {
        Some(&self.declared().label)
    }

    async fn description(&self) -> Option<&str> {
        self.declared().description.as_deref()
    }

    #[graphql(name = "type")]
    async fn kind(&self) -> MetricType {
        match self.declared().kind {
            MetricKind::Simple(_) => MetricType::Simple,
            MetricKind::Ratio { .. } => MetricType::Ratio,
            MetricKind::Derived { .. } => MetricType::Derived,
            MetricKind::Cumulative { .. } => MetricType::Cumulative,
            MetricKind::Conversion(_) => MetricType::Conversion,
        }
    }

    async fn type_params(&self) -> MetricTypeParams {
        MetricTypeParams::of(&self.catalog, self.declared())
    }

    async fn filter(&self) -> Option<WhereFilter> {
        WhereFilter::all(&self.declared().filters)
    }

    async fn requires_metric_time(&self) -> bool {
        metadata::requires_metric_time(&self.catalog, self.declared())
    }

    async fn config(&self) -> Option<MetricConfig> {
        self.declared().meta.as_deref().map(|text| MetricConfig { meta: meta(text) })
    }

    async fn dimensions(&self) -> Vec<Dimension> {
        let listed = metadata::dimensions(&self.catalog, &[self.declared()], None);
        listed.into_iter().map(Dimension::from).collect()
    }

    async fn entities(&self) -> Vec<Entity> {
        let listed = metadata::entities(&self.catalog, &[self.declared()], None);
        listed.into_iter().map(Entity::from).collect()
    }

    async fn measures(&self) -> Vec<Measure> {
        metadata::measures(&self.catalog, &[self.declared()]).into_iter().map(Measure::from).collect()
    }

    async fn queryable_granularities(&self) -> Vec<TimeGranularity> {
        TimeGranularity::standard(&self.grains())
    }

    async fn queryable_time_granularities(&self) -> Vec<String> {
        grain::names(&self.grains())
    }
}
