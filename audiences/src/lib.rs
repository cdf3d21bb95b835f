//! Audience programs: who is in, decided call by call and by the clock (`audiences.md` §1-§3, §6).
//!
//! Pure: log records in, membership changes and bytes to store out. The answer is a function of the
//! records and their clocks alone (EV-1), so a replay gives the same changes byte for byte.
//!
//! Must never know: the machine's clock, files, the network, how identity decides who is who, how a
//! change is delivered.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod bits;
mod compare;
mod decimal;
mod engine;
mod error;
mod filter;
mod handle;
mod leaf;
mod population;
mod program;
mod states;
mod timers;

pub use engine::{At, Dirty, Engine, Explanation, Input, Member, PendingChange};
pub use error::Error;
pub use handle::Handle;
