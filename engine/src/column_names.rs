//! Output columns named as PostgreSQL names them: `sum`, `?column?`, not `sum(t.x)`, `Int64(1)`.

use datafusion::sql::parser::Statement;
use sqlparser::ast::{Expr, SelectItem, SetExpr, Statement as Sql};

const NAMELESS: &str = "?column?";

/// The names of all output columns, unless a `*` leaves their number open or it is no query.
pub(crate) fn of(statement: &Statement) -> Option<Vec<String>> {
    projection(statement)?.iter().map(item).collect()
}

/// The names that the statement itself gives to output columns.
pub(crate) fn aliases(statement: &Statement) -> Vec<String> {
    let aliased = |item: &SelectItem| match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
        _ => None,
    };
    projection(statement).unwrap_or_default().iter().filter_map(aliased).collect()
}

/// What the outermost SELECT selects; of a union, the first one.
fn projection(statement: &Statement) -> Option<&[SelectItem]> {
    let Statement::Statement(sql) = statement else { return None };
    let Sql::Query(query) = sql.as_ref() else { return None };
    let mut body = query.body.as_ref();
    loop {
        match body {
            SetExpr::Select(select) => return Some(&select.projection),
            SetExpr::Query(inner) => body = inner.body.as_ref(),
            SetExpr::SetOperation { left, .. } => body = left.as_ref(),
            _ => return None,
        }
    }
}

fn item(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::UnnamedExpr(expr) => Some(name(expr).unwrap_or_else(|| NAMELESS.to_owned())),
        SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
        _ => None,
    }
}

fn name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(ident) => Some(folded(ident)),
        Expr::CompoundIdentifier(parts) => parts.last().map(folded),
        Expr::Function(function) => function.name.0.last()?.as_ident().map(folded),
        Expr::Cast { expr, data_type, .. } => {
            name(expr).or_else(|| Some(data_type.to_string().split('(').next()?.trim().to_lowercase()))
        }
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => name(inner),
        Expr::Case { .. } => Some("case".to_owned()),
        Expr::Extract { .. } => Some("extract".to_owned()),
        Expr::Exists { .. } => Some("exists".to_owned()),
        Expr::Substring { .. } => Some("substring".to_owned()),
        Expr::Trim { .. } => Some("btrim".to_owned()),
        Expr::Position { .. } => Some("position".to_owned()),
        Expr::Ceil { .. } => Some("ceil".to_owned()),
        Expr::Floor { .. } => Some("floor".to_owned()),
        Expr::Array(_) => Some("array".to_owned()),
        _ => None,
    }
}

fn folded(ident: &sqlparser::ast::Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &[&str]) {
        let names = of(&crate::statement::parse(text).unwrap().statement);
        assert_eq!(names.unwrap_or_default(), expect, "{text}");
    }

    #[test]
    fn columns_are_named_as_in_postgresql() {
        check(
            "SELECT sum(a), COUNT(*), a AS b, t.c, 1, a + 1, CAST(a AS INT), (d) FROM t",
            &["sum", "count", "b", "c", "?column?", "?column?", "a", "d"],
        );
        check("SELECT \"A\", Foo AS \"Bar Baz\" FROM t UNION SELECT 1, 2", &["A", "Bar Baz"]);
        check("SELECT CASE WHEN a THEN 1 END, CAST(1 AS BIGINT)", &["case", "bigint"]);
        check("SELECT *, 1 FROM t", &[]);
    }
}
