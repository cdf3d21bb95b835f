//! The service as clients see it.

mod dbt;
mod requests;
mod sockets;

use std::time::Duration;

use axum::Router;

use crate::{
    fixture::Fixture,
    http::{Service, routes},
    schema::Schemas,
    socket::Timings,
};

/// The service with times a test can wait for.
fn service(fixture: &Fixture) -> Router {
    let timings = Timings { init: Duration::from_millis(300), ping: Duration::from_millis(50) };
    routes(Service {
        schemas: Schemas::new(&fixture.deps),
        auth: fixture.deps.auth.clone(),
        engine: fixture.deps.engine.clone(),
        timings,
    })
}
