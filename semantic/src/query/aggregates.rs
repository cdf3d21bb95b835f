use std::collections::HashMap;

use sqlparser::ast::Expr;

use super::{
    compile::Faults,
    leaves::{LeafRef, leaves},
    names::Asked,
    plan::{Branch, Formula, Leaf, Plan},
    resolve::{NameFault, Resolved, Scope},
};
use crate::{Catalog, Grain, MetricQuery, names, sql::datafusion};

/// A metric of the question, and the leaves it is made of.
struct Wanted<'a> {
    name: &'a str,
    formula: Formula,
    leaves: Vec<usize>,
}

pub(super) fn aggregates(
    catalog: &Catalog,
    query: &MetricQuery,
    asked: &[Asked],
    faults: &mut Faults,
) -> Option<Plan> {
    let mut all: Vec<LeafRef> = Vec::new();
    let mut wanted: Vec<Wanted<'_>> = Vec::new();
    let mut default_grain = Grain::Nanosecond;
    for written in &query.metrics {
        let name = written.to_lowercase();
        let Some(index) = catalog.graph.metric(&name) else {
            let close = names::closest(&name, catalog.graph.metric_names());
            faults.add("unknown_metric", format!("unknown metric '{written}'"), close);
            continue;
        };
        let name = catalog.metrics[index].name.as_str();
        if wanted.iter().any(|w| w.name == name) {
            faults.add("duplicate_metric", format!("metric '{name}' is asked for twice"), None);
            continue;
        }
        let Some(formula) = leaves(catalog, index, &[], &mut all) else { continue };
        let mut own = Vec::new();
        numbers(&formula, &mut own);
        let grain = catalog.metrics[index]
            .time_granularity
            .or_else(|| own.iter().filter_map(|l| all[*l].time.map(|(_, grain)| grain)).max());
        default_grain = default_grain.max(grain.unwrap_or(Grain::Day));
        wanted.push(Wanted { name, formula, leaves: own });
    }
    // Inside a request `metric_time` has one default grain for all metrics (Q4).
    let groups = groups(catalog, asked, &wanted, &all, default_grain, faults)?;
    let keyed = query.time.is_some() || asked.iter().any(Asked::is_metric_time);
    let branches = branches(catalog, query, asked, &groups, (&all, &wanted), (default_grain, keyed), faults);
    let (branches, numbering) = branches;
    let metrics = wanted.iter().map(|w| (w.name.to_owned(), renumber(&w.formula, &numbering))).collect();
    let groups = groups.into_iter().map(|g| (g.name, g.column_type)).collect();
    Some(Plan { branches, groups, metrics, order: Vec::new(), limit: None })
}

fn numbers(formula: &Formula, found: &mut Vec<usize>) {
    match formula {
        Formula::Leaf(n) => found.push(*n),
        Formula::Ratio(a, b) => {
            numbers(a, found);
            numbers(b, found);
        }
    }
}

fn renumber(formula: &Formula, numbering: &[usize]) -> Formula {
    match formula {
        Formula::Leaf(n) => Formula::Leaf(numbering[*n]),
        Formula::Ratio(a, b) => {
            Formula::Ratio(Box::new(renumber(a, numbering)), Box::new(renumber(b, numbering)))
        }
    }
}

/// Resolves the group-bys for every metric; all must agree on what each one is (Q1.4).
fn groups(
    catalog: &Catalog,
    asked: &[Asked],
    wanted: &[Wanted<'_>],
    all: &[LeafRef],
    default_grain: Grain,
    faults: &mut Faults,
) -> Option<Vec<Resolved>> {
    let mut found: Vec<Resolved> = Vec::new();
    for one in asked {
        let mut good: Option<(&str, Resolved)> = None;
        let mut bad: Vec<(&str, NameFault, usize)> = Vec::new();
        let mut paths: Vec<String> = Vec::new();
        for metric in wanted {
            for leaf in &metric.leaves {
                let leaf = &all[*leaf];
                let time = leaf.time.map(|(d, _)| (d, default_grain));
                match Scope::new(catalog, leaf.model, time).group(one) {
                    Ok(resolved) => {
                        if !paths.contains(&resolved.name) {
                            paths.push(resolved.name.clone());
                        }
                        good.get_or_insert((metric.name, resolved));
                    }
                    Err(fault) => bad.push((metric.name, fault, leaf.model)),
                }
            }
        }
        report_group(catalog, one, good.as_ref().map(|(name, _)| *name), &bad, faults);
        if paths.len() > 1 {
            let message = format!("'{}' is ambiguous: {}; name the path", one.text, paths.join(", "));
            faults.add("ambiguous_name", message, None);
        }
        if let Some((_, resolved)) = good {
            if found.iter().any(|g| g.name == resolved.name) {
                faults.add("duplicate_group_by", format!("'{}' is asked for twice", resolved.name), None);
            }
            found.push(resolved);
        }
    }
    (!wanted.is_empty()).then_some(found)
}

fn report_group(
    catalog: &Catalog,
    one: &Asked,
    good: Option<&str>,
    bad: &[(&str, NameFault, usize)],
    faults: &mut Faults,
) {
    let Some((metric, fault, model)) = bad.first() else { return };
    let ambiguous = fault.message.contains("is ambiguous");
    if ambiguous || fault.message.starts_with("unknown audience") {
        let code = if ambiguous { "ambiguous_name" } else { "unknown_audience" };
        faults.add(code, fault.message.clone(), fault.suggestion.clone());
        return;
    }
    let grain = |text: &str| text.rsplit_once('(').map(|(_, g)| format!(" ({g}")).unwrap_or_default();
    if let Some(good) = good {
        let message = format!(
            "'{}' is available for '{good}' but not for '{metric}'{}",
            one.text,
            grain(&fault.message)
        );
        faults.add("not_common", message, None);
    } else if fault.message.is_empty() {
        let multiplies = fans_out(catalog, *model, one);
        let why = if multiplies {
            "no join path without fan-out"
        } else {
            "no such dimension, or no join path without fan-out"
        };
        let message = format!("'{}' is not available for metric '{metric}': {why}", one.text);
        faults.add("unknown_group_by", message, fault.suggestion.clone().filter(|_| !multiplies));
    } else {
        let message = format!("'{}' is not available for metric '{metric}': {}", one.text, fault.message);
        faults.add("bad_grain", message, fault.suggestion.clone());
    }
}

/// Whether a name is known, only not without multiplying the metric's rows.
fn fans_out(catalog: &Catalog, model: usize, one: &Asked) -> bool {
    (0..catalog.semantic_models.len())
        .any(|other| other != model && catalog.graph.find(other, &one.path, &one.name).is_ok())
}

type Numbered = (Vec<Branch>, Vec<usize>);

/// Leaves of one model with equal filters share a scan (Q6).
fn branches(
    catalog: &Catalog,
    query: &MetricQuery,
    asked: &[Asked],
    groups: &[Resolved],
    (all, wanted): (&[LeafRef], &[Wanted<'_>]),
    (default_grain, keyed): (Grain, bool),
    faults: &mut Faults,
) -> Numbered {
    let mut shared: Vec<(&LeafRef, Vec<usize>)> = Vec::new();
    for (n, leaf) in all.iter().enumerate() {
        let timed = keyed || query.filters.iter().chain(&leaf.filters).any(|f| f.contains("metric_time"));
        let same = |other: &LeafRef| {
            other.model == leaf.model && other.filters == leaf.filters && (!timed || other.time == leaf.time)
        };
        match shared.iter_mut().find(|(other, _)| same(other)) {
            Some((_, members)) => members.push(n),
            None => shared.push((leaf, vec![n])),
        }
    }
    let mut names: HashMap<String, usize> = groups.iter().map(|g| (g.name.clone(), 1)).collect();
    let mut numbering = vec![0; all.len()];
    let mut next = 0;
    let mut found = Vec::new();
    for (leaf, members) in shared {
        let owner =
            wanted.iter().find(|w| w.leaves.iter().any(|l| members.contains(l))).map_or("", |w| w.name);
        let own_time = leaf.time;
        // In a metric's definition `metric_time` has that metric's own grain (Q3.3).
        let mut scope = Scope::new(catalog, leaf.model, own_time);
        let mut filters = Vec::new();
        for text in &leaf.filters {
            match scope.filter(text, &[]) {
                Ok(expr) => filters.push(expr),
                Err(all) => all.iter().for_each(|f| {
                    let message = format!("filter of metric '{owner}'{}", f.text());
                    faults.add("bad_filter", message, f.suggestion.clone());
                }),
            }
        }
        scope.set_default_grain(default_grain);
        let exprs: Vec<Expr> = asked.iter().filter_map(|a| scope.group(a).ok()).map(|r| r.expr).collect();
        let columns: Vec<(String, Expr)> =
            groups.iter().map(|g| g.name.clone()).zip(exprs.iter().cloned()).collect();
        request_filters(&mut scope, query, &columns, &mut filters, faults);
        bound(&scope, query, own_time, owner, &mut filters, faults);
        let mut leaves = Vec::new();
        for member in members {
            let measure = &catalog.semantic_models[leaf.model].measures[all[member].measure];
            let used = names.entry(measure.name.clone()).or_insert(0);
            *used += 1;
            let column = if *used == 1 { measure.name.clone() } else { format!("{}_{used}", measure.name) };
            let expr = scope.measure(all[member].measure);
            leaves.push(Leaf { column, agg: measure.agg, expr, column_type: measure.column_type });
            numbering[member] = next;
            next += 1;
        }
        found.push(Branch { source: scope.into_source(), groups: exprs, filters, leaves });
    }
    (found, numbering)
}

pub(super) fn request_filters(
    scope: &mut Scope<'_>,
    query: &MetricQuery,
    columns: &[(String, Expr)],
    filters: &mut Vec<Expr>,
    faults: &mut Faults,
) {
    for text in &query.filters {
        match scope.filter(text, columns) {
            Ok(expr) => filters.push(expr),
            Err(all) => all
                .iter()
                .for_each(|f| faults.add("bad_filter", format!("filter{}", f.text()), f.suggestion.clone())),
        }
    }
}

/// Half-open bounds on the metric's own time, so that a day never loses its last hours.
fn bound(
    scope: &Scope<'_>,
    query: &MetricQuery,
    time: Option<(usize, Grain)>,
    metric: &str,
    filters: &mut Vec<Expr>,
    faults: &mut Faults,
) {
    let Some(range) = query.time.filter(|r| r.from.is_some() || r.to.is_some()) else { return };
    let Some((dimension, _)) = time else {
        faults.add("bad_time", format!("metric '{metric}' has no time to bound"), None);
        return;
    };
    filters.push(datafusion::within(&scope.base_time(dimension), range));
}
