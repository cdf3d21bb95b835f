//! What the forms declare, all in one shape, each part with its place. Readers fill it, `normalise` makes
//! equal what means the same, `check` judges it, `build` turns it into the catalog.

use std::collections::HashSet;

use model::Span;

use crate::{
    Aggregation, ConversionCalculation, DimensionKind, EntityType, Export, Grain, PeriodAggregation,
    Relation, SpinePoints, TimeGrain, TimeWindow, Validity, ViewDimension, WindowChoice,
};

/// A value with its place. Equal values are equal wherever they stand.
#[derive(Debug, Clone)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) span: Span,
}

impl<T> At<T> {
    pub(crate) fn new(value: T, span: &Span) -> Self {
        Self { value, span: span.clone() }
    }
}

impl<T: PartialEq> PartialEq for At<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

/// Everything that was declared about the semantic layer.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Declared {
    pub(crate) models: Vec<Model>,
    pub(crate) metrics: Vec<Metric>,
    pub(crate) saved_queries: Vec<SavedQuery>,
    /// `None` where no file says which views there are.
    pub(crate) views: Option<Vec<View>>,
    pub(crate) spines: Vec<Spine>,
    pub(crate) refused: Refused,
}

/// Names that are declared but could not be read: they are known, so nothing else is said about them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Refused {
    pub(crate) models: HashSet<String>,
    pub(crate) measures: HashSet<String>,
    pub(crate) metrics: HashSet<String>,
    /// A whole file could not be read: any name may be in it.
    pub(crate) files: bool,
}

/// What is said to people and programs about an element.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Texts {
    pub(crate) label: Option<At<String>>,
    pub(crate) description: Option<String>,
    /// `config.meta` as JSON.
    pub(crate) meta: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Model {
    pub(crate) name: At<String>,
    pub(crate) relation: Relation,
    pub(crate) texts: Texts,
    pub(crate) primary_entity: Option<At<String>>,
    pub(crate) agg_time: Option<At<String>>,
    pub(crate) entities: Vec<Entity>,
    pub(crate) dimensions: Vec<Dimension>,
    pub(crate) measures: Vec<Measure>,
    pub(crate) automatic: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entity {
    pub(crate) name: At<String>,
    pub(crate) entity_type: EntityType,
    pub(crate) expr: Option<String>,
    pub(crate) identifier: Option<String>,
    pub(crate) role: Option<String>,
    pub(crate) texts: Texts,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Dimension {
    pub(crate) name: At<String>,
    pub(crate) kind: DimensionKind,
    pub(crate) expr: Option<String>,
    pub(crate) is_partition: bool,
    pub(crate) validity: Option<Validity>,
    pub(crate) column_type: Option<model::ColumnType>,
    pub(crate) texts: Texts,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Measure {
    pub(crate) name: At<String>,
    pub(crate) aggregate: Aggregate,
    /// Wants a metric of its own (N4).
    pub(crate) create_metric: bool,
    /// The label of that metric.
    pub(crate) metric_label: Option<String>,
    pub(crate) texts: Texts,
}

/// How rows become one value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Aggregate {
    pub(crate) agg: Aggregation,
    pub(crate) expr: Option<String>,
    pub(crate) agg_time: Option<At<String>>,
    pub(crate) non_additive: Option<NonAdditive>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NonAdditive {
    pub(crate) dimension: At<String>,
    pub(crate) window_choice: WindowChoice,
    pub(crate) window_groupings: Vec<At<String>>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Metric {
    pub(crate) name: At<String>,
    pub(crate) texts: Texts,
    pub(crate) kind: Kind,
    pub(crate) filters: Vec<At<String>>,
    pub(crate) time_granularity: Option<At<TimeGrain>>,
    pub(crate) private: bool,
    /// Made by a rule, not written in a file.
    pub(crate) made: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Simple(Simple),
    Ratio { numerator: Input, denominator: Input },
    Derived { expr: At<String>, inputs: Vec<Input> },
    Cumulative(Cumulative),
    Conversion(Conversion),
}

impl Kind {
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Simple(_) => "simple",
            Self::Ratio { .. } => "ratio",
            Self::Derived { .. } => "derived",
            Self::Cumulative(_) => "cumulative",
            Self::Conversion(_) => "conversion",
        }
    }
}

/// A metric that aggregates rows: by its own word, or by that of a measure (N5).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Simple {
    pub(crate) measure: Option<MeasureInput>,
    pub(crate) own: Option<OwnAggregate>,
    pub(crate) fill_nulls_with: Option<i64>,
    pub(crate) join_to_timespine: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OwnAggregate {
    pub(crate) model: At<String>,
    pub(crate) aggregate: Aggregate,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cumulative {
    pub(crate) input: Side,
    pub(crate) window: Option<At<TimeWindow>>,
    pub(crate) grain_to_date: Option<At<TimeGrain>>,
    /// Where older files have them (N7).
    pub(crate) old_window: Option<At<TimeWindow>>,
    pub(crate) old_grain_to_date: Option<At<TimeGrain>>,
    pub(crate) period_agg: Option<PeriodAggregation>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Conversion {
    pub(crate) entity: At<String>,
    pub(crate) base: Side,
    pub(crate) conversion: Side,
    pub(crate) calculation: ConversionCalculation,
    pub(crate) window: Option<At<TimeWindow>>,
    pub(crate) constant_properties: Vec<(At<String>, At<String>)>,
}

/// What cumulative and conversion metrics are made of; measures become metrics (N6).
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Side {
    Metric(Input),
    Measure(MeasureInput),
}

impl Side {
    pub(crate) fn filters(&self) -> &[At<String>] {
        match self {
            Self::Metric(input) => &input.filters,
            Self::Measure(input) => &input.filters,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Input {
    pub(crate) name: At<String>,
    pub(crate) filters: Vec<At<String>>,
    pub(crate) alias: Option<At<String>>,
    pub(crate) offset_window: Option<At<TimeWindow>>,
    pub(crate) offset_to_grain: Option<At<TimeGrain>>,
}

impl Input {
    pub(crate) fn named(name: At<String>) -> Self {
        Self { name, filters: Vec::new(), alias: None, offset_window: None, offset_to_grain: None }
    }

    /// Its name inside the outer metric.
    pub(crate) fn output_name(&self) -> &str {
        self.alias.as_ref().map_or(&self.name.value, |alias| &alias.value)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MeasureInput {
    pub(crate) name: At<String>,
    pub(crate) filters: Vec<At<String>>,
    pub(crate) alias: Option<At<String>>,
    pub(crate) fill_nulls_with: Option<i64>,
    pub(crate) join_to_timespine: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SavedQuery {
    pub(crate) name: At<String>,
    pub(crate) label: Option<At<String>>,
    pub(crate) description: Option<String>,
    pub(crate) metrics: Vec<At<String>>,
    pub(crate) group_by: Vec<At<String>>,
    pub(crate) filters: Vec<At<String>>,
    /// As written: `-revenue`, `Metric('revenue').descending(True)`.
    pub(crate) order_by: Vec<At<String>>,
    pub(crate) limit: Option<u64>,
    pub(crate) exports: Vec<Export>,
    pub(crate) tags: Vec<String>,
    pub(crate) cache: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct View {
    pub(crate) name: At<String>,
    pub(crate) description: Option<String>,
    pub(crate) metrics: Vec<At<String>>,
    pub(crate) dimensions: Option<Vec<At<ViewDimension>>>,
    pub(crate) filters: Vec<At<String>>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Spine {
    pub(crate) grain: At<Grain>,
    pub(crate) points: SpinePoints,
    /// Name, and column (= name).
    pub(crate) custom_grains: Vec<(At<String>, Option<String>)>,
}
