use model::Span;

use crate::{report::Report, sql, yaml::Node};

/// Reads an `expr` key: a text, a number or a boolean of YAML, checked to be SQL.
pub(super) fn read_optional(node: Option<&Node>, report: &mut Report) -> Option<String> {
    let node = node?;
    let Some(text) = node.text().map(str::trim).filter(|t| !t.is_empty()) else {
        report.error("bad_expr", &node.span, format!("'expr' must be SQL, not {}", node.kind()));
        return None;
    };
    check(text, &node.span, report);
    Some(text.to_owned())
}

fn check(text: &str, span: &Span, report: &mut Report) {
    // DISTINCT has a clearer message of its own (V11).
    if sql::has_distinct(text) {
        return;
    }
    if let Err(fault) = sql::parse_expr(text) {
        let place = fault.column.map(|c| format!(", column {c}")).unwrap_or_default();
        report.error("bad_expr", span, format!("'{text}' is not a SQL expression{place}: {}", fault.message));
    }
}
