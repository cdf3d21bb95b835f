//! Whether a track call fits the tracking plan. Numbers are judged by their text, so nothing is
//! rounded before it is judged.

use std::cmp::Ordering;

use model::{ColumnType, Timestamp, json::Json};

use crate::{Literal, PlannedProperty, TrackingPlan, Unplanned, Violation};

impl TrackingPlan {
    /// Every way in which a track call named `event` does not fit. `call` is the whole call. A name that
    /// is not planned is one violation where such calls are refused, and none elsewhere.
    pub fn violations(&self, event: &str, call: &Json<'_>) -> Vec<Violation> {
        let Some(planned) = self.event(event) else {
            return match self.unplanned {
                Unplanned::Accept => Vec::new(),
                Unplanned::Reject => {
                    let message = format!("event '{event}' is not in the tracking plan");
                    vec![Violation { pointer: "/event".to_owned(), message }]
                }
            };
        };
        let empty = Json::Object(Vec::new());
        let properties = call.get("properties").unwrap_or(&empty);
        planned.properties.iter().filter_map(|property| violation(property, properties)).collect()
    }
}

fn violation(property: &PlannedProperty, properties: &Json<'_>) -> Option<Violation> {
    let message = match properties.path(&property.name) {
        None | Some(Json::Null) if property.required => {
            format!("required, must be of type {}", property.column_type)
        }
        None | Some(Json::Null) => return None,
        Some(value) => fault(property, value)?,
    };
    Some(Violation { pointer: pointer(&property.name, properties), message })
}

/// The place of a dotted path, an exact key before a nested one, as [`Json::path`] finds it.
fn pointer(path: &str, value: &Json<'_>) -> String {
    let mut out = "/properties".to_owned();
    let mut rest = path;
    let mut at = Some(value);
    loop {
        let exact = at.is_some_and(|v| v.get(rest).is_some());
        let (key, tail) = match rest.split_once('.') {
            Some((head, tail)) if !exact => (head, Some(tail)),
            _ => (rest, None),
        };
        out.push('/');
        out.push_str(&key.replace('~', "~0").replace('/', "~1"));
        at = at.and_then(|v| v.get(key));
        match tail {
            Some(tail) => rest = tail,
            None => return out,
        }
    }
}

fn fault(property: &PlannedProperty, value: &Json<'_>) -> Option<String> {
    if let Some(message) = type_fault(property.column_type, value) {
        return Some(message);
    }
    if let Json::Number(text) = value {
        let number = Decimal::parse(text)?;
        let bound = |text: &Option<String>| text.as_deref().and_then(Decimal::parse);
        if let (Some(limit), Some(minimum)) = (bound(&property.minimum), &property.minimum)
            && number < limit
        {
            return Some(format!("{text} is less than the minimum {minimum}"));
        }
        if let (Some(limit), Some(maximum)) = (bound(&property.maximum), &property.maximum)
            && number > limit
        {
            return Some(format!("{text} is more than the maximum {maximum}"));
        }
    }
    if property.one_of.is_empty() || property.one_of.iter().any(|allowed| equals(allowed, value)) {
        return None;
    }
    let allowed: Vec<String> = property.one_of.iter().map(shown).collect();
    Some(format!("{} is not one of {}", excerpt(value), allowed.join(", ")))
}

fn type_fault(column_type: ColumnType, value: &Json<'_>) -> Option<String> {
    let fits = match column_type {
        ColumnType::String => matches!(value, Json::String(_)),
        ColumnType::Boolean => matches!(value, Json::Bool(_)),
        ColumnType::Int64 => value.as_i64().is_some(),
        ColumnType::Float64 => value.as_f64().is_some_and(f64::is_finite),
        ColumnType::Decimal { precision, scale } => {
            let Json::Number(text) = value else {
                return Some(format!("{} is not of type {column_type}", excerpt(value)));
            };
            return decimal_fault(text, precision, scale);
        }
        ColumnType::Date => value.as_str().is_some_and(|t| t.len() == 10 && Timestamp::parse(t).is_some()),
        ColumnType::Timestamp => value.as_str().is_some_and(|t| Timestamp::parse(t).is_some()),
        ColumnType::Uuid => value.as_str().is_some_and(is_uuid),
        ColumnType::Json => true,
        ColumnType::Array => matches!(value, Json::Array(_)),
    };
    (!fits).then(|| format!("{} is not of type {column_type}", excerpt(value)))
}

fn decimal_fault(text: &str, precision: u8, scale: u8) -> Option<String> {
    let column_type = ColumnType::Decimal { precision, scale };
    let Some(number) = Decimal::parse(text) else {
        return Some(format!("{text} is not of type {column_type}"));
    };
    if number.fraction_digits() > i64::from(scale) {
        return Some(format!(
            "{text} has more than {scale} digits after the point, must be of type {column_type}"
        ));
    }
    (number.whole_digits() > i64::from(precision - scale))
        .then(|| format!("{text} is too large for type {column_type}"))
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

fn equals(allowed: &Literal, value: &Json<'_>) -> bool {
    match (allowed, value) {
        (Literal::Text(text), Json::String(value)) => text == value,
        (Literal::Bool(flag), Json::Bool(value)) => flag == value,
        (Literal::Number(number), Json::Number(value)) => {
            Decimal::parse(number).is_some() && Decimal::parse(number) == Decimal::parse(value)
        }
        _ => false,
    }
}

fn shown(literal: &Literal) -> String {
    match literal {
        Literal::Text(text) => format!("'{text}'"),
        Literal::Number(number) => number.clone(),
        Literal::Bool(flag) => flag.to_string(),
        Literal::Duration(duration) => format!("{duration:?}"),
    }
}

/// The value, short enough for a message.
fn excerpt(value: &Json<'_>) -> String {
    let text = value.to_text();
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}..", &text[..end]),
        None => text,
    }
}

/// A decimal number of any length: `0.d1d2d3.. * 10^exponent`, digits without zeros at either end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decimal {
    negative: bool,
    digits: Vec<u8>,
    exponent: i64,
}

impl Decimal {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, power) = match text.split_once(['e', 'E']) {
            Some((mantissa, power)) => (mantissa, power.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = [whole.as_bytes(), fraction.as_bytes()].concat();
        if all.is_empty() || !all.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let leading = all.iter().take_while(|b| **b == b'0').count();
        let end = all.iter().rposition(|b| *b != b'0').map_or(leading, |last| last + 1);
        let digits = all.get(leading..end).unwrap_or_default().to_vec();
        if digits.is_empty() {
            return Some(Self { negative: false, digits, exponent: 0 });
        }
        let exponent = i64::try_from(whole.len()).ok()? - i64::try_from(leading).ok()? + i64::from(power);
        Some(Self { negative, digits, exponent })
    }

    /// Digits before the point.
    fn whole_digits(&self) -> i64 {
        self.exponent.max(0)
    }

    /// Digits after the point, zeros at the end left out.
    fn fraction_digits(&self) -> i64 {
        (i64::try_from(self.digits.len()).unwrap_or(i64::MAX) - self.exponent).max(0)
    }

    fn magnitude(&self, other: &Self) -> Ordering {
        match (self.digits.is_empty(), other.digits.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => self.exponent.cmp(&other.exponent).then_with(|| self.digits.cmp(&other.digits)),
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => self.magnitude(other),
            (true, true) => other.magnitude(self),
        }
    }
}

/// One spelling per number: `1.50`, `1.5` and `15e-1` become `15e-1`.
pub(crate) fn canonical_number(text: &str) -> String {
    let Some(number) = Decimal::parse(text) else { return text.to_owned() };
    if number.digits.is_empty() {
        return "0".to_owned();
    }
    let digits = String::from_utf8_lossy(&number.digits);
    let power = number.exponent - i64::try_from(number.digits.len()).unwrap_or(0);
    format!("{}{digits}e{power}", if number.negative { "-" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{OnViolation, PlannedEvent};

    fn planned(name: &str, column_type: &str) -> PlannedProperty {
        PlannedProperty {
            name: name.to_owned(),
            column: model::naming::column_name(name),
            column_type: ColumnType::parse(column_type).unwrap(),
            required: false,
            minimum: None,
            maximum: None,
            one_of: Vec::new(),
        }
    }

    fn check(property: PlannedProperty, properties: &str, expect: &str) {
        let event = PlannedEvent {
            name: "Paid".to_owned(),
            table: "paid".to_owned(),
            on_violation: OnViolation::Reject,
            properties: vec![property],
        };
        let plan = TrackingPlan::new(Unplanned::Reject, vec![event]);
        let call = format!(r#"{{"event":"Paid","properties":{properties}}}"#);
        let call = Json::parse(call.as_bytes()).unwrap();
        let found: Vec<String> = plan
            .violations("Paid", &call.value)
            .into_iter()
            .map(|v| format!("{}: {}", v.pointer, v.message))
            .collect();
        assert_eq!(found.join("\n"), expect, "{properties}");
    }

    #[test]
    fn decimals_are_judged_by_their_text() {
        let price = || planned("price", "decimal(4,2)");
        for fits in ["12.50", "12.5000", "99.99", "-99.99", "0", "1e1", "1250e-2", "null", "0.10"] {
            check(price(), &format!("{{\"price\":{fits}}}"), "");
        }
        check(
            price(),
            r#"{"price":12.345}"#,
            "/properties/price: 12.345 has more than 2 digits after the point, must be of type decimal(4,2)",
        );
        check(price(), r#"{"price":100}"#, "/properties/price: 100 is too large for type decimal(4,2)");
        check(price(), r#"{"price":1e30}"#, "/properties/price: 1e30 is too large for type decimal(4,2)");
        check(price(), r#"{"price":"12"}"#, "/properties/price: \"12\" is not of type decimal(4,2)");
    }

    #[test]
    fn every_type_takes_its_own_values_only() {
        for (column_type, good, bad) in [
            ("string", r#""a""#, "1"),
            ("boolean", "true", r#""true""#),
            ("int64", "12.0", "12.5"),
            ("float64", "1.25", r#""1""#),
            ("date", r#""2024-02-29""#, r#""2024-02-30""#),
            ("timestamp", r#""2024-02-29T10:00:00Z""#, r#""soon""#),
            ("uuid", r#""2009e11b-eb9a-82d8-b2cb-4b34668a26c2""#, r#""2009e11b""#),
            ("array", "[1]", "{}"),
        ] {
            check(planned("p", column_type), &format!("{{\"p\":{good}}}"), "");
            let expect = format!("/properties/p: {bad} is not of type {column_type}");
            check(planned("p", column_type), &format!("{{\"p\":{bad}}}"), &expect);
        }
        check(planned("p", "json"), r#"{"p":{"any":[1]}}"#, "");
    }

    #[test]
    fn bounds_are_exact_and_inclusive() {
        let bounded = || PlannedProperty {
            minimum: Some("0".to_owned()),
            maximum: Some("0.3".to_owned()),
            ..planned("rate", "float64")
        };
        check(bounded(), r#"{"rate":0.30}"#, "");
        check(
            bounded(),
            r#"{"rate":0.30000000000000000001}"#,
            "/properties/rate: 0.30000000000000000001 is more than the maximum 0.3",
        );
        check(bounded(), r#"{"rate":-0.1}"#, "/properties/rate: -0.1 is less than the minimum 0");
    }

    #[test]
    fn listed_values_and_required_ones() {
        let one_of = vec![Literal::Text("EUR".to_owned()), Literal::Text("USD".to_owned())];
        let currency =
            || PlannedProperty { one_of: one_of.clone(), required: true, ..planned("a.cur/rency", "string") };
        check(currency(), r#"{"a":{"cur/rency":"EUR"}}"#, "");
        check(
            currency(),
            r#"{"a":{"cur/rency":"CHF"}}"#,
            "/properties/a/cur~1rency: \"CHF\" is not one of 'EUR', 'USD'",
        );
        check(
            currency(),
            r#"{"a.cur/rency":"CHF"}"#,
            "/properties/a.cur~1rency: \"CHF\" is not one of 'EUR', 'USD'",
        );
        check(currency(), "{}", "/properties/a/cur~1rency: required, must be of type string");
        check(currency(), "null", "/properties/a/cur~1rency: required, must be of type string");
    }

    #[test]
    fn an_event_that_is_not_planned_is_one_violation_where_it_is_refused() {
        let call = Json::parse(b"{}").unwrap();
        assert!(TrackingPlan::default().violations("New", &call.value).is_empty());
        let plan = TrackingPlan::new(Unplanned::Reject, Vec::new());
        assert_eq!(plan.violations("New", &call.value)[0].message, "event 'New' is not in the tracking plan");
    }

    proptest::proptest! {
        #[test]
        fn decimals_compare_like_integers(a in -9_999_i64..9_999, b in -9_999_i64..9_999, zeros in 0_usize..3) {
            let text = |n: i64| format!("{}{}.{:02}{}", if n < 0 { "-" } else { "" }, n.abs() / 100, n.abs() % 100, "0".repeat(zeros));
            proptest::prop_assert_eq!(Decimal::parse(&text(a)).cmp(&Decimal::parse(&text(b))), a.cmp(&b));
        }
    }
}
