//! What the crate promises, checked from outside: spec cases, properties, conformance.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod oracle;
mod properties;
mod script;
mod spec;
