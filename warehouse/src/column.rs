//! One column being filled: its type, and an Arrow builder that pads missing rows lazily.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int64Builder,
        StringBuilder, TimestampMicrosecondBuilder,
    },
    datatypes::{DataType, Field, TimeUnit},
};
use model::{ColumnType, Value};

const UTC: &str = "UTC";

/// The stored form of a column type. Every field is nullable, so that tables can grow columns.
pub(crate) fn field(name: &str, column_type: ColumnType) -> Field {
    Field::new(name, data_type(column_type), true)
}

pub(crate) fn data_type(column_type: ColumnType) -> DataType {
    match column_type {
        ColumnType::String | ColumnType::Uuid | ColumnType::Json | ColumnType::Array => DataType::Utf8,
        ColumnType::Boolean => DataType::Boolean,
        ColumnType::Int64 => DataType::Int64,
        ColumnType::Float64 => DataType::Float64,
        ColumnType::Decimal { precision, scale } => DataType::Decimal128(precision, scale.cast_signed()),
        ColumnType::Date => DataType::Date32,
        ColumnType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
    }
}

/// The type a stored column was made for, as far as its data type tells; texts are `String`.
pub(crate) fn column_type(data_type: &DataType) -> ColumnType {
    match data_type {
        DataType::Boolean => ColumnType::Boolean,
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => ColumnType::Int64,
        DataType::Float32 | DataType::Float64 => ColumnType::Float64,
        DataType::Decimal128(precision, scale) => {
            ColumnType::Decimal { precision: *precision, scale: scale.cast_unsigned() }
        }
        DataType::Date32 => ColumnType::Date,
        DataType::Timestamp(..) => ColumnType::Timestamp,
        _ => ColumnType::String,
    }
}

#[derive(Debug)]
enum Builder {
    Text(StringBuilder),
    Boolean(BooleanBuilder),
    Int64(Int64Builder),
    Float64(Float64Builder),
    Decimal(Decimal128Builder),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
}

/// A value that fits its column; texts are borrowed so that most are copied once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Cell<'a> {
    Text(&'a str),
    Boolean(bool),
    Int64(i64),
    Float64(f64),
    Decimal(i128),
    Date(i32),
    /// Microseconds since the epoch.
    Timestamp(i64),
}

/// Values of one column for the rows since the last [`ColumnBuffer::finish`].
#[derive(Debug)]
pub(crate) struct ColumnBuffer {
    column_type: ColumnType,
    builder: Builder,
    rows: usize,
}

impl ColumnBuffer {
    pub(crate) fn new(column_type: ColumnType) -> Self {
        let builder = match column_type {
            ColumnType::String | ColumnType::Uuid | ColumnType::Json | ColumnType::Array => {
                Builder::Text(StringBuilder::new())
            }
            ColumnType::Boolean => Builder::Boolean(BooleanBuilder::new()),
            ColumnType::Int64 => Builder::Int64(Int64Builder::new()),
            ColumnType::Float64 => Builder::Float64(Float64Builder::new()),
            ColumnType::Decimal { .. } => {
                Builder::Decimal(Decimal128Builder::new().with_data_type(data_type(column_type)))
            }
            ColumnType::Date => Builder::Date(Date32Builder::new()),
            ColumnType::Timestamp => {
                Builder::Timestamp(TimestampMicrosecondBuilder::new().with_timezone(UTC))
            }
        };
        Self { column_type, builder, rows: 0 }
    }

    pub(crate) fn column_type(&self) -> ColumnType {
        self.column_type
    }

    /// Sets the value of row `row`; rows skipped since the last call become null. A second value for
    /// a row, and a value of another type, are ignored: callers decide both before.
    pub(crate) fn set(&mut self, row: usize, cell: Cell<'_>) {
        if row < self.rows {
            return;
        }
        self.pad(row);
        match (&mut self.builder, cell) {
            (Builder::Text(b), Cell::Text(v)) => b.append_value(v),
            (Builder::Boolean(b), Cell::Boolean(v)) => b.append_value(v),
            (Builder::Int64(b), Cell::Int64(v)) => b.append_value(v),
            (Builder::Float64(b), Cell::Float64(v)) => b.append_value(v),
            (Builder::Decimal(b), Cell::Decimal(v)) => b.append_value(v),
            (Builder::Date(b), Cell::Date(v)) => b.append_value(v),
            (Builder::Timestamp(b), Cell::Timestamp(v)) => b.append_value(v),
            _ => return,
        }
        self.rows = row + 1;
    }

    fn pad(&mut self, rows: usize) {
        let missing = rows.saturating_sub(self.rows);
        if missing == 0 {
            return;
        }
        match &mut self.builder {
            Builder::Text(b) => (0..missing).for_each(|_| b.append_null()),
            Builder::Boolean(b) => b.append_nulls(missing),
            Builder::Int64(b) => b.append_nulls(missing),
            Builder::Float64(b) => b.append_nulls(missing),
            Builder::Decimal(b) => b.append_nulls(missing),
            Builder::Date(b) => b.append_nulls(missing),
            Builder::Timestamp(b) => b.append_nulls(missing),
        }
        self.rows = rows;
    }

    /// The values of `rows` rows; the buffer is empty after.
    pub(crate) fn finish(&mut self, rows: usize) -> ArrayRef {
        self.pad(rows);
        self.rows = 0;
        match &mut self.builder {
            Builder::Text(b) => Arc::new(b.finish()),
            Builder::Boolean(b) => Arc::new(b.finish()),
            Builder::Int64(b) => Arc::new(b.finish()),
            Builder::Float64(b) => Arc::new(b.finish()),
            Builder::Decimal(b) => Arc::new(b.finish()),
            Builder::Date(b) => Arc::new(b.finish()),
            Builder::Timestamp(b) => Arc::new(b.finish()),
        }
    }
}

/// A caller's value as a cell of a column of the given type. `None` for null, and for a value that is
/// not of the column's type, which is a fault of the caller.
pub(crate) fn cell(column_type: ColumnType, value: &Value) -> Option<Cell<'_>> {
    Some(match (column_type, value) {
        (_, Value::Null) => return None,
        (ColumnType::Boolean, Value::Boolean(v)) => Cell::Boolean(*v),
        (ColumnType::Int64, Value::Int64(v)) => Cell::Int64(*v),
        (ColumnType::Float64, Value::Float64(v)) => Cell::Float64(*v),
        (ColumnType::Decimal { .. }, Value::Decimal(v)) => Cell::Decimal(*v),
        (ColumnType::Date, Value::Int64(v)) => Cell::Date(i32::try_from(*v).ok()?),
        (ColumnType::Timestamp, Value::Timestamp(v)) => Cell::Timestamp(v.as_micros()),
        (ColumnType::String | ColumnType::Uuid | ColumnType::Json | ColumnType::Array, Value::Text(v)) => {
            Cell::Text(v)
        }
        _ => {
            debug_assert!(false, "{value:?} is no {column_type}");
            return None;
        }
    })
}
