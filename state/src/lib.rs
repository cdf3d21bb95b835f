//! Derived state: named keyspaces of ordered bytes, changed by one atomic commit at a time.
//!
//! The log is the truth and this is a function of it, so a commit carries the input offset it reached
//! (PIPE-1) and is not synced: after a power cut the store is an older, consistent prefix, and replay
//! brings it to the same bytes again (PIPE-2).
//!
//! Must never know: what the bytes mean, that is, identity, audiences, or the log.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod batch;
mod disk;
mod error;
mod keyspace;
mod memory;
mod store;

pub use batch::Batch;
pub use error::Error;
pub use keyspace::{Keyspace, Pair};
pub use store::Store;
