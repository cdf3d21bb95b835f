//! Liveness and readiness.

use axum::{Json, Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use serde_json::json;

use super::Parts;

pub(super) fn router() -> Router<Parts> {
    Router::new()
        .route("/healthz", get(alive))
        .route("/health", get(alive))
        .route("/readyz", get(ready))
        .route("/ready", get(ready))
        .route("/version", get(version))
}

/// 200 while the process serves.
async fn alive() -> &'static str {
    "ok"
}

/// 200 only if a probe record can be committed to the log.
async fn ready(State(parts): State<Parts>) -> impl IntoResponse {
    match parts.collector.readiness().await {
        Ok(()) => (StatusCode::OK, Json(json!({"status": "ready"}))),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            let body = json!({"status": "not ready", "detail": "the log cannot commit a record"});
            (StatusCode::SERVICE_UNAVAILABLE, Json(body))
        }
    }
}

async fn version() -> impl IntoResponse {
    Json(json!({"name": "etalon", "version": env!("CARGO_PKG_VERSION")}))
}
