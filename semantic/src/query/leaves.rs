use super::{graph::base_grain, plan::Formula};
use crate::{Catalog, Grain, MetricInput, MetricKind};

/// One aggregate a metric needs: a measure under filters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LeafRef {
    pub(super) model: usize,
    pub(super) measure: usize,
    pub(super) filters: Vec<String>,
    /// Its time dimension and the grain `metric_time` has for it by default.
    pub(super) time: Option<(usize, Grain)>,
}

/// Takes a metric apart. Leaves that are there already are shared.
pub(super) fn leaves(
    catalog: &Catalog,
    metric: usize,
    above: &[String],
    found: &mut Vec<LeafRef>,
) -> Option<Formula> {
    let metric = &catalog.metrics[metric];
    let filters = |input: &MetricInput| -> Vec<String> {
        above.iter().chain(&metric.filters).chain(&input.filters).cloned().collect()
    };
    match &metric.kind {
        MetricKind::Ratio { numerator, denominator } => {
            let mut side = |input: &MetricInput| {
                leaves(catalog, catalog.graph.metric(&input.name)?, &filters(input), found).map(Box::new)
            };
            Some(Formula::Ratio(side(numerator)?, side(denominator)?))
        }
        MetricKind::Simple { measure: input } => {
            let (m, measure) = catalog.graph.measure(&input.name)?;
            let model = &catalog.semantic_models[m];
            let name = model.measures[measure]
                .agg_time_dimension
                .as_ref()
                .or(model.default_agg_time_dimension.as_ref());
            let dimension = name.and_then(|n| model.dimensions.iter().position(|d| d.name == *n));
            let time = dimension.and_then(|d| Some((d, base_grain(model, d)?.max(Grain::Day))));
            let mut filters = filters(input);
            filters.sort();
            filters.dedup();
            let leaf = LeafRef { model: m, measure, filters, time };
            let number = found.iter().position(|l| *l == leaf).unwrap_or_else(|| {
                found.push(leaf);
                found.len() - 1
            });
            Some(Formula::Leaf(number))
        }
    }
}
