use std::ops::ControlFlow;

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

/// Longest text that is parsed; a longer one is no expression a person wrote.
const MAX_TEXT: usize = 64 * 1024;

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
        Aggregation::Count | Aggregation::CountDistinct | Aggregation::SumBoolean => Some(ColumnType::Int64),
        Aggregation::Average | Aggregation::Median => Some(ColumnType::Float64),
        Aggregation::Min | Aggregation::Max => input,
        Aggregation::Sum => match input? {
            ColumnType::Int64 => Some(ColumnType::Decimal { precision: 38, scale: 0 }),
            ColumnType::Decimal { scale, .. } => Some(ColumnType::Decimal { precision: 38, scale }),
            ColumnType::Float64 => Some(ColumnType::Float64),
            _ => None,
        },
    }
}
