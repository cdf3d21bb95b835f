//! Filters: text with objects becomes a condition over the tables of one branch.

use std::ops::ControlFlow;

use sqlparser::ast::{BinaryOperator, Expr, visit_expressions};

use super::{
    names::Asked,
    resolve::{NameFault, Scope, joined},
    template::{self, Object, Piece},
};
use crate::{
    Catalog,
    sql::{self, datafusion},
};

/// What stands for an object while SQL is parsed.
const PLACEHOLDER: &str = "etalon_object_";

/// What is wrong with a filter, and where; column 0 where no column is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FilterFault {
    pub(super) column: usize,
    pub(super) message: String,
    pub(super) suggestion: Option<String>,
}

impl FilterFault {
    pub(super) fn text(&self) -> String {
        match self.column {
            0 => format!(": {}", self.message),
            n => format!(", column {n}: {}", self.message),
        }
    }
}

fn compound(expr: &Expr) -> ControlFlow<()> {
    match expr {
        Expr::CompoundIdentifier(_) | Expr::CompoundFieldAccess { .. } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    }
}

fn no_profile(mut fault: NameFault, audience: &str) -> NameFault {
    if fault.message.is_empty() {
        fault.message =
            format!("Audience('{audience}') needs the entity 'profile', which is not reachable here");
    }
    fault
}

impl Scope<'_> {
    /// A filter's condition. `columns` are the group-bys, which it may name bare.
    pub(super) fn filter(
        &mut self,
        text: &str,
        columns: &[(String, Expr)],
    ) -> Result<Expr, Vec<FilterFault>> {
        let one = |column: usize, message: String| vec![FilterFault { column, message, suggestion: None }];
        let pieces = template::pieces(text).map_err(|f| one(f.column, f.message))?;
        let mut sql_text = String::new();
        let mut objects = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Sql(part) => sql_text.push_str(&part),
                Piece::Object(object, column) => {
                    sql_text.push_str(&format!(" {PLACEHOLDER}{} ", objects.len()));
                    objects.push((object, column));
                }
            }
        }
        if sql_text.matches(PLACEHOLDER).count() != objects.len() {
            return Err(one(1, format!("names that start with {PLACEHOLDER} are reserved")));
        }
        let parsed = sql::parse_expr(&sql_text).map_err(|f| {
            one(
                usize::from(objects.is_empty()) * f.column.and_then(|c| usize::try_from(c).ok()).unwrap_or(1),
                f.message,
            )
        })?;
        self.fill(parsed, &objects, columns)
    }

    fn fill(
        &mut self,
        mut expr: Expr,
        objects: &[(Object, usize)],
        columns: &[(String, Expr)],
    ) -> Result<Expr, Vec<FilterFault>> {
        let mut faults = Vec::new();
        let mut used = 0;
        let direct = direct_members(&expr, objects);
        sql::replace(&mut expr, &mut |name| {
            let Some(number) = name.strip_prefix(PLACEHOLDER).and_then(|n| n.parse::<usize>().ok()) else {
                let found = columns.iter().find(|(column, _)| column == name).map(|(_, expr)| expr.clone());
                if found.is_none() {
                    let message =
                        format!("'{name}' is a bare column; write {{{{ Dimension('..') }}}}, or group by it");
                    faults.push(FilterFault { column: 0, message, suggestion: None });
                }
                return found;
            };
            used += 1;
            let (object, column) = objects.get(number)?;
            match self.object(object, direct.contains(&number)) {
                Ok(expr) => Some(expr),
                Err(fault) => {
                    faults.push(FilterFault {
                        column: *column,
                        message: fault.message,
                        suggestion: fault.suggestion,
                    });
                    None
                }
            }
        });
        if faults.is_empty() && used != objects.len() {
            let message = "an object stands inside a text in quotes".to_owned();
            faults.push(FilterFault { column: 0, message, suggestion: None });
        }
        if visit_expressions(&expr, compound).is_break() && faults.is_empty() && objects.is_empty() {
            let message = "a filter names columns as {{ Dimension('..') }}".to_owned();
            faults.push(FilterFault { column: 0, message, suggestion: None });
        }
        if faults.is_empty() { Ok(expr) } else { Err(faults) }
    }

    fn object(&mut self, object: &Object, direct: bool) -> Result<Expr, NameFault> {
        if let Object::Audience(name) = object {
            let name = name.to_lowercase();
            if direct {
                let profile = self.profile(&name, &[]).map_err(|f| no_profile(f, &name))?;
                return Ok(datafusion::in_audience(profile, &name));
            }
            let member = self.member(&name, &[]).map_err(|f| no_profile(f, &name))?;
            return Ok(datafusion::nested(member));
        }
        let unknown = |message: String| NameFault { message, suggestion: None };
        let asked = Asked::of_object(object, "").map_err(unknown)?;
        let resolved = self.group(&asked).map_err(|mut fault| {
            if fault.message.is_empty() {
                let kind = if matches!(object, Object::Entity { .. }) { "entity" } else { "dimension" };
                fault.message = format!("unknown {kind} '{}'", joined(&asked));
            }
            fault
        })?;
        Ok(datafusion::nested(resolved.expr))
    }
}

/// Everything wrong with one filter of a metric, over every table it is applied to (V27).
pub(crate) fn filter_faults(catalog: &Catalog, metric: &str, text: &str) -> Vec<NameFault> {
    let mut found: Vec<NameFault> = Vec::new();
    let Some(index) = catalog.graph.metric(metric) else { return found };
    let mut leaves = Vec::new();
    super::leaves::leaves(catalog, index, &[], &mut leaves);
    for leaf in leaves.iter().filter(|leaf| leaf.filters.iter().any(|f| f == text)) {
        let mut scope = Scope::new(catalog, leaf.model, leaf.time);
        for fault in scope.filter(text, &[]).err().unwrap_or_default() {
            let message = format!("filter of metric '{metric}'{}", fault.text());
            let fault = NameFault { message, suggestion: fault.suggestion };
            if !found.contains(&fault) {
                found.push(fault);
            }
        }
    }
    found
}

/// Audience objects that must hold by themselves. A semi-join answers these; anywhere else membership
/// is a value, which needs an outer join.
fn direct_members(expr: &Expr, objects: &[(Object, usize)]) -> Vec<usize> {
    match expr {
        Expr::Nested(inner) => direct_members(inner, objects),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            let mut found = direct_members(left, objects);
            found.extend(direct_members(right, objects));
            found
        }
        Expr::Identifier(ident) => ident
            .value
            .strip_prefix(PLACEHOLDER)
            .and_then(|n| n.parse().ok())
            .filter(|n: &usize| matches!(objects.get(*n), Some((Object::Audience(_), _))))
            .into_iter()
            .collect(),
        _ => Vec::new(),
    }
}
