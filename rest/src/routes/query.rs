use axum::{
    body::Bytes, extract::State, extract::rejection::BytesRejection, http::HeaderMap, response::Response,
};
use engine::{Request, json};
use model::json::quote;

use super::{list, shown};
use crate::{Deps, Error, answer, body, format::Accepted, router::Caller};

type Body = Result<Bytes, BytesRejection>;

pub(crate) async fn metrics(
    State(deps): State<Deps>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Error> {
    run(&deps, caller, &headers, body::metrics(&body?)?).await
}

pub(crate) async fn sql(
    State(deps): State<Deps>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Error> {
    run(&deps, caller, &headers, body::sql(&body?)?).await
}

async fn run(deps: &Deps, caller: Caller, headers: &HeaderMap, request: Request) -> Result<Response, Error> {
    // A format nobody offers is refused before anything runs.
    Accepted::of(headers)?;
    let answer = deps.engine.query(&caller.0, request).await?;
    answer::respond(headers, answer).await
}

pub(crate) async fn compile(State(deps): State<Deps>, caller: Caller, body: Body) -> Result<Response, Error> {
    let prepared = deps.engine.prepare(&caller.0, &body::either(&body?)?).await?;
    let columns = prepared.schema.fields().iter().map(|field| {
        let (name, kind) = (quote(field.name()), quote(&json::type_name(field.data_type())));
        format!(r#"{{"name":{name},"type":{kind}}}"#)
    });
    Ok(shown(format!(r#"{{"sql":{},"columns":[{}]}}"#, quote(&prepared.sql), list(columns))))
}
