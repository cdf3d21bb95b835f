//! Rows in the format the caller takes: each is a head, a chunk per batch, and an end that only a
//! complete answer has.

mod arrow_stream;
mod csv;
mod json_page;
mod ndjson;

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use axum::http::{HeaderMap, header};

pub(crate) use arrow_stream::ArrowStream;
pub(crate) use csv::Csv;
pub(crate) use json_page::JsonPage;
pub(crate) use ndjson::Ndjson;

use crate::Error;

/// What a failed conversion is: ours, for the log.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// One streamed format.
pub(crate) trait Format: Send + 'static {
    /// Its media type.
    const MEDIA_TYPE: &'static str;

    /// Before the first row.
    fn start(schema: &SchemaRef) -> Result<(Self, Vec<u8>), Failure>
    where
        Self: Sized;

    /// The rows of one batch.
    fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, Failure>;

    /// After the last row: without it the answer is broken. `result` is the provenance as JSON.
    fn end(self, result: &str) -> Result<Vec<u8>, Failure>;
}

/// The formats on offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accepted {
    Json,
    Ndjson,
    Csv,
    Arrow,
}

impl Accepted {
    /// The first format of `accept` that is offered; JSON where nothing is said.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Error> {
        let values = headers.get_all(header::ACCEPT);
        let mut items =
            values.iter().filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(',')).peekable();
        if items.peek().is_none() {
            return Ok(Self::Json);
        }
        let known = |item: &str| match item.split(';').next().unwrap_or_default().trim() {
            "application/json" | "application/*" | "*/*" => Some(Self::Json),
            Ndjson::MEDIA_TYPE | "application/jsonl" => Some(Self::Ndjson),
            "text/csv" | "text/*" => Some(Self::Csv),
            ArrowStream::MEDIA_TYPE => Some(Self::Arrow),
            _ => None,
        };
        items.find_map(known).ok_or(Error::NotAcceptable)
    }
}

#[cfg(test)]
mod tests;
