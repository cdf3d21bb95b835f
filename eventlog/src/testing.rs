//! For tests of this crate and of what stands on it: a storage that breaks on demand, and what every log
//! promises.

mod conformance;
mod disk;
mod faulty;

pub use conformance::conformance;
pub use faulty::{Faults, FaultyStorage, SyncGate};
