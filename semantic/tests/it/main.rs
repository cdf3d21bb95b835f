//! What the crate promises, by topic.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what is wrong by failing")]

mod definitions;
mod queries;
mod support;
mod totality;
