//! What metrics are made of: it exists, it ends somewhere, and its names are clear (V9, V17, V19 to V21).

use std::collections::{HashMap, HashSet};

use super::Index;
use crate::{
    load::declared::{At, Input, Kind, Metric, Side, Simple},
    names,
    report::Report,
    sql,
};

/// The metrics that cannot stand: broken themselves, or made of one that is.
pub(super) fn check(index: &Index<'_>, report: &mut Report) -> HashSet<String> {
    let mut broken: HashSet<&str> = HashSet::new();
    for metric in &index.declared.metrics {
        if !inputs_exist(index, metric, report) {
            broken.insert(&metric.name.value);
        }
        for input in metric_inputs(metric) {
            one_offset(metric, input, report);
        }
        if let Kind::Derived { expr, inputs } = &metric.kind {
            aliases(metric, inputs, report);
            twice(metric, inputs, report);
            used(metric, expr, inputs, report);
        }
        if let Kind::Cumulative(cumulative) = &metric.kind {
            is_simple(index, metric, &cumulative.input, report);
        }
    }
    cycles(index, &broken, report)
}

/// The metrics a metric is made of.
pub(super) fn metric_inputs(metric: &Metric) -> Vec<&Input> {
    match &metric.kind {
        Kind::Simple(_) => Vec::new(),
        Kind::Ratio { numerator, denominator } => vec![numerator, denominator],
        Kind::Derived { inputs, .. } => inputs.iter().collect(),
        Kind::Cumulative(c) => borrowed(&c.input).into_iter().collect(),
        Kind::Conversion(c) => borrowed(&c.base).into_iter().chain(borrowed(&c.conversion)).collect(),
    }
}

fn borrowed(side: &Side) -> Option<&Input> {
    match side {
        Side::Metric(input) => Some(input),
        Side::Measure(_) => None,
    }
}

/// V9.
fn inputs_exist(index: &Index<'_>, metric: &Metric, report: &mut Report) -> bool {
    let owner = format!("metric '{}'", metric.name.value);
    let mut sound = true;
    for input in metric_inputs(metric) {
        let name = input.name.value.as_str();
        if !index.metrics.contains_key(name) {
            sound = false;
            let mut known = index.metrics.keys().copied();
            index.unknown((&owner, "input metric"), (name, &input.name.span), &mut known, report);
        }
    }
    for name in measures(metric) {
        if !index.measures.contains_key(name.value.as_str()) {
            sound = false;
            let mut known = index.measures.keys().copied();
            index.unknown((&owner, "measure"), (&name.value, &name.span), &mut known, report);
        }
    }
    if let Kind::Simple(Simple { own, .. }) = &metric.kind {
        // What is missing here has been reported where it is judged. A time dimension that is none does
        // not keep the filters from being judged.
        sound &= own.as_ref().is_some_and(|own| {
            own.aggregate.agg_time.is_some() && index.models.contains_key(own.model.value.as_str())
        });
    }
    sound
}

/// Measures that are still named: N5 and N6 have taken what exists.
fn measures(metric: &Metric) -> Vec<&At<String>> {
    match &metric.kind {
        Kind::Simple(Simple { measure: Some(measure), own: None, .. }) => vec![&measure.name],
        Kind::Cumulative(c) => measure_name(&c.input).into_iter().collect(),
        Kind::Conversion(c) => measure_name(&c.base).into_iter().chain(measure_name(&c.conversion)).collect(),
        _ => Vec::new(),
    }
}

fn measure_name(side: &Side) -> Option<&At<String>> {
    match side {
        Side::Measure(input) => Some(&input.name),
        Side::Metric(_) => None,
    }
}

/// A side of a metric is a simple metric; true where it is, or where nothing is known of it.
pub(super) fn is_simple(index: &Index<'_>, metric: &Metric, side: &Side, report: &mut Report) -> bool {
    let Side::Metric(input) = side else { return true };
    let Some(found) = index.metrics.get(input.name.value.as_str()) else { return true };
    if matches!(found.kind, Kind::Simple(_)) {
        return true;
    }
    let message = format!(
        "metric '{}': input '{}' must be a simple metric, it is {}",
        metric.name.value,
        input.name.value,
        found.kind.as_str()
    );
    report.error("bad_input", &input.name.span, message);
    false
}

/// V17.
fn one_offset(metric: &Metric, input: &Input, report: &mut Report) {
    if input.offset_window.is_some()
        && let Some(grain) = &input.offset_to_grain
    {
        let message = format!(
            "metric '{}', input '{}': set either offset_window or offset_to_grain",
            metric.name.value, input.name.value
        );
        report.error("bad_offset", &grain.span, message);
    }
}

/// V19: what an expression names is one input.
fn aliases(metric: &Metric, inputs: &[Input], report: &mut Report) {
    for (i, input) in inputs.iter().enumerate() {
        let Some(alias) = &input.alias else { continue };
        let others = || inputs.iter().enumerate().filter(|(k, _)| *k != i).map(|(_, other)| other);
        let owner = &metric.name.value;
        let what = if others().any(|other| other.name.value == alias.value) {
            "name"
        } else if inputs[..i].iter().any(|other| other.alias.as_ref() == Some(alias)) {
            "alias"
        } else {
            continue;
        };
        let message = format!("metric '{owner}': alias '{}' is already the {what} of an input", alias.value);
        report.error("duplicate_alias", &alias.span, message);
    }
}

/// V21.
fn twice(metric: &Metric, inputs: &[Input], report: &mut Report) {
    let mut seen: HashMap<&str, &Input> = HashMap::new();
    for input in inputs.iter().filter(|input| input.alias.is_none()) {
        let Some(first) = seen.insert(&input.name.value, input) else { continue };
        let offsets =
            first.offset_window != input.offset_window || first.offset_to_grain != input.offset_to_grain;
        let what = match (first.filters != input.filters, offsets) {
            (true, true) => "filters and offsets",
            (true, false) => "filters",
            (false, true) => "offsets",
            (false, false) => continue,
        };
        let message = format!(
            "metric '{}' uses '{}' twice with different {what}; give each an alias",
            metric.name.value, input.name.value
        );
        report.error("duplicate_alias", &input.name.span, message);
    }
}

/// V20, and names in an expression that stand for nothing.
fn used(metric: &Metric, expr: &At<String>, inputs: &[Input], report: &mut Report) {
    // One that does not parse was reported where it is read.
    let Ok(parsed) = sql::parse_expr(&expr.value) else { return };
    let named = sql::columns(&parsed);
    let owner = &metric.name.value;
    for input in inputs.iter().filter(|input| !named.contains(input.output_name())) {
        let span = input.alias.as_ref().map_or(&input.name.span, |alias| &alias.span);
        let message = format!("metric '{owner}': input '{}' is not used in its expr", input.output_name());
        report.warn("unused_input", span, message, None);
    }
    let mut unknown: Vec<&String> =
        named.iter().filter(|name| !inputs.iter().any(|i| i.output_name() == name.as_str())).collect();
    unknown.sort();
    for name in unknown {
        let close = names::closest(name, inputs.iter().map(Input::output_name));
        let message = format!("metric '{owner}': '{name}' in its expr is not an input");
        report.suggest("unknown_input", &expr.span, message, close);
    }
}

/// V29: no metric is made of itself. Marks what is broken, and all that leans on it.
fn cycles(index: &Index<'_>, broken: &HashSet<&str>, report: &mut Report) -> HashSet<String> {
    let mut users: HashMap<&str, Vec<&Metric>> = HashMap::new();
    let mut open: HashMap<&str, usize> = HashMap::new();
    for metric in index.metrics.values() {
        let inputs = metric_inputs(metric);
        open.insert(&metric.name.value, inputs.len());
        for input in inputs {
            users.entry(&input.name.value).or_default().push(metric);
        }
    }
    // A metric is sound once all its inputs are; what never becomes sound is in a cycle or above one.
    let mut ready: Vec<&str> = index
        .metrics
        .keys()
        .copied()
        .filter(|name| open.get(name) == Some(&0) && !broken.contains(name))
        .collect();
    let mut sound: HashSet<&str> = HashSet::new();
    while let Some(name) = ready.pop() {
        sound.insert(name);
        for user in users.get(name).into_iter().flatten() {
            let user = user.name.value.as_str();
            let Some(left) = open.get_mut(user) else { continue };
            *left -= 1;
            if *left == 0 && !broken.contains(user) {
                ready.push(user);
            }
        }
    }
    let mut unsound = HashSet::new();
    for metric in index.declared.metrics.iter().filter(|m| !sound.contains(m.name.value.as_str())) {
        if reaches_itself(index, metric) {
            let message = format!("metric '{}' is computed from itself", metric.name.value);
            report.error("metric_cycle", &metric.name.span, message);
        }
        unsound.insert(metric.name.value.clone());
    }
    unsound
}

fn reaches_itself(index: &Index<'_>, metric: &Metric) -> bool {
    let mut seen: HashSet<&str> = HashSet::new();
    let mut open: Vec<&str> = metric_inputs(metric).iter().map(|i| i.name.value.as_str()).collect();
    while let Some(name) = open.pop() {
        if name == metric.name.value {
            return true;
        }
        if seen.insert(name)
            && let Some(next) = index.metrics.get(name)
        {
            open.extend(metric_inputs(next).iter().map(|i| i.name.value.as_str()));
        }
    }
    false
}
