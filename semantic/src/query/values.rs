use sqlparser::ast::Expr;

use super::{
    aggregates::request_filters,
    compile::Faults,
    graph::Target,
    names::Asked,
    plan::{Branch, Plan},
    resolve::{NameFault, Resolved, Scope},
};
use crate::{Catalog, EntityType, MetricQuery};

/// Distinct values of dimensions, without a metric (Q16).
pub(super) fn values(
    catalog: &Catalog,
    query: &MetricQuery,
    asked: &[Asked],
    faults: &mut Faults,
) -> Option<Plan> {
    if query.time.is_some() {
        faults.add("bad_time", "a time range needs a metric", None);
    }
    if asked.is_empty() {
        return None;
    }
    let model = values_model(catalog, asked, faults)?;
    let mut scope = Scope::of_values(catalog, model);
    let groups: Vec<Resolved> = asked.iter().filter_map(|a| scope.group(a).ok()).collect();
    let mut filters = Vec::new();
    let columns: Vec<(String, Expr)> = groups.iter().map(|g| (g.name.clone(), g.expr.clone())).collect();
    request_filters(&mut scope, query, &columns, &mut filters, faults);
    for (i, group) in groups.iter().enumerate() {
        if groups[..i].iter().any(|g| g.name == group.name) {
            faults.add("duplicate_group_by", format!("'{}' is asked for twice", group.name), None);
        }
    }
    let names = groups.iter().map(|g| (g.name.clone(), g.column_type)).collect();
    let exprs = groups.into_iter().map(|g| g.expr).collect();
    let branch = Branch { source: scope.into_source(), groups: exprs, filters, leaves: Vec::new() };
    Some(Plan { branches: vec![branch], groups: names, metrics: Vec::new(), order: Vec::new(), limit: None })
}

/// The model from which all values are reached with the fewest joins.
fn values_model(catalog: &Catalog, asked: &[Asked], faults: &mut Faults) -> Option<usize> {
    let mut best: Option<(usize, usize)> = None;
    for m in 0..catalog.semantic_models.len() {
        let mut cost = 0;
        let reachable = asked.iter().all(|one| {
            cost += distance(catalog, m, one);
            Scope::of_values(catalog, m).group(one).is_ok()
        });
        if reachable && best.is_none_or(|(least, _)| cost < least) {
            best = Some((cost, m));
        }
    }
    if best.is_none() {
        blame(catalog, asked, faults);
    }
    best.map(|(_, m)| m)
}

/// How far a name is from a model; a key is nearest where it is the model's own.
fn distance(catalog: &Catalog, m: usize, one: &Asked) -> usize {
    let name = if one.audience().is_some() { "profile" } else { &one.name };
    let path = if one.audience().is_some() { &one.path[..one.path.len() - 1] } else { &one.path[..] };
    match catalog.graph.find(m, path, name) {
        Err(_) => usize::MAX / 16,
        Ok(item) => {
            let foreign = matches!(item.target, Target::Entity(m, e)
                if catalog.semantic_models[m].entities[e].entity_type != EntityType::Primary);
            item.hops.len() * 2 + usize::from(foreign)
        }
    }
}

fn blame(catalog: &Catalog, asked: &[Asked], faults: &mut Faults) {
    let before = faults.0.len();
    for one in asked {
        let tries: Vec<Result<Resolved, NameFault>> =
            (0..catalog.semantic_models.len()).map(|m| Scope::of_values(catalog, m).group(one)).collect();
        if tries.iter().any(Result::is_ok) {
            continue;
        }
        let all: Vec<NameFault> = tries.into_iter().filter_map(Result::err).collect();
        match all.iter().find(|f| !f.message.is_empty()) {
            Some(fault) => faults.add("bad_group_by", fault.message.clone(), fault.suggestion.clone()),
            None => {
                let close = all.into_iter().find_map(|f| f.suggestion);
                faults.add("unknown_group_by", format!("unknown dimension '{}'", one.text), close);
            }
        }
    }
    if faults.0.len() == before {
        let names: Vec<String> = asked.iter().map(|a| format!("'{}'", a.text)).collect();
        let message = format!(
            "{} are in no common path of joins; add a metric or ask for them one by one",
            names.join(" and ")
        );
        faults.add("unknown_group_by", message, None);
    }
}
