//! Expressions over a view's columns as template text: SQL in which every dimension is an object.

use std::ops::ControlFlow;

use arrow::datatypes::DataType;
use datafusion::{
    common::{
        Column, Result, ScalarValue,
        tree_node::{Transformed, TreeNode, TreeNodeRecursion},
    },
    logical_expr::{Expr, Volatility, cast, lit},
    sql::unparser::{Unparser, dialect::DefaultDialect},
};
use sqlparser::ast::{self, Ident, visit_expressions_mut};

use super::{column::Role, refusal, time, tower::Tower};
use crate::Error;

/// Stands for an object while the expression becomes SQL. A view's column cannot have this name: it has
/// blanks.
const PLACEHOLDER: &str = "etalon object ";

/// A scalar expression over dimensions as a template. `metric_time` is the name of the dimension that is
/// meant by it.
pub(super) fn template(expr: &Expr, tower: &Tower, metric_time: &str) -> Result<String, Error> {
    let refused = || refusal::not_a_template(tower.view(), &expr.human_display().to_string());
    let mut objects = Vec::new();
    let marked = expr.clone().transform_down(|expr| {
        if let Some(object) = object(&expr, tower, metric_time) {
            objects.push(object);
            let name = format!("{PLACEHOLDER}{}", objects.len() - 1);
            let column = Expr::Column(Column::new_unqualified(name));
            return Ok(Transformed::new(column, true, TreeNodeRecursion::Jump));
        }
        Ok(match expr {
            Expr::Literal(value, metadata) => match written(&value) {
                Some(expr) => Transformed::new(expr, true, TreeNodeRecursion::Jump),
                None => Transformed::no(Expr::Literal(value, metadata)),
            },
            other => Transformed::no(other),
        })
    })?;
    let dialect = DefaultDialect {};
    let mut sql = Unparser::new(&dialect).expr_to_sql(&marked.data).map_err(|_| refused())?;
    let _ = visit_expressions_mut(&mut sql, |expr| {
        if let ast::Expr::Identifier(ident) = expr
            && let Some(number) = ident.value.strip_prefix(PLACEHOLDER)
            && let Some(object) = number.parse().ok().and_then(|n: usize| objects.get(n))
        {
            *ident = Ident::new(format!("{{{{ {object} }}}}"));
        }
        ControlFlow::<()>::Continue(())
    });
    Ok(sql.to_string())
}

fn object(expr: &Expr, tower: &Tower, metric_time: &str) -> Option<String> {
    if let Some(mut form) = time::exact_form(expr, tower) {
        if form.qualified == "metric_time" {
            metric_time.clone_into(&mut form.qualified);
        }
        return Some(form.object());
    }
    match &tower.column(expr)?.role {
        Role::Dimension(qualified) | Role::Member { qualified, .. } => {
            Some(format!("Dimension('{qualified}')"))
        }
        Role::Time { .. } | Role::TimeAt { .. } | Role::Measure(_) => None,
    }
}

/// Literals whose text would be read as something else: floats as decimals, braces as an object.
fn written(value: &ScalarValue) -> Option<Expr> {
    let text = |value: &str| lit(ScalarValue::Utf8(Some(value.to_owned())));
    match value {
        ScalarValue::Float64(Some(number)) => Some(cast(text(&format!("{number:?}")), DataType::Float64)),
        ScalarValue::Float32(Some(number)) => Some(cast(text(&format!("{number:?}")), DataType::Float32)),
        ScalarValue::Utf8(Some(value))
        | ScalarValue::LargeUtf8(Some(value))
        | ScalarValue::Utf8View(Some(value))
            if value.contains("{{") || value.contains("}}") =>
        {
            let parts = apart(value);
            let concatenated =
                datafusion::functions::string::expr_fn::concat(parts.iter().map(|part| text(part)).collect());
            Some(concatenated)
        }
        _ => None,
    }
}

/// A text in parts, so that no two braces stand side by side.
fn apart(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut before = None;
    for c in text.chars() {
        let doubled = matches!(c, '{' | '}') && before == Some(c);
        if doubled {
            parts.push(String::new());
        }
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
        before = Some(c);
    }
    parts
}

/// The first function in an expression whose value is another one every time it is asked for.
pub(super) fn volatile(expr: &Expr) -> Option<String> {
    let mut found = None;
    // The closure never fails.
    let _ = expr.apply(|expr| {
        if let Expr::ScalarFunction(call) = expr
            && call.func.signature().volatility == Volatility::Volatile
        {
            found = Some(call.func.name().to_owned());
            return Ok(TreeNodeRecursion::Stop);
        }
        Ok(TreeNodeRecursion::Continue)
    });
    found
}
