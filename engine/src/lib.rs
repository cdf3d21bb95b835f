//! Answers a query for a principal: pins a snapshot of the warehouse, compiles, runs, streams.
//!
//! A query is a [`Request`]: metrics by name, or SQL. Every interface turns its question into one,
//! and streams the [`Answer`] back; none of them knows a metric's SQL or has rules of its own.
//!
//! Must never know: the write side (log, collector, pipeline), protocols.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod column_names;
mod cursor;
mod engine;
mod error;
mod fit;
mod identity_join;
pub mod json;
mod names;
mod parameters;
mod request;
mod run;
mod session;
mod statement;
mod sum;
mod system;
mod views;

pub use datafusion::{common::ScalarValue, execution::SendableRecordBatchStream};

pub use semantic::{
    Audience, Catalog, DimensionKind, Grain, Metric, MetricKind, MetricQuery, OrderBy, QueryableDimension,
    TimeRange, describe,
};

pub use cursor::{Cursor, CursorError};
pub use engine::{Engine, Options};
pub use error::Error;
pub use request::{Answer, Prepared, Provenance, Request, TableInfo, TableKind};

/// The one catalog of every SQL interface.
pub const CATALOG: &str = "etalon";
