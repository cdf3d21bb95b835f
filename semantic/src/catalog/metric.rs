use model::ColumnType;

use super::{Grain, TimeGrain, TimeWindow};

/// What can be aggregated: the declared form, from which simple metrics take how they aggregate (N5).
#[derive(Debug, Clone, PartialEq)]
pub struct Measure {
    /// Its name.
    pub name: String,
    /// How.
    pub agg: Aggregation,
    /// SQL over the model's columns.
    pub expr: String,
    /// Its time dimension, if not the model's default.
    pub agg_time_dimension: Option<String>,
    /// How it is reduced over time.
    pub non_additive: Option<NonAdditive>,
    /// Type of its result, where it is known (`query-interfaces.md` 1.2).
    pub column_type: Option<ColumnType>,
    /// Name for people.
    pub label: Option<String>,
    /// Text for people.
    pub description: Option<String>,
    /// `config.meta` as JSON text.
    pub meta: Option<String>,
}

/// How rows are aggregated.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(missing_docs, reason = "dbt's names say it")]
pub enum Aggregation {
    Sum,
    Min,
    Max,
    Average,
    Count,
    CountDistinct,
    /// Declared as approximate: never chosen for an exact one.
    ApproxCountDistinct,
    SumBoolean,
    /// The continuous percentile 0.5.
    Median {
        approximate: bool,
    },
    Percentile(Percentile),
}

/// A percentile (Q17).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Percentile {
    /// Between 0 and 1, both excluded.
    pub fraction: f64,
    /// A value of the data, instead of a linear interpolation between two.
    pub discrete: bool,
    /// Estimated.
    pub approximate: bool,
}

/// A metric that is added up over everything but time (Q12).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NonAdditive {
    /// The time dimension of the model.
    pub dimension: String,
    /// Which row counts.
    pub window_choice: WindowChoice,
    /// Entities of the model that have their own last (first) row each.
    pub window_groupings: Vec<String>,
}

/// Which row of a semi-additive metric counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowChoice {
    /// The earliest.
    Min,
    /// The latest.
    Max,
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
    /// Filter templates, ANDed (`{{ Dimension('a__b') }} = 'x'`). Those of a simple metric's measure
    /// input are among them (N5).
    pub filters: Vec<String>,
    /// The grain `metric_time` has where none is asked for (Q4).
    pub time_granularity: Option<TimeGrain>,
    /// An input of other metrics only: not listed, and refused by name from outside (N10).
    pub private: bool,
    /// `config.meta` as JSON text.
    pub meta: Option<String>,
}

/// How a metric is computed.
#[derive(Debug, Clone, PartialEq)]
pub enum MetricKind {
    /// One aggregate over one model.
    Simple(SimpleMetric),
    /// One metric over another (Q7).
    Ratio {
        /// Above the line.
        numerator: MetricInput,
        /// Below the line; zero gives null.
        denominator: MetricInput,
    },
    /// SQL over the values of other metrics (Q7).
    Derived {
        /// Names inputs by alias, else by name.
        expr: String,
        /// What it names.
        inputs: Vec<MetricInput>,
    },
    /// A metric added up over time (Q10).
    Cumulative {
        /// A simple metric.
        input: MetricInput,
        /// From when on.
        scope: CumulativeScope,
        /// What stands for a period coarser than the input's grain.
        period_agg: PeriodAggregation,
    },
    /// How many of one event led to another (Q13).
    Conversion(ConversionMetric),
}

impl MetricKind {
    /// Its name in definitions, such as `simple`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Simple(_) => "simple",
            Self::Ratio { .. } => "ratio",
            Self::Derived { .. } => "derived",
            Self::Cumulative { .. } => "cumulative",
            Self::Conversion(_) => "conversion",
        }
    }
}

/// An aggregate over the rows of one model.
#[derive(Debug, Clone, PartialEq)]
pub struct SimpleMetric {
    /// Name of the model.
    pub model: String,
    /// How.
    pub agg: Aggregation,
    /// SQL over the model's columns.
    pub expr: String,
    /// The time dimension `metric_time` stands for (N9).
    pub agg_time_dimension: String,
    /// How it is reduced over time.
    pub non_additive: Option<NonAdditive>,
    /// What stands where there is no value (Q9).
    pub fill_nulls_with: Option<i64>,
    /// A value for every point of the time spine (Q8.3).
    pub join_to_timespine: bool,
    /// The measure it came from, where there was one.
    pub measure: Option<String>,
    /// Type of its result, where it is known.
    pub column_type: Option<ColumnType>,
}

/// From when on a cumulative metric adds up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CumulativeScope {
    /// The beginning of time.
    AllTime,
    /// So long before each point, that instant excluded.
    Window(TimeWindow),
    /// The start of each point's period.
    GrainToDate(Grain),
}

/// What stands for a period coarser than the input's grain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeriodAggregation {
    /// The value at its first point.
    First,
    /// The value at its last point.
    Last,
    /// The mean over its points.
    Average,
}

/// Events of one kind that led to events of another.
#[derive(Debug, Clone, PartialEq)]
pub struct ConversionMetric {
    /// What both have in common.
    pub entity: String,
    /// The opportunities; a simple metric.
    pub base: MetricInput,
    /// What they led to; a simple metric.
    pub conversion: MetricInput,
    /// Count or share.
    pub calculation: ConversionCalculation,
    /// How long after the opportunity it may happen.
    pub window: Option<TimeWindow>,
    /// Properties that are equal on both sides.
    pub constant_properties: Vec<ConstantProperty>,
}

/// What a conversion metric says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConversionCalculation {
    /// How many.
    Conversions,
    /// What share of the opportunities.
    ConversionRate,
}

/// A property that is equal on both sides of a conversion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConstantProperty {
    /// Dimension or entity of the base's model.
    pub base_property: String,
    /// Dimension or entity of the conversion's model.
    pub conversion_property: String,
}

/// A metric as input of a metric.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MetricInput {
    /// Name of the metric.
    pub name: String,
    /// Filter templates of this input, ANDed.
    pub filters: Vec<String>,
    /// Name inside the outer metric.
    pub alias: Option<String>,
    /// The value so long before (Q11.1).
    pub offset_window: Option<TimeWindow>,
    /// The value at the start of the period (Q11.2).
    pub offset_to_grain: Option<Grain>,
}

impl MetricInput {
    /// A metric as it is.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Its name inside the outer metric.
    pub fn output_name(&self) -> &str {
        self.alias.as_deref().unwrap_or(&self.name)
    }
}
