use model::Timestamp;
use regex::Regex;

use super::{duration, fields::unsupported};
use crate::{
    Comparison, Literal, Operator, names,
    report::Report,
    violations::Decimal,
    yaml::{Key, Node, NodeValue},
};

/// Most operands of `in` and `not_in`.
const MAX_LIST: usize = 1_000;

/// Where operators stand; not all are allowed everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Over the number of occurrences.
    Count,
    /// Over a value of the golden record.
    Trait,
    /// Over a value of one call.
    Filter,
}

/// Names of the operators, and what they compare with.
const OPERATORS: [(&str, Operator, Operand); 21] = [
    ("eq", Operator::Eq, Operand::Scalar),
    ("ne", Operator::Ne, Operand::Scalar),
    ("in", Operator::In, Operand::List),
    ("not_in", Operator::NotIn, Operand::List),
    ("gt", Operator::Gt, Operand::Number),
    ("gte", Operator::Gte, Operand::Number),
    ("lt", Operator::Lt, Operand::Number),
    ("lte", Operator::Lte, Operand::Number),
    ("between", Operator::Between, Operand::Range),
    ("contains", Operator::Contains, Operand::Scalar),
    ("not_contains", Operator::NotContains, Operand::Scalar),
    ("starts_with", Operator::StartsWith, Operand::Text),
    ("ends_with", Operator::EndsWith, Operand::Text),
    ("matches", Operator::Matches, Operand::Pattern),
    ("before", Operator::Before, Operand::Instant),
    ("after", Operator::After, Operand::Instant),
    ("within_last", Operator::WithinLast, Operand::Duration),
    ("before_last", Operator::BeforeLast, Operand::Duration),
    ("within_next", Operator::WithinNext, Operand::Duration),
    ("after_next", Operator::AfterNext, Operand::Duration),
    ("exists", Operator::Exists, Operand::Flag),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operand {
    Scalar,
    List,
    Number,
    Range,
    Text,
    Pattern,
    Instant,
    Duration,
    Flag,
}

/// The operator's name in definitions.
pub(crate) fn name(operator: Operator) -> &'static str {
    OPERATORS.iter().find(|(_, o, _)| *o == operator).map_or("?", |(name, _, _)| name)
}

/// Reads the operators among the members of a mapping; `skip` names the members that are none. All
/// mistakes are reported.
pub(super) fn comparisons(node: &Node, skip: &[&str], place: Place, report: &mut Report) -> Vec<Comparison> {
    let mut found = Vec::new();
    let mut written = 0;
    for (key, value) in node.members() {
        if skip.contains(&key.text.as_str()) {
            continue;
        }
        written += 1;
        found.extend(comparison(key, value, place, report));
    }
    if written == 0 {
        report.error("missing_operator", &node.span, "needs an operator such as 'eq'");
    }
    found
}

fn comparison(key: &Key, value: &Node, place: Place, report: &mut Report) -> Option<Comparison> {
    let allowed = |operand: Operand| {
        place != Place::Count
            || matches!(operand, Operand::Number | Operand::Range | Operand::Scalar | Operand::List)
    };
    let known = OPERATORS
        .iter()
        .find(|(name, operator, operand)| {
            let counts =
                !matches!(operator, Operator::Contains | Operator::NotContains) || place != Place::Count;
            *name == key.text && allowed(*operand) && counts
        })
        .copied();
    let Some((_, operator, operand)) = known else {
        let names = OPERATORS.iter().filter(|(_, _, operand)| allowed(*operand)).map(|(name, _, _)| *name);
        let close = names::closest(&key.text, names);
        report.suggest("unknown_operator", &key.span, format!("unknown operator '{}'", key.text), close);
        return None;
    };
    if operand == Operand::Duration && place == Place::Filter {
        let message =
            format!("'{}' moves with the clock; a filter looks at one call only, use the window", key.text);
        report.error("relative_time_in_filter", &key.span, message);
        return None;
    }
    if value.get("trait").is_some() {
        match place {
            Place::Filter => {
                let message = "a filter looks at one call only; compare traits in a trait leaf";
                report.error("trait_in_filter", &value.span, message);
            }
            _ => unsupported("a trait as operand", &value.span, report),
        }
        return None;
    }
    let operands = operands(key, value, operand, report)?;
    if place == Place::Count && !operands.iter().all(|o| matches!(o, Literal::Number(_))) {
        report.error("bad_operand", &value.span, format!("'{}' of a count needs numbers", key.text));
        return None;
    }
    Some(Comparison { operator, operands })
}

fn operands(key: &Key, value: &Node, operand: Operand, report: &mut Report) -> Option<Vec<Literal>> {
    let before = value;
    let bad = |needs: &str, report: &mut Report| {
        if !before.is_bad() {
            report.error("bad_operand", &before.span, format!("'{}' needs {needs}", key.text));
        }
        None
    };
    match operand {
        Operand::Scalar => match scalar(value) {
            Some(literal) => Some(vec![literal]),
            None => bad("a single value", report),
        },
        Operand::Number => match number(value) {
            Some(literal) => Some(vec![literal]),
            None => bad("a number", report),
        },
        Operand::Flag => match value.as_bool() {
            Some(flag) => Some(vec![Literal::Bool(flag)]),
            None => bad("true or false", report),
        },
        Operand::List => match &value.value {
            NodeValue::List(items) if !items.is_empty() && items.len() <= MAX_LIST => {
                let literals: Option<Vec<Literal>> = items.iter().map(scalar).collect();
                if literals.is_none() { bad("a list of single values", report) } else { literals }
            }
            _ => bad("a list of 1 to 1000 values", report),
        },
        Operand::Range => match &value.value {
            NodeValue::List(items) if items.len() == 2 => {
                let literals: Option<Vec<Literal>> = items.iter().map(number).collect();
                match &literals.as_deref() {
                    Some([Literal::Number(low), Literal::Number(high)])
                        if Decimal::parse(low) > Decimal::parse(high) =>
                    {
                        bad("the smaller number first", report)
                    }
                    Some(_) => literals,
                    None => bad("two numbers, such as [1, 5]", report),
                }
            }
            _ => bad("two numbers, such as [1, 5]", report),
        },
        Operand::Text => match text(value) {
            Some(text) => Some(vec![Literal::Text(text.to_owned())]),
            None => bad("a text", report),
        },
        Operand::Pattern => match text(value) {
            None => bad("a regular expression", report),
            Some(text) => match pattern_fault(text) {
                Some(fault) => bad(&format!("a regular expression: {fault}"), report),
                None => Some(vec![Literal::Text(text.to_owned())]),
            },
        },
        Operand::Instant => match value.text().filter(|t| Timestamp::parse(t).is_some()) {
            Some(text) => Some(vec![Literal::Text(text.to_owned())]),
            None => bad("a time such as 2024-01-31 or 2024-01-31T12:00:00Z", report),
        },
        Operand::Duration => match value.text().and_then(duration::parse) {
            Some(duration) => Some(vec![Literal::Duration(duration)]),
            None => {
                let message = format!("'{}' needs a duration such as 90s, 1h30m or 7d", key.text);
                report.error("bad_duration", &value.span, message);
                None
            }
        },
    }
}

/// A scalar literal; what is none is reported.
pub(super) fn literal(node: &Node, report: &mut Report) -> Option<Literal> {
    let found = scalar(node);
    if found.is_none() && !node.is_bad() {
        report.error("bad_value", &node.span, format!("must be a single value, not {}", node.kind()));
    }
    found
}

fn scalar(node: &Node) -> Option<Literal> {
    if let Some(flag) = node.as_bool() {
        return Some(Literal::Bool(flag));
    }
    number(node).or_else(|| node.text().map(|t| Literal::Text(t.to_owned())))
}

fn number(node: &Node) -> Option<Literal> {
    node.as_number().map(|n| Literal::Number(n.to_owned()))
}

/// A text: quoted, or plain and neither a number nor a boolean.
fn text(node: &Node) -> Option<&str> {
    if node.as_bool().is_some() || node.as_number().is_some() { None } else { node.text() }
}

/// Why a pattern cannot be used: every engine that answers must agree on what it matches.
pub(super) fn pattern_fault(pattern: &str) -> Option<String> {
    let mut escaped = false;
    for c in pattern.chars() {
        if escaped && matches!(c, 'b' | 'B') {
            return Some("\\b is not allowed, engines disagree on it".to_owned());
        }
        escaped = c == '\\' && !escaped;
    }
    let error = Regex::new(pattern).err()?;
    // The last line says what is wrong; the lines before it draw the place.
    Some(error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned())
}
