use model::{Encoder, Timestamp, json::Json};
use regex::Regex;
use semantic::{Comparison, Literal, Operator};

use crate::decimal::Decimal;

/// One operator of `audiences.md` §2.5 with its operand, ready to run.
#[derive(Debug, Clone)]
pub(crate) enum Test {
    Eq(Scalar),
    Ne(Scalar),
    In(Vec<Scalar>),
    NotIn(Vec<Scalar>),
    Gt(Decimal),
    Gte(Decimal),
    Lt(Decimal),
    Lte(Decimal),
    Between(Decimal, Decimal),
    Contains(Scalar),
    NotContains(Scalar),
    StartsWith(String),
    EndsWith(String),
    Matches(Regex),
    Before(Timestamp),
    After(Timestamp),
    Exists(bool),
    /// The operand is missing (a number of 10^20 and more), so the comparison never holds.
    Never,
}

/// A value that can equal another.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scalar {
    Text(String),
    Number(Decimal),
    Bool(bool),
}

impl Scalar {
    fn of(literal: &Literal) -> Option<Self> {
        match literal {
            Literal::Text(text) => Some(Self::Text(text.clone())),
            Literal::Number(text) => Decimal::parse(text).map(Self::Number),
            Literal::Bool(value) => Some(Self::Bool(*value)),
            Literal::Duration(_) => None,
        }
    }

    /// Whether the value is equal; `None` if it is of another type, or missing.
    fn equals(&self, value: &Json<'_>) -> Option<bool> {
        match (self, value) {
            (Self::Text(text), Json::String(value)) => Some(text == value),
            (Self::Number(number), Json::Number(value)) => Decimal::parse(value).map(|v| v == *number),
            (Self::Bool(flag), Json::Bool(value)) => Some(flag == value),
            _ => None,
        }
    }
}

impl Test {
    /// Compiles an operator; `None` for the relative dates, which only traits have.
    pub(crate) fn compile(comparison: &Comparison) -> Option<Self> {
        let first = comparison.operands.first();
        let scalar = || first.and_then(Scalar::of);
        let scalars = || comparison.operands.iter().filter_map(Scalar::of).collect();
        let number = |at: usize| match comparison.operands.get(at) {
            Some(Literal::Number(text)) => Decimal::parse(text),
            _ => None,
        };
        let text = || match first {
            Some(Literal::Text(text)) => Some(text.clone()),
            _ => None,
        };
        let time = || text().and_then(|text| parse_time(&text));
        let test = match comparison.operator {
            Operator::Eq => scalar().map(Self::Eq),
            Operator::Ne => scalar().map(Self::Ne),
            Operator::In => Some(Self::In(scalars())),
            Operator::NotIn => Some(Self::NotIn(scalars())),
            Operator::Gt => number(0).map(Self::Gt),
            Operator::Gte => number(0).map(Self::Gte),
            Operator::Lt => number(0).map(Self::Lt),
            Operator::Lte => number(0).map(Self::Lte),
            Operator::Between => number(0).zip(number(1)).map(|(a, b)| Self::Between(a, b)),
            Operator::Contains => scalar().map(Self::Contains),
            Operator::NotContains => scalar().map(Self::NotContains),
            Operator::StartsWith => text().map(Self::StartsWith),
            Operator::EndsWith => text().map(Self::EndsWith),
            Operator::Matches => text().and_then(|text| Regex::new(&text).ok()).map(Self::Matches),
            Operator::Before => time().map(Self::Before),
            Operator::After => time().map(Self::After),
            Operator::Exists => Some(Self::Exists(first != Some(&Literal::Bool(false)))),
            Operator::WithinLast | Operator::BeforeLast | Operator::WithinNext | Operator::AfterNext => {
                return None;
            }
        };
        Some(test.unwrap_or(Self::Never))
    }

    /// Whether the comparison holds. A missing value (`None` or null) and a value of another type
    /// make it false, except for `exists: false`.
    pub(crate) fn holds(&self, value: Option<&Json<'_>>) -> bool {
        let value = value.filter(|value| !value.is_null());
        if let Self::Exists(expected) = self {
            return value.is_some() == *expected;
        }
        let Some(value) = value else { return false };
        match (self, value) {
            (Self::Eq(scalar), value) => scalar.equals(value) == Some(true),
            (Self::Ne(scalar), value) => scalar.equals(value) == Some(false),
            (Self::In(list), value) => list.iter().any(|scalar| scalar.equals(value) == Some(true)),
            (Self::NotIn(list), value) => {
                is_scalar(value) && !list.iter().any(|scalar| scalar.equals(value) == Some(true))
            }
            (Self::Contains(part), value) => contains(value, part) == Some(true),
            (Self::NotContains(part), value) => contains(value, part) == Some(false),
            (Self::StartsWith(part), Json::String(text)) => text.starts_with(part.as_str()),
            (Self::EndsWith(part), Json::String(text)) => text.ends_with(part.as_str()),
            (Self::Matches(pattern), Json::String(text)) => pattern.is_match(text),
            (Self::Before(time), Json::String(text)) => parse_time(text).is_some_and(|value| value < *time),
            (Self::After(time), Json::String(text)) => parse_time(text).is_some_and(|value| value > *time),
            (test, Json::Number(text)) => Decimal::parse(text).is_some_and(|number| test.holds_order(number)),
            _ => false,
        }
    }

    /// Whether the comparison holds for a count.
    pub(crate) fn holds_count(&self, count: u64) -> bool {
        let number = Decimal::whole(count);
        let is = |scalar: &Scalar| *scalar == Scalar::Number(number);
        match self {
            Self::Eq(scalar) => is(scalar),
            Self::Ne(Scalar::Number(other)) => *other != number,
            Self::In(list) => list.iter().any(is),
            Self::NotIn(list) => !list.iter().any(is),
            Self::Exists(expected) => *expected,
            test => test.holds_order(number),
        }
    }

    /// The comparisons of order, which only numbers have.
    fn holds_order(&self, number: Decimal) -> bool {
        match self {
            Self::Gt(than) => number > *than,
            Self::Gte(than) => number >= *than,
            Self::Lt(than) => number < *than,
            Self::Lte(than) => number <= *than,
            Self::Between(low, high) => (*low..=*high).contains(&number),
            _ => false,
        }
    }

    /// The count from which on the comparison no longer changes its mind.
    pub(crate) fn bound(&self) -> u64 {
        let above = |number: &Decimal| number.floor().map_or(0, |n| n.saturating_add(1));
        let scalar = |scalar: &Scalar| match scalar {
            Scalar::Number(number) => above(number),
            _ => 0,
        };
        match self {
            Self::Gte(n) | Self::Lt(n) => n.ceil(),
            Self::Gt(n) | Self::Lte(n) => above(n),
            Self::Between(a, b) => a.ceil().max(above(b)),
            Self::Eq(s) | Self::Ne(s) => scalar(s),
            Self::In(list) | Self::NotIn(list) => list.iter().map(scalar).max().unwrap_or(0),
            _ => 0,
        }
    }
}

/// A text in RFC 3339, or a date (00:00 UTC); nothing else is a time.
pub(crate) fn parse_time(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let zone = |at: usize| matches!(bytes[at], b'+' | b'-') && bytes[at + 3] == b':';
    let rfc3339 = bytes.len() >= 20
        && matches!(bytes[10], b'T' | b't')
        && bytes[16] == b':'
        && (matches!(bytes[bytes.len() - 1], b'Z' | b'z') || zone(bytes.len() - 6));
    if bytes.len() == 10 || rfc3339 { Timestamp::parse(text) } else { None }
}

fn is_scalar(value: &Json<'_>) -> bool {
    match value {
        Json::Number(text) => Decimal::parse(text).is_some(),
        Json::Bool(_) | Json::String(_) => true,
        Json::Null | Json::Array(_) | Json::Object(_) => false,
    }
}

/// Whether a text has the part, or an array the element; `None` for other values.
fn contains(value: &Json<'_>, part: &Scalar) -> Option<bool> {
    match (value, part) {
        (Json::String(text), Scalar::Text(part)) => Some(text.contains(part.as_str())),
        (Json::Array(items), part) => Some(items.iter().any(|item| part.equals(item) == Some(true))),
        _ => None,
    }
}

/// Appends comparisons in a form that is the same for all spellings of one meaning.
pub(crate) fn encode(comparisons: &[Comparison], out: &mut Encoder) {
    let mut forms: Vec<Vec<u8>> = comparisons.iter().map(encode_one).collect();
    forms.sort();
    out.u64(forms.len() as u64);
    for form in forms {
        out.bytes(&form);
    }
}

fn encode_one(comparison: &Comparison) -> Vec<u8> {
    let mut out = Encoder::default();
    out.text(operator_name(comparison.operator));
    let mut operands: Vec<Vec<u8>> = comparison.operands.iter().map(encode_literal).collect();
    if matches!(comparison.operator, Operator::In | Operator::NotIn) {
        operands.sort();
        operands.dedup();
    }
    for operand in operands {
        out.bytes(&operand);
    }
    out.finish()
}

fn encode_literal(literal: &Literal) -> Vec<u8> {
    let mut out = Encoder::default();
    match literal {
        Literal::Text(text) => out.u8(0).text(text),
        Literal::Number(text) => match Decimal::parse(text) {
            Some(number) => out.u8(1).bytes(&number.unscaled().to_be_bytes()),
            None => out.u8(2),
        },
        Literal::Bool(value) => out.u8(3).u8(u8::from(*value)),
        Literal::Duration(duration) => out.u8(4).u64(duration.as_millis() as u64),
    };
    out.finish()
}

/// The grammar's name; part of stored leaf hashes, so never renamed.
fn operator_name(operator: Operator) -> &'static str {
    match operator {
        Operator::Eq => "eq",
        Operator::Ne => "ne",
        Operator::In => "in",
        Operator::NotIn => "not_in",
        Operator::Gt => "gt",
        Operator::Gte => "gte",
        Operator::Lt => "lt",
        Operator::Lte => "lte",
        Operator::Between => "between",
        Operator::Contains => "contains",
        Operator::NotContains => "not_contains",
        Operator::StartsWith => "starts_with",
        Operator::EndsWith => "ends_with",
        Operator::Matches => "matches",
        Operator::Before => "before",
        Operator::After => "after",
        Operator::WithinLast => "within_last",
        Operator::BeforeLast => "before_last",
        Operator::WithinNext => "within_next",
        Operator::AfterNext => "after_next",
        Operator::Exists => "exists",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Literal {
        Literal::Number(text.into())
    }

    fn text(text: &str) -> Literal {
        Literal::Text(text.into())
    }

    /// `values`: the JSON texts for which the comparison holds, out of `VALUES`.
    fn check(operator: Operator, operands: Vec<Literal>, values: &[&str]) {
        const VALUES: [&str; 14] = [
            "null",
            "true",
            "false",
            "0",
            "7",
            "7.0",
            "9.99",
            "1e30",
            r#""""#,
            r#""7""#,
            r#""blue""#,
            r#"["blue",7]"#,
            "{}",
            r#""2026-03-02T09:00:00+01:00""#,
        ];
        let test = Test::compile(&Comparison { operator, operands }).unwrap();
        let held: Vec<&str> = VALUES
            .into_iter()
            .filter(|v| test.holds(Some(&Json::parse(v.as_bytes()).unwrap().value)))
            .collect();
        assert_eq!(held, values, "{test:?}");
    }

    #[test]
    fn every_operator_is_false_for_other_types() {
        let time = r#""2026-03-02T09:00:00+01:00""#;
        check(Operator::Eq, vec![number("7.00")], &["7", "7.0"]);
        check(Operator::Eq, vec![Literal::Bool(true)], &["true"]);
        check(Operator::Ne, vec![number("7")], &["0", "9.99"]);
        check(Operator::Ne, vec![text("blue")], &[r#""""#, r#""7""#, time]);
        check(Operator::In, vec![text("blue"), number("0")], &["0", r#""blue""#]);
        check(
            Operator::NotIn,
            vec![text("blue"), number("7")],
            &["true", "false", "0", "9.99", r#""""#, r#""7""#, time],
        );
        check(Operator::Gte, vec![number("9.99")], &["9.99"]);
        check(Operator::Between, vec![number("0"), number("7")], &["0", "7", "7.0"]);
        check(Operator::Lt, vec![number("1e20")], &[]);
        check(Operator::Contains, vec![text("lu")], &[r#""blue""#]);
        check(Operator::Contains, vec![number("7.0")], &[r#"["blue",7]"#]);
        check(Operator::NotContains, vec![text("blue")], &[r#""""#, r#""7""#, time]);
        check(Operator::StartsWith, vec![text("bl")], &[r#""blue""#]);
        check(Operator::EndsWith, vec![text("ue")], &[r#""blue""#]);
        check(Operator::Matches, vec![text("^[0-9]$|l.e")], &[r#""7""#, r#""blue""#]);
        check(Operator::Before, vec![text("2026-03-02T08:00:01Z")], &[time]);
        check(Operator::After, vec![text("2026-03-02")], &[time]);
        check(Operator::Exists, vec![Literal::Bool(false)], &["null"]);
    }

    #[test]
    fn a_time_is_rfc_3339_or_a_date() {
        for (text, is) in [
            ("2026-03-02", true),
            ("2026-03-02T09:00:00Z", true),
            ("2026-03-02T09:00:00.5-01:00", true),
            ("2026-03-02T09:00:00", false),
            ("2026-03-02 09:00:00Z", false),
            ("2026-03-02T09:00Z", false),
            ("soon", false),
            ("2026-02-30", false),
        ] {
            assert_eq!(parse_time(text).is_some(), is, "{text}");
        }
    }

    #[test]
    fn spellings_of_one_meaning_encode_alike() {
        let form = |comparisons: &[Comparison]| {
            let mut out = Encoder::default();
            encode(comparisons, &mut out);
            out.finish()
        };
        let one = |operator, operands| Comparison { operator, operands };
        assert_eq!(
            form(&[one(Operator::Gte, vec![number("1.0")]), one(Operator::In, vec![text("a"), text("b")])]),
            form(&[
                one(Operator::In, vec![text("b"), text("a"), text("b")]),
                one(Operator::Gte, vec![number("1")])
            ]),
        );
        assert_ne!(
            form(&[one(Operator::Eq, vec![number("1")])]),
            form(&[one(Operator::Eq, vec![text("1")])])
        );
    }
}
