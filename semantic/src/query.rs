//! From a question to a plan: names are resolved to paths of joins, metrics to aggregates over tables.

mod calendar;
mod compile;
mod filter;
mod graph;
mod groups;
mod leaves;
mod listing;
mod names;
mod order;
mod over_time;
mod plan;
mod planner;
mod resolve;
mod scope;
mod template;
mod time;
mod values;

pub use compile::{ColumnKind, Compiled, OutputColumn, compile, compile_for};
pub(crate) use filter::filter_faults;
pub(crate) use graph::Graph;
pub(crate) use listing::{dimensions, entities, metrics_for, queryable_grains, requires_metric_time};
pub(crate) use plan::{
    Aggregate, Comparison, JoinKind, POINT, Rows, Scalar, Select, Source, Window, WindowFunction, marked,
};
