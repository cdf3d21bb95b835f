//! Flight SQL calls by arrow-flight's own client, over a real warehouse.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail in any way")]
#![allow(unreachable_pub, dead_code, reason = "an integration binary has no outside; the shop is shared")]

#[path = "../../../engine/tests/it/shop.rs"]
mod shop;

mod access;
mod actions;
mod metadata;
mod server;
mod sessions;
mod statements;
