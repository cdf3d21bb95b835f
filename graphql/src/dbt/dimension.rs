use async_graphql::{Enum, Json, SimpleObject};
use engine::{DimensionKind, metadata::ListedDimension};
use semantic::Validity;

use super::{
    grain::{self, TimeGranularity},
    scalar::meta,
};

/// What metrics can be grouped and filtered by. Its name is the one to ask for.
#[derive(Debug, SimpleObject)]
pub(super) struct Dimension {
    name: String,
    qualified_name: String,
    #[graphql(name = "type")]
    kind: DimensionType,
    label: Option<String>,
    description: Option<String>,
    expr: Option<String>,
    is_partition: bool,
    type_params: Option<DimensionTypeParams>,
    config: Option<DimensionConfig>,
    queryable_granularities: Vec<TimeGranularity>,
    queryable_time_granularities: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(super) enum DimensionType {
    Categorical,
    Time,
}

/// More about a time dimension.
#[derive(Debug, SimpleObject)]
pub(super) struct DimensionTypeParams {
    time_granularity: Option<TimeGranularity>,
    validity_params: Option<DimensionValidityParams>,
}

/// Which end of a validity window a dimension is.
#[derive(Debug, SimpleObject)]
pub(super) struct DimensionValidityParams {
    is_start: bool,
    is_end: bool,
}

#[derive(Debug, SimpleObject)]
pub(super) struct DimensionConfig {
    meta: Json<serde_json::Value>,
}

impl From<ListedDimension<'_>> for Dimension {
    fn from(listed: ListedDimension<'_>) -> Self {
        let declared = listed.declared;
        let validity = declared.and_then(|d| d.validity).map(|end| DimensionValidityParams {
            is_start: end == Validity::Start,
            is_end: end == Validity::End,
        });
        let (kind, type_params) = match listed.kind {
            DimensionKind::Categorical => (DimensionType::Categorical, None),
            DimensionKind::Time(grain) => {
                let time_granularity = Some(grain.into());
                (
                    DimensionType::Time,
                    Some(DimensionTypeParams { time_granularity, validity_params: validity }),
                )
            }
        };
        Self {
            name: listed.qualified_name.clone(),
            qualified_name: listed.qualified_name,
            kind,
            label: declared.and_then(|d| d.label.clone()),
            description: listed.description,
            expr: declared.map(|d| d.expr.clone()),
            is_partition: declared.is_some_and(|d| d.is_partition),
            type_params,
            config: declared.and_then(|d| d.meta.as_deref()).map(|text| DimensionConfig { meta: meta(text) }),
            queryable_granularities: TimeGranularity::standard(&listed.grains),
            queryable_time_granularities: grain::names(&listed.grains),
        }
    }
}
