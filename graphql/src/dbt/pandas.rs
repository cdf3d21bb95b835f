//! Results as `pandas.DataFrame.to_json` writes them.

use arrow::{
    array::{ArrayRef, RecordBatch},
    datatypes::{DataType, Schema},
};
use async_graphql::Enum;
use engine::json::{self, Cell};
use model::{Timestamp, json::quote};

/// Ways to lay out a table in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enum)]
pub(super) enum PandasJsonOrient {
    Columns,
    Index,
    Records,
    Split,
    #[default]
    Table,
    Values,
}

/// Writes rows. Times are ISO texts in a table and milliseconds elsewhere, as pandas does it; decimals are
/// numbers with all their digits.
pub(super) fn write(schema: &Schema, batches: &[RecordBatch], orient: PandasJsonOrient) -> String {
    let names: Vec<String> = schema.fields().iter().map(|field| quote(field.name())).collect();
    let rows = rows(batches, orient);
    match orient {
        PandasJsonOrient::Values => list(rows.iter().map(list)),
        PandasJsonOrient::Records => list(rows.iter().map(|row| object(names.iter().zip(row)))),
        PandasJsonOrient::Index => {
            object(rows.iter().enumerate().map(|(n, row)| (position(n), object(names.iter().zip(row)))))
        }
        PandasJsonOrient::Columns => object(names.iter().enumerate().map(|(column, name)| {
            (name, object(rows.iter().enumerate().map(|(n, row)| (position(n), &row[column]))))
        })),
        PandasJsonOrient::Split => object([
            ("\"columns\"", list(&names)),
            ("\"index\"", list((0..rows.len()).map(|n| n.to_string()))),
            ("\"data\"", list(rows.iter().map(list))),
        ]),
        PandasJsonOrient::Table => {
            let index = "\"index\"".to_owned();
            let with_index = |(n, row): (usize, &Vec<String>)| {
                let first = (index.clone(), n.to_string());
                object(std::iter::once(first).chain(names.iter().cloned().zip(row.iter().cloned())))
            };
            object([
                ("\"schema\"", table_schema(schema)),
                ("\"data\"", list(rows.iter().enumerate().map(with_index))),
            ])
        }
    }
}

fn position(n: usize) -> String {
    format!("\"{n}\"")
}

fn table_schema(schema: &Schema) -> String {
    let field = |name: &str, kind: &str| format!("{{\"name\":{name},\"type\":\"{kind}\"}}");
    let fields = schema.fields().iter().map(|f| field(&quote(f.name()), table_type(f.data_type())));
    let fields = list(std::iter::once(field("\"index\"", "integer")).chain(fields));
    format!("{{\"fields\":{fields},\"primaryKey\":[\"index\"],\"pandas_version\":\"1.4.0\"}}")
}

fn table_type(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Boolean => "boolean",
        data_type if data_type.is_integer() => "integer",
        data_type if data_type.is_floating() || decimal(data_type) => "number",
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => "datetime",
        _ => "string",
    }
}

fn decimal(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Decimal128(..) | DataType::Decimal256(..))
}

/// All cells as JSON.
fn rows(batches: &[RecordBatch], orient: PandasJsonOrient) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for batch in batches {
        rows.extend(
            (0..batch.num_rows()).map(|row| {
                batch.columns().iter().map(|column| cell(column, row, orient)).collect::<Vec<_>>()
            }),
        );
    }
    rows
}

fn cell(column: &ArrayRef, row: usize, orient: PandasJsonOrient) -> String {
    let time = matches!(column.data_type(), DataType::Timestamp(..) | DataType::Date32 | DataType::Date64);
    match json::cell(column, row) {
        // pandas knows no other numbers in JSON.
        Cell::Text(text) if column.data_type().is_floating() => {
            debug_assert!(text.parse::<f64>().is_ok(), "{text}");
            "null".to_owned()
        }
        Cell::Text(text) if decimal(column.data_type()) => text.into_owned(),
        Cell::Integer(number) => number.to_string(),
        Cell::Text(text) if time => instant(&text, orient),
        other => {
            let mut out = String::new();
            other.write(&mut out);
            out
        }
    }
}

/// `2026-03-01T00:00:00.000`, or milliseconds since 1970.
fn instant(text: &str, orient: PandasJsonOrient) -> String {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let whole = if text.contains('T') { text.to_owned() } else { format!("{text}T00:00:00") };
    if orient == PandasJsonOrient::Table {
        let fraction = if whole.contains('.') { "" } else { ".000" };
        return quote(&format!("{whole}{fraction}"));
    }
    match Timestamp::parse(&format!("{whole}Z")) {
        Some(instant) => instant.as_micros().div_euclid(1_000).to_string(),
        // Outside of what the calendar of events knows: the text says what it is.
        None => quote(&whole),
    }
}

fn list(items: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let mut out = String::from("[");
    for (n, item) in items.into_iter().enumerate() {
        out.push_str(if n > 0 { "," } else { "" });
        out.push_str(item.as_ref());
    }
    out.push(']');
    out
}

/// Names are JSON already.
fn object(members: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<str>)>) -> String {
    let member = |(name, value): (_, _)| joined(name, value);
    let inner = list(members.into_iter().map(member));
    format!("{{{}}}", &inner[1..inner.len() - 1])
}

fn joined(name: impl AsRef<str>, value: impl AsRef<str>) -> String {
    format!("{}:{}", name.as_ref(), value.as_ref())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{
            BooleanArray, Decimal128Array, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray,
        },
        datatypes::{Field, TimeUnit},
    };

    use super::*;

    fn batch() -> RecordBatch {
        let decimals =
            Decimal128Array::from(vec![Some(1_050), None]).with_precision_and_scale(12, 2).unwrap();
        let columns: Vec<(&str, DataType, ArrayRef)> = vec![
            (
                "t",
                DataType::Timestamp(TimeUnit::Microsecond, None),
                Arc::new(TimestampMicrosecondArray::from(vec![Some(1_700_000_000_000_000), None])),
            ),
            ("s", DataType::Utf8, Arc::new(StringArray::from(vec![Some("a\"b"), None]))),
            ("d", DataType::Decimal128(12, 2), Arc::new(decimals)),
            ("f", DataType::Float64, Arc::new(Float64Array::from(vec![0.5, f64::NAN]))),
            ("i", DataType::Int64, Arc::new(Int64Array::from(vec![1, 9_007_199_254_740_993]))),
            ("b", DataType::Boolean, Arc::new(BooleanArray::from(vec![true, false]))),
        ];
        let fields: Vec<Field> =
            columns.iter().map(|(name, kind, _)| Field::new(*name, kind.clone(), true)).collect();
        let arrays = columns.into_iter().map(|(_, _, array)| array).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
    }

    fn check(orient: PandasJsonOrient, expect: &str) {
        let batch = batch();
        let text = write(&batch.schema(), &[batch], orient);
        assert_eq!(text, expect, "{orient:?}");
        let _: serde_json::Value = serde_json::from_str(&text).unwrap();
    }

    #[test]
    fn all_orients() {
        let first = r#"1700000000000,"a\"b",10.50,0.5,1,true"#;
        let second = "null,null,null,null,9007199254740993,false";
        let record = |row: &str| {
            let cells = ["t", "s", "d", "f", "i", "b"].into_iter().zip(row.split(','));
            cells.map(|(name, value)| format!("\"{name}\":{value}")).collect::<Vec<_>>().join(",")
        };
        check(PandasJsonOrient::Values, &format!("[[{first}],[{second}]]"));
        check(PandasJsonOrient::Records, &format!("[{{{}}},{{{}}}]", record(first), record(second)));
        check(
            PandasJsonOrient::Index,
            &format!("{{\"0\":{{{}}},\"1\":{{{}}}}}", record(first), record(second)),
        );
        check(
            PandasJsonOrient::Split,
            &format!(
                r#"{{"columns":["t","s","d","f","i","b"],"index":[0,1],"data":[[{first}],[{second}]]}}"#
            ),
        );
        check(
            PandasJsonOrient::Columns,
            r#"{"t":{"0":1700000000000,"1":null},"s":{"0":"a\"b","1":null},"d":{"0":10.50,"1":null},"f":{"0":0.5,"1":null},"i":{"0":1,"1":9007199254740993},"b":{"0":true,"1":false}}"#,
        );
        check(
            PandasJsonOrient::Table,
            r#"{"schema":{"fields":[{"name":"index","type":"integer"},{"name":"t","type":"datetime"},{"name":"s","type":"string"},{"name":"d","type":"number"},{"name":"f","type":"number"},{"name":"i","type":"integer"},{"name":"b","type":"boolean"}],"primaryKey":["index"],"pandas_version":"1.4.0"},"data":[{"index":0,"t":"2023-11-14T22:13:20.000","s":"a\"b","d":10.50,"f":0.5,"i":1,"b":true},{"index":1,"t":null,"s":null,"d":null,"f":null,"i":9007199254740993,"b":false}]}"#,
        );
    }
}
