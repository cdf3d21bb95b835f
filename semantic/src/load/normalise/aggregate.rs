//! When two aggregates are the same one, whatever they were called (N3).

use crate::{
    Aggregation, Percentile,
    load::declared::{Aggregate, Model},
};

/// The aggregation in its one form: counts and sums of booleans are sums, a median is a percentile.
pub(super) fn canonical(agg: Aggregation, expr: &str) -> (Aggregation, String) {
    match agg {
        Aggregation::Count if expr.trim() == "1" => (Aggregation::Sum, "1".to_owned()),
        Aggregation::Count => (Aggregation::Sum, format!("CASE WHEN {expr} IS NOT NULL THEN 1 ELSE 0 END")),
        Aggregation::SumBoolean => (Aggregation::Sum, format!("CASE WHEN {expr} THEN 1 ELSE 0 END")),
        Aggregation::Median { approximate } => {
            let median = Percentile { fraction: 0.5, discrete: false, approximate };
            (Aggregation::Percentile(median), expr.to_owned())
        }
        other => (other, expr.trim().to_owned()),
    }
}

/// Whether an aggregate counts: what a conversion can be made of (V23).
pub(in crate::load) fn counts_rows(aggregate: &Aggregate) -> bool {
    match aggregate.agg {
        Aggregation::Count | Aggregation::CountDistinct => true,
        Aggregation::Sum => aggregate.expr.as_deref().is_some_and(|expr| expr.trim() == "1"),
        _ => false,
    }
}

/// A text that two aggregates share exactly if they are the same one of the same model.
pub(super) fn signature(
    model: &Model,
    aggregate: &Aggregate,
    fill_nulls_with: Option<i64>,
    join_to_timespine: bool,
) -> String {
    let (agg, expr) = canonical(aggregate.agg, aggregate.expr.as_deref().unwrap_or_default());
    let time = aggregate.agg_time.as_ref().or(model.agg_time.as_ref()).map(|t| &t.value);
    let non_additive = aggregate.non_additive.as_ref().map(|n| {
        let groupings: Vec<&str> = n.window_groupings.iter().map(|g| g.value.as_str()).collect();
        (n.dimension.value.as_str(), n.window_choice, groupings)
    });
    let name = &model.name.value;
    format!("{name:?} {agg:?} {expr:?} {time:?} {non_additive:?} {fill_nulls_with:?} {join_to_timespine}")
}
