//! REST under `/api/v1`: queries as streams of rows, and point lookups of profiles and audiences.
//!
//! Every question goes to `engine`, `identity` or `audiences` as it is; this crate knows JSON, CSV, Arrow
//! streams and HTTP statuses.
//!
//! Must never know: a metric's SQL, access rules, how membership is computed, other protocols.
#![forbid(unsafe_code)]

mod answer;
mod body;
mod error;
mod format;
mod router;
mod routes;

/// One set of parts serves the tests of both JSON interfaces.
#[cfg(test)]
#[path = "../../graphql/src/fixture.rs"]
mod fixture;
#[cfg(test)]
mod tests;

pub use error::Error;
pub use router::{Authenticate, Deps, router};
