//! The product from outside: the real binary, the real client packages, real faults.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]
#![allow(
    clippy::disallowed_methods,
    reason = "tests are told by variables where tools are and how long to run"
)]

mod bad_input;
mod client;
mod collect;
mod command_line;
mod dbt;
mod disk_full;
mod failing_start;
mod flight_sql;
mod graphql;
mod restart;
mod server;
mod webhooks;
