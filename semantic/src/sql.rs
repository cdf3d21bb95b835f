//! SQL as sqlparser's tree: parsing what users write, writing what the planner wants. What differs
//! between engines is one module each, behind [`Dialect`].

mod build;
mod datafusion;
mod dialect;
mod expr;
mod postgres;
mod render;
mod snowflake;

pub(crate) use build::{bare, null};
pub use dialect::Dialect;
pub(crate) use expr::{
    add, columns, divide_as_double, has_aggregate, has_compound, has_distinct, infer, parse_expr,
    parse_query, qualify, replace, replace_columns, result_type,
};
pub(crate) use render::{Rendered, render};
