//! Aggregates as SQL text.

use std::collections::HashMap;

use crate::{Aggregation, SimpleMetric, sql};

/// `SUM(orders.revenue)`; `None` for what the text could not say.
pub(super) fn aggregate(simple: &SimpleMetric) -> Option<String> {
    if simple.non_additive.is_some() || simple.fill_nulls_with.is_some() || simple.join_to_timespine {
        return None;
    }
    let expr = sql::parse_expr(&simple.expr).ok()?;
    let of = sql::qualify(&expr, &simple.model).to_string();
    Some(match simple.agg {
        Aggregation::Sum => format!("SUM({of})"),
        Aggregation::Min => format!("MIN({of})"),
        Aggregation::Max => format!("MAX({of})"),
        Aggregation::Average => format!("AVG({of})"),
        Aggregation::Count => format!("COUNT({of})"),
        Aggregation::CountDistinct => format!("COUNT(DISTINCT {of})"),
        Aggregation::SumBoolean => format!("SUM(CASE WHEN {of} THEN 1 ELSE 0 END)"),
        Aggregation::Median { approximate: false } => {
            format!("PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY {of})")
        }
        Aggregation::Percentile(p) if !p.approximate => {
            let name = if p.discrete { "PERCENTILE_DISC" } else { "PERCENTILE_CONT" };
            format!("{name}({}) WITHIN GROUP (ORDER BY {of})", p.fraction)
        }
        // Standard SQL has no word for an estimate.
        Aggregation::Median { .. } | Aggregation::Percentile(_) | Aggregation::ApproxCountDistinct => {
            return None;
        }
    })
}

/// The expression of a derived metric with its inputs written out.
pub(super) fn derived(expr: &str, inputs: &HashMap<&str, String>) -> Option<String> {
    let mut parsed = sql::parse_expr(expr).ok()?;
    let mut sound = true;
    sql::replace(&mut parsed, &mut |name| {
        let aggregate = inputs.get(name).and_then(|text| sql::parse_expr(text).ok());
        sound &= aggregate.is_some();
        aggregate
    });
    sound.then(|| parsed.to_string())
}
