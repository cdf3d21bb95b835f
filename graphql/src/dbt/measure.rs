use async_graphql::{Enum, Json, SimpleObject};
use engine::metadata::ListedMeasure;
use semantic::Aggregation;

use super::scalar::meta;

/// What a simple metric aggregates.
#[derive(Debug, SimpleObject)]
pub(super) struct Measure {
    name: String,
    expr: Option<String>,
    agg: AggregationType,
    agg_time_dimension: Option<String>,
    config: Option<MeasureConfig>,
}

/// dbt's aggregations, and the one that is declared as approximate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(super) enum AggregationType {
    Sum,
    Min,
    Max,
    Average,
    Count,
    CountDistinct,
    ApproxCountDistinct,
    SumBoolean,
    Median,
    Percentile,
}

#[derive(Debug, SimpleObject)]
pub(super) struct MeasureConfig {
    meta: Json<serde_json::Value>,
}

impl From<ListedMeasure<'_>> for Measure {
    fn from(listed: ListedMeasure<'_>) -> Self {
        Self {
            name: listed.name.to_owned(),
            expr: Some(listed.expr.to_owned()),
            agg: match listed.agg {
                Aggregation::Sum => AggregationType::Sum,
                Aggregation::Min => AggregationType::Min,
                Aggregation::Max => AggregationType::Max,
                Aggregation::Average => AggregationType::Average,
                Aggregation::Count => AggregationType::Count,
                Aggregation::CountDistinct => AggregationType::CountDistinct,
                Aggregation::ApproxCountDistinct => AggregationType::ApproxCountDistinct,
                Aggregation::SumBoolean => AggregationType::SumBoolean,
                Aggregation::Median { .. } => AggregationType::Median,
                Aggregation::Percentile(_) => AggregationType::Percentile,
            },
            agg_time_dimension: Some(listed.agg_time_dimension.to_owned()),
            config: listed.meta.map(|text| MeasureConfig { meta: meta(text) }),
        }
    }
}
