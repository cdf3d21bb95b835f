//! The way of membership changes out: the change log, feeds with a cursor, and webhooks.
//!
//! Must never know: how a membership is decided, identity, the event log, the wire formats of APIs.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod address;
mod breaker;
mod changes;
mod client;
mod endpoint;
mod error;
mod feed;
mod lanes;
mod ledger;
mod request;
mod schedule;
mod signature;
mod webhooks;
mod worker;

pub use address::{Network, ParseNetworkError};
pub use changes::ChangeLog;
pub use endpoint::{Endpoint, EndpointState, EndpointStatus};
pub use error::Error;
pub use feed::{ChangeBatch, Filter};
pub use webhooks::{Options, Webhooks};
