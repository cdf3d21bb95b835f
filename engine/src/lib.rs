//! Answers a query for a principal: pins a snapshot of the warehouse, compiles, runs, streams.
//!
//! A query is a [`Request`]: metrics by name, or SQL. Every interface turns its question into one,
//! and streams the [`Answer`] back; none of them knows a metric's SQL or has rules of its own.
//!
//! Must never know: the write side (log, collector, pipeline), protocols.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod answer;
mod column_names;
mod cursor;
mod engine;
mod error;
mod explain;
mod fit;
mod identity_join;
pub mod json;
pub mod metadata;
mod metric_views;
mod names;
mod parameters;
mod planning;
mod plans;
mod reads;
mod request;
mod results;
mod run;
mod semantic_layer;
mod session;
mod statement;
mod stop;
mod sum;
mod system;
mod views;

pub use datafusion::{common::ScalarValue, execution::SendableRecordBatchStream};

pub use semantic::{
    Audience, Catalog, DimensionKind, Grain, GroupBy, Metric, MetricKind, MetricQuery, MetricRequest,
    MetricValue, OrderBy, QueryableDimension, TimeConstraint, TimeRange, describe,
};

pub use cursor::{Cursor, CursorError};
pub use engine::{Engine, Options};
pub use error::Error;
pub use explain::{Explanation, Fragment};
pub use request::{Answer, CacheUse, Prepared, Provenance, QueryOptions, Request, TableInfo, TableKind};
pub use session::session_over;

/// The one catalog of every SQL interface.
pub const CATALOG: &str = "etalon";
