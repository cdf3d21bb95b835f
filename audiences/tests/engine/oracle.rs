//! Truth by brute force: the definition read literally over the full history, again and again.

use std::collections::{BTreeMap, BTreeSet};

use model::{Timestamp, json::Json};
use semantic::{Comparison, EventNames, Expr, Filter, FilterTarget, Leaf, Literal, Operator, Window};

use crate::world::World;

/// Whether the profile meets the condition at `now`.
pub(crate) fn holds(world: &World, profile: &str, expr: &Expr, now: i64) -> bool {
    match expr {
        Expr::All(parts) => parts.iter().all(|part| holds(world, profile, part, now)),
        Expr::Any(parts) => parts.iter().any(|part| holds(world, profile, part, now)),
        Expr::Not(part) => !holds(world, profile, part, now),
        Expr::Leaf(Leaf::Everyone) => true,
        Expr::Leaf(Leaf::Count { selector, window, count }) => {
            let calls = world.calls.iter().filter(|call| {
                world.owners[&call.record] == profile
                    && call.event_type == model::EventType::Track
                    && match &selector.names {
                        EventNames::Any => true,
                        EventNames::OneOf(names) => names.contains(&call.name),
                    }
                    && selector.filter.as_ref().is_none_or(|filter| passes(filter, &call.body))
                    && call.t <= now
                    && match window {
                        Window::Ever => true,
                        Window::Within(width) => now < call.t + width.as_millis() as i64,
                    }
            });
            let number = calls.count() as i64;
            count.iter().all(|comparison| compare_number(number, comparison))
        }
        Expr::Leaf(Leaf::Trait { path, comparisons }) => {
            let golden = world.golden(profile);
            let value = golden.get(path).map(|json| Json::parse(json.as_bytes()).unwrap().value);
            comparisons.iter().all(|comparison| compare_trait(value.as_ref(), comparison, now))
        }
    }
}

fn passes(filter: &Filter, body: &str) -> bool {
    let Filter::Compare { target: FilterTarget::Property(path), comparisons } = filter else {
        panic!("the generator makes no such filter: {filter:?}")
    };
    let body = Json::parse(body.as_bytes()).unwrap().value;
    let value = body.get("properties").and_then(|p| p.get(path)).and_then(Json::as_i64);
    value.is_some_and(|value| comparisons.iter().all(|comparison| compare_number(value, comparison)))
}

fn operand(comparison: &Comparison) -> i64 {
    match &comparison.operands[0] {
        Literal::Number(text) => text.parse().unwrap(),
        Literal::Duration(d) => d.as_millis() as i64,
        other => panic!("the generator makes no such operand: {other:?}"),
    }
}

fn compare_number(value: i64, comparison: &Comparison) -> bool {
    let operand = operand(comparison);
    match comparison.operator {
        Operator::Eq => value == operand,
        Operator::Ne => value != operand,
        Operator::Gt => value > operand,
        Operator::Gte => value >= operand,
        Operator::Lt => value < operand,
        Operator::Lte => value <= operand,
        other => panic!("the generator makes no such operator: {other:?}"),
    }
}

fn compare_trait(value: Option<&Json<'_>>, comparison: &Comparison, now: i64) -> bool {
    let relative = |inside: &dyn Fn(i64, i64) -> bool| {
        let text = value.and_then(Json::as_str);
        text.and_then(Timestamp::parse).is_some_and(|v| inside(v.as_millis(), operand(comparison)))
    };
    match comparison.operator {
        Operator::Exists => {
            let exists = value.is_some_and(|value| !value.is_null());
            comparison.operands[0] == Literal::Bool(exists)
        }
        Operator::WithinLast => relative(&|v, d| v <= now && now < v + d),
        Operator::BeforeLast => relative(&|v, d| now >= v + d),
        Operator::WithinNext => relative(&|v, d| v - d <= now && now < v),
        Operator::AfterNext => relative(&|v, d| now < v - d),
        _ => value.and_then(Json::as_i64).is_some_and(|value| compare_number(value, comparison)),
    }
}

/// Every instant at which some truth can change by the clock, with its neighbours.
pub(crate) fn instants(world: &World) -> BTreeSet<i64> {
    let mut widths = BTreeSet::new();
    for audience in &world.audiences {
        collect_widths(&audience.condition, &mut widths);
    }
    let mut edges = BTreeSet::new();
    for call in &world.calls {
        edges.extend(widths.iter().map(|width| call.t + width));
    }
    for written in &world.written {
        let json = Json::parse(written.json.as_bytes()).unwrap().value;
        if let Some(v) = json.as_str().and_then(Timestamp::parse).map(Timestamp::as_millis) {
            edges.insert(v);
            edges.extend(widths.iter().flat_map(|width| [v - width, v + width]));
        }
    }
    edges.into_iter().flat_map(|edge| [edge - 1, edge, edge + 1]).collect()
}

fn collect_widths(expr: &Expr, widths: &mut BTreeSet<i64>) {
    match expr {
        Expr::All(parts) | Expr::Any(parts) => parts.iter().for_each(|part| collect_widths(part, widths)),
        Expr::Not(part) => collect_widths(part, widths),
        Expr::Leaf(Leaf::Count { window: Window::Within(width), .. }) => {
            widths.insert(width.as_millis() as i64);
        }
        Expr::Leaf(Leaf::Trait { comparisons, .. }) => {
            for comparison in comparisons {
                if let Literal::Duration(d) = &comparison.operands[0] {
                    widths.insert(d.as_millis() as i64);
                }
            }
        }
        Expr::Leaf(_) => {}
    }
}

/// What is published, and the number of changes of each profile.
#[derive(Default)]
pub(crate) struct Published {
    /// (audience, profile).
    pub(crate) members: BTreeSet<(String, String)>,
    pub(crate) seqs: BTreeMap<String, u64>,
    /// Version of each audience, and its condition; `None` while it is dropped.
    pub(crate) versions: BTreeMap<String, (u32, Option<Expr>)>,
}
