//! POST at `/api/graphql`, and at `/` on this machine, where dbt-mcp looks.

use async_graphql::{Request, Response as Answer, Variables};
use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::Value as Json;

use super::{DbtSchema, Queries};
use crate::{Authenticate, Error, error, http::bearer, limits};

/// Largest body that is read: variables may hold long lists of filters.
const MAX_BODY: usize = 1024 * 1024;

/// The words by which clients know that a key was refused.
const NOT_AUTHORIZED: &str = "User is not authorized";

/// What answers requests.
#[derive(Clone)]
pub(crate) struct Service {
    schema: DbtSchema,
    auth: Authenticate,
}

impl Service {
    pub(crate) fn new(engine: engine::Engine, queries: Queries, auth: Authenticate) -> Self {
        Self { schema: super::schema(engine, queries), auth }
    }
}

pub(crate) fn router(service: Service) -> Router {
    Router::new()
        .route("/api/graphql", post(answer))
        .route("/", post(answer_here).fallback(async || StatusCode::NOT_FOUND))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(service)
}

/// dbt-mcp posts to the root of a host that starts with `localhost`.
async fn answer_here(service: State<Service>, headers: HeaderMap, body: Bytes) -> Response {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    match host.starts_with("localhost") {
        true => answer(service, headers, body).await,
        false => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn answer(State(service): State<Service>, headers: HeaderMap, body: Bytes) -> Response {
    let Some(principal) = (service.auth)(bearer(&headers)) else {
        let refusal = Error::Denied(NOT_AUTHORIZED.to_owned());
        let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
        return (challenge, json(StatusCode::UNAUTHORIZED, &refused(&refusal))).into_response();
    };
    match admitted(&body) {
        Ok(request) => json(StatusCode::OK, &service.schema.execute(request.data(principal)).await),
        Err(refusal) => json(error::status(refusal.kind()), &refused(&refusal)),
    }
}

fn refused(error: &Error) -> Answer {
    Answer::from_errors(vec![error.entry()])
}

/// Reads a request and refuses what is too large before anything of it is looked at.
fn admitted(body: &[u8]) -> Result<Request, Error> {
    let invalid = |text: &str| Error::Invalid(text.to_owned());
    let body: Json = serde_json::from_slice(body)
        .map_err(|error| Error::Invalid(format!("the body is not JSON: {error}")))?;
    let Json::Object(mut body) = body else {
        return Err(invalid("the body must be an object with 'query'; one operation a request"));
    };
    let Some(Json::String(query)) = body.remove("query") else {
        return Err(invalid("the body must have 'query', a text"));
    };
    let variables = match body.remove("variables") {
        None | Some(Json::Null) => Variables::default(),
        Some(given @ Json::Object(_)) => Variables::from_json(given),
        Some(_) => return Err(invalid("'variables' must be an object")),
    };
    let checked = limits::check(&query, &variables)?;
    let mut request = Request::new(query).variables(variables);
    request.set_parsed_query(checked.document);
    Ok(request)
}

fn json(status: StatusCode, answer: &Answer) -> Response {
    let body = serde_json::to_vec(answer).expect("answers are JSON");
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}
