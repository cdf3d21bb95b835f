//! Conditions as words for people, and as one canonical text for versions.

use std::fmt::Write as _;

use crate::{
    CallKind, CallSelector, Comparison, EventNames, Expr, Filter, FilterTarget, Leaf, Literal, Operator,
    Window,
    load::{operator_name, write_duration},
    violations::canonical_number,
};

/// A condition in words: `did Order Completed at least 3 times in the last 7d`.
pub fn describe(expr: &Expr) -> String {
    match expr {
        Expr::All(parts) => joined(parts, " and "),
        Expr::Any(parts) => joined(parts, " or "),
        Expr::Not(inner) => format!("not ({})", describe(inner)),
        Expr::Leaf(leaf) => describe_leaf(leaf),
    }
}

fn joined(parts: &[Expr], by: &str) -> String {
    let texts: Vec<String> = parts
        .iter()
        .map(|part| match part {
            Expr::All(inner) | Expr::Any(inner) if inner.len() > 1 => format!("({})", describe(part)),
            _ => describe(part),
        })
        .collect();
    texts.join(by)
}

fn describe_leaf(leaf: &Leaf) -> String {
    match leaf {
        Leaf::Everyone => "everyone".to_owned(),
        Leaf::Trait { path, comparisons } => {
            format!("trait {path} {}", describe_comparisons(comparisons, " and "))
        }
        Leaf::Count { selector, window, count } => {
            let mut out = describe_selector(selector);
            if let Some(times) = describe_times(count) {
                let _ = write!(out, " {times}");
            }
            if let Window::Within(within) = window {
                let _ = write!(out, " in the last {}", write_duration(*within));
            }
            match count.as_slice() {
                [Comparison { operator: Operator::Eq, operands }] if is_number(operands, "0") => {
                    format!("never {out}")
                }
                _ => out,
            }
        }
    }
}

/// How often, unless it is the usual `at least once` or never.
fn describe_times(count: &[Comparison]) -> Option<String> {
    match count {
        [Comparison { operator: Operator::Gte, operands }] if is_number(operands, "1") => None,
        [Comparison { operator: Operator::Eq, operands }] if is_number(operands, "0") => None,
        [Comparison { operator: Operator::Gte, operands }] => {
            Some(format!("at least {} times", list(operands)))
        }
        [Comparison { operator: Operator::Lte, operands }] => {
            Some(format!("at most {} times", list(operands)))
        }
        [Comparison { operator: Operator::Eq, operands }] => {
            Some(format!("exactly {} times", list(operands)))
        }
        other => Some(format!("a number of times that {}", describe_comparisons(other, " and "))),
    }
}

fn is_number(operands: &[Literal], number: &str) -> bool {
    matches!(operands, [Literal::Number(n)] if canonical_number(n) == canonical_number(number))
}

fn describe_selector(selector: &CallSelector) -> String {
    let (verb, any) = match selector.kind {
        CallKind::Track => ("did", "any event"),
        CallKind::Page => ("viewed page", "any"),
        CallKind::Screen => ("viewed screen", "any"),
    };
    let names = match &selector.names {
        EventNames::Any => any.to_owned(),
        EventNames::OneOf(names) => names.join(" or "),
    };
    match &selector.filter {
        None => format!("{verb} {names}"),
        Some(filter) => format!("{verb} {names} where {}", describe_filter(filter)),
    }
}

fn describe_filter(filter: &Filter) -> String {
    let join = |parts: &[Filter], by: &str| {
        let texts: Vec<String> = parts.iter().map(describe_filter).collect();
        if texts.len() == 1 { texts.concat() } else { format!("({})", texts.join(by)) }
    };
    match filter {
        Filter::All(parts) => join(parts, " and "),
        Filter::Any(parts) => join(parts, " or "),
        Filter::Not(inner) => format!("not {}", describe_filter(inner)),
        Filter::Compare { target, comparisons } => {
            let (FilterTarget::Property(path) | FilterTarget::Context(path)) = target;
            format!("{path} {}", describe_comparisons(comparisons, " and "))
        }
    }
}

fn describe_comparisons(comparisons: &[Comparison], by: &str) -> String {
    let texts: Vec<String> = comparisons.iter().map(describe_comparison).collect();
    texts.join(by)
}

fn describe_comparison(comparison: &Comparison) -> String {
    let operands = list(&comparison.operands);
    let words = match comparison.operator {
        Operator::Eq => "is",
        Operator::Ne => "is not",
        Operator::In => "is one of",
        Operator::NotIn => "is none of",
        Operator::Gt => "is more than",
        Operator::Gte => "is at least",
        Operator::Lt => "is less than",
        Operator::Lte => "is at most",
        Operator::Between => {
            let [low, high] = comparison.operands.as_slice() else { return format!("is between {operands}") };
            return format!("is between {} and {}", word(low), word(high));
        }
        Operator::Contains => "contains",
        Operator::NotContains => "does not contain",
        Operator::StartsWith => "starts with",
        Operator::EndsWith => "ends with",
        Operator::Matches => "matches",
        Operator::Before => "is before",
        Operator::After => "is after",
        Operator::WithinLast => "is within the last",
        Operator::BeforeLast => "is before the last",
        Operator::WithinNext => "is within the next",
        Operator::AfterNext => "is after the next",
        Operator::Exists => {
            let exists = comparison.operands.first() == Some(&Literal::Bool(true));
            return if exists { "exists" } else { "does not exist" }.to_owned();
        }
    };
    format!("{words} {operands}")
}

fn list(literals: &[Literal]) -> String {
    let texts: Vec<String> = literals.iter().map(word).collect();
    texts.join(", ")
}

fn word(literal: &Literal) -> String {
    match literal {
        Literal::Text(text) => format!("'{text}'"),
        Literal::Number(number) => number.clone(),
        Literal::Bool(flag) => flag.to_string(),
        Literal::Duration(duration) => write_duration(*duration),
    }
}

/// One text for all spellings of a condition: nested groups of one kind are flat, members and operators
/// are sorted and each stands once, numbers and durations have one form. Groups of one are their member.
pub(crate) fn canonical(expr: &Expr) -> String {
    match expr {
        Expr::All(_) => group("all", flat(expr, &|e| if let Expr::All(p) = e { Some(p) } else { None })),
        Expr::Any(_) => group("any", flat(expr, &|e| if let Expr::Any(p) = e { Some(p) } else { None })),
        Expr::Not(inner) => match inner.as_ref() {
            Expr::Not(twice) => canonical(twice),
            inner => format!("not({})", canonical(inner)),
        },
        Expr::Leaf(Leaf::Everyone) => "everyone".to_owned(),
        Expr::Leaf(Leaf::Trait { path, comparisons }) => {
            format!("trait({path:?},{})", canonical_comparisons(comparisons))
        }
        Expr::Leaf(Leaf::Count { selector, window, count }) => {
            let names = match &selector.names {
                EventNames::Any => "*".to_owned(),
                EventNames::OneOf(names) => {
                    let mut names = names.clone();
                    names.sort();
                    names.dedup();
                    format!("{names:?}")
                }
            };
            let filter = selector.filter.as_ref().map(canonical_filter).unwrap_or_default();
            format!("count({:?},{names},{filter},{window:?},{})", selector.kind, canonical_comparisons(count))
        }
    }
}

fn flat<'a>(expr: &'a Expr, parts: &dyn Fn(&'a Expr) -> Option<&'a Vec<Expr>>) -> Vec<String> {
    match parts(expr) {
        Some(members) => members.iter().flat_map(|member| flat(member, parts)).collect(),
        None => vec![canonical(expr)],
    }
}

fn group(name: &str, mut parts: Vec<String>) -> String {
    parts.sort();
    parts.dedup();
    if parts.len() == 1 { parts.concat() } else { format!("{name}({})", parts.join(",")) }
}

fn canonical_filter(filter: &Filter) -> String {
    match filter {
        Filter::All(parts) => group("all", parts.iter().map(canonical_filter).collect()),
        Filter::Any(parts) => group("any", parts.iter().map(canonical_filter).collect()),
        Filter::Not(inner) => format!("not({})", canonical_filter(inner)),
        Filter::Compare { target, comparisons } => {
            format!("{target:?}({})", canonical_comparisons(comparisons))
        }
    }
}

fn canonical_comparisons(comparisons: &[Comparison]) -> String {
    let one = |comparison: &Comparison| {
        let mut operands: Vec<String> = comparison
            .operands
            .iter()
            .map(|operand| match operand {
                Literal::Number(number) => canonical_number(number),
                other => format!("{other:?}"),
            })
            .collect();
        if matches!(comparison.operator, Operator::In | Operator::NotIn) {
            operands.sort();
            operands.dedup();
        }
        format!("{} {}", operator_name(comparison.operator), operands.join(" "))
    };
    group("and", comparisons.iter().map(one).collect())
}
