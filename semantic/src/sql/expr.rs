use std::{collections::HashSet, ops::ControlFlow};

use model::ColumnType;
use sqlparser::{
    ast::{
        BinaryOperator, DataType, DuplicateTreatment, Expr, FunctionArguments, Ident, UnaryOperator, Value,
        visit_expressions, visit_expressions_mut,
    },
    dialect::GenericDialect,
    parser::Parser,
    tokenizer::Token,
};

use super::build;
use crate::Aggregation;

/// Longest text that is parsed. A list of values that a program puts into a filter may be long.
const MAX_TEXT: usize = 4 * 1024 * 1024;

/// Why a text is no usable expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SqlFault {
    /// Column in the text, from 1, where the parser knows it.
    pub(crate) column: Option<u64>,
    pub(crate) message: String,
}

/// Reads one SQL expression over the columns of one row: no subquery, no window function.
pub(crate) fn parse_expr(text: &str) -> Result<Expr, SqlFault> {
    let fault = |message: String| {
        let (message, column) = split_place(&message);
        SqlFault { column, message }
    };
    if text.len() > MAX_TEXT {
        return Err(SqlFault { column: None, message: "the expression is too long".to_owned() });
    }
    let mut parser = Parser::new(&GenericDialect {})
        .with_recursion_limit(50)
        .try_with_sql(text)
        .map_err(|e| fault(e.to_string()))?;
    let expr = parser.parse_expr().map_err(|e| fault(e.to_string()))?;
    let next = parser.peek_token();
    if next.token != Token::EOF {
        let column = Some(next.span.start.column).filter(|c| *c > 0);
        return Err(SqlFault { column, message: format!("unexpected '{}'", next.token) });
    }
    match forbidden(&expr) {
        Some(what) => Err(SqlFault { column: None, message: format!("{what} is not allowed here") }),
        None => Ok(expr),
    }
}

/// `sql parser error: X at Line: 1, Column: 5` as X and 5.
fn split_place(message: &str) -> (String, Option<u64>) {
    let message = message.strip_prefix("sql parser error: ").unwrap_or(message);
    match message.rsplit_once(" at Line: ") {
        Some((text, place)) => {
            let column = place.rsplit_once("Column: ").and_then(|(_, c)| c.trim().parse().ok());
            (text.to_owned(), column)
        }
        None => (message.to_owned(), None),
    }
}

fn forbidden(expr: &Expr) -> Option<&'static str> {
    let found = visit_expressions(expr, |e| match e {
        Expr::Subquery(_) | Expr::InSubquery { .. } | Expr::Exists { .. } => ControlFlow::Break("a subquery"),
        Expr::Function(f) if f.over.is_some() => ControlFlow::Break("a window function"),
        Expr::Function(f) if matches!(f.args, FunctionArguments::Subquery(_)) => {
            ControlFlow::Break("a subquery")
        }
        Expr::Value(v) if matches!(v.value, Value::Placeholder(_)) => ControlFlow::Break("a placeholder"),
        Expr::Wildcard(_) | Expr::QualifiedWildcard(..) => ControlFlow::Break("'*'"),
        _ => ControlFlow::Continue(()),
    });
    match found {
        ControlFlow::Break(what) => Some(what),
        ControlFlow::Continue(()) => None,
    }
}

/// Whether an expression says DISTINCT, which belongs to the aggregation.
pub(crate) fn has_distinct(text: &str) -> bool {
    let starts = text.trim_start().get(..9).is_some_and(|t| t.eq_ignore_ascii_case("distinct "));
    let inside = || {
        parse_expr(text).is_ok_and(|expr| {
            visit_expressions(&expr, |e| match e {
                Expr::Function(f)
                    if matches!(&f.args, FunctionArguments::List(l)
                        if l.duplicate_treatment == Some(DuplicateTreatment::Distinct)) =>
                {
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            })
            .is_break()
        })
    };
    starts || inside()
}

/// The expression with its bare columns taken from one table.
pub(crate) fn qualify(expr: &Expr, alias: &str) -> Expr {
    let mut expr = expr.clone();
    let _ = visit_expressions_mut(&mut expr, |e| {
        if let Expr::Identifier(column) = e {
            *e = build::column(alias, &folded(column));
        }
        ControlFlow::<()>::Continue(())
    });
    expr
}

/// The bare columns of an expression, as SQL folds their names.
pub(crate) fn columns(expr: &Expr) -> HashSet<String> {
    let mut found = HashSet::new();
    let _ = visit_expressions(expr, |e| {
        if let Expr::Identifier(column) = e {
            found.insert(folded(column));
        }
        ControlFlow::<()>::Continue(())
    });
    found
}

/// The expression with bare columns replaced by other expressions; `None` of `with` keeps one.
pub(crate) fn replace(expr: &mut Expr, with: &mut dyn FnMut(&str) -> Option<Expr>) {
    let _ = visit_expressions_mut(expr, |e| {
        if let Expr::Identifier(column) = e
            && let Some(new) = with(&folded(column))
        {
            // The visitor has already been inside, so what is put in is not visited again.
            *e = new;
        }
        ControlFlow::<()>::Continue(())
    });
}

/// The expression with its columns, bare or with a table in front, replaced by other expressions. The
/// parts of a name are folded as SQL folds them; `None` keeps one.
pub(crate) fn replace_columns(expr: &mut Expr, with: &mut dyn FnMut(&[String]) -> Option<Expr>) {
    let _ = visit_expressions_mut(expr, |e| {
        let parts: Vec<String> = match e {
            Expr::Identifier(column) => vec![folded(column)],
            Expr::CompoundIdentifier(parts) => parts.iter().map(folded).collect(),
            _ => return ControlFlow::<()>::Continue(()),
        };
        if let Some(new) = with(&parts) {
            *e = new;
        }
        ControlFlow::Continue(())
    });
}

/// Whether an expression calls an aggregate function.
pub(crate) fn has_aggregate(expr: &Expr) -> bool {
    const NAMES: [&str; 10] = [
        "sum",
        "min",
        "max",
        "avg",
        "count",
        "median",
        "percentile_cont",
        "percentile_disc",
        "approx_count_distinct",
        "array_agg",
    ];
    let found = visit_expressions(expr, |e| match e {
        Expr::Function(f) if NAMES.contains(&f.name.to_string().to_lowercase().as_str()) => {
            ControlFlow::Break(())
        }
        _ => ControlFlow::Continue(()),
    });
    found.is_break()
}

/// The name a column has once SQL's folding of case is done.
fn folded(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

/// Type of an expression, where its columns give it away.
pub(crate) fn infer(expr: &Expr, column: &dyn Fn(&str) -> Option<ColumnType>) -> Option<ColumnType> {
    match expr {
        Expr::Identifier(ident) => column(&folded(ident)),
        Expr::Nested(inner) => infer(inner, column),
        Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } => infer(expr, column),
        Expr::Value(value) => match &value.value {
            Value::Number(text, _) if text.bytes().all(|b| b.is_ascii_digit()) => Some(ColumnType::Int64),
            Value::SingleQuotedString(_) => Some(ColumnType::String),
            Value::Boolean(_) => Some(ColumnType::Boolean),
            _ => None,
        },
        Expr::BinaryOp {
            left,
            op: BinaryOperator::Plus | BinaryOperator::Minus | BinaryOperator::Multiply,
            right,
        } => {
            let both = (infer(left, column)?, infer(right, column)?);
            match both {
                (ColumnType::Int64, ColumnType::Int64) => Some(ColumnType::Int64),
                (ColumnType::Float64, ColumnType::Float64 | ColumnType::Int64)
                | (ColumnType::Int64, ColumnType::Float64) => Some(ColumnType::Float64),
                _ => None,
            }
        }
        Expr::BinaryOp { op: BinaryOperator::Divide, .. } => Some(ColumnType::Float64),
        Expr::BinaryOp { op, .. } if op_is_boolean(op) => Some(ColumnType::Boolean),
        Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::InList { .. }
        | Expr::Between { .. }
        | Expr::Like { .. } => Some(ColumnType::Boolean),
        Expr::Cast { data_type, .. } => match data_type {
            DataType::BigInt(_) => Some(ColumnType::Int64),
            DataType::Double(_) | DataType::DoublePrecision => Some(ColumnType::Float64),
            DataType::Boolean => Some(ColumnType::Boolean),
            DataType::Date => Some(ColumnType::Date),
            DataType::Varchar(_) | DataType::Text => Some(ColumnType::String),
            _ => None,
        },
        _ => None,
    }
}

fn op_is_boolean(op: &BinaryOperator) -> bool {
    matches!(
        op,
        BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq
            | BinaryOperator::And
            | BinaryOperator::Or
    )
}

/// Type of an aggregate over an expression of a type, the same in every dialect (SEM-1).
pub(crate) fn result_type(agg: Aggregation, input: Option<ColumnType>) -> Option<ColumnType> {
    match agg {
        Aggregation::Count
        | Aggregation::CountDistinct
        | Aggregation::ApproxCountDistinct
        | Aggregation::SumBoolean => Some(ColumnType::Int64),
        Aggregation::Average | Aggregation::Median { .. } => Some(ColumnType::Float64),
        Aggregation::Percentile(percentile) if !percentile.discrete => Some(ColumnType::Float64),
        Aggregation::Min | Aggregation::Max | Aggregation::Percentile(_) => input,
        Aggregation::Sum => match input? {
            ColumnType::Int64 => Some(ColumnType::Decimal { precision: 38, scale: 0 }),
            ColumnType::Decimal { scale, .. } => Some(ColumnType::Decimal { precision: 38, scale }),
            ColumnType::Float64 => Some(ColumnType::Float64),
            _ => None,
        },
    }
}

/// Makes every `/` one of doubles, so that integers divide alike in every dialect (Q7).
pub(crate) fn divide_as_double(expr: &mut Expr) {
    let _ = visit_expressions_mut(expr, |e| {
        if let Expr::BinaryOp { left, op: BinaryOperator::Divide, .. } = e {
            let whole = std::mem::replace(&mut **left, build::null());
            **left = build::cast(whole, DataType::DoublePrecision);
        }
        ControlFlow::<()>::Continue(())
    });
}

/// Reads a SELECT; `None` for anything else.
pub(crate) fn parse_query(text: &str) -> Option<sqlparser::ast::Query> {
    let mut parser = Parser::new(&GenericDialect {}).with_recursion_limit(50).try_with_sql(text).ok()?;
    let query = parser.parse_query().ok()?;
    (parser.peek_token().token == Token::EOF).then_some(*query)
}

/// Whether an expression names a column with a table in front.
pub(crate) fn has_compound(expr: &Expr) -> bool {
    visit_expressions(expr, |e| match e {
        Expr::CompoundIdentifier(_) | Expr::CompoundFieldAccess { .. } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    })
    .is_break()
}

/// `left + right`.
pub(crate) fn add(left: &str, right: &str) -> Expr {
    build::binary(build::bare(left), BinaryOperator::Plus, build::bare(right))
}
