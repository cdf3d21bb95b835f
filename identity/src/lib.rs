//! Decides which records are one profile and what the golden record says; explains why.
//!
//! Profiles are a pure function of stored records and declared rules, F(S, R): no clock, no
//! randomness, no arrival order is an input. [`resolve`] is that function over a whole set;
//! [`Identity`] keeps its result true after each observation.
//!
//! Must never know: the clock, I/O, audiences, protocols, where its state is stored.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod batch;
mod default_blocks;
mod engine;
mod error;
mod event;
mod fold;
mod golden;
mod handle;
mod links;
mod normalize;
mod observation;
mod outcome;
mod profile_id;
mod resolution;
mod rules;
mod scan;
mod stored;
#[cfg(test)]
mod testing;

pub use batch::{fold_record, resolve};
pub use engine::{Explanation, Identity, Obstacle, Step};
pub use error::Error;
pub use event::{observe_event, record_of_event};
pub use handle::Handle;
pub use observation::{Observation, RecordOrigin};
pub use outcome::{Current, LinkStatus, LinkView, Outcome, Profile, RecordMove, RecordView, TraitValue};
pub use profile_id::{TenantKey, profile_id};
pub use resolution::{Reason, Refused, RefusedEdge, Resolution, ResolvedProfile};
