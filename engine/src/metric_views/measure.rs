//! Aggregate calls over a tower, and what they ask for (SQL-3, SQL-5).

use datafusion::{
    common::ScalarValue,
    logical_expr::{Expr, expr::AggregateFunction},
};
use semantic::{Aggregation, Catalog, MetricKind, MetricRequest, MetricValue};

use super::{column::Role, question::Question, refusal, template::template, tower::Tower};
use crate::{Error, QueryOptions};

/// What an aggregate call over a tower asks for.
#[derive(Debug)]
pub(super) enum Wanted {
    Metric(MetricRequest),
    /// A count of rows or values: where there is nothing to count it is 0.
    Count(MetricRequest),
    /// The smallest or the largest value of a dimension that belongs to no single model.
    Extreme {
        of: Expr,
        largest: bool,
    },
}

/// How a metric aggregates, in SQL's words.
struct Nature {
    /// The function that stands for the metric, and whether with DISTINCT.
    natural: &'static [(&'static str, bool)],
    /// What it is, for people.
    what: &'static str,
}

fn nature(kind: &MetricKind) -> Nature {
    let of = |natural, what| Nature { natural, what };
    match kind {
        MetricKind::Ratio { .. } => of(&[], "a ratio"),
        MetricKind::Derived { .. } => of(&[], "derived from other metrics"),
        MetricKind::Cumulative { .. } => of(&[], "cumulative"),
        MetricKind::Conversion(_) => of(&[], "a conversion metric"),
        MetricKind::Simple(simple) if simple.non_additive.is_some() => of(&[], "semi-additive"),
        MetricKind::Simple(simple) => match simple.agg {
            Aggregation::Sum => of(&[("sum", false)], "a sum"),
            Aggregation::SumBoolean => of(&[("sum", false)], "a count of what is true"),
            Aggregation::Count => of(&[("sum", false), ("count", false)], "a count"),
            Aggregation::CountDistinct => of(&[("count", true)], "a count of distinct values"),
            Aggregation::ApproxCountDistinct => {
                of(&[("approx_distinct", false)], "an estimated count of distinct values")
            }
            Aggregation::Average => of(&[("avg", false)], "an average"),
            Aggregation::Min => of(&[("min", false)], "a minimum"),
            Aggregation::Max => of(&[("max", false)], "a maximum"),
            Aggregation::Median { .. } => of(&[("median", false)], "a median"),
            Aggregation::Percentile(_) => of(&[], "a percentile"),
        },
    }
}

/// Reads one call. Its arguments and its FILTER are in terms of the view's columns.
pub(super) fn wanted(
    call: &AggregateFunction,
    tower: &Tower,
    definitions: &Catalog,
    options: &QueryOptions,
) -> Result<Wanted, Error> {
    let function = call.func.name();
    let shown = shown(call);
    let filters = filters(call, tower)?;
    if matches!(function, "measure" | "agg" | "any_value") {
        let metric = by_name(call, tower, &shown)?;
        return Ok(Wanted::Metric(named(metric, filters)));
    }
    if let [argument] = call.params.args.as_slice()
        && let Some(column) = tower.column(argument)
        && let Role::Measure(metric) = &column.role
    {
        let nature = definitions.metric(metric).map(|metric| nature(&metric.kind));
        let nature = nature.unwrap_or(Nature { natural: &[], what: "a metric" });
        let fits = nature.natural.contains(&(function, call.params.distinct))
            || (options.min_max_as_measure && matches!(function, "min" | "max"));
        return match fits {
            true => Ok(Wanted::Metric(named(metric, filters))),
            false => Err(refusal::wrong_aggregate(&shown, nature.what, &column.name)),
        };
    }
    if let Some(measure) = call.params.args.iter().find_map(|argument| tower.measure_in(argument)) {
        return Err(refusal::measure_in_expression(&shown, &measure));
    }
    ad_hoc(call, tower, &shown, filters)
}

fn by_name<'a>(call: &AggregateFunction, tower: &'a Tower, shown: &str) -> Result<&'a str, Error> {
    let argument = call.params.args.first();
    let column = argument.and_then(|argument| tower.column(argument));
    match (column.map(|column| &column.role), column, argument) {
        (Some(Role::Measure(metric)), ..) if !call.params.distinct => Ok(metric),
        (Some(_), Some(column), _) if column.measure().is_none() => {
            Err(refusal::not_a_measure(shown, &column.name))
        }
        (_, _, Some(argument)) => match tower.measure_in(argument) {
            Some(measure) => Err(refusal::measure_in_expression(shown, &measure)),
            None => {
                let inside = tower.dimension_in(argument).unwrap_or_else(|| argument.to_string());
                Err(refusal::not_a_measure(shown, &inside))
            }
        },
        _ => Err(refusal::no_such_aggregate(shown, tower.view())),
    }
}

fn named(metric: &str, filters: Vec<String>) -> MetricRequest {
    MetricRequest { filters, ..MetricRequest::named(metric) }
}

fn filters(call: &AggregateFunction, tower: &Tower) -> Result<Vec<String>, Error> {
    match &call.params.filter {
        Some(condition) => {
            Question::condition(condition, tower)?;
            Ok(vec![template(condition, tower, "metric_time")?])
        }
        None => Ok(Vec::new()),
    }
}

/// An aggregate that the statement itself defines, over the rows of the view's only root model.
fn ad_hoc(
    call: &AggregateFunction,
    tower: &Tower,
    shown: &str,
    filters: Vec<String>,
) -> Result<Wanted, Error> {
    let view = tower.view();
    let params = &call.params;
    let [argument] = params.args.as_slice() else {
        return Err(refusal::no_such_aggregate(shown, view));
    };
    let agg = match (call.func.name(), params.distinct) {
        ("count", false) => Aggregation::Count,
        ("count", true) => Aggregation::CountDistinct,
        ("approx_distinct", false) => Aggregation::ApproxCountDistinct,
        ("sum", false) => Aggregation::Sum,
        ("avg", false) => Aggregation::Average,
        ("median", false) => Aggregation::Median { approximate: false },
        ("min", _) => Aggregation::Min,
        ("max", _) => Aggregation::Max,
        _ => return Err(refusal::no_such_aggregate(shown, view)),
    };
    let extreme = matches!(agg, Aggregation::Min | Aggregation::Max);
    let largest = matches!(agg, Aggregation::Max);
    let columns = tower.columns_in(argument);
    let root = match view.roots.as_slice() {
        [root] => root,
        _ if columns.is_empty() => return Err(refusal::count_over_roots(view)),
        _ if extreme && filters.is_empty() => return Ok(Wanted::Extreme { of: argument.clone(), largest }),
        _ => {
            let dimension = columns.first().map_or("", |column| column.name.as_str());
            return Err(refusal::not_of_the_root(shown, view, dimension));
        }
    };
    let own = |qualified: &str| match qualified {
        "metric_time" => root.time.is_some(),
        other => root.owns(other),
    };
    if let Some(foreign) = columns.iter().find(|c| !c.dimension().is_some_and(own)) {
        return match extreme && filters.is_empty() {
            true => Ok(Wanted::Extreme { of: argument.clone(), largest }),
            false => Err(refusal::not_of_the_root(shown, view, &foreign.name)),
        };
    }
    let template = match argument {
        Expr::Literal(value, _) if columns.is_empty() && agg == Aggregation::Count && !value.is_null() => {
            "1".to_owned()
        }
        _ => template(argument, tower, root.time.as_deref().unwrap_or("metric_time"))?,
    };
    let counts =
        matches!(agg, Aggregation::Count | Aggregation::CountDistinct | Aggregation::ApproxCountDistinct);
    let value = MetricValue::AdHoc { agg, template, model: root.model.clone() };
    let request = MetricRequest { value, alias: None, filters };
    Ok(if counts { Wanted::Count(request) } else { Wanted::Metric(request) })
}

/// The call as it was written, near enough to be found.
fn shown(call: &AggregateFunction) -> String {
    let name = call.func.name().to_uppercase();
    let distinct = if call.params.distinct { "DISTINCT " } else { "" };
    let arguments = match call.params.args.as_slice() {
        [Expr::Literal(ScalarValue::Int64(Some(1)), _)] if name == "COUNT" => "*".to_owned(),
        several => several.iter().map(|a| a.human_display().to_string()).collect::<Vec<_>>().join(", "),
    };
    format!("{name}({distinct}{arguments})")
}
