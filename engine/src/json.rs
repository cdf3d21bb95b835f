//! Arrow values as JSON cells, for the interfaces that answer in JSON.
//!
//! Nothing passes through a float on the way: decimals are texts, and so are integers a JSON reader
//! with floats for numbers would round (beyond 2^53).

use std::borrow::Cow;

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    datatypes::{
        DataType, Date32Type, Date64Type, Decimal128Type, Decimal256Type, DecimalType, Float16Type,
        Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimeUnit,
        TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
        UInt8Type, UInt16Type, UInt32Type, UInt64Type,
    },
    util::display::{ArrayFormatter, FormatOptions},
};
use model::{Timestamp, json};

/// Largest integer that every JSON reader takes exactly.
const SAFE_INTEGER: i64 = 1 << 53;

/// One value of a column, ready to be written as JSON.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'a> {
    /// No value.
    Null,
    /// True or false.
    Bool(bool),
    /// An integer; [`Cell::write`] makes a text of it beyond 2^53.
    Integer(i64),
    /// A finite float.
    Float(f64),
    /// A text, and everything that is exact only as a text: decimals, times, NaN and infinities.
    Text(Cow<'a, str>),
    /// A list.
    List(Vec<Cell<'a>>),
    /// A struct.
    Object(Vec<(&'a str, Cell<'a>)>),
}

impl Cell<'_> {
    /// Appends the value as JSON text.
    pub fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Integer(value) if value.unsigned_abs() > SAFE_INTEGER.unsigned_abs() => {
                out.push_str(&format!("\"{value}\""));
            }
            Self::Integer(value) => out.push_str(&value.to_string()),
            // `Debug` of a float is its shortest exact form, with an exponent where that is shorter.
            Self::Float(value) => out.push_str(&format!("{value:?}")),
            Self::Text(text) => out.push_str(&json::quote(text)),
            Self::List(items) => write_all(items, out),
            Self::Object(members) => {
                for (i, (name, value)) in members.iter().enumerate() {
                    out.push(if i == 0 { '{' } else { ',' });
                    out.push_str(&json::quote(name));
                    out.push(':');
                    value.write(out);
                }
                out.push_str(if members.is_empty() { "{}" } else { "}" });
            }
        }
    }
}

fn write_all(items: &[Cell<'_>], out: &mut String) {
    out.push('[');
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        item.write(out);
    }
    out.push(']');
}

/// The cells of one row, in column order.
pub fn row(batch: &RecordBatch, row: usize) -> impl Iterator<Item = Cell<'_>> {
    batch.columns().iter().map(move |column| cell(column, row))
}

/// Appends one row as a JSON array.
pub fn write_row(batch: &RecordBatch, index: usize, out: &mut String) {
    out.push('[');
    for (i, value) in row(batch, index).enumerate() {
        if i > 0 {
            out.push(',');
        }
        value.write(out);
    }
    out.push(']');
}

/// One value of a column.
pub fn cell(column: &ArrayRef, row: usize) -> Cell<'_> {
    if column.is_null(row) {
        return Cell::Null;
    }
    match column.data_type() {
        DataType::Null => Cell::Null,
        DataType::Boolean => Cell::Bool(column.as_boolean().value(row)),
        DataType::Int8 => Cell::Integer(column.as_primitive::<Int8Type>().value(row).into()),
        DataType::Int16 => Cell::Integer(column.as_primitive::<Int16Type>().value(row).into()),
        DataType::Int32 => Cell::Integer(column.as_primitive::<Int32Type>().value(row).into()),
        DataType::Int64 => Cell::Integer(column.as_primitive::<Int64Type>().value(row)),
        DataType::UInt8 => Cell::Integer(column.as_primitive::<UInt8Type>().value(row).into()),
        DataType::UInt16 => Cell::Integer(column.as_primitive::<UInt16Type>().value(row).into()),
        DataType::UInt32 => Cell::Integer(column.as_primitive::<UInt32Type>().value(row).into()),
        DataType::UInt64 => unsigned(column.as_primitive::<UInt64Type>().value(row)),
        DataType::Float16 => float(column.as_primitive::<Float16Type>().value(row).into()),
        DataType::Float32 => float(column.as_primitive::<Float32Type>().value(row).into()),
        DataType::Float64 => float(column.as_primitive::<Float64Type>().value(row)),
        DataType::Utf8 => Cell::Text(column.as_string::<i32>().value(row).into()),
        DataType::LargeUtf8 => Cell::Text(column.as_string::<i64>().value(row).into()),
        DataType::Utf8View => Cell::Text(column.as_string_view().value(row).into()),
        DataType::Decimal128(precision, scale) => {
            let value = column.as_primitive::<Decimal128Type>().value(row);
            text(Decimal128Type::format_decimal(value, *precision, *scale))
        }
        DataType::Decimal256(precision, scale) => {
            let value = column.as_primitive::<Decimal256Type>().value(row);
            text(Decimal256Type::format_decimal(value, *precision, *scale))
        }
        DataType::Date32 => day(column.as_primitive::<Date32Type>().value(row).into()),
        DataType::Date64 => day(column.as_primitive::<Date64Type>().value(row).div_euclid(86_400_000)),
        DataType::Timestamp(unit, _) => time(column, row, *unit),
        _ => nested(column, row),
    }
}

fn nested(column: &ArrayRef, row: usize) -> Cell<'_> {
    match column.data_type() {
        DataType::Struct(fields) => {
            let columns = column.as_struct().columns();
            let members = fields.iter().zip(columns);
            Cell::Object(members.map(|(field, column)| (field.name().as_str(), cell(column, row))).collect())
        }
        DataType::List(_) => owned_list(&column.as_list::<i32>().value(row)),
        DataType::LargeList(_) => owned_list(&column.as_list::<i64>().value(row)),
        DataType::FixedSizeList(..) => owned_list(&column.as_fixed_size_list().value(row)),
        DataType::Dictionary(..) => {
            let dictionary = column.as_any_dictionary();
            match dictionary.normalized_keys().get(row) {
                Some(key) => cell(dictionary.values(), *key),
                None => Cell::Null,
            }
        }
        _ => displayed(column, row),
    }
}

/// A list item's array lives only here, so its cells take their texts with them.
fn owned_list(items: &ArrayRef) -> Cell<'static> {
    Cell::List((0..items.len()).map(|i| owned(cell(items, i))).collect())
}

fn owned(cell: Cell<'_>) -> Cell<'static> {
    match cell {
        Cell::Null => Cell::Null,
        Cell::Bool(value) => Cell::Bool(value),
        Cell::Integer(value) => Cell::Integer(value),
        Cell::Float(value) => Cell::Float(value),
        Cell::Text(value) => Cell::Text(value.into_owned().into()),
        Cell::List(items) => Cell::List(items.into_iter().map(owned).collect()),
        // Member names are borrowed from the array's type: as text they would need a second owner.
        object @ Cell::Object(_) => {
            let mut out = String::new();
            object.write(&mut out);
            text(out)
        }
    }
}

/// Types without a JSON form of their own (binary, intervals, times of day): Arrow's display text.
fn displayed(column: &ArrayRef, row: usize) -> Cell<'_> {
    let options = FormatOptions::default();
    match ArrayFormatter::try_new(column.as_ref(), &options) {
        Ok(formatter) => text(formatter.value(row).try_to_string().unwrap_or_default()),
        Err(_) => Cell::Null,
    }
}

fn text(text: String) -> Cell<'static> {
    Cell::Text(text.into())
}

fn unsigned(value: u64) -> Cell<'static> {
    i64::try_from(value).map_or_else(|_| text(value.to_string()), Cell::Integer)
}

/// JSON has no NaN and no infinities: they are texts, as PostgreSQL spells them.
fn float(value: f64) -> Cell<'static> {
    if value.is_finite() {
        Cell::Float(value)
    } else if value.is_nan() {
        Cell::Text("NaN".into())
    } else {
        Cell::Text(if value > 0.0 { "Infinity" } else { "-Infinity" }.into())
    }
}

fn day(days: i64) -> Cell<'static> {
    let instant = Timestamp::from_millis(days.saturating_mul(86_400_000)).to_string();
    text(instant.split('T').next().unwrap_or_default().to_owned())
}

fn time(column: &ArrayRef, row: usize, unit: TimeUnit) -> Cell<'_> {
    let micros = match unit {
        TimeUnit::Second => column.as_primitive::<TimestampSecondType>().value(row).saturating_mul(1_000_000),
        TimeUnit::Millisecond => {
            column.as_primitive::<TimestampMillisecondType>().value(row).saturating_mul(1_000)
        }
        TimeUnit::Microsecond => column.as_primitive::<TimestampMicrosecondType>().value(row),
        TimeUnit::Nanosecond => column.as_primitive::<TimestampNanosecondType>().value(row).div_euclid(1_000),
    };
    text(Timestamp::from_micros(micros).to_string())
}

/// Name of a type for callers, in the spelling of the definitions: `string`, `decimal(38,2)`, ..
pub fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Null => "null".into(),
        DataType::Boolean => "boolean".into(),
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => "int64".into(),
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => "int64".into(),
        DataType::Float16 | DataType::Float32 | DataType::Float64 => "float64".into(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string".into(),
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
            format!("decimal({precision},{scale})")
        }
        DataType::Date32 | DataType::Date64 => "date".into(),
        DataType::Timestamp(..) => "timestamp".into(),
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => "array".into(),
        DataType::Struct(_) | DataType::Map(..) => "json".into(),
        DataType::Dictionary(_, values) => type_name(values),
        other => other.to_string().to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{
            BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float64Array, Int64Array, ListArray,
            StringArray, StringViewArray, StructArray, TimestampMicrosecondArray, TimestampNanosecondArray,
            UInt64Array,
        },
        datatypes::{Field, Int32Type},
    };

    use super::*;

    fn check(column: impl Array + 'static, expect: &[&str]) {
        let column: ArrayRef = Arc::new(column);
        let texts: Vec<String> = (0..column.len())
            .map(|row| {
                let mut out = String::new();
                cell(&column, row).write(&mut out);
                out
            })
            .collect();
        assert_eq!(texts, expect, "{}", column.data_type());
    }

    #[test]
    fn integers_beyond_two_to_the_53_are_texts() {
        let safe = 9_007_199_254_740_992;
        check(
            Int64Array::from(vec![Some(-1), None, Some(safe), Some(safe + 1), Some(i64::MIN)]),
            &["-1", "null", "9007199254740992", "\"9007199254740993\"", "\"-9223372036854775808\""],
        );
        check(UInt64Array::from(vec![7, u64::MAX]), &["7", "\"18446744073709551615\""]);
    }

    #[test]
    fn decimals_keep_every_digit() {
        let column = Decimal128Array::from(vec![1, -250, i128::pow(10, 37) + 1])
            .with_precision_and_scale(38, 2)
            .unwrap();
        check(column, &["\"0.01\"", "\"-2.50\"", "\"100000000000000000000000000000000000.01\""]);
    }

    #[test]
    fn floats_are_shortest_exact_and_never_invalid() {
        check(
            Float64Array::from(vec![0.1, 1e300, -2.0, f64::NAN, f64::NEG_INFINITY]),
            &["0.1", "1e300", "-2.0", "\"NaN\"", "\"-Infinity\""],
        );
    }

    #[test]
    fn times_are_rfc_3339() {
        check(
            TimestampMicrosecondArray::from(vec![0, 1]).with_timezone("UTC"),
            &["\"1970-01-01T00:00:00.000Z\"", "\"1970-01-01T00:00:00.000001Z\""],
        );
        check(TimestampNanosecondArray::from(vec![-1]), &["\"1969-12-31T23:59:59.999999Z\""]);
        check(Date32Array::from(vec![0, 20_000]), &["\"1970-01-01\"", "\"2024-10-04\""]);
    }

    #[test]
    fn texts_and_booleans() {
        check(StringArray::from(vec!["a\"b\n"]), &[r#""a\"b\n""#]);
        check(StringViewArray::from(vec!["ü"]), &["\"ü\""]);
        check(BooleanArray::from(vec![Some(true), None]), &["true", "null"]);
        let dictionary: DictionaryArray<Int32Type> = vec![Some("x"), None, Some("y")].into_iter().collect();
        check(dictionary, &["\"x\"", "null", "\"y\""]);
    }

    #[test]
    fn nested_values_stay_json() {
        let list = ListArray::from_iter_primitive::<Int64Type, _, _>(vec![Some(vec![Some(1), None]), None]);
        check(list, &["[1,null]", "null"]);
        let field = Arc::new(Field::new("a", DataType::Int64, true));
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        check(StructArray::from(vec![(field, numbers)]), &[r#"{"a":1}"#]);
    }

    #[test]
    fn type_names_are_those_of_the_definitions() {
        assert_eq!(type_name(&DataType::Decimal128(38, 2)), "decimal(38,2)");
        assert_eq!(type_name(&DataType::Utf8View), "string");
        assert_eq!(type_name(&DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))), "timestamp");
    }
}
