//! From a question to a plan: names are resolved to paths of joins, metrics to aggregates over tables.

mod aggregates;
mod compile;
mod filter;
mod graph;
mod leaves;
mod listing;
mod names;
mod plan;
mod resolve;
mod template;
mod values;

pub use compile::{ColumnKind, Compiled, OutputColumn, compile};
pub(crate) use filter::filter_faults;
pub(crate) use graph::Graph;
pub(crate) use listing::dimensions;
pub(crate) use plan::{Branch, Formula, Leaf, Plan};
