use model::{ColumnType, Timestamp};

use super::{Aggregation, DimensionKind};

/// A request: the one form every interface turns its question into (`semantic-layer.md` §2).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MetricQuery {
    /// Metrics, in output order.
    pub metrics: Vec<MetricRequest>,
    /// Group-bys, in output order.
    pub group_by: Vec<GroupBy>,
    /// Filter templates, ANDed.
    pub filters: Vec<String>,
    /// Bounds on metric_time.
    pub time: Option<TimeConstraint>,
    /// Output order.
    pub order_by: Vec<OrderBy>,
    /// At most this many rows.
    pub limit: Option<u64>,
    /// Start from this saved query.
    pub saved_query: Option<String>,
    /// Without metrics: the rows as they are, not the distinct ones (Q16).
    pub keep_duplicates: bool,
    /// Smallest and largest value of the only group-by (Q16).
    pub min_max_only: bool,
}

/// A metric as asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricRequest {
    /// What is computed.
    pub value: MetricValue,
    /// Name of its column, if not its own.
    pub alias: Option<String>,
    /// Filter templates for this metric alone, ANDed; they reach each of its simple inputs.
    pub filters: Vec<String>,
}

/// What a column of numbers is computed from.
#[derive(Debug, Clone, PartialEq)]
pub enum MetricValue {
    /// A metric, by name.
    Named(String),
    /// An aggregate that the question itself defines, over the rows of one model (SQL-5).
    AdHoc {
        /// How.
        agg: Aggregation,
        /// A template over the model's own dimensions and entities; `1` counts rows.
        template: String,
        /// The model whose rows are aggregated.
        model: String,
    },
}

impl MetricRequest {
    /// A metric as it is.
    pub fn named(name: impl Into<String>) -> Self {
        Self { value: MetricValue::Named(name.into()), alias: None, filters: Vec::new() }
    }

    /// The column it is asked to have: its alias, else its name.
    pub fn column(&self) -> Option<&str> {
        match (&self.alias, &self.value) {
            (Some(alias), _) => Some(alias),
            (None, MetricValue::Named(name)) => Some(name),
            (None, MetricValue::AdHoc { .. }) => None,
        }
    }
}

impl From<&str> for MetricRequest {
    fn from(name: &str) -> Self {
        Self::named(name)
    }
}

impl From<String> for MetricRequest {
    fn from(name: String) -> Self {
        Self::named(name)
    }
}

/// A group-by as asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupBy {
    /// A name (`metric_time__month`) or an object (`TimeDimension('metric_time', 'month')`).
    Name(String),
    /// A computed dimension: a template over dimensions, such as
    /// `CASE WHEN {{ Dimension('order__currency') }} = 'EUR' THEN 'euro' ELSE 'other' END` (SQL-2).
    Computed {
        /// Scalar SQL with objects.
        template: String,
        /// Name of its column.
        column: String,
    },
}

impl GroupBy {
    /// What names it in an order: the name as written, or the column of a computed one.
    pub fn text(&self) -> &str {
        match self {
            Self::Name(text) => text,
            Self::Computed { column, .. } => column,
        }
    }
}

impl From<&str> for GroupBy {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

impl From<String> for GroupBy {
    fn from(name: String) -> Self {
        Self::Name(name)
    }
}

/// Bounds on metric_time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeConstraint {
    /// These instants and no others.
    Between(TimeRange),
    /// From the period that holds `start` to the period that holds `end`, both included, at the smallest
    /// grain of metric_time that is asked for (Q5).
    Periods {
        /// In the first period.
        start: Timestamp,
        /// In the last period.
        end: Timestamp,
    },
}

/// Half-open bounds.
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

/// A dimension or entity that metrics can be grouped and filtered by.
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
