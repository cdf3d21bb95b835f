use std::fmt;

use crate::Timestamp;

/// Type of a planned property, a declared trait or a warehouse column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ColumnType {
    /// UTF-8 text.
    String,
    /// True or false.
    Boolean,
    /// 64-bit integer.
    Int64,
    /// 64-bit float.
    Float64,
    /// Exact decimal with `precision` digits in all (at most 38), `scale` of them after the point.
    Decimal {
        /// Digits in all.
        precision: u8,
        /// Digits after the point.
        scale: u8,
    },
    /// A day.
    Date,
    /// An instant, microseconds, UTC.
    Timestamp,
    /// A UUID, stored as text.
    Uuid,
    /// Any JSON, stored as its text.
    Json,
    /// A JSON array, stored as its text.
    Array,
}

impl ColumnType {
    /// Reads the definitions' spelling: `string`, `decimal(12,2)`, ...
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text.trim() {
            "string" => Self::String,
            "boolean" => Self::Boolean,
            "int64" => Self::Int64,
            "float64" => Self::Float64,
            "date" => Self::Date,
            "timestamp" => Self::Timestamp,
            "uuid" => Self::Uuid,
            "json" => Self::Json,
            "array" => Self::Array,
            other => {
                let inner = other.strip_prefix("decimal(")?.strip_suffix(')')?;
                let (precision, scale) = inner.split_once(',')?;
                let (precision, scale) = (precision.trim().parse().ok()?, scale.trim().parse().ok()?);
                let fits = (1..=38).contains(&precision) && scale <= precision;
                return fits.then_some(Self::Decimal { precision, scale });
            }
        })
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Decimal { precision, scale } => return write!(f, "decimal({precision},{scale})"),
            Self::String => "string",
            Self::Boolean => "boolean",
            Self::Int64 => "int64",
            Self::Float64 => "float64",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::Uuid => "uuid",
            Self::Json => "json",
            Self::Array => "array",
        };
        f.write_str(name)
    }
}

/// A value of a column.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// No value.
    Null,
    /// For `Boolean`.
    Boolean(bool),
    /// For `Int64`, and for `Date` as days since the epoch.
    Int64(i64),
    /// For `Float64`.
    Float64(f64),
    /// For `Decimal`: the unscaled number; the column's type gives the scale.
    Decimal(i128),
    /// For `Timestamp`.
    Timestamp(Timestamp),
    /// For `String`, `Uuid`, `Json` and `Array` (the last two as JSON text).
    Text(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_names_round_trip() {
        for name in [
            "string",
            "boolean",
            "int64",
            "float64",
            "date",
            "timestamp",
            "uuid",
            "json",
            "array",
            "decimal(12,2)",
        ] {
            assert_eq!(ColumnType::parse(name).unwrap().to_string(), name);
        }
    }

    #[test]
    fn impossible_types_are_refused() {
        for name in ["text", "decimal", "decimal(39,2)", "decimal(2,3)", "decimal(a,b)"] {
            assert_eq!(ColumnType::parse(name), None, "{name}");
        }
    }
}
