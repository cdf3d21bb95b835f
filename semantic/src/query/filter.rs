//! Filters: text with objects becomes a condition over the rows of one branch.

use std::sync::Arc;

use super::{
    leaves::{Above, Condition},
    names::Asked,
    plan::Scalar,
    planner::Planner,
    resolve::{NameFault, Reference, Seat},
    scope::Scope,
    template::{Body, Hole, Object, Template},
};
use crate::{Catalog, TimeGrain, names};

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

/// The body of a template, or what is wrong with its text.
pub(super) fn body(template: &Template) -> Result<&Body, Vec<FilterFault>> {
    template.body.as_ref().map_err(|fault| {
        vec![FilterFault { column: fault.column, message: fault.message.clone(), suggestion: None }]
    })
}

impl<'a> Planner<'a> {
    /// A filter's condition over the rows of a scope; faults are kept.
    pub(super) fn condition(
        &mut self,
        scope: &mut Scope<'a>,
        condition: &Condition,
        columns: &[(String, Scalar)],
    ) -> Option<Scalar> {
        let template = self.catalog.graph.template(&condition.text);
        let found = body(&template).and_then(|body| self.fill(scope, body, &condition.default, columns));
        match found {
            Ok(scalar) => Some(scalar),
            Err(faults) => {
                let owner = condition.owner.as_ref().map(|o| format!(" of metric '{o}'")).unwrap_or_default();
                for fault in faults {
                    let message = format!("filter{owner}{}", fault.text());
                    self.fault("bad_filter", message, fault.suggestion);
                }
                None
            }
        }
    }

    /// A template's value over the rows of a scope. `columns` are the group-bys, which it may name bare.
    pub(super) fn fill(
        &mut self,
        scope: &mut Scope<'a>,
        body: &Body,
        default: &TimeGrain,
        columns: &[(String, Scalar)],
    ) -> Result<Scalar, Vec<FilterFault>> {
        let mut faults = Vec::new();
        let mut values = Vec::with_capacity(body.holes.len());
        for (n, hole) in body.holes.iter().enumerate() {
            match hole {
                Hole::Bare(name) => match columns.iter().find(|(column, _)| column == name) {
                    Some((_, value)) => values.push(value.clone()),
                    None => {
                        let message = format!(
                            "'{name}' is a bare column; write {{{{ Dimension('..') }}}}, or group by it"
                        );
                        faults.push(FilterFault { column: 0, message, suggestion: None });
                    }
                },
                Hole::Object(object, column) => {
                    match self.object(scope, object, body.direct.contains(&n), default) {
                        Ok(value) => values.push(value),
                        Err(NameFault { message, suggestion }) => {
                            faults.push(FilterFault { column: *column, message, suggestion });
                        }
                    }
                }
            }
        }
        if faults.is_empty() { Ok(Scalar::Template(Arc::clone(&body.expr), values)) } else { Err(faults) }
    }

    fn object(
        &mut self,
        scope: &mut Scope<'a>,
        object: &Object,
        direct: bool,
        default: &TimeGrain,
    ) -> Result<Scalar, NameFault> {
        match object {
            Object::Audience(name) => {
                let name = name.to_lowercase();
                let found = if direct { scope.in_audience(&name) } else { scope.member(&name, &[]) };
                found.map_err(|fault| no_profile(fault, &name))
            }
            Object::Metric { name, group_by } => self.metric_value(scope, name, group_by),
            _ => {
                let reference = reference(self.catalog, &scope.seat, object, default)?;
                scope.value(&reference)
            }
        }
    }

    /// Q3.2: a metric's value for the row's value of a group-by.
    fn metric_value(&mut self, scope: &mut Scope<'a>, name: &str, by: &str) -> Result<Scalar, NameFault> {
        let fault = |message: String, suggestion| NameFault { message, suggestion };
        let lower = name.to_lowercase();
        let Some(number) = self.catalog.graph.metric(&lower) else {
            let known = self.catalog.metrics.iter().filter(|m| !m.private).map(|m| m.name.as_str());
            return Err(fault(format!("unknown metric '{name}'"), names::closest(&lower, known)));
        };
        if self.nested > 8 {
            return Err(fault(format!("Metric('{name}') filters by itself"), None));
        }
        let custom = |grain: &str| self.catalog.graph.custom_grain(grain).is_some();
        let asked = Asked::parse(by, &custom).map_err(|message| fault(message, None))?;
        let default = self.default_grain(&self.catalog.metrics[number]);
        let reference =
            scope.seat.resolve(self.catalog, &asked, &default).map_err(|f| unnamed(f, "entity", by))?;
        let mut inner = Planner::new(self.catalog);
        inner.nested = self.nested + 1;
        let found = inner.value_by(number, &asked, &default, &Above::default());
        match found {
            Some(select) if inner.faults.is_empty() => scope.metric(&lower, &reference, select),
            _ => {
                let all: Vec<String> = inner.faults.iter().map(ToString::to_string).collect();
                Err(fault(format!("Metric('{name}', ['{by}']): {}", all.join("; ")), None))
            }
        }
    }
}

/// What an object that names a value means.
pub(super) fn reference(
    catalog: &Catalog,
    seat: &Seat,
    object: &Object,
    default: &TimeGrain,
) -> Result<Reference, NameFault> {
    let custom = |grain: &str| catalog.graph.custom_grain(grain).is_some();
    let asked =
        Asked::of_object(object, "", &custom).map_err(|message| NameFault { message, suggestion: None })?;
    let kind = if matches!(object, Object::Entity { .. }) { "entity" } else { "dimension" };
    seat.resolve(catalog, &asked, default).map_err(|fault| unnamed(fault, kind, &asked.joined()))
}

/// Whether a filter looks at nothing but time, and so holds for points of a spine (Q8.3).
pub(super) fn is_pure_time(catalog: &Catalog, seat: &Seat, condition: &Condition) -> bool {
    let template = catalog.graph.template(&condition.text);
    let Ok(body) = &template.body else { return false };
    !body.holes.is_empty()
        && body.holes.iter().all(|hole| match hole {
            Hole::Object(object, _) => {
                reference(catalog, seat, object, &condition.default).is_ok_and(|r| r.is_time())
            }
            Hole::Bare(_) => false,
        })
}

/// The references of a filter, if it has nothing else in it.
pub(super) fn references(catalog: &Catalog, seat: &Seat, condition: &Condition) -> Option<Vec<Reference>> {
    let template = catalog.graph.template(&condition.text);
    let body = template.body.as_ref().ok()?;
    let each = body.holes.iter().map(|hole| match hole {
        Hole::Object(object, _) => reference(catalog, seat, object, &condition.default).ok(),
        Hole::Bare(_) => None,
    });
    each.collect()
}

fn unnamed(mut fault: NameFault, kind: &str, name: &str) -> NameFault {
    if fault.message.is_empty() {
        fault.message = format!("unknown {kind} '{name}'");
    }
    fault
}

fn no_profile(mut fault: NameFault, audience: &str) -> NameFault {
    if fault.message.is_empty() {
        fault.message =
            format!("Audience('{audience}') needs the entity 'profile', which is not reachable here");
    }
    fault
}

/// Everything wrong with one filter of a metric, over every table it is applied to (V27).
pub(crate) fn filter_faults(catalog: &Catalog, metric: &str, text: &str) -> Vec<NameFault> {
    let Some(number) = catalog.graph.metric(metric) else { return Vec::new() };
    let mut planner = Planner::new(catalog);
    if planner.take_apart(number, &Above::default()).is_none() {
        return Vec::new();
    }
    planner.faults.clear();
    for branch in planner.branches.clone() {
        let mut sides = vec![(branch.model, branch.seat, &branch.filters)];
        if let super::leaves::BranchKind::Conversion(other) = &branch.kind {
            sides.push((other.model, other.seat, &other.filters));
        }
        for (model, seat, filters) in sides {
            let own = |c: &&Condition| &*c.text == text && c.owner.as_deref() == Some(metric);
            for condition in filters.iter().filter(own) {
                let mut scope = Scope::of_model(catalog, seat, model);
                planner.condition(&mut scope, condition, &[]);
            }
        }
    }
    let mut found: Vec<NameFault> = Vec::new();
    for fault in planner.faults {
        let fault = NameFault { message: fault.message, suggestion: fault.suggestion };
        if !found.contains(&fault) {
            found.push(fault);
        }
    }
    found
}
