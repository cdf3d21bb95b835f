//! What is to be computed, before any dialect: selects over rows, and scalars over their columns.

use std::sync::Arc;

use model::{ColumnType, Timestamp};
use sqlparser::ast;

use crate::{Aggregation, DatePart, Grain, Relation};

/// One SELECT.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Select {
    /// Selects that stand in front of this one and are read by name.
    pub(crate) named: Vec<(String, Select)>,
    pub(crate) distinct: bool,
    /// Output names and what they show.
    pub(crate) columns: Vec<(String, Scalar)>,
    pub(crate) from: Option<Source>,
    pub(crate) joins: Vec<Join>,
    /// Conditions, ANDed.
    pub(crate) filters: Vec<Scalar>,
    /// Grouped by this many first columns.
    pub(crate) group_by: usize,
    /// Output columns, largest first where true.
    pub(crate) order: Vec<(String, bool)>,
    pub(crate) limit: Option<u64>,
}

/// Rows under a name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Source {
    pub(crate) rows: Rows,
    pub(crate) alias: String,
}

/// Where rows come from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Rows {
    Table(Relation),
    Query(Arc<ast::Query>),
    Select(Box<Select>),
    /// All rows of several selects of equal columns.
    Union(Vec<Select>),
    /// One of [`Select::named`].
    Named(String),
    /// Points of time counted out, in the column [`POINT`].
    Points {
        from: Timestamp,
        to: Timestamp,
        grain: Grain,
    },
}

/// Column of counted points.
pub(crate) const POINT: &str = "point";

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Join {
    pub(crate) kind: JoinKind,
    pub(crate) source: Source,
    /// Conditions, ANDed.
    pub(crate) on: Vec<Scalar>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JoinKind {
    Inner,
    Left,
    Full,
    Cross,
}

/// A value of one row, or of one group of rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scalar {
    /// A column, by the name of its rows.
    Column(String, String),
    /// A user's expression over the columns of the rows of this name.
    Sql(Arc<ast::Expr>, String),
    /// A user's expression whose marked identifiers stand for other values; see [`mark`].
    Template(Arc<ast::Expr>, Vec<Scalar>),
    Text(String),
    Int(i64),
    Time(Timestamp),
    /// No value, of a type.
    Null(ColumnType),
    /// No value, of the type of a column of a named select.
    NullLike {
        select: String,
        column: String,
    },
    Trunc(Grain, Box<Scalar>),
    Part(DatePart, Box<Scalar>),
    /// So many grains later; earlier if negative.
    Shift(Box<Scalar>, i64, Grain),
    Trim(Box<Scalar>),
    Lower(Box<Scalar>),
    Compare(Comparison, Box<Scalar>, Box<Scalar>),
    Or(Vec<Scalar>),
    IsNull(Box<Scalar>),
    IsNotNull(Box<Scalar>),
    /// One of the values of a select.
    In(Box<Scalar>, Box<Select>),
    Coalesce(Box<Scalar>, i64),
    /// Q7: zero below the line gives no value.
    Ratio(Box<Scalar>, Box<Scalar>),
    Aggregate(Aggregate),
    /// The largest of a group.
    Max(Box<Scalar>),
    Min(Box<Scalar>),
    Mean(Box<Scalar>),
    Window(Box<Window>),
}

/// An aggregate with its result type, so that every dialect answers alike (SEM-1).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Aggregate {
    /// The metric it belongs to, for messages.
    pub(crate) metric: String,
    pub(crate) agg: Aggregation,
    pub(crate) of: Box<Scalar>,
    pub(crate) column_type: Option<ColumnType>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A function over the rows around each row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Window {
    pub(crate) function: WindowFunction,
    pub(crate) partition: Vec<Scalar>,
    /// Largest first where true.
    pub(crate) order: Vec<(Scalar, bool)>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum WindowFunction {
    RowNumber,
    DenseRank,
    Min(Scalar),
    Max(Scalar),
    /// The value at the first (last) row of the whole partition.
    First(Scalar),
    Last(Scalar),
}

/// What stands for the n-th value in a template while it is SQL.
const MARK: &str = "etalon_object_";

/// The identifier that stands for the n-th value of a template.
pub(crate) fn mark(n: usize) -> String {
    format!("{MARK}{n}")
}

/// The number of a marked identifier.
pub(crate) fn marked(name: &str) -> Option<usize> {
    name.strip_prefix(MARK)?.parse().ok()
}

impl Source {
    pub(crate) fn table(schema: &str, name: &str, alias: impl Into<String>) -> Self {
        Self { rows: Rows::Table(Relation::table(schema, name)), alias: alias.into() }
    }

    pub(crate) fn select(select: Select, alias: impl Into<String>) -> Self {
        Self { rows: Rows::Select(Box::new(select)), alias: alias.into() }
    }
}

impl Scalar {
    pub(crate) fn column(alias: impl Into<String>, name: impl Into<String>) -> Self {
        Self::Column(alias.into(), name.into())
    }

    pub(crate) fn trunc(self, grain: Grain) -> Self {
        Self::Trunc(grain, Box::new(self))
    }

    pub(crate) fn compare(self, comparison: Comparison, right: Self) -> Self {
        Self::Compare(comparison, Box::new(self), Box::new(right))
    }

    pub(crate) fn equals(self, right: Self) -> Self {
        self.compare(Comparison::Equal, right)
    }

    /// With what stands where there is no value.
    pub(crate) fn or_else(self, fill: Option<i64>) -> Self {
        match fill {
            Some(n) => Self::Coalesce(Box::new(self), n),
            None => self,
        }
    }

    pub(crate) fn window(function: WindowFunction, partition: Vec<Self>, order: Vec<(Self, bool)>) -> Self {
        Self::Window(Box::new(Window { function, partition, order }))
    }
}
