//! Results in types every client reads, equal to what was announced (FLT-5, FLT-6).

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, RecordBatch, RecordBatchOptions},
    compute::{CastOptions, cast_with_options},
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
    error::ArrowError,
};

/// The type under which a column leaves the engine.
pub(crate) fn fitted(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8View | DataType::Null => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::Dictionary(_, values) => fitted(values),
        DataType::RunEndEncoded(_, values) => fitted(values.data_type()),
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::List(item) | DataType::ListView(item) => DataType::List(Arc::new(field(item))),
        DataType::LargeList(item) | DataType::LargeListView(item) => {
            DataType::LargeList(Arc::new(field(item)))
        }
        DataType::FixedSizeList(item, size) => DataType::FixedSizeList(Arc::new(field(item)), *size),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(|f| Arc::new(field(f))).collect()),
        other => other.clone(),
    }
}

fn field(field: &Field) -> Field {
    Field::new(field.name(), fitted(field.data_type()), field.is_nullable())
}

/// The schema under which rows leave the engine. With `names`, columns are called so.
pub(crate) fn schema(planned: &Schema, names: Option<&[String]>, nullable: bool) -> SchemaRef {
    let fields = planned.fields().iter().enumerate().map(|(n, planned)| {
        let name = names.and_then(|names| names.get(n)).unwrap_or(planned.name());
        let fits = field(planned);
        Field::new(name, fits.data_type().clone(), nullable || fits.is_nullable())
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The rows under that schema. A null in a column that was announced without is an error: a wrong
/// announcement must not pass (FLT-5).
pub(crate) fn batch(rows: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let fit = |(column, field): (&ArrayRef, &Arc<Field>)| match column.data_type() == field.data_type() {
        true => Ok(Arc::clone(column)),
        false => cast_with_options(column, field.data_type(), &options),
    };
    let columns = rows.columns().iter().zip(schema.fields()).map(fit).collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
}
