use std::{borrow::Cow, cmp::Ordering};

use model::{
    ColumnType, Timestamp,
    json::{Json, quote},
};

/// A stated value as JSON text of a type; `None` if it does not fit.
pub(super) fn cast(json: &str, column_type: ColumnType) -> Option<Cow<'_, str>> {
    if column_type == ColumnType::Json {
        return Some(Cow::Borrowed(json));
    }
    let parsed = Json::parse(json.as_bytes()).ok()?;
    let value = parsed.value;
    match column_type {
        ColumnType::Json => Some(Cow::Borrowed(json)),
        ColumnType::String => match &value {
            Json::String(_) => Some(Cow::Borrowed(json)),
            Json::Number(text) => Some(quote(text).into()),
            Json::Bool(bit) => Some(quote(if *bit { "true" } else { "false" }).into()),
            Json::Null | Json::Array(_) | Json::Object(_) => None,
        },
        ColumnType::Boolean => boolean(&value).map(|bit| Cow::Borrowed(if bit { "true" } else { "false" })),
        ColumnType::Int64 => integer(&value).map(|number| number.to_string().into()),
        ColumnType::Float64 | ColumnType::Decimal { .. } => number(&value).map(Cow::Owned),
        ColumnType::Date => time(&value).map(|time| quote(&time.to_string()[..10]).into()),
        ColumnType::Timestamp => time(&value).map(|time| quote(&time.to_string()).into()),
        ColumnType::Uuid => uuid(&value).map(|text| quote(&text).into()),
        ColumnType::Array => array(value).map(Cow::Owned),
    }
}

/// Order of two cast values of one type.
pub(super) fn compare(a: &str, b: &str, column_type: ColumnType) -> Ordering {
    match column_type {
        ColumnType::Int64 => a.parse::<i64>().ok().cmp(&b.parse::<i64>().ok()),
        ColumnType::Float64 | ColumnType::Decimal { .. } => compare_numbers(a, b),
        // Equal length forms with the larger unit first: the order of the text is that of time.
        ColumnType::Date | ColumnType::Timestamp => time_of(a).cmp(&time_of(b)),
        ColumnType::String | ColumnType::Uuid => text_of(a).cmp(&text_of(b)),
        ColumnType::Boolean | ColumnType::Json | ColumnType::Array => a.cmp(b),
    }
}

/// Order of two JSON numbers by value, exact for any length and exponent.
pub(super) fn compare_numbers(a: &str, b: &str) -> Ordering {
    let (a, b) = (Magnitude::new(a), Magnitude::new(b));
    match (a.negative, b.negative) {
        (false, false) => (a.exponent, &a.digits).cmp(&(b.exponent, &b.digits)),
        (true, true) => (b.exponent, &b.digits).cmp(&(a.exponent, &a.digits)),
        (negative, _) => {
            if negative {
                Ordering::Less
            } else {
                Ordering::Greater
            }
        }
    }
}

/// A number as `0.digits x 10^exponent`, without zeros at either end of the digits.
struct Magnitude {
    negative: bool,
    exponent: i64,
    digits: Vec<u8>,
}

impl Magnitude {
    fn new(text: &str) -> Self {
        let unsigned = text.trim_start_matches('-');
        let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        let zeros = all.iter().take_while(|b| **b == b'0').count();
        let end = all.iter().rposition(|b| *b != b'0').map_or(zeros, |last| last + 1);
        let digits = all[zeros..end].to_vec();
        if digits.is_empty() {
            return Self { negative: false, exponent: i64::MIN, digits };
        }
        let exponent =
            exponent.parse::<i64>().unwrap_or(if exponent.starts_with('-') { i64::MIN } else { i64::MAX });
        let point = whole.len() as i64 - zeros as i64;
        Self { negative: text.starts_with('-'), exponent: exponent.saturating_add(point), digits }
    }
}

fn text_of(json: &str) -> Option<String> {
    Json::parse(json.as_bytes()).ok()?.value.as_str().map(str::to_owned)
}

fn time_of(json: &str) -> Option<Timestamp> {
    text_of(json).and_then(|text| Timestamp::parse(&text))
}

fn boolean(value: &Json<'_>) -> Option<bool> {
    match value {
        Json::Bool(bit) => Some(*bit),
        Json::Number("0") => Some(false),
        Json::Number("1") => Some(true),
        Json::String(text) => match text.trim() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        },
        Json::Number(_) | Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

fn integer(value: &Json<'_>) -> Option<i64> {
    match value {
        Json::Number(_) => value.as_i64(),
        Json::String(text) => digits(text)?.parse().ok(),
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

fn number(value: &Json<'_>) -> Option<String> {
    match value {
        Json::Number(text) => Some((*text).to_owned()),
        Json::String(text) => digits(text).map(str::to_owned),
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

/// Text of digits, with a sign if it is negative.
fn digits(text: &str) -> Option<&str> {
    let text = text.trim();
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    (!unsigned.is_empty() && unsigned.bytes().all(|b| b.is_ascii_digit())).then_some(text)
}

fn time(value: &Json<'_>) -> Option<Timestamp> {
    Timestamp::parse(value.as_str()?.trim())
}

fn uuid(value: &Json<'_>) -> Option<String> {
    let text = value.as_str()?.trim();
    let fits = text.len() == 36
        && text.bytes().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        });
    fits.then(|| text.to_ascii_lowercase())
}

/// Null and blank elements leave an array; a scalar is an array of one.
fn array(value: Json<'_>) -> Option<String> {
    let mut items = match value {
        Json::Array(items) => items,
        Json::Null | Json::Object(_) => return None,
        scalar => vec![scalar],
    };
    items.retain(|item| match item {
        Json::Null => false,
        Json::String(text) => !text.trim().is_empty(),
        _ => true,
    });
    Some(Json::Array(items).to_text())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, column_type: &str, expect: Option<&str>) {
        let found = cast(json, ColumnType::parse(column_type).unwrap());
        assert_eq!(found.as_deref(), expect, "{json} as {column_type}");
    }

    #[test]
    fn values_are_cast_where_nothing_is_lost() {
        check("\"39\"", "int64", Some("39"));
        check("-5.0", "int64", Some("-5"));
        check("1", "boolean", Some("true"));
        check("\"false\"", "boolean", Some("false"));
        check("20121", "string", Some("\"20121\""));
        check("true", "string", Some("\"true\""));
        check("\"x\"", "array", Some("[\"x\"]"));
        check("[1, null, \" \", \"a\"]", "array", Some("[1,\"a\"]"));
        check("\"1980-05-01\"", "date", Some("\"1980-05-01\""));
        check("\"2026-01-02 03:04\"", "timestamp", Some("\"2026-01-02T03:04:00.000Z\""));
        check("{\"a\": 1}", "json", Some("{\"a\": 1}"));
        check("12.50", "decimal(12,2)", Some("12.50"));
    }

    #[test]
    fn numbers_are_ordered_by_value() {
        let ascending = [
            "-1e3",
            "-10",
            "-9.5",
            "0",
            "0.001",
            "1",
            "9",
            "10",
            "10.5",
            "123456789012345678901",
            "123456789012345678902",
            "1e30",
        ];
        for pair in ascending.windows(2) {
            assert_eq!(compare_numbers(pair[0], pair[1]), Ordering::Less, "{pair:?}");
            assert_eq!(compare_numbers(pair[1], pair[0]), Ordering::Greater, "{pair:?}");
        }
        for (a, b) in [("10", "10.0"), ("1e1", "10"), ("-0", "0.00"), ("0.5", "5e-1")] {
            assert_eq!(compare_numbers(a, b), Ordering::Equal, "{a} {b}");
        }
    }

    #[test]
    fn what_does_not_fit_is_no_value() {
        for (json, column_type) in [
            ("\"forty\"", "int64"),
            ("1.5", "int64"),
            ("2", "boolean"),
            ("[1]", "string"),
            ("\"soon\"", "timestamp"),
            ("\"x\"", "uuid"),
            ("{}", "array"),
            ("true", "float64"),
        ] {
            check(json, column_type, None);
        }
    }
}
