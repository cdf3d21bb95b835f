use arrow::datatypes::{DataType, TimeUnit};
use model::ColumnType;
use semantic::{Compiled, Grain, TimeGrain};

/// A column of a metric view.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ViewColumn {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) role: Role,
    pub(crate) data_type: DataType,
}

/// What a column of a metric view stands for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Role {
    /// A dimension under its qualified name.
    Dimension(String),
    /// Membership in an audience, under its qualified name.
    Member { qualified: String, audience: String },
    /// A time dimension at its finest grain common to the view's metrics.
    Time { qualified: String, finest: Grain },
    /// The hidden column of a time dimension at another grain (`metric_time__month`).
    TimeAt { qualified: String, grain: TimeGrain },
    /// A metric, by name.
    Measure(String),
}

impl ViewColumn {
    /// The name of the metric, if it is one.
    pub(crate) fn measure(&self) -> Option<&str> {
        match &self.role {
            Role::Measure(metric) => Some(metric),
            _ => None,
        }
    }

    /// The qualified name of the dimension, if it is one.
    pub(crate) fn dimension(&self) -> Option<&str> {
        match &self.role {
            Role::Dimension(qualified)
            | Role::Member { qualified, .. }
            | Role::Time { qualified, .. }
            | Role::TimeAt { qualified, .. } => Some(qualified),
            Role::Measure(_) => None,
        }
    }
}

/// The types of a compiled question's columns, where all of them are known.
pub(crate) fn types_of(compiled: &Compiled) -> Option<Vec<DataType>> {
    compiled.columns.iter().map(|column| column.column_type.map(shown_as)).collect()
}

/// The type under which values of a column type are shown. Times carry no zone (Q14).
pub(crate) fn shown_as(column_type: ColumnType) -> DataType {
    match column_type {
        ColumnType::String | ColumnType::Uuid | ColumnType::Json | ColumnType::Array => DataType::Utf8,
        ColumnType::Boolean => DataType::Boolean,
        ColumnType::Int64 => DataType::Int64,
        ColumnType::Float64 => DataType::Float64,
        ColumnType::Decimal { precision, scale } => DataType::Decimal128(precision, scale.cast_signed()),
        ColumnType::Date => DataType::Date32,
        ColumnType::Timestamp => time(),
    }
}

/// The type of every time dimension.
pub(crate) fn time() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, None)
}
