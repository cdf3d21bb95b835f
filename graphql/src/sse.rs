//! Server-sent events, distinct-connection mode: one POST, one operation, `next` events until `complete`.

use std::{convert::Infallible, time::Duration};

use async_graphql::{Response as Answer, Value};
use axum::{
    http::{HeaderMap, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures::{StreamExt, stream};

use crate::http::Admitted;

const QUIET: Duration = Duration::from_secs(15);

pub(crate) fn wanted(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept.split(',').any(|item| item.trim().starts_with("text/event-stream"))
}

pub(crate) fn answer(admitted: Admitted) -> Response {
    let answers = admitted.schema.execute_stream(admitted.request);
    let complete = stream::once(async { Event::default().event("complete").data("") });
    let events = answers.map(|answer| event(&answer)).chain(complete).map(Ok::<_, Infallible>);
    Sse::new(events).keep_alive(KeepAlive::new().interval(QUIET)).into_response()
}

fn event(answer: &Answer) -> Event {
    let data = serde_json::to_string(answer).expect("answers are JSON");
    let event = Event::default().event("next").data(data);
    match cursor(&answer.data) {
        Some(cursor) => event.id(cursor),
        None => event,
    }
}

/// The cursor of a batch, so that a reader knows where to go on; found only under its own name.
fn cursor(data: &Value) -> Option<&str> {
    let Value::Object(fields) = data else { return None };
    match fields.values().next()? {
        Value::Object(batch) => match batch.get("cursor")? {
            Value::String(cursor) => Some(cursor),
            _ => None,
        },
        _ => None,
    }
}
