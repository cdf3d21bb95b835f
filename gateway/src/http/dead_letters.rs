//! Dead letters: list, replay, drop.

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::post,
};
use collector::{Filter, Listed};
use eventlog::Log as _;
use model::{Offset, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Parts, problem};

/// Letters in one answer.
const PAGE: usize = 1_000;

pub(super) fn router() -> Router<Parts> {
    Router::new()
        .route("/api/v1/dead-letters/list", post(list))
        .route("/api/v1/dead-letters/replay", post(replay))
        .route("/api/v1/dead-letters/drop", post(close))
}

/// Which letters are meant; what is absent or null matches all.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Request {
    id: Option<u64>,
    source: Option<String>,
    reason: Option<String>,
    event: Option<String>,
    since: Option<String>,
    dry_run: bool,
}

impl Request {
    fn filter(self) -> Result<Filter, Box<Response>> {
        let since = match self.since.as_deref() {
            None => None,
            Some(text) => Some(Timestamp::parse(text).ok_or_else(|| {
                let detail = format!("'{text}' is not a time; write 2026-01-31T12:00:00Z");
                Box::new(problem(StatusCode::BAD_REQUEST, "invalid", &detail))
            })?),
        };
        Ok(Filter {
            id: self.id.map(Offset),
            source: self.source,
            reason: self.reason,
            event: self.event,
            since,
            status: None,
        })
    }
}

async fn list(State(parts): State<Parts>, Json(request): Json<Request>) -> Response {
    let filter = match request.filter() {
        Ok(filter) => filter,
        Err(refusal) => return *refusal,
    };
    caught_up(&parts).await;
    match parts.collector.dead_letters().list(&filter, PAGE) {
        Ok(letters) => {
            let complete = letters.len() < PAGE;
            let letters: Vec<Value> = letters.iter().map(letter).collect();
            Json(json!({"dead_letters": letters, "complete": complete})).into_response()
        }
        Err(error) => failed(&error),
    }
}

async fn replay(State(parts): State<Parts>, Json(request): Json<Request>) -> Response {
    let dry_run = request.dry_run;
    let filter = match request.filter() {
        Ok(filter) => filter,
        Err(refusal) => return *refusal,
    };
    caught_up(&parts).await;
    match parts.collector.dead_letters().replay(&filter, dry_run).await {
        Ok(replayed) => {
            let refused: Vec<Value> = replayed
                .refused
                .iter()
                .map(|(id, reason, message)| json!({"id": id.0, "reason": reason, "message": message}))
                .collect();
            let answer = json!({
                "accepted": replayed.accepted,
                "duplicate": replayed.duplicate,
                "failed": refused.len(),
                "refused": refused,
                "dry_run": dry_run,
            });
            Json(answer).into_response()
        }
        Err(error) => failed(&error),
    }
}

async fn close(State(parts): State<Parts>, Json(request): Json<Request>) -> Response {
    let filter = match request.filter() {
        Ok(filter) => filter,
        Err(refusal) => return *refusal,
    };
    caught_up(&parts).await;
    match parts.collector.dead_letters().drop(&filter).await {
        Ok(dropped) => Json(json!({ "dropped": dropped })).into_response(),
        Err(error) => failed(&error),
    }
}

/// Letters are folded by the pipeline: everything acknowledged before the call is waited for.
async fn caught_up(parts: &Parts) {
    let end = parts.log.end();
    let mut position = parts.pipeline.watch_position();
    let waited =
        tokio::time::timeout(std::time::Duration::from_secs(10), position.wait_for(|at| *at >= end)).await;
    if waited.is_err() {
        tracing::warn!("dead letters are answered while the pipeline is behind");
    }
}

fn failed(error: &collector::Error) -> Response {
    tracing::warn!(%error, "dead letters could not be read or replayed");
    problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "the log or the state store cannot be used now")
}

fn letter(listed: &Listed) -> Value {
    let letter = &listed.stored.letter;
    json!({
        "id": listed.id.0,
        "received_at": letter.received_at.to_string(),
        "source": letter.source,
        "request_id": letter.request_id,
        "index": letter.index,
        "reason": letter.reason,
        "pointer": letter.pointer,
        "message": letter.message,
        "state": listed.stored.status.as_str(),
        "attempts": listed.stored.attempts,
        "message_id": letter.message_id,
        "type": letter.event_type,
        "event": letter.event,
        "user_id": letter.user_id,
        "anonymous_id": letter.anonymous_id,
        "raw": String::from_utf8_lossy(&letter.raw),
    })
}
