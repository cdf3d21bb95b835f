//! Lists in an object of their own, as dbt-mcp reads them.

use async_graphql::SimpleObject;

use super::{dimension::Dimension, entity::Entity, metric::Metric};

#[derive(Debug, SimpleObject)]
pub(super) struct MetricResultPage {
    pub(super) items: Vec<Metric>,
}

#[derive(Debug, SimpleObject)]
pub(super) struct DimensionResultPage {
    pub(super) items: Vec<Dimension>,
}

#[derive(Debug, SimpleObject)]
pub(super) struct EntityResultPage {
    pub(super) items: Vec<Entity>,
}
