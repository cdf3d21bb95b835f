//! GraphQL at `/graphql`: metrics, profiles and audiences for apps, and audience changes as they happen.
//! Beside it, at `/api/graphql`, the API of the dbt Semantic Layer for its clients.
//!
//! Selected fields say what is read; every question goes to `engine`, `identity` or `audiences` as it is.
//! Transports: POST, `graphql-transport-ws` for subscriptions, server-sent events, and GraphiQL on GET.
//!
//! Must never know: a metric's SQL, access rules, how membership is computed, other protocols.
#![forbid(unsafe_code)]

mod dbt;
mod error;
mod http;
mod input;
mod limits;
mod origin;
mod page;
mod resolve;
mod schema;
mod socket;
mod sse;
mod value;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

pub use error::Error;
pub use http::{Authenticate, Deps, router};
pub use schema::sdl;
