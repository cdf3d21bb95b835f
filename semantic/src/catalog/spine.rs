use model::Timestamp;

use super::{Grain, Relation};

/// A calendar of time points, for metrics that look across periods (Q8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeSpine {
    /// Distance of its points.
    pub grain: Grain,
    /// Where they come from.
    pub points: SpinePoints,
    /// Grains that only its table knows.
    pub custom_grains: Vec<CustomGrain>,
}

/// Where the points of a spine come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpinePoints {
    /// Counted out by the query: from the first to the last, both included.
    Generated {
        /// First point.
        from: Timestamp,
        /// Last point.
        to: Timestamp,
    },
    /// A column of a table.
    Table {
        /// The table.
        relation: Relation,
        /// The column that holds the points.
        column: String,
    },
}

/// A grain of a business's own calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomGrain {
    /// Its name.
    pub name: String,
    /// The spine's column that holds each point's period.
    pub column: String,
}
