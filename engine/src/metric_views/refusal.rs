//! The texts of what is refused (`query-interfaces.md` 1.4): each says what to write instead.

use super::views::View;
use crate::Error;

pub(super) fn aggregate_first(view: &View) -> Error {
    let name = &view.name;
    Error::Invalid(format!(
        "metrics.{name} must be aggregated first: use (SELECT .. FROM metrics.{name} GROUP BY ..)"
    ))
}

pub(super) fn star_without_limit(view: &View) -> Error {
    Error::Invalid(format!("SELECT * over metrics.{} needs a LIMIT, or name the columns", view.name))
}

pub(super) fn bare_measures(view: &View) -> Error {
    let name = &view.name;
    Error::Invalid(format!(
        "metrics.{name} is read without an aggregate, which etalon.bare_measures = error forbids: \
         use (SELECT .., MEASURE(..) FROM metrics.{name} GROUP BY ..)"
    ))
}

pub(super) fn measure_in_where(measure: &str) -> Error {
    Error::Invalid(format!("'{measure}' is a measure: filter it in HAVING or in an outer query"))
}

pub(super) fn measure_in_group_by(measure: &str) -> Error {
    Error::Invalid(format!(
        "'{measure}' is a measure: to bucket it, aggregate in a subquery and group outside"
    ))
}

pub(super) fn mixed(measure: &str, dimension: &str) -> Error {
    Error::Invalid(format!(
        "a condition may not mix the measure '{measure}' and the dimension '{dimension}' under OR: \
         aggregate first"
    ))
}

pub(super) fn random_key(function: &str) -> Error {
    Error::Invalid(format!("{function}() cannot be a group key of a metric query"))
}

pub(super) fn random_filter(function: &str) -> Error {
    Error::Invalid(format!("{function}() cannot filter a metric query"))
}

pub(super) fn wrong_aggregate(call: &str, why: &str, measure: &str) -> Error {
    Error::Invalid(format!("{call} would be wrong: it is {why}; use MEASURE({measure})"))
}

pub(super) fn measure_in_expression(call: &str, measure: &str) -> Error {
    Error::Invalid(format!(
        "{call} calculates with the measure '{measure}' before it is aggregated: use MEASURE({measure}) and \
         calculate with that"
    ))
}

pub(super) fn not_a_measure(call: &str, dimension: &str) -> Error {
    Error::Invalid(format!("{call} needs a measure, and '{dimension}' is a dimension: group by it"))
}

pub(super) fn count_over_roots(view: &View) -> Error {
    let name = &view.name;
    match view.roots.as_slice() {
        [a, b, ..] => Error::Invalid(format!(
            "COUNT(*) over metrics.{name} has no meaning: '{}' and '{}' have different rows; use a count metric",
            a.metric, b.metric
        )),
        _ => Error::Invalid(format!(
            "COUNT(*) over metrics.{name} has no meaning: it has no metric whose rows could be counted"
        )),
    }
}

pub(super) fn not_of_the_root(call: &str, view: &View, dimension: &str) -> Error {
    let name = &view.name;
    match view.roots.as_slice() {
        [root] => Error::Invalid(format!(
            "{call} over metrics.{name} would count rows of '{}': '{dimension}' is not a dimension of that \
             model; use a metric",
            root.model
        )),
        _ => Error::Invalid(format!(
            "{call} over metrics.{name} has no meaning: its metrics have different rows; use a metric"
        )),
    }
}

pub(super) fn no_such_aggregate(call: &str, view: &View) -> Error {
    Error::Unsupported(format!(
        "{call} is not offered over metrics.{}: use MEASURE(..) of a metric, or SUM, AVG, MIN, MAX, MEDIAN, \
         COUNT of a dimension",
        view.name
    ))
}

pub(super) fn grouping_sets(view: &View) -> Error {
    Error::Unsupported(format!(
        "ROLLUP, CUBE and GROUPING SETS are not offered over metrics.{}: ask each grouping by itself and \
         put them together with UNION ALL",
        view.name
    ))
}

pub(super) fn correlated(view: &View) -> Error {
    Error::Unsupported(format!(
        "a subquery that refers to the query around it cannot filter metrics.{}: aggregate first, then filter",
        view.name
    ))
}

pub(super) fn time_forms(metric: &str, kind: &str) -> Error {
    Error::Invalid(format!(
        "'{metric}' {kind}: group by metric_time, date_trunc('..', metric_time) or \
         extract(.. from metric_time)"
    ))
}

pub(super) fn nothing_asked(view: &View) -> Error {
    Error::Invalid(format!(
        "nothing of metrics.{} is asked for: name at least one measure or dimension",
        view.name
    ))
}

pub(super) fn not_a_template(view: &View, expression: &str) -> Error {
    Error::Unsupported(format!(
        "{expression} cannot be calculated inside metrics.{}: aggregate first, then calculate",
        view.name
    ))
}
