//! What differs between engines.

use model::{ColumnType, Timestamp};
use sqlparser::ast::{
    DataType, DateTimeField, ExactNumberInfo, Expr, Interval, TableFactor, TimezoneInfo, TypedString, Value,
};

use super::{build, datafusion, postgres, snowflake};
use crate::{DatePart, Grain, Percentile};

/// An engine that questions are written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// The embedded engine.
    DataFusion,
    /// PostgreSQL 15 and later.
    PostgreSql,
    /// Snowflake.
    Snowflake,
}

/// What engines without that percentile say.
pub(super) const NO_APPROXIMATE_DISCRETE: &str = "an approximate discrete percentile; set \
     use_discrete_percentile or use_approximate_percentile to false";

/// How one engine writes what engines write differently. A refusal says which setting to change.
pub(super) trait Words {
    fn date_trunc(&self, grain: Grain, time: Expr) -> Result<Expr, String>;
    fn date_part(&self, part: DatePart, time: Expr) -> Expr;
    fn shift(&self, time: Expr, count: i64, grain: Grain) -> Result<Expr, String>;
    fn timestamp(&self, at: Timestamp) -> Expr;
    fn double(&self) -> DataType;
    fn percentile(&self, percentile: Percentile, value: Expr) -> Result<Expr, String>;
    fn approx_distinct(&self, value: Expr) -> Result<Expr, String>;
    fn points(
        &self,
        from: Timestamp,
        to: Timestamp,
        grain: Grain,
        alias: &str,
    ) -> Result<TableFactor, String>;
    /// Whether a NULL in a union takes the type of its neighbours.
    fn nulls_are_typed_by_unions(&self) -> bool {
        true
    }
    /// A name as the engine keeps it.
    fn name(&self, name: &str) -> String {
        name.to_owned()
    }
}

impl Dialect {
    pub(super) fn words(self) -> &'static dyn Words {
        match self {
            Self::DataFusion => &datafusion::DataFusion,
            Self::PostgreSql => &postgres::PostgreSql,
            Self::Snowflake => &snowflake::Snowflake,
        }
    }
}

impl std::fmt::Display for Dialect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::DataFusion => "the embedded engine",
            Self::PostgreSql => "PostgreSQL",
            Self::Snowflake => "Snowflake",
        })
    }
}

/// `TIMESTAMP 'text'`.
pub(super) fn timestamp_literal(text: String) -> Expr {
    Expr::TypedString(TypedString {
        data_type: DataType::Timestamp(None, TimezoneInfo::None),
        value: Value::SingleQuotedString(text).into(),
        uses_odbc_syntax: false,
    })
}

/// An instant without its zone, `2024-01-01 00:00:00`.
pub(super) fn zoneless(at: Timestamp) -> String {
    let written = at.to_string().replace('T', " ");
    let written = written.strip_suffix('Z').unwrap_or(&written);
    written.strip_suffix(".000").unwrap_or(written).to_owned()
}

/// `INTERVAL '3 months'`; a quarter is three of them (Q14).
pub(super) fn interval(count: i64, grain: Grain) -> Expr {
    let (count, unit) = match grain {
        Grain::Quarter => (count.saturating_mul(3), Grain::Month),
        Grain::Week => (count.saturating_mul(7), Grain::Day),
        other => (count, other),
    };
    let plural = if count == 1 { "" } else { "s" };
    Expr::Interval(Interval {
        value: Box::new(build::text(&format!("{count} {unit}{plural}"))),
        leading_field: None::<DateTimeField>,
        leading_precision: None,
        last_field: None,
        fractional_seconds_precision: None,
    })
}

pub(super) fn data_type(words: &dyn Words, column_type: ColumnType) -> DataType {
    match column_type {
        ColumnType::Boolean => DataType::Boolean,
        ColumnType::Int64 => DataType::BigInt(None),
        ColumnType::Float64 => words.double(),
        ColumnType::Decimal { precision, scale } => {
            DataType::Decimal(ExactNumberInfo::PrecisionAndScale(u64::from(precision), i64::from(scale)))
        }
        ColumnType::Date => DataType::Date,
        ColumnType::Timestamp => DataType::Timestamp(None, TimezoneInfo::None),
        ColumnType::String | ColumnType::Uuid | ColumnType::Json | ColumnType::Array => {
            DataType::Varchar(None)
        }
    }
}
