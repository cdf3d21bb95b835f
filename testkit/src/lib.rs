//! What the tests of several crates need and no product code may use.
//!
//! A development dependency only: `tests/layers.rs` refuses it anywhere else.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod postgres;

pub use postgres::Postgres;
