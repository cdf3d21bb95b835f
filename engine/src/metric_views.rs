//! Schema `metrics`: metric views, and how a statement over one becomes a metric query.
//!
//! A *tower* is SELECT, WHERE and aliasing over one view. The innermost aggregate over a tower decides
//! the grain (SQL-1): its keys become group-bys, the tower's conditions become filters, its calls become
//! metrics. What is compiled from that takes the place of the aggregate in the plan, under the same
//! names; all around it is ordinary SQL over the complete result. The rewrite is deterministic: it walks
//! the plan once, before analysis, and either replaces every view or refuses with what to write instead.

mod column;
mod functions;
mod measure;
mod question;
mod refusal;
mod rewrite;
mod subquery;
mod table;
mod template;
mod time;
mod tower;
mod views;

pub(crate) use column::types_of;
pub(crate) use functions::measure_functions;
pub(crate) use rewrite::{Asked, Rewrite};
pub(crate) use subquery::{Shipped, to_ship};
pub(crate) use table::MetricViewTable;
pub(crate) use views::{Types, Views};
