use std::fmt;

use model::{ColumnType, Timestamp};

/// A table with its entities, dimensions and measures (dbt's semantic model).
#[derive(Debug, Clone, PartialEq)]
pub struct SemanticModel {
    /// Its name.
    pub name: String,
    /// The relation: schema and table, such as `warehouse` and `order_completed`.
    pub relation: (String, String),
    /// Name for people.
    pub label: Option<String>,
    /// Text for people.
    pub description: Option<String>,
    /// The entity in front of local dimensions: the one of type primary, or `primary_entity`.
    pub primary_entity: Option<String>,
    /// The time dimension measures use by default.
    pub default_agg_time_dimension: Option<String>,
    /// Join keys.
    pub entities: Vec<Entity>,
    /// What can be grouped and filtered by.
    pub dimensions: Vec<Dimension>,
    /// What can be aggregated.
    pub measures: Vec<Measure>,
    /// Made by Etalon, not declared in a file.
    pub automatic: bool,
}

/// A join key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entity {
    /// Its name.
    pub name: String,
    /// How it may join.
    pub entity_type: EntityType,
    /// SQL over the model's columns.
    pub expr: String,
    /// For `profile`: the identifier type whose value `expr` holds; matched through `identity_map`.
    pub identifier: Option<String>,
}

/// How an entity may join (dbt's types).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntityType {
    /// One row per value, all values.
    Primary,
    /// One row per value, some values.
    Unique,
    /// Many rows per value.
    Foreign,
    /// One row per value and validity window.
    Natural,
}

/// What can be grouped and filtered by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dimension {
    /// Its name.
    pub name: String,
    /// SQL over the model's columns.
    pub expr: String,
    /// Categorical, or time with its grain.
    pub kind: DimensionKind,
    /// Type of its column, where it is known.
    pub column_type: Option<ColumnType>,
    /// Text for people.
    pub description: Option<String>,
}

/// Kinds of dimensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DimensionKind {
    /// Any value.
    Categorical,
    /// A time, stored at this grain.
    Time(Grain),
}

/// A time grain. Ordered from fine to coarse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Grain {
    Nanosecond,
    Microsecond,
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

impl Grain {
    /// All grains, from fine to coarse.
    pub const ALL: [Self; 11] = [
        Self::Nanosecond,
        Self::Microsecond,
        Self::Millisecond,
        Self::Second,
        Self::Minute,
        Self::Hour,
        Self::Day,
        Self::Week,
        Self::Month,
        Self::Quarter,
        Self::Year,
    ];

    /// Its name, lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nanosecond => "nanosecond",
            Self::Microsecond => "microsecond",
            Self::Millisecond => "millisecond",
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        }
    }

    /// Reads a name in any case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|g| g.as_str().eq_ignore_ascii_case(text))
    }
}

impl fmt::Display for Grain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What can be aggregated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measure {
    /// Its name.
    pub name: String,
    /// How.
    pub agg: Aggregation,
    /// SQL over the model's columns.
    pub expr: String,
    /// Its time dimension, if not the model's default.
    pub agg_time_dimension: Option<String>,
    /// Type of its result, where it is known (`query-interfaces.md` 1.2).
    pub column_type: Option<ColumnType>,
}

/// How a measure is aggregated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "dbt's names say it")]
pub enum Aggregation {
    Sum,
    Min,
    Max,
    Average,
    Count,
    CountDistinct,
    SumBoolean,
    Median,
}

/// A number with one definition.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// Its name.
    pub name: String,
    /// Name for people; the name where none is declared.
    pub label: String,
    /// Text for people.
    pub description: Option<String>,
    /// How it is computed.
    pub kind: MetricKind,
    /// Filter templates, ANDed (`{{ Dimension('a__b') }} = 'x'`).
    pub filters: Vec<String>,
    /// The grain `metric_time` has where none is asked for.
    pub time_granularity: Option<Grain>,
}

/// How a metric is computed.
#[derive(Debug, Clone, PartialEq)]
pub enum MetricKind {
    /// One measure.
    Simple {
        /// The measure and how it is filtered.
        measure: MetricInput,
    },
    /// One metric over another.
    Ratio {
        /// Above the line.
        numerator: MetricInput,
        /// Below the line; zero gives null.
        denominator: MetricInput,
    },
}

/// A measure or metric as input of a metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricInput {
    /// Name of the measure or metric.
    pub name: String,
    /// Filter templates of this input, ANDed.
    pub filters: Vec<String>,
    /// Name inside the outer metric.
    pub alias: Option<String>,
}

/// A request: the one form every interface turns its question into (`semantic-layer.md` §2).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MetricQuery {
    /// Metrics by name, in output order.
    pub metrics: Vec<String>,
    /// Group-bys as names: `metric_time`, `metric_time__month`, `profile__country`.
    pub group_by: Vec<String>,
    /// Filter templates, ANDed.
    pub filters: Vec<String>,
    /// Bounds on metric_time.
    pub time: Option<TimeRange>,
    /// Output order.
    pub order_by: Vec<OrderBy>,
    /// At most this many rows.
    pub limit: Option<u64>,
}

/// Half-open bounds on metric_time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TimeRange {
    /// First instant included.
    pub from: Option<Timestamp>,
    /// First instant excluded.
    pub to: Option<Timestamp>,
}

/// One item of the output order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderBy {
    /// A requested metric or group-by.
    pub name: String,
    /// Largest first.
    pub descending: bool,
}

/// A calendar of time points, for metrics that look across periods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeSpine {
    /// Distance of its points.
    pub grain: Grain,
    /// First point.
    pub from: Timestamp,
    /// Last point.
    pub to: Timestamp,
}

/// A dimension that can be grouped and filtered by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryableDimension {
    /// The name to ask for, such as `order__currency`.
    pub qualified_name: String,
    /// Categorical, or time with its finest grain.
    pub kind: DimensionKind,
    /// Type of its column, where it is known.
    pub column_type: Option<ColumnType>,
    /// Text for people.
    pub description: Option<String>,
}
