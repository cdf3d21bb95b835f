//! Which values fit a column exactly, and where the others go (`collector.md` §14, W-1).

use std::borrow::Cow;

use model::{ColumnType, Timestamp, json::Json};

use crate::column::Cell;

/// Where a value of an event is stored.
#[derive(Debug, PartialEq)]
pub(crate) enum Fit<'a> {
    /// In the column.
    Exact(Cell<'a>),
    /// In the column, as a text made for it.
    Made(String),
    /// In the side column of this suffix.
    Side(Side, SideValue<'a>),
}

/// The three side columns a column may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Side {
    Int,
    Float,
    Text,
}

impl Side {
    pub(crate) const ALL: [Self; 3] = [Self::Int, Self::Float, Self::Text];

    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Int => "__int",
            Self::Float => "__float",
            Self::Text => "__string",
        }
    }

    pub(crate) fn column_type(self) -> ColumnType {
        match self {
            Self::Int => ColumnType::Int64,
            Self::Float => ColumnType::Float64,
            Self::Text => ColumnType::String,
        }
    }
}

#[derive(Debug, PartialEq)]
pub(crate) enum SideValue<'a> {
    Int64(i64),
    Float64(f64),
    Text(Cow<'a, str>),
}

/// Null, the empty text and the empty array make no column and no value.
pub(crate) fn is_empty(value: &Json<'_>) -> bool {
    match value {
        Json::Null => true,
        Json::String(text) => text.is_empty(),
        Json::Array(items) => items.is_empty(),
        Json::Object(members) => members.is_empty(),
        _ => false,
    }
}

/// The type a new column gets from its first value.
pub(crate) fn infer(value: &Json<'_>) -> ColumnType {
    match value {
        Json::Bool(_) => ColumnType::Boolean,
        Json::Number(_) if value.as_i64().is_some() => ColumnType::Int64,
        Json::Number(_) => ColumnType::Float64,
        Json::String(text) if instant(text).is_some() => ColumnType::Timestamp,
        _ => ColumnType::String,
    }
}

/// Where `value` goes for a column of type `column_type`.
pub(crate) fn fit<'a>(column_type: ColumnType, value: &'a Json<'_>) -> Fit<'a> {
    let cell = match (column_type, value) {
        (ColumnType::String | ColumnType::Uuid, Json::String(text)) => Some(Cell::Text(text)),
        (ColumnType::String | ColumnType::Uuid, Json::Number(text)) => Some(Cell::Text(text)),
        (ColumnType::String | ColumnType::Uuid | ColumnType::Json, _) => return Fit::Made(value.to_text()),
        (ColumnType::Array, Json::Array(_)) => return Fit::Made(value.to_text()),
        (ColumnType::Boolean, Json::Bool(v)) => Some(Cell::Boolean(*v)),
        (ColumnType::Int64 | ColumnType::Float64, Json::Number(text)) => {
            return fit_number(column_type, value, text);
        }
        (ColumnType::Decimal { precision, scale }, Json::Number(text)) => {
            decimal(text, precision, scale).map(Cell::Decimal)
        }
        (ColumnType::Date, Json::String(text)) => day(text).map(Cell::Date),
        (ColumnType::Timestamp, Json::String(text)) => instant(text).map(|t| Cell::Timestamp(t.as_micros())),
        _ => None,
    };
    cell.map_or_else(|| Fit::Side(Side::Text, SideValue::Text(canonical(value))), Fit::Exact)
}

/// An integer above this may have no float of its own.
const EXACT_FLOAT: u64 = 1 << 53;

fn fit_number<'a>(column_type: ColumnType, value: &'a Json<'_>, text: &'a str) -> Fit<'a> {
    match (column_type, value.as_i64(), exact_float(text)) {
        (ColumnType::Int64, Some(v), _) => Fit::Exact(Cell::Int64(v)),
        (ColumnType::Int64, None, Some(v)) => Fit::Side(Side::Float, SideValue::Float64(v)),
        (ColumnType::Float64, Some(v), _) if v.unsigned_abs() <= EXACT_FLOAT => {
            Fit::Exact(Cell::Float64(v as f64))
        }
        (ColumnType::Float64, Some(v), _) => Fit::Side(Side::Int, SideValue::Int64(v)),
        (ColumnType::Float64, None, Some(v)) => Fit::Exact(Cell::Float64(v)),
        _ => Fit::Side(Side::Text, SideValue::Text(Cow::Borrowed(text))),
    }
}

/// Strings unquoted, everything else as JSON text.
pub(crate) fn canonical<'a>(value: &'a Json<'_>) -> Cow<'a, str> {
    match value {
        Json::String(text) => Cow::Borrowed(text),
        Json::Number(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_text()),
    }
}

/// The float that is printed as this number again, whatever zeros and exponent it was sent with.
fn exact_float(text: &str) -> Option<f64> {
    let value: f64 = text.parse().ok()?;
    if !value.is_finite() {
        return None;
    }
    // Fifteen digits always survive the way through a float.
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b'-');
    if plain && text.len() <= 15 {
        return Some(value);
    }
    (significant(text) == significant(&format!("{value:e}"))).then_some(value)
}

/// A number as digits without outer zeros and the exponent of its last digit.
fn significant(text: &str) -> Option<(bool, Vec<u8>, i64)> {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], text[at + 1..].parse::<i64>().ok()?),
        None => (text, 0),
    };
    let (negative, mantissa) = mantissa.strip_prefix('-').map_or((false, mantissa), |rest| (true, rest));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).skip_while(|b| *b == b'0').collect();
    let mut exponent = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    while digits.last() == Some(&b'0') {
        digits.pop();
        exponent += 1;
    }
    Some(if digits.is_empty() { (negative, digits, 0) } else { (negative, digits, exponent) })
}

/// The number as an unscaled decimal, if no digit is lost.
fn decimal(text: &str, precision: u8, scale: u8) -> Option<i128> {
    let (negative, digits, exponent) = significant(text)?;
    let zeros = usize::try_from(exponent.checked_add(i64::from(scale))?).ok()?;
    if digits.is_empty() {
        return Some(0);
    }
    if digits.len() + zeros > usize::from(precision) {
        return None;
    }
    let all = digits.iter().copied().chain(std::iter::repeat_n(b'0', zeros));
    let value = all.fold(0_i128, |n, b| n * 10 + i128::from(b - b'0'));
    Some(if negative { -value } else { value })
}

/// A text that is an instant and nothing is lost by storing microseconds.
fn instant(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let date_like = bytes.len() >= 10 && bytes[0].is_ascii_digit() && bytes[4] == b'-' && bytes[7] == b'-';
    if !date_like {
        return None;
    }
    // A leap second would become the next minute.
    if bytes.get(16) == Some(&b':') && bytes.get(17) == Some(&b'6') {
        return None;
    }
    if bytes.get(19) == Some(&b'.') {
        let beyond = bytes[20..].iter().take_while(|b| b.is_ascii_digit()).skip(6);
        if beyond.into_iter().any(|b| *b != b'0') {
            return None;
        }
    }
    Timestamp::parse(text)
}

fn day(text: &str) -> Option<i32> {
    const MICROS: i64 = 86_400_000_000;
    let date = (text.len() == 10).then(|| Timestamp::parse(text)).flatten()?;
    i32::try_from(date.as_micros().div_euclid(MICROS)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(column_type: &str, json: &str, expect: &str) {
        let value = Json::parse(json.as_bytes()).unwrap().value;
        let text = match fit(ColumnType::parse(column_type).unwrap(), &value) {
            Fit::Exact(Cell::Text(text)) => text.to_owned(),
            Fit::Exact(cell) => format!("{cell:?}"),
            Fit::Made(text) => text,
            Fit::Side(side, SideValue::Text(text)) => format!("{} {text}", side.suffix()),
            Fit::Side(side, value) => format!("{} {value:?}", side.suffix()),
        };
        assert_eq!(text, expect, "{json} in a {column_type} column");
    }

    #[test]
    fn values_that_fit_are_stored_in_the_column() {
        check("string", r#""a""#, "a");
        check("string", "12.50", "12.50");
        check("string", "[1,\"x\"]", "[1,\"x\"]");
        check("int64", "12.0", "Int64(12)");
        check("float64", "12", "Float64(12.0)");
        check("float64", "0.10", "Float64(0.1)");
        check("json", r#""a""#, r#""a""#);
        check("decimal(12,2)", "49.9", "Decimal(4990)");
        check("decimal(12,2)", "-1e3", "Decimal(-100000)");
        check("decimal(12,2)", "0.00", "Decimal(0)");
        check("date", r#""1970-01-02""#, "Date(1)");
        check("timestamp", r#""1970-01-01T00:00:01+00:00""#, "Timestamp(1000000)");
    }

    #[test]
    fn other_values_go_to_side_columns_without_loss() {
        check("float64", "9007199254740993", "__int Int64(9007199254740993)");
        check("int64", "1.5", "__float Float64(1.5)");
        check("int64", "12345678901234567890123", "__string 12345678901234567890123");
        check("int64", "true", "__string true");
        check("decimal(12,2)", "1.005", "__string 1.005");
        check("decimal(4,2)", "100", "__string 100");
        check("date", r#""1970-01-02T03:04:05Z""#, "__string 1970-01-02T03:04:05Z");
        check("timestamp", r#""2020-01-01T00:00:00.123456789Z""#, "__string 2020-01-01T00:00:00.123456789Z");
        check("boolean", r#""yes""#, "__string yes");
        check("float64", "1e400", "__string 1e400");
    }
}
