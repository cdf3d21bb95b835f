//! DataFusion's dialect.

use model::{ColumnType, Timestamp};
use sqlparser::ast::{
    BinaryOperator, CaseWhen, DataType, ExactNumberInfo, Expr, SelectItem, TimezoneInfo, TypedString, Value,
    helpers::attached_token::AttachedToken,
};

use super::build::{
    Parts, bare, binary, call, call_distinct, cast, number, operand, query, select, table, text,
};
use crate::{Aggregation, Grain, TimeRange};

/// A time cut to the first instant of its period; weeks start on Monday.
pub(crate) fn date_trunc(grain: Grain, expr: Expr) -> Expr {
    // Nothing is finer than a nanosecond, and the engine has no such word.
    if grain == Grain::Nanosecond { expr } else { call("date_trunc", vec![text(grain.as_str()), expr]) }
}

/// `from <= time < to`.
pub(crate) fn within(time: &Expr, range: TimeRange) -> Expr {
    let from = range.from.map(|at| binary(operand(time.clone()), BinaryOperator::GtEq, timestamp(at)));
    let to = range.to.map(|at| binary(operand(time.clone()), BinaryOperator::Lt, timestamp(at)));
    super::build::and(from.into_iter().chain(to)).unwrap_or_else(|| Expr::value(Value::Boolean(true)))
}

fn timestamp(at: Timestamp) -> Expr {
    let written = at.to_string();
    let written = written.strip_suffix(".000Z").map_or(written.clone(), |t| format!("{t}Z"));
    Expr::TypedString(TypedString {
        data_type: DataType::Timestamp(None, TimezoneInfo::None),
        value: Value::SingleQuotedString(written).into(),
        uses_odbc_syntax: false,
    })
}

/// A raw value as the identifier it stands for: blanks around it never count.
pub(crate) fn identifier_value(expr: Expr, folded: bool) -> Expr {
    let trimmed = call("trim", vec![expr]);
    if folded { call("lower", vec![trimmed]) } else { trimmed }
}

/// Whether the profile is a member, as a semi-join.
pub(crate) fn in_audience(profile: Expr, audience: &str) -> Expr {
    let body = select(Parts {
        projection: vec![SelectItem::UnnamedExpr(bare("profile_id"))],
        from: Some(table(&("audiences".to_owned(), audience.to_owned()), audience)),
        ..Parts::default()
    });
    Expr::InSubquery {
        expr: Box::new(operand(profile)),
        subquery: Box::new(query(body, &[], None)),
        negated: false,
    }
}

/// The expression as an operand of whatever stands around it.
pub(crate) fn nested(expr: Expr) -> Expr {
    operand(expr)
}

/// An aggregate, cast to its result type so that every dialect answers alike (SEM-1).
pub(super) fn aggregate(agg: Aggregation, expr: Expr, column_type: Option<ColumnType>) -> Expr {
    match agg {
        Aggregation::CountDistinct => call_distinct("count", expr),
        Aggregation::Average => call("avg", vec![cast(expr, double())]),
        Aggregation::Median => call("median", vec![cast(expr, double())]),
        Aggregation::Min => call("min", vec![expr]),
        Aggregation::Max => call("max", vec![expr]),
        Aggregation::Count => cast(call("sum", vec![one_if_present(expr)]), DataType::BigInt(None)),
        Aggregation::SumBoolean => cast(call("sum", vec![one_if(expr)]), DataType::BigInt(None)),
        Aggregation::Sum => match column_type {
            None => call("sum", vec![expr]),
            // Integers are summed as decimals: 64 bits could overflow unseen.
            Some(ColumnType::Decimal { scale: 0, .. }) => {
                let wide = column_type.map_or_else(double, data_type);
                call("sum", vec![cast(expr, wide)])
            }
            Some(column_type) => cast(call("sum", vec![expr]), data_type(column_type)),
        },
    }
}

/// N3: `count(1)` is `sum(1)`, `count(e)` counts the rows where e is present.
fn one_if_present(expr: Expr) -> Expr {
    match &expr {
        Expr::Value(value) if !matches!(value.value, Value::Null) => number(1),
        _ => one_if(Expr::IsNotNull(Box::new(operand(expr)))),
    }
}

fn one_if(condition: Expr) -> Expr {
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen { condition, result: number(1) }],
        else_result: Some(Box::new(number(0))),
    }
}

/// Q7: a denominator of zero gives null.
pub(super) fn ratio(numerator: Expr, denominator: Expr) -> Expr {
    let below = cast(call("nullif", vec![denominator, number(0)]), double());
    binary(cast(numerator, double()), BinaryOperator::Divide, below)
}

/// A null of a type, for the columns other branches fill.
pub(super) fn null_of(column_type: Option<ColumnType>) -> Expr {
    match column_type {
        Some(column_type) => cast(super::build::null(), data_type(column_type)),
        None => super::build::null(),
    }
}

fn double() -> DataType {
    DataType::Double(ExactNumberInfo::None)
}

fn data_type(column_type: ColumnType) -> DataType {
    match column_type {
        ColumnType::Boolean => DataType::Boolean,
        ColumnType::Int64 => DataType::BigInt(None),
        ColumnType::Float64 => double(),
        ColumnType::Decimal { precision, scale } => {
            DataType::Decimal(ExactNumberInfo::PrecisionAndScale(u64::from(precision), i64::from(scale)))
        }
        ColumnType::Date => DataType::Date,
        ColumnType::Timestamp => DataType::Timestamp(None, TimezoneInfo::None),
        ColumnType::String | ColumnType::Uuid | ColumnType::Json | ColumnType::Array => {
            DataType::Varchar(None)
        }
    }
}
