//! How a metric is computed.

use async_graphql::SimpleObject;
use engine::{Catalog, metadata};
use semantic::{CumulativeScope, Metric, MetricKind};

use super::grain::{MetricTimeWindow, TimeGranularity};

/// The parameters of a metric's type; which are set depends on the type.
#[derive(Debug, Default, SimpleObject)]
pub(super) struct MetricTypeParams {
    measure: Option<MetricInputMeasure>,
    input_measures: Vec<MetricInputMeasure>,
    numerator: Option<InputMetric>,
    denominator: Option<InputMetric>,
    expr: Option<String>,
    window: Option<MetricTimeWindow>,
    grain_to_date: Option<TimeGranularity>,
    metrics: Option<Vec<InputMetric>>,
}

/// A measure as input of a metric.
#[derive(Debug, SimpleObject)]
pub(super) struct MetricInputMeasure {
    name: String,
    filter: Option<WhereFilter>,
    alias: Option<String>,
}

/// A metric as input of a metric.
#[derive(Debug, SimpleObject)]
pub(super) struct InputMetric {
    name: String,
    alias: Option<String>,
    filter: Option<WhereFilter>,
    offset_window: Option<MetricTimeWindow>,
    offset_to_grain: Option<TimeGranularity>,
}

/// A condition: SQL with objects in `{{ }}`.
#[derive(Debug, SimpleObject)]
pub(super) struct WhereFilter {
    where_sql_template: String,
}

impl MetricTypeParams {
    pub(super) fn of(catalog: &Catalog, metric: &Metric) -> Self {
        let measures = metadata::measures(catalog, &[metric]);
        let input_measures = measures.iter().map(|m| MetricInputMeasure::named(m.name)).collect();
        let mut params = Self { input_measures, ..Self::default() };
        match &metric.kind {
            MetricKind::Simple(simple) => {
                let name = simple.measure.as_deref().unwrap_or(&metric.name);
                params.measure = Some(MetricInputMeasure::named(name));
                params.expr = Some(simple.expr.clone());
            }
            MetricKind::Ratio { numerator, denominator } => {
                params.numerator = Some(numerator.into());
                params.denominator = Some(denominator.into());
            }
            MetricKind::Derived { expr, inputs } => {
                params.expr = Some(expr.clone());
                params.metrics = Some(inputs.iter().map(InputMetric::from).collect());
            }
            MetricKind::Cumulative { input, scope, .. } => {
                params.metrics = Some(vec![input.into()]);
                match scope {
                    CumulativeScope::AllTime => {}
                    CumulativeScope::Window(window) => params.window = Some(window.into()),
                    CumulativeScope::GrainToDate(grain) => params.grain_to_date = Some((*grain).into()),
                }
            }
            MetricKind::Conversion(conversion) => {
                params.metrics = Some(vec![(&conversion.base).into(), (&conversion.conversion).into()]);
                params.window = conversion.window.as_ref().map(MetricTimeWindow::from);
            }
        }
        params
    }
}

impl MetricInputMeasure {
    fn named(name: &str) -> Self {
        Self { name: name.to_owned(), filter: None, alias: None }
    }
}

impl From<&semantic::MetricInput> for InputMetric {
    fn from(input: &semantic::MetricInput) -> Self {
        Self {
            name: input.name.clone(),
            alias: input.alias.clone(),
            filter: WhereFilter::all(&input.filters),
            offset_window: input.offset_window.as_ref().map(MetricTimeWindow::from),
            offset_to_grain: input.offset_to_grain.map(TimeGranularity::from),
        }
    }
}

impl WhereFilter {
    /// Several conditions hold together; none is no filter.
    pub(super) fn all(filters: &[String]) -> Option<Self> {
        metadata::all_of(filters).map(|where_sql_template| Self { where_sql_template })
    }
}
