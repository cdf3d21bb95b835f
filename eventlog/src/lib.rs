//! A durable, ordered, append-only log with explicit offsets: segment files on a local disk, one total
//! order, group commit.
//!
//! - LOG-1: an append resolves only after its records are on stable storage.
//! - LOG-2: offsets are dense and never reused.
//! - LOG-3: a reader never sees a record that may still vanish, one twice, or a hole it is not told of.
//!
//! Must never know: what an event means. Payloads are bytes with a kind.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod log;

mod error;

mod batch;
mod body;
mod embedded;
mod format;
mod memory;
mod options;
mod scan;
mod storage;
pub mod testing;

pub use batch::Batch;
pub use embedded::EmbeddedLog;
pub use error::{AppendError, Error};
pub use log::{Appended, Log};
pub use memory::MemoryLog;
pub use options::{Damage, Options, Recovery, Statistics, Torn, Verification};
pub use storage::{FileStorage, Lock, Storage, StorageFile};
