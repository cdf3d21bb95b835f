//! The endpoints, a file per thing asked about.

pub(crate) mod audience;
pub(crate) mod catalog;
pub(crate) mod changes;
pub(crate) mod profile;
pub(crate) mod query;

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use model::{Timestamp, json};

/// JSON text as a response.
fn shown(body: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn optional(text: Option<&str>) -> String {
    text.map_or("null".to_owned(), json::quote)
}

fn time(at: Option<Timestamp>) -> String {
    at.map_or("null".to_owned(), |at| format!("\"{at}\""))
}

fn list(items: impl IntoIterator<Item = String>) -> String {
    items.into_iter().collect::<Vec<_>>().join(",")
}
