//! What the crate promises, by topic.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what is wrong by failing")]

mod definitions;
mod forms;
mod keys;
mod normalised;
mod ossie;
mod queries;
mod rules;
mod support;
mod totality;
