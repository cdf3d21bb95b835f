//! What the embedded log promises, on a disk that breaks on demand and on a real one.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed call is a failed test")]

mod append;
mod conformance;
mod crash;
mod damage;
mod retention;
mod segments;
mod space;
mod support;
mod torn;
