//! The engine against hand-written cases and against brute force over the full history.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must say where")]

mod build;
mod cases;
mod definitions;
mod oracle;
mod random;
mod world;
