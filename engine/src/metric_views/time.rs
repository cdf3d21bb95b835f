//! Forms of time that the definitions know, and bounds on `metric_time`.

use arrow::{
    array::{RecordBatch, RecordBatchOptions},
    datatypes::{DataType, IntervalMonthDayNano, Schema},
};
use datafusion::{
    common::{DFSchema, ScalarValue},
    execution::SessionState,
    functions::datetime::expr_fn::date_trunc,
    logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator, lit},
};
use model::Timestamp;
use semantic::{DatePart, Grain, TimeRange};
use std::sync::Arc;

use super::{
    column::{Role, ViewColumn, time},
    tower::Tower,
};

/// A time dimension in a form that a metric query can ask for by name (1.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TimeForm {
    /// Qualified name of the dimension.
    pub(super) qualified: String,
    pub(super) cut: Cut,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cut {
    /// At a grain.
    Grain(String),
    /// One number of it.
    Part(DatePart),
}

impl TimeForm {
    /// The object that stands for it in a template.
    pub(super) fn object(&self) -> String {
        let name = &self.qualified;
        match &self.cut {
            Cut::Grain(grain) => format!("TimeDimension('{name}', '{grain}')"),
            Cut::Part(part) => format!("Dimension('{name}').date_part('{}')", part.as_str()),
        }
    }

    /// The name or object that asks for it as a group-by.
    pub(super) fn group_by(&self) -> String {
        match &self.cut {
            Cut::Grain(grain) => format!("{}__{grain}", self.qualified),
            Cut::Part(_) => self.object(),
        }
    }
}

/// The column itself, its hidden columns and `date_trunc`: what has the same value and type in SQL and
/// as an object.
pub(super) fn exact_form(expr: &Expr, tower: &Tower) -> Option<TimeForm> {
    if let Some(column) = tower.column(expr) {
        return of_column(column);
    }
    let (function, what, of) = call(expr)?;
    let Role::Time { qualified, finest } = &tower.column(uncast(of))?.role else { return None };
    let asked = Grain::parse(what).filter(|_| function == "date_trunc")?;
    let grain = if asked >= *finest { asked } else { coarsened(asked, *finest)? };
    Some(TimeForm { qualified: qualified.clone(), cut: Cut::Grain(grain.to_string()) })
}

/// [`exact_form`], and the forms whose value is cast to what SQL has: a day as a date, a part as a
/// number.
pub(super) fn form(expr: &Expr, tower: &Tower) -> Option<TimeForm> {
    if let Some(form) = exact_form(expr, tower) {
        return Some(form);
    }
    if let Expr::Cast(cast) = expr
        && *cast.field.data_type() == DataType::Date32
        && let Role::Time { qualified, finest } = &tower.column(uncast(&cast.expr))?.role
    {
        let grain = Grain::Day.max(*finest);
        return Some(TimeForm { qualified: qualified.clone(), cut: Cut::Grain(grain.to_string()) });
    }
    let (function, what, of) = call(expr)?;
    let Role::Time { qualified, .. } = &tower.column(uncast(of))?.role else { return None };
    let part = match what.to_ascii_lowercase().as_str() {
        "isodow" => Some(DatePart::Dow),
        // SQL counts from Sunday = 0 here, the definitions from Monday = 1.
        "dow" => None,
        other => DatePart::parse(other),
    };
    let part = part.filter(|_| function == "date_part")?;
    Some(TimeForm { qualified: qualified.clone(), cut: Cut::Part(part) })
}

fn of_column(column: &ViewColumn) -> Option<TimeForm> {
    let (qualified, grain) = match &column.role {
        Role::Time { qualified, finest } => (qualified, finest.to_string()),
        Role::TimeAt { qualified, grain } => (qualified, grain.to_string()),
        _ => return None,
    };
    Some(TimeForm { qualified: qualified.clone(), cut: Cut::Grain(grain) })
}

/// `f('what', of)`.
fn call(expr: &Expr) -> Option<(&str, &str, &Expr)> {
    let Expr::ScalarFunction(call) = expr else { return None };
    match call.args.as_slice() {
        [Expr::Literal(ScalarValue::Utf8(Some(what)), _), of] => Some((call.func.name(), what, of)),
        _ => None,
    }
}

/// A time stays the same under a cast to a time.
fn uncast(expr: &Expr) -> &Expr {
    match expr {
        Expr::Cast(cast) if matches!(cast.field.data_type(), DataType::Timestamp(_, None)) => {
            uncast(&cast.expr)
        }
        other => other,
    }
}

/// What a time at grain `finest` becomes when it is cut finer: itself, where every period of the one
/// starts a period of the other.
fn coarsened(asked: Grain, finest: Grain) -> Option<Grain> {
    (asked != Grain::Week || finest <= Grain::Week).then_some(finest)
}

/// Bounds on `metric_time` that conditions add up to. As bounds they limit what cumulative and offset
/// metrics show, and not the rows these look back at.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    from: Option<i64>,
    to: Option<i64>,
}

impl Bounds {
    pub(super) fn range(&self) -> Option<TimeRange> {
        let at = |micros: Option<i64>| micros.map(Timestamp::from_micros);
        (self.from.is_some() || self.to.is_some()).then(|| TimeRange { from: at(self.from), to: at(self.to) })
    }

    /// Takes a condition in if it is a bound on `metric_time`.
    pub(super) fn take(&mut self, condition: &Expr, tower: &Tower, session: &SessionState) -> bool {
        let bounds = match condition {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => match finest(left, tower) {
                Some(grain) => bound(*op, right, grain, session),
                None => match (finest(right, tower), op.swap()) {
                    (Some(grain), Some(op)) => bound(op, left, grain, session),
                    _ => None,
                },
            },
            Expr::Between(between) if !between.negated => finest(&between.expr, tower).and_then(|grain| {
                let low = bound(Operator::GtEq, &between.low, grain, session)?;
                let high = bound(Operator::LtEq, &between.high, grain, session)?;
                Some((low.0, high.1))
            }),
            _ => None,
        };
        let Some((from, to)) = bounds else { return false };
        self.from = self.from.max(from);
        self.to = match (self.to, to) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        true
    }
}

/// The grain of `metric_time`, if the expression is that column.
fn finest(expr: &Expr, tower: &Tower) -> Option<Grain> {
    match &tower.column(uncast(expr))?.role {
        Role::Time { qualified, finest } if qualified == "metric_time" => Some(*finest),
        _ => None,
    }
}

/// `metric_time <op> value` as bounds on the raw time: the column is cut to its grain, so a bound inside
/// a period moves to the period's end.
fn bound(
    op: Operator,
    value: &Expr,
    grain: Grain,
    session: &SessionState,
) -> Option<(Option<i64>, Option<i64>)> {
    let at = constant(value, session)?;
    let floor = floor(at, grain, session)?;
    let after = || next(floor, grain, session);
    let ceiling = || if floor == at { Some(at) } else { after() };
    Some(match op {
        Operator::GtEq => (Some(ceiling()?), None),
        Operator::Gt => (Some(after()?), None),
        Operator::Lt => (None, Some(ceiling()?)),
        Operator::LtEq => (None, Some(after()?)),
        // Equal to what no period starts at: nothing, and that is the condition's own business.
        Operator::Eq if floor == at => (Some(at), Some(after()?)),
        _ => return None,
    })
}

/// The instant that an expression without columns gives.
fn constant(expr: &Expr, session: &SessionState) -> Option<i64> {
    if !expr.column_refs().is_empty() || expr.is_volatile() {
        return None;
    }
    let data_type = expr.get_type(&DFSchema::empty()).ok()?;
    let is_time =
        matches!(data_type, DataType::Utf8 | DataType::Utf8View | DataType::Date32 | DataType::Timestamp(..));
    if is_time { evaluate(expr.clone(), session) } else { None }
}

fn evaluate(expr: Expr, session: &SessionState) -> Option<i64> {
    let schema = DFSchema::empty();
    let physical = session.create_physical_expr(expr.cast_to(&time(), &schema).ok()?, &schema).ok()?;
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    let one = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options).ok()?;
    let values = physical.evaluate(&one).ok()?.into_array(1).ok()?;
    match ScalarValue::try_from_array(&values, 0).ok()? {
        ScalarValue::TimestampMicrosecond(at, None) => at,
        _ => None,
    }
}

fn literal(at: i64) -> Expr {
    lit(ScalarValue::TimestampMicrosecond(Some(at), None))
}

fn floor(at: i64, grain: Grain, session: &SessionState) -> Option<i64> {
    if grain <= Grain::Microsecond {
        return Some(at);
    }
    evaluate(date_trunc(lit(grain.as_str()), literal(at)), session)
}

fn next(at: i64, grain: Grain, session: &SessionState) -> Option<i64> {
    let (months, days, nanos) = match grain {
        Grain::Nanosecond | Grain::Microsecond => (0, 0, 1_000),
        Grain::Millisecond => (0, 0, 1_000_000),
        Grain::Second => (0, 0, 1_000_000_000),
        Grain::Minute => (0, 0, 60_000_000_000),
        Grain::Hour => (0, 0, 3_600_000_000_000),
        Grain::Day => (0, 1, 0),
        Grain::Week => (0, 7, 0),
        Grain::Month => (1, 0, 0),
        Grain::Quarter => (3, 0, 0),
        Grain::Year => (12, 0, 0),
    };
    let length = IntervalMonthDayNano::new(months, days, nanos);
    evaluate(literal(at) + lit(ScalarValue::IntervalMonthDayNano(Some(length))), session)
}
