use async_graphql::{Enum, SimpleObject};
use engine::metadata;
use semantic::{DatePart as Part, ExportDestination, Grain};

use super::{
    grain::{DatePart, TimeGranularity},
    metric_params::WhereFilter,
};

/// A question with a name.
#[derive(Debug, SimpleObject)]
pub(super) struct SavedQuery {
    name: String,
    label: Option<String>,
    description: Option<String>,
    query_params: SavedQueryQueryParams,
    exports: Vec<Export>,
}

#[derive(Debug, SimpleObject)]
pub(super) struct SavedQueryQueryParams {
    metrics: Vec<SavedQueryMetricParam>,
    group_by: Vec<SavedQueryGroupByParam>,
    #[graphql(name = "where")]
    condition: Option<WhereFilter>,
}

#[derive(Debug, SimpleObject)]
pub(super) struct SavedQueryMetricParam {
    name: String,
}

#[derive(Debug, SimpleObject)]
pub(super) struct SavedQueryGroupByParam {
    name: String,
    grain: Option<TimeGranularity>,
    time_granularity: Option<String>,
    date_part: Option<DatePart>,
}

/// A table or view that dbt makes of a saved query.
#[derive(Debug, SimpleObject)]
pub(super) struct Export {
    name: String,
    config: ExportConfig,
}

#[derive(Debug, SimpleObject)]
pub(super) struct ExportConfig {
    alias: Option<String>,
    schema: Option<String>,
    export_as: ExportDestinationType,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(super) enum ExportDestinationType {
    Table,
    View,
}

impl From<&semantic::SavedQuery> for SavedQuery {
    fn from(query: &semantic::SavedQuery) -> Self {
        let metric = |name: &String| SavedQueryMetricParam { name: name.clone() };
        Self {
            name: query.name.clone(),
            label: query.label.clone(),
            description: query.description.clone(),
            query_params: SavedQueryQueryParams {
                metrics: query.metrics.iter().map(metric).collect(),
                group_by: query.group_by.iter().map(|text| group_by(text)).collect(),
                condition: WhereFilter::all(&query.filters),
            },
            exports: query.exports.iter().map(Export::from).collect(),
        }
    }
}

/// A group-by of a saved query, taken apart into what the query API takes.
fn group_by(text: &str) -> SavedQueryGroupByParam {
    let parts = metadata::group_by_parts(text);
    let standard = parts.grain.as_deref().and_then(Grain::parse);
    SavedQueryGroupByParam {
        name: parts.name,
        grain: standard.map(TimeGranularity::from),
        time_granularity: match (standard, parts.grain) {
            (Some(grain), _) => Some(grain.as_str().to_uppercase()),
            (None, custom) => custom,
        },
        date_part: parts.date_part.as_deref().and_then(Part::parse).map(DatePart::from),
    }
}

impl From<&semantic::Export> for Export {
    fn from(export: &semantic::Export) -> Self {
        Self {
            name: export.name.clone(),
            config: ExportConfig {
                alias: export.alias.clone(),
                schema: export.schema.clone(),
                export_as: match export.export_as {
                    ExportDestination::Table => ExportDestinationType::Table,
                    ExportDestination::View => ExportDestinationType::View,
                },
            },
        }
    }
}
