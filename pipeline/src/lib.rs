//! Reads the log in order, runs identity and then audiences, commits state and position together
//! (PIPE-1), and feeds the warehouse and the change log.
//!
//! Must never know: protocols, how a change is delivered, how a query is answered.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod error;
mod outbox;
mod recovery;
mod rows;
mod service;
mod step;
mod stores;
mod worker;

pub use error::Error;
pub use rows::table_specs;
pub use service::{Deps, Handle, Pipeline, Statistics};
