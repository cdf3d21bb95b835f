//! HTTP tracking requests from unmodified Segment and RudderStack SDKs become validated, deduplicated
//! events on the log. A 200 is sent only after the log has every accepted event on stable storage.
//!
//! A request passes: [`route`] (what is asked), [`body`] (bytes, bounded), [`envelope`] (cut into raw
//! items), [`judge`] (one item: event or dead letter), [`dedup`] (fresh, repeated or in flight),
//! [`commit`] (one append per request), [`answer`].
//!
//! Must never know: identity, audiences, the warehouse, how the log stores a record.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod answer;
mod body;
mod collector;
mod commit;
mod configs;
mod dead_letters;
mod dedup;
mod envelope;
mod error;
mod ids;
mod judge;
mod options;
mod peer;
mod pixel;
mod query;
mod reason;
mod rewrite;
mod route;
mod serve;
mod source;
mod statistics;
mod times;
mod webhook;

pub use collector::Collector;
pub use dead_letters::{DeadLetters, Filter, Listed, Replayed};
pub use error::Error;
pub use options::{DedupOptions, Flavour, IpRule, Network, Options, ParseNetworkError, WriteKey};
pub use statistics::{DedupStatistics, Latency, SourceStatistics, Statistics};
