//! Short spellings of definitions.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::Duration,
};

use semantic::{
    Audience, CallKind, CallSelector, Comparison, EventNames, Expr, Filter, FilterTarget, Leaf, Literal,
    Operator, Window,
};

pub(crate) fn audience(name: &str, condition: Expr) -> Audience {
    let mut hasher = DefaultHasher::new();
    format!("{condition:?}").hash(&mut hasher);
    Audience { name: name.into(), label: None, description: None, condition, hash: hasher.finish() }
}

pub(crate) fn is(operator: Operator, operand: impl Into<Operand>) -> Comparison {
    Comparison { operator, operands: vec![operand.into().0] }
}

pub(crate) struct Operand(Literal);

impl From<i64> for Operand {
    fn from(number: i64) -> Self {
        Self(Literal::Number(number.to_string()))
    }
}

impl From<&str> for Operand {
    fn from(text: &str) -> Self {
        Self(Literal::Text(text.into()))
    }
}

impl From<bool> for Operand {
    fn from(value: bool) -> Self {
        Self(Literal::Bool(value))
    }
}

impl From<Duration> for Operand {
    fn from(duration: Duration) -> Self {
        Self(Literal::Duration(duration))
    }
}

/// `{event: NAME, window: {within}, count}`; `within` in milliseconds, 0 for none.
pub(crate) fn did(name: &str, within: u64, count: &[Comparison]) -> Expr {
    did_where(name, None, within, count)
}

pub(crate) fn did_where(name: &str, filter: Option<Filter>, within: u64, count: &[Comparison]) -> Expr {
    let names = if name == "*" { EventNames::Any } else { EventNames::OneOf(vec![name.to_owned()]) };
    Expr::Leaf(Leaf::Count {
        selector: CallSelector { kind: CallKind::Track, names, filter },
        window: if within == 0 { Window::Ever } else { Window::Within(Duration::from_millis(within)) },
        count: if count.is_empty() { vec![is(Operator::Gte, 1)] } else { count.to_vec() },
    })
}

pub(crate) fn property(path: &str, comparison: Comparison) -> Filter {
    Filter::Compare { target: FilterTarget::Property(path.into()), comparisons: vec![comparison] }
}

pub(crate) fn golden(path: &str, comparison: Comparison) -> Expr {
    Expr::Leaf(Leaf::Trait { path: path.into(), comparisons: vec![comparison] })
}

pub(crate) fn everyone() -> Expr {
    Expr::Leaf(Leaf::Everyone)
}

pub(crate) fn not(expr: Expr) -> Expr {
    Expr::Not(Box::new(expr))
}
