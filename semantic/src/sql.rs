//! SQL as sqlparser's tree: parsing what users write, building what the planner wants, rendering it.
//! [`datafusion`] holds what differs
//! between engines: a second dialect turns that module's functions into a trait.

mod build;
pub(crate) mod datafusion;
mod expr;
mod render;

pub(crate) use build::{column, equal, text};
pub(crate) use expr::{has_distinct, infer, parse_expr, qualify, replace, result_type};
pub(crate) use render::{Rendered, render};
