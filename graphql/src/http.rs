//! POST and GET at `/graphql`.

use std::sync::Arc;

use async_graphql::{Request, Response as Answer, Variables, parser::types::OperationType};
use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State, WebSocketUpgrade, ws::rejection::WebSocketUpgradeRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use model::{Clock, Principal, Retry};
use serde_json::Value as Json;

use crate::{Error, dbt, error, limits, origin, page, schema::Schemas, socket, sse};

/// Tells who a bearer token, or the lack of one, stands for. `None` refuses.
pub type Authenticate = Arc<dyn Fn(Option<&str>) -> Option<Principal> + Send + Sync>;

/// What the schema reads from.
#[derive(Clone)]
pub struct Deps {
    /// Answers queries.
    pub engine: engine::Engine,
    /// The live profiles.
    pub identity: identity::Handle,
    /// The live memberships.
    pub audiences: audiences::Handle,
    /// Their changes.
    pub changes: delivery::ChangeLog,
    /// Who asks.
    pub auth: Authenticate,
    /// For explanations.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Deps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deps").finish_non_exhaustive()
    }
}

/// Texts beyond the limit of the query itself: variables.
const MAX_BODY: usize = 1024 * 1024;

/// Everything under `/graphql`, and the dbt Semantic Layer's API at `/api/graphql`.
pub fn router(deps: Deps) -> Router {
    let queries = dbt::Queries::new(deps.engine.clone(), Arc::clone(&deps.clock), dbt::Limits::default());
    let dbt = dbt::router(dbt::Service::new(deps.engine.clone(), queries, Arc::clone(&deps.auth)));
    let service = Service {
        schemas: Schemas::new(&deps),
        auth: deps.auth,
        engine: deps.engine,
        timings: socket::Timings::default(),
    };
    routes(service).merge(dbt)
}

pub(crate) fn routes(service: Service) -> Router {
    Router::new()
        .route("/graphql", post(answer).get(browse))
        .route("/graphql/assets/{name}", get(page::asset))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(service)
}

/// What the transports share.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) schemas: Schemas,
    pub(crate) auth: Authenticate,
    pub(crate) engine: engine::Engine,
    pub(crate) timings: socket::Timings,
}

/// A request that may run.
pub(crate) struct Admitted {
    pub(crate) request: Request,
    pub(crate) schema: async_graphql::dynamic::Schema,
    pub(crate) operation: OperationType,
}

impl Service {
    /// Reads a request and refuses what is too large or not allowed, before anything runs.
    pub(crate) fn admit(&self, body: Json, principal: Principal) -> Result<Admitted, Error> {
        let invalid = |text: &str| Error::Invalid(text.into());
        let mut body = match body {
            Json::Object(body) => body,
            Json::Array(_) => return Err(Error::Limit("one operation a request, no batches".into())),
            _ => return Err(invalid("the body must be an object with 'query'")),
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
        let admin = principal.has_role("admin");
        if checked.introspects && !admin {
            return Err(Error::Denied("introspection needs the role admin".into()));
        }
        let mut request = Request::new(query).variables(variables).data(principal);
        if let Some(Json::String(name)) = body.remove("operationName") {
            request = request.operation_name(name);
        }
        request.set_parsed_query(checked.document);
        let schema = if admin { &self.schemas.open } else { &self.schemas.closed };
        Ok(Admitted { request, schema: schema.clone(), operation: checked.operation })
    }
}

async fn answer(State(service): State<Service>, headers: HeaderMap, body: Bytes) -> Response {
    match accept(&service, &headers, &body) {
        Err(error) => refuse(&error),
        Ok(admitted) if sse::wanted(&headers) => sse::answer(admitted),
        Ok(admitted) if admitted.operation == OperationType::Subscription => refuse(&Error::Invalid(
            "subscriptions need a web socket (graphql-transport-ws) or 'accept: text/event-stream'".into(),
        )),
        // Profiles and memberships are read from memory: what was acknowledged must be there too.
        Ok(admitted) => match service.engine.fresh().await {
            Ok(()) => json(StatusCode::OK, &admitted.schema.execute(admitted.request).await),
            Err(error) => refuse(&error.into()),
        },
    }
}

fn accept(service: &Service, headers: &HeaderMap, body: &[u8]) -> Result<Admitted, Error> {
    let principal = (service.auth)(bearer(headers)).ok_or(Error::Unauthenticated)?;
    // A page of another origin cannot send JSON without asking first, and is then refused.
    if !is_json(headers) {
        return Err(Error::Invalid("send 'content-type: application/json'".into()));
    }
    let body = serde_json::from_slice(body)
        .map_err(|error| Error::Invalid(format!("the body is not JSON: {error}")))?;
    service.admit(body, principal)
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
}

/// The token of `authorization: Bearer ..`; the scheme in any case.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    token(headers.get(header::AUTHORIZATION)?.to_str().ok()?)
}

pub(crate) fn token(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The explorer for people, a web socket for clients.
async fn browse(
    State(service): State<Service>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    match upgrade {
        Ok(upgrade) => {
            let caller = socket::Caller {
                bearer: bearer(&headers).map(str::to_owned),
                same_origin: origin::is_same(&headers),
            };
            socket::upgrade(service, caller, upgrade)
        }
        Err(_) if page::wanted(&headers) => page::index(),
        Err(_) => refuse(&Error::Invalid("POST a query, or open this address in a browser".into())),
    }
}

pub(crate) fn refuse(error: &Error) -> Response {
    let mut response = json(error::status(error.kind()), &Answer::from_errors(vec![error.entry()]));
    if let Retry::After(wait) = error.retry() {
        let seconds = HeaderValue::from(wait.as_secs().max(1));
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    if matches!(error, Error::Unauthenticated) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

fn json(status: StatusCode, answer: &Answer) -> Response {
    let body = serde_json::to_vec(answer).expect("answers are JSON");
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}
