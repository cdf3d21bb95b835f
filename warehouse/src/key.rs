//! Keys of rows as bytes, made from values and from Arrow rows alike.

use arrow::{
    array::{Array as _, RecordBatch, cast::AsArray as _},
    datatypes::{DataType, Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType},
};
use model::{Encoder, Value};

pub(crate) type Key = Box<[u8]>;

/// The key with these values.
pub(crate) fn key_of_values(values: &[Value]) -> Key {
    let mut key = Encoder::with_capacity(40);
    for value in values {
        match value {
            Value::Null => key.u8(0),
            Value::Boolean(v) => key.u8(1).u8(u8::from(*v)),
            Value::Int64(v) => key.u8(2).i64(*v),
            Value::Float64(v) => key.u8(3).u64(v.to_bits()),
            Value::Decimal(v) => key.u8(4).bytes(&v.to_be_bytes()),
            Value::Timestamp(v) => key.u8(5).i64(v.as_micros()),
            Value::Text(v) => key.u8(6).text(v),
        };
    }
    key.finish().into()
}

/// The same key read from a row.
pub(crate) fn key_of_row(batch: &RecordBatch, columns: &[usize], row: usize) -> Key {
    let mut key = Encoder::with_capacity(40);
    for column in columns {
        let array = batch.column(*column);
        if array.is_null(row) {
            key.u8(0);
            continue;
        }
        match array.data_type() {
            DataType::Boolean => key.u8(1).u8(u8::from(array.as_boolean().value(row))),
            DataType::Int64 => key.u8(2).i64(array.as_primitive::<Int64Type>().value(row)),
            DataType::Date32 => key.u8(2).i64(i64::from(array.as_primitive::<Date32Type>().value(row))),
            DataType::Float64 => key.u8(3).u64(array.as_primitive::<Float64Type>().value(row).to_bits()),
            DataType::Decimal128(..) => {
                key.u8(4).bytes(&array.as_primitive::<Decimal128Type>().value(row).to_be_bytes())
            }
            DataType::Timestamp(..) => {
                key.u8(5).i64(array.as_primitive::<TimestampMicrosecondType>().value(row))
            }
            _ => key.u8(6).text(array.as_string::<i32>().value(row)),
        };
    }
    key.finish().into()
}
