//! What is to be computed, before any dialect: branches of aggregates, and how they meet.

use model::ColumnType;
use sqlparser::ast::Expr;

use crate::Aggregation;

/// A whole question.
#[derive(Debug)]
pub(crate) struct Plan {
    /// One aggregate over one table each; one without leaves for a question without metrics.
    pub(crate) branches: Vec<Branch>,
    /// Output names and types of the group-bys; the same for every branch.
    pub(crate) groups: Vec<(String, Option<ColumnType>)>,
    /// Output names of the metrics, and how they follow from the leaves.
    pub(crate) metrics: Vec<(String, Formula)>,
    /// Output columns, largest first where true.
    pub(crate) order: Vec<(String, bool)>,
    pub(crate) limit: Option<u64>,
}

/// One scan with its joins, filtered and aggregated.
#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) source: Source,
    /// Group-by expressions, in the order of [`Plan::groups`].
    pub(crate) groups: Vec<Expr>,
    /// Conditions, ANDed before aggregation.
    pub(crate) filters: Vec<Expr>,
    pub(crate) leaves: Vec<Leaf>,
}

/// A table and what joins it.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) table: (String, String),
    pub(crate) alias: String,
    pub(crate) joins: Vec<Join>,
}

/// One outer join.
#[derive(Debug)]
pub(crate) struct Join {
    pub(crate) table: (String, String),
    pub(crate) alias: String,
    /// Conditions, ANDed.
    pub(crate) on: Vec<Expr>,
    /// Keep the rows of both sides, for questions about values alone (Q16).
    pub(crate) full: bool,
}

/// One aggregate of one branch.
#[derive(Debug)]
pub(crate) struct Leaf {
    /// Column it has inside the query; unique over all branches.
    pub(crate) column: String,
    pub(crate) agg: Aggregation,
    pub(crate) expr: Expr,
    pub(crate) column_type: Option<ColumnType>,
}

/// A metric over leaves, by their numbers over all branches in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Formula {
    Leaf(usize),
    Ratio(Box<Formula>, Box<Formula>),
}
