//! Webhooks against a receiver on the loopback, and the feed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must say where")]

mod cases;
mod feed;
mod receiver;
mod world;
