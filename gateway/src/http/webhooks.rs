//! How webhook endpoints are doing.

use axum::{Json, Router, extract::State, response::IntoResponse, routing::get};
use delivery::EndpointState;
use serde_json::{Value, json};

use super::Parts;

pub(super) fn router() -> Router<Parts> {
    Router::new().route("/api/v1/webhooks", get(list))
}

async fn list(State(parts): State<Parts>) -> impl IntoResponse {
    let webhooks: Vec<Value> = parts
        .webhooks
        .status()
        .into_iter()
        .map(|endpoint| {
            json!({
                "name": endpoint.name,
                "state": match endpoint.state {
                    EndpointState::Active => "active",
                    EndpointState::Open => "waiting",
                    EndpointState::Disabled => "disabled",
                },
                "cursor": endpoint.cursor,
                "behind": endpoint.behind,
                "waiting": endpoint.waiting,
                "dead": endpoint.dead,
                "delivered_at": endpoint.delivered_at.map(|t| t.to_string()),
                "failure": endpoint.failure.map(|(at, text)| json!({"at": at.to_string(), "text": text})),
            })
        })
        .collect();
    Json(json!({ "webhooks": webhooks }))
}
