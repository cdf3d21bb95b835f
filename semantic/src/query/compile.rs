use model::{ColumnType, Diagnostic, Severity};
use sqlparser::ast::Statement;

use super::{
    aggregates::aggregates,
    names::Asked,
    plan::{Formula, Plan},
    values::values,
};
use crate::{Catalog, Grain, MetricQuery, names, sql};

/// A question as SQL.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// The text, laid out for people, in DataFusion's dialect.
    pub sql: String,
    /// The same as a tree.
    pub statement: Statement,
    /// The columns of the answer, in order.
    pub columns: Vec<OutputColumn>,
    /// Every table that is read: schema and name.
    pub tables: Vec<(String, String)>,
}

/// One column of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputColumn {
    /// Its name: the qualified name of a group-by, or a metric.
    pub name: String,
    /// What it is.
    pub kind: ColumnKind,
    /// Its type, where it is known.
    pub column_type: Option<ColumnType>,
}

/// What a column of an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// A metric.
    Metric,
    /// A group-by.
    Dimension,
}

/// Turns a question into SQL, or says everything that is wrong with it.
pub fn compile(catalog: &Catalog, query: &MetricQuery) -> Result<Compiled, Vec<Diagnostic>> {
    let mut faults = Faults::default();
    if query.metrics.is_empty() && query.group_by.is_empty() {
        faults.add("empty_query", "name at least one metric or group_by", None);
        return Err(faults.0);
    }
    let asked = ask(&query.group_by, &mut faults);
    let mut plan = if query.metrics.is_empty() {
        values(catalog, query, &asked, &mut faults)
    } else {
        aggregates(catalog, query, &asked, &mut faults)
    };
    if let Some(plan) = &mut plan {
        plan.order = order(query, &asked, plan, &mut faults);
        plan.limit = query.limit;
    }
    match plan {
        Some(plan) if faults.0.is_empty() => Ok(finish(&plan)),
        _ => Err(faults.0),
    }
}

/// Problems of one question, each once.
#[derive(Default)]
pub(super) struct Faults(pub(super) Vec<Diagnostic>);

impl Faults {
    pub(super) fn add(&mut self, code: &'static str, message: impl Into<String>, suggestion: Option<String>) {
        let message = message.into();
        let diagnostic = Diagnostic { code, severity: Severity::Error, span: None, message, suggestion };
        if !self.0.contains(&diagnostic) {
            self.0.push(diagnostic);
        }
    }
}

fn ask(group_by: &[String], faults: &mut Faults) -> Vec<Asked> {
    let mut asked = Vec::new();
    for text in group_by {
        match Asked::parse(text) {
            Ok(one) if one.name == "audience" && one.path == ["profile"] => {
                let message =
                    "'profile__audience' is not offered by this version; group by profile__in_<audience>";
                faults.add("unsupported", message, None);
            }
            Ok(one) => asked.push(one),
            Err(message) => faults.add("bad_group_by", format!("group_by '{text}': {message}"), None),
        }
    }
    asked
}

/// Each item of the order equals exactly one requested item (Q15).
fn order(query: &MetricQuery, asked: &[Asked], plan: &Plan, faults: &mut Faults) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    for item in &query.order_by {
        let name = item.name.to_lowercase();
        let (name, descending) = match name.strip_prefix('-') {
            Some(rest) => (rest.to_owned(), !item.descending),
            None => (name, item.descending),
        };
        let stem = |column: &str| {
            column.rsplit_once("__").filter(|(_, g)| Grain::parse(g).is_some()).map(|(n, _)| n.to_owned())
        };
        let metrics = plan.metrics.iter().map(|(n, _)| n).filter(|n| **n == name).cloned();
        let exact: Vec<String> =
            plan.groups.iter().map(|(n, _)| n).filter(|n| **n == name).cloned().chain(metrics).collect();
        let loose = plan.groups.iter().enumerate().filter(|(i, (n, _))| {
            let written = asked.get(*i).is_some_and(|a| a.text.to_lowercase() == name);
            written || stem(n).as_ref() == Some(&name) || n.ends_with(&format!("__{name}"))
        });
        let matches = if exact.is_empty() { loose.map(|(_, (n, _))| n.clone()).collect() } else { exact };
        match matches.as_slice() {
            [one] => found.push((one.clone(), descending)),
            [] => {
                let known = plan.groups.iter().map(|(n, _)| n).chain(plan.metrics.iter().map(|(n, _)| n));
                let close = names::closest(&name, known.map(String::as_str));
                faults.add(
                    "bad_order_by",
                    format!("order_by '{}' is not in the metrics or group_by", item.name),
                    close,
                );
            }
            many => {
                let message = format!("order_by '{}' is ambiguous: {}", item.name, many.join(", "));
                faults.add("bad_order_by", message, None);
            }
        }
    }
    found
}

fn finish(plan: &Plan) -> Compiled {
    let types: Vec<Option<ColumnType>> =
        plan.branches.iter().flat_map(|b| &b.leaves).map(|l| l.column_type).collect();
    let of = |formula: &Formula| match formula {
        Formula::Leaf(n) => types[*n],
        Formula::Ratio(..) => Some(ColumnType::Float64),
    };
    let dimension = |(name, column_type): &(String, Option<ColumnType>)| OutputColumn {
        name: name.clone(),
        kind: ColumnKind::Dimension,
        column_type: *column_type,
    };
    let metric = |(name, formula): &(String, Formula)| OutputColumn {
        name: name.clone(),
        kind: ColumnKind::Metric,
        column_type: of(formula),
    };
    let columns = plan.groups.iter().map(dimension).chain(plan.metrics.iter().map(metric)).collect();
    let sql::Rendered { statement, sql, tables } = sql::render(plan);
    Compiled { sql, statement, columns, tables }
}
