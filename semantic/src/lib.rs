//! Definitions in, checked catalog out; metric query in, SQL out; audience definition in, program out.
//!
//! Pure: values in, values out. Must never know: tokio, files, DataFusion, the network, the clock.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod catalog;

pub use catalog::*;
