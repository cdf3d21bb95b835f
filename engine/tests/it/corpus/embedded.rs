use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array,
        RecordBatch, StringArray, TimestampMicrosecondArray, TimestampNanosecondArray,
    },
    compute::cast,
    datatypes::{
        DataType, Date32Type, Decimal128Type, Field, Float64Type, Int64Type, Schema, TimeUnit,
        TimestampNanosecondType,
    },
};
use datafusion::{
    catalog::{CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider, SchemaProvider},
    datasource::MemTable,
    execution::SessionState,
    physical_plan::collect,
    sql::parser::Statement,
};
use engine::Options;
use model::SystemClock;
use semantic::Compiled;
use tokio::runtime::Handle;

use super::{
    answer::{Answer, Column, Family},
    cell::Cell,
    table::{ColumnKind, Table},
};

const NANOS_PER_DAY: i128 = 86_400_000_000_000;

/// The embedded engine's session over a suite's tables.
#[derive(Debug)]
pub struct Embedded {
    session: SessionState,
}

impl Embedded {
    /// Every schema holds every table.
    pub fn over(tables: &[Table], schemas: &[&str]) -> Self {
        let catalog = MemoryCatalogProvider::new();
        for schema in schemas {
            let provider = MemorySchemaProvider::new();
            for table in tables {
                let rows = batch(table);
                let stored = MemTable::try_new(rows.schema(), vec![vec![rows]]).unwrap();
                provider.register_table(table.name.clone(), Arc::new(stored)).unwrap();
            }
            catalog.register_schema(schema, Arc::new(provider)).unwrap();
        }
        let (options, clock) = (Options::on(Handle::current()), Arc::new(SystemClock::new()));
        Self { session: engine::session_over(Arc::new(catalog), &options, clock).unwrap() }
    }

    /// Runs the tree, as the engine does; the text must mean the same.
    pub async fn answer(&self, compiled: &Compiled) -> Result<Answer, String> {
        let failed = |error: datafusion::error::DataFusionError| error.to_string();
        let tree = Statement::Statement(Box::new(compiled.statement.clone()));
        let plan = self.session.statement_to_plan(tree).await.map_err(failed)?;
        let text = self.session.create_logical_plan(&compiled.sql).await.map_err(failed)?;
        if plan.display_indent().to_string() != text.display_indent().to_string() {
            return Err("the text means another plan than the tree".to_owned());
        }
        let plan = self.session.create_physical_plan(&plan).await.map_err(failed)?;
        let schema = plan.schema();
        let batches = collect(plan, self.session.task_ctx()).await.map_err(failed)?;
        let column =
            |field: &Arc<Field>| Column { name: field.name().clone(), family: family(field.data_type()) };
        let columns: Vec<Column> = schema.fields().iter().map(column).collect();
        let mut rows = Vec::new();
        for batch in &batches {
            let cells: Vec<Vec<Cell>> = batch.columns().iter().map(cells).collect::<Result<_, _>>()?;
            rows.extend(
                (0..batch.num_rows()).map(|n| cells.iter().map(|column| column[n].clone()).collect()),
            );
        }
        Ok(Answer { columns, rows })
    }
}

fn batch(table: &Table) -> RecordBatch {
    let arrays = table.columns.iter().enumerate().map(|(n, (_, kind))| array(table, n, *kind));
    let arrays: Vec<ArrayRef> = arrays.collect();
    let fields = table.columns.iter().zip(&arrays);
    let fields: Vec<Field> =
        fields.map(|((name, _), array)| Field::new(name, array.data_type().clone(), true)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

fn array(table: &Table, n: usize, kind: ColumnKind) -> ArrayRef {
    let cells = || table.rows.iter().map(|row| &row[n]);
    let number = |cell: &Cell| match cell {
        Cell::Whole(value) => Some(*value as f64),
        Cell::Fraction(value) => Some(*value),
        _ => None,
    };
    let whole = |cell: &Cell| match cell {
        Cell::Whole(value) => Some(i64::try_from(*value).unwrap()),
        _ => None,
    };
    let boolean = |cell: &Cell| match cell {
        Cell::Boolean(value) => Some(*value),
        _ => None,
    };
    let text = |cell: &Cell| match cell {
        Cell::Text(text) => Some(text.clone()),
        _ => None,
    };
    let time = |unit: i128| {
        move |cell: &Cell| match cell {
            Cell::Time(nanos) => Some(i64::try_from(nanos.div_euclid(unit)).unwrap()),
            _ => None,
        }
    };
    let micros = || cells().map(time(1_000)).collect::<TimestampMicrosecondArray>();
    match kind {
        ColumnKind::Text => Arc::new(cells().map(text).collect::<StringArray>()),
        ColumnKind::Whole => Arc::new(cells().map(whole).collect::<Int64Array>()),
        ColumnKind::Float => Arc::new(cells().map(number).collect::<Float64Array>()),
        ColumnKind::Boolean => Arc::new(cells().map(boolean).collect::<BooleanArray>()),
        ColumnKind::Decimal => {
            let cents = |cell: &Cell| number(cell).map(|value| (value * 100.0).round() as i128);
            let decimals = cells().map(cents).collect::<Decimal128Array>();
            Arc::new(decimals.with_precision_and_scale(12, 2).unwrap())
        }
        ColumnKind::Date => {
            let days = |cell: &Cell| time(NANOS_PER_DAY)(cell).map(|days| i32::try_from(days).unwrap());
            Arc::new(cells().map(days).collect::<Date32Array>())
        }
        ColumnKind::Time => Arc::new(micros()),
        ColumnKind::TimeNanos => Arc::new(cells().map(time(1)).collect::<TimestampNanosecondArray>()),
        ColumnKind::TimeUtc => Arc::new(micros().with_timezone("UTC")),
    }
}

fn family(data_type: &DataType) -> Family {
    match data_type {
        DataType::Boolean => Family::Boolean,
        DataType::UInt64 => Family::Decimal,
        integer if integer.is_integer() => Family::Whole,
        float if float.is_floating() => Family::Float,
        decimal if decimal.is_decimal() => Family::Decimal,
        // A column of nothing but nulls leaves the engine as text.
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => Family::Text,
        DataType::Date32 | DataType::Date64 => Family::Date,
        DataType::Timestamp(_, None) => Family::Time,
        DataType::Timestamp(_, Some(_)) => Family::TimeUtc,
        other => Family::Other(other.to_string()),
    }
}

fn cells(column: &ArrayRef) -> Result<Vec<Cell>, String> {
    let column_of = |data_type: DataType| cast(column, &data_type).map_err(|error| error.to_string());
    let of = |n: usize, cell: Cell| if column.is_null(n) { Cell::Null } else { cell };
    let rows = 0..column.len();
    Ok(match family(column.data_type()) {
        _ if *column.data_type() == DataType::Null => vec![Cell::Null; column.len()],
        Family::Boolean => rows.map(|n| of(n, Cell::Boolean(column.as_boolean().value(n)))).collect(),
        Family::Whole => {
            let wide = column_of(DataType::Int64)?;
            let wide = wide.as_primitive::<Int64Type>();
            rows.map(|n| of(n, Cell::Whole(wide.value(n).into()))).collect()
        }
        Family::Float => {
            let wide = column_of(DataType::Float64)?;
            let wide = wide.as_primitive::<Float64Type>();
            rows.map(|n| of(n, Cell::number(wide.value(n)))).collect()
        }
        Family::Decimal => {
            let scale = match column.data_type() {
                DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) => *scale,
                _ => 0,
            };
            let wide = column_of(DataType::Decimal128(38, scale))?;
            let wide = wide.as_primitive::<Decimal128Type>();
            rows.map(|n| of(n, Cell::decimal(wide.value(n), scale))).collect()
        }
        Family::Text => {
            let text = column_of(DataType::Utf8)?;
            let text = text.as_string::<i32>();
            rows.map(|n| of(n, Cell::Text(text.value(n).to_owned()))).collect()
        }
        Family::Date => {
            let days = column_of(DataType::Date32)?;
            let days = days.as_primitive::<Date32Type>();
            rows.map(|n| of(n, Cell::Time(i128::from(days.value(n)) * NANOS_PER_DAY))).collect()
        }
        Family::Time | Family::TimeUtc => {
            let zone = match column.data_type() {
                DataType::Timestamp(_, zone) => zone.clone(),
                _ => None,
            };
            let nanos = column_of(DataType::Timestamp(TimeUnit::Nanosecond, zone))?;
            let nanos = nanos.as_primitive::<TimestampNanosecondType>();
            rows.map(|n| of(n, Cell::Time(nanos.value(n).into()))).collect()
        }
        Family::Other(name) => return Err(format!("a column of type {name}")),
    })
}
