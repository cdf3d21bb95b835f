//! One HTTP port: collector, GraphQL, REST, health and metrics.

mod dead_letters;
mod health;
mod metrics;
mod webhooks;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use eventlog::EmbeddedLog;
use model::Clock;
use serde_json::json;
use tower::ServiceExt as _;

use crate::auth::Auth;

/// What the HTTP port serves.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) collector: collector::Collector<EmbeddedLog>,
    pub(crate) engine: engine::Engine,
    pub(crate) pipeline: pipeline::Handle,
    pub(crate) changes: delivery::ChangeLog,
    pub(crate) webhooks: Arc<delivery::Webhooks>,
    pub(crate) log: EmbeddedLog,
    pub(crate) warehouse: warehouse::Embedded,
    pub(crate) auth: Auth,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Everything the port answers. What no route names is the tracking API's, which has its own 404.
pub(crate) fn router(parts: Parts) -> Router {
    let graphql = graphql::router(graphql::Deps {
        engine: parts.engine.clone(),
        identity: parts.pipeline.identity.clone(),
        audiences: parts.pipeline.audiences.clone(),
        changes: parts.changes.clone(),
        auth: Arc::clone(&parts.auth),
        clock: Arc::clone(&parts.clock),
    });
    let rest = rest::router(rest::Deps {
        engine: parts.engine.clone(),
        identity: parts.pipeline.identity.clone(),
        audiences: parts.pipeline.audiences.clone(),
        changes: parts.changes.clone(),
        auth: Arc::clone(&parts.auth),
        clock: Arc::clone(&parts.clock),
    });
    let operators = Router::new()
        .merge(dead_letters::router())
        .merge(webhooks::router())
        .layer(axum::middleware::from_fn_with_state(parts.clone(), authenticated))
        .with_state(parts.clone());
    let open = Router::new().merge(health::router()).merge(metrics::router()).with_state(parts.clone());
    open.merge(operators).merge(graphql).merge(rest).fallback_service(parts.collector.router())
}

/// The same port for gRPC: clients of the dbt Semantic Layer know one address for everything. What says
/// that it is gRPC goes there, whatever its path, so that it is answered as gRPC.
pub(crate) fn with_grpc(http: Router, flight: flight::Server) -> Router {
    let grpc = tonic::service::Routes::new(flight).into_axum_router();
    Router::new().fallback_service(tower::service_fn(move |request: Request| {
        let router = if is_grpc(request.headers()) { grpc.clone() } else { http.clone() };
        router.oneshot(request)
    }))
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map(|value| value.as_bytes());
    kind.is_some_and(|kind| kind.starts_with(b"application/grpc"))
}

async fn authenticated(State(parts): State<Parts>, request: Request, next: Next) -> Response {
    match (parts.auth)(bearer(request.headers())) {
        Some(_) => next.run(request).await,
        None => problem(StatusCode::UNAUTHORIZED, "unauthenticated", "a bearer API key is needed"),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, credential) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(credential.trim())
}

/// RFC 9457.
fn problem(status: StatusCode, code: &str, detail: &str) -> Response {
    let body = json!({"type": "about:blank", "status": status.as_u16(), "code": code, "detail": detail});
    let headers = [(header::CONTENT_TYPE, "application/problem+json")];
    (status, headers, body.to_string()).into_response()
}
