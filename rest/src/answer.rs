//! From an engine's answer to a response.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use engine::{Answer, Provenance, SendableRecordBatchStream};
use futures::{StreamExt, stream};
use model::json::quote;

use crate::{
    Error,
    format::{Accepted, ArrowStream, Csv, Failure, Format, JsonPage, Ndjson},
};

const RESULT: HeaderName = HeaderName::from_static("etalon-result");

pub(crate) async fn respond(headers: &HeaderMap, answer: Answer) -> Result<Response, Error> {
    match Accepted::of(headers)? {
        Accepted::Json => page(answer).await,
        Accepted::Ndjson => streamed::<Ndjson>(answer).await,
        Accepted::Csv => streamed::<Csv>(answer).await,
        Accepted::Arrow => streamed::<ArrowStream>(answer).await,
    }
}

async fn page(mut answer: Answer) -> Result<Response, Error> {
    let mut page = JsonPage::start(&answer.schema);
    let mut complete = true;
    while complete && let Some(batch) = answer.stream.next().await {
        complete = page.take(&batch.map_err(engine::Error::from)?);
    }
    let truncated = answer.provenance.truncated || !complete;
    let result = result(&answer.provenance, truncated, Sql::Shown);
    let head = head("application/json", &answer.provenance, truncated);
    Ok((head, page.finish(truncated, &result)).into_response())
}

/// Reads the first batch before the status is sent: most failures show by then.
async fn streamed<F: Format>(mut answer: Answer) -> Result<Response, Error> {
    let first = answer.stream.next().await.transpose().map_err(engine::Error::from)?;
    let (format, start) = F::start(&answer.schema).map_err(broken)?;
    let head = head(F::MEDIA_TYPE, &answer.provenance, answer.provenance.truncated);
    let end = result(&answer.provenance, answer.provenance.truncated, Sql::Shown);
    let rest: SendableRecordBatchStream = answer.stream;
    let batches = stream::iter(first.map(Ok)).chain(rest);
    let chunks = stream::unfold(Some((batches, format, end)), async |state| {
        let (mut batches, mut format, end) = state?;
        match batches.next().await {
            Some(Ok(batch)) => Some(match format.batch(&batch) {
                Ok(bytes) => (Ok(Bytes::from(bytes)), Some((batches, format, end))),
                Err(error) => (Err(broken_half_way(error)), None),
            }),
            // An error aborts the body: no end line, no end of stream.
            Some(Err(error)) => Some((Err(broken_half_way(engine::Error::from(error).into())), None)),
            None => Some((format.end(&end).map(Bytes::from).map_err(broken_half_way), None)),
        }
    });
    let start = stream::iter([Ok(Bytes::from(start))]);
    Ok((head, Body::from_stream(start.chain(chunks))).into_response())
}

#[cold]
fn broken(error: Failure) -> Error {
    tracing::error!(%error, "rows do not fit the format");
    Error::Query(engine::Error::Internal)
}

#[cold]
fn broken_half_way(error: Failure) -> Failure {
    tracing::error!(%error, "answer broken half way");
    error
}

fn head(media_type: &'static str, provenance: &Provenance, truncated: bool) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    // A text beyond ASCII (a warning) has no place in a header; the body has it.
    if let Ok(value) = HeaderValue::from_str(&result(provenance, truncated, Sql::Hidden)) {
        headers.insert(RESULT, value);
    }
    headers
}

/// Whether the statement is part of the provenance: a header has no room for it.
#[derive(Clone, Copy, PartialEq)]
enum Sql {
    Shown,
    Hidden,
}

fn result(provenance: &Provenance, truncated: bool, sql: Sql) -> String {
    let mut warnings: Vec<String> = provenance.warnings.iter().map(|text| quote(text)).collect();
    if truncated && !provenance.truncated {
        warnings.push(quote("more rows than one JSON page holds: ask for a streamed format, or a limit"));
    }
    let sql = if sql == Sql::Shown { format!(r#","sql":{}"#, quote(&provenance.sql)) } else { String::new() };
    format!(
        r#"{{"query_id":{id},"as_of":{as_of},"catalog_version":"{version:016x}","truncated":{truncated},"warnings":[{warnings}]{sql}}}"#,
        id = quote(&provenance.query_id),
        as_of = provenance.as_of,
        version = provenance.catalog_version,
        warnings = warnings.join(","),
    )
}
