//! Definitions in, checked catalog out; metric query in, SQL out; audience definition in, program out.
//!
//! Pure: values in, values out. Must never know: tokio, files, DataFusion, the network, the clock.
//!
//! The way of a definition: text -> [`yaml`] nodes with places -> [`load`] reads and normalises each
//! block -> `check` judges them together -> [`Catalog`]. The way of a question: [`MetricQuery`] ->
//! [`query`] resolves names to paths of joins and plans branches -> [`sql`] writes them for a dialect.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod catalog;
mod describe;
mod hash;
mod load;
mod names;
mod ossie;
mod query;
mod report;
mod sql;
mod violations;
mod yaml;

pub use catalog::*;
pub use describe::describe;
pub use load::{Loaded, SourceFile, load};
pub use ossie::{OssieFormat, export_ossie};
pub use query::{ColumnKind, Compiled, OutputColumn, compile, compile_for};
pub use sql::Dialect;
