//! Arrow Flight SQL: what ADBC, JDBC, ODBC and pyarrow clients speak.
//!
//! Describing a query plans it and runs nothing; what comes back is a signed ticket, and only
//! `DoGet` runs. A ticket holds all that is needed, so any server with the same keys serves it.
//!
//! Must never know: how a query is answered (that is `engine`), DataFusion, other protocols.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod actions;
mod auth;
mod keys;
mod metadata;
mod options;
mod prepared;
mod rows;
mod running;
mod serve;
mod service;
mod session_messages;
mod sessions;
mod sql_info;
mod statements;
mod status;
mod ticket;
mod type_info;

pub use auth::Authenticate;
pub use options::Options;
pub use serve::serve;
pub use service::{Server, Service, service};
