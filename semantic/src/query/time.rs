//! Calendars: which spine answers a question, and how points are moved.

use super::plan::{Comparison, Join, JoinKind, POINT, Rows, Scalar, Select, Source, WindowFunction};
use crate::{Catalog, DatePart, Grain, SpinePoints, TimeRange, TimeSpine};

/// The grain a date part looks at.
pub(super) fn period_of(part: DatePart) -> Grain {
    match part {
        DatePart::Doy | DatePart::Dow | DatePart::Day => Grain::Day,
        DatePart::Month => Grain::Month,
        DatePart::Quarter => Grain::Quarter,
        DatePart::Year => Grain::Year,
    }
}

/// Q8.1: the spine with the largest grain that is not above the one needed.
pub(super) fn spine(catalog: &Catalog, needed: Grain) -> Option<&TimeSpine> {
    let finest = || catalog.time_spines.iter().min_by_key(|s| s.grain);
    catalog.time_spines.iter().filter(|s| s.grain <= needed).max_by_key(|s| s.grain).or_else(finest)
}

/// The rows of a spine, and its point in the rows of a name.
pub(super) fn points(spine: &TimeSpine, alias: &str) -> (Rows, Scalar) {
    match &spine.points {
        SpinePoints::Table { relation, column } => {
            (Rows::Table(relation.clone()), Scalar::column(alias, column.clone()))
        }
        SpinePoints::Generated { from, to } => {
            let rows = Rows::Points { from: *from, to: *to, grain: spine.grain };
            (rows, Scalar::column(alias, POINT))
        }
    }
}

/// The points of a spine at a grain that is not finer than its own, each once.
pub(super) fn points_at(spine: &TimeSpine, grain: Grain, alias: &str) -> (Source, Scalar) {
    let (rows, point) = points(spine, alias);
    if grain <= spine.grain {
        return (Source { rows, alias: alias.to_owned() }, point);
    }
    let select = Select {
        distinct: true,
        columns: vec![(POINT.to_owned(), point.trunc(grain))],
        from: Some(Source { rows, alias: alias.to_owned() }),
        ..Select::default()
    };
    (Source::select(select, alias), Scalar::column(alias, POINT))
}

/// `from <= time < to`.
pub(super) fn within(time: &Scalar, range: TimeRange) -> Vec<Scalar> {
    let from = range.from.map(|at| time.clone().compare(Comparison::GreaterOrEqual, Scalar::Time(at)));
    let to = range.to.map(|at| time.clone().compare(Comparison::Less, Scalar::Time(at)));
    from.into_iter().chain(to).collect()
}

/// Column of the point a custom offset looks back at.
pub(super) const EARLIER: &str = "earlier";

/// Q11.5: each point of a spine with the point at the same position, so many custom periods before.
pub(super) fn custom_offset(spine: &TimeSpine, number: usize, count: u32) -> Select {
    let column = |name: &str| Scalar::column("calendar", name);
    let (rows, point) = points(spine, "calendar");
    let period = column(&spine.custom_grains[number].column);
    let numbered = Select {
        columns: vec![
            (POINT.to_owned(), point.clone()),
            (
                "started".to_owned(),
                Scalar::window(WindowFunction::Min(point.clone()), vec![period.clone()], Vec::new()),
            ),
            (
                "position".to_owned(),
                Scalar::window(WindowFunction::RowNumber, vec![period.clone()], vec![(point, false)]),
            ),
        ],
        from: Some(Source { rows, alias: "calendar".to_owned() }),
        filters: vec![Scalar::IsNotNull(Box::new(period))],
        ..Select::default()
    };
    let periods = Select {
        columns: vec![
            (POINT.to_owned(), column(POINT)),
            ("position".to_owned(), column("position")),
            (
                "period".to_owned(),
                Scalar::window(WindowFunction::DenseRank, Vec::new(), vec![(column("started"), false)]),
            ),
        ],
        from: Some(Source::select(numbered, "calendar")),
        ..Select::default()
    };
    let later = |name: &str| Scalar::column("later", name);
    let earlier = |name: &str| Scalar::column(EARLIER, name);
    let moved = sum(earlier("period"), count);
    Select {
        columns: vec![(POINT.to_owned(), later(POINT)), (EARLIER.to_owned(), earlier(POINT))],
        from: Some(Source::select(periods.clone(), "later")),
        joins: vec![Join {
            kind: JoinKind::Inner,
            source: Source::select(periods, EARLIER),
            on: vec![later("position").equals(earlier("position")), later("period").equals(moved)],
        }],
        ..Select::default()
    }
}

fn sum(value: Scalar, count: u32) -> Scalar {
    let marks = crate::sql::add(&super::plan::mark(0), &super::plan::mark(1));
    Scalar::Template(std::sync::Arc::new(marks), vec![value, Scalar::Int(i64::from(count))])
}
