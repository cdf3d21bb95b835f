//! The product from outside: the real binary, the real client packages, real faults.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]

mod bad_input;
mod client;
mod collect;
mod command_line;
mod disk_full;
mod flight_sql;
mod graphql;
mod restart;
mod server;
mod webhooks;
