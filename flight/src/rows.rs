//! From batches to Flight messages.

use std::pin::Pin;

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use arrow_flight::{
    FlightData, decode::FlightRecordBatchStream, encode::FlightDataEncoderBuilder, error::FlightError,
};
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use tonic::{Status, Streaming};

use crate::prepared;

/// Messages of one `DoGet`.
pub(crate) type Messages = Pin<Box<dyn Stream<Item = Result<FlightData, Status>> + Send + 'static>>;

/// A message is at most 2 MiB (FLT-7); this leaves room for its header, as the encoder cuts by an
/// estimate.
const MESSAGE_BYTES: usize = 2 * 1024 * 1024 - 256 * 1024;

/// Encodes rows. The schema goes out first, also when there are no rows.
pub(crate) fn encode(
    schema: SchemaRef,
    rows: impl Stream<Item = Result<RecordBatch, Status>> + Send + 'static,
    metadata: Bytes,
) -> Messages {
    let messages = FlightDataEncoderBuilder::new()
        .with_schema(schema)
        .with_max_flight_data_size(MESSAGE_BYTES)
        .with_metadata(metadata)
        .build(rows.map_err(FlightError::from));
    Box::pin(messages.map_err(Status::from))
}

/// One batch.
pub(crate) fn one(batch: RecordBatch) -> Messages {
    encode(batch.schema(), stream::iter([Ok(batch)]).boxed(), Bytes::new())
}

/// Reads the rows of a `DoPut` up to a size, as bytes for a prepared statement.
pub(crate) async fn decode(
    first: FlightData,
    rest: Streaming<FlightData>,
    limit: usize,
) -> Result<Bytes, Status> {
    let messages = stream::iter([Ok(first)]).chain(rest.map_err(FlightError::from));
    let mut rows = FlightRecordBatchStream::new_from_flight_data(messages);
    let mut batches: Vec<RecordBatch> = Vec::new();
    let mut size = 0;
    while let Some(batch) = rows.try_next().await.map_err(unreadable)? {
        size += batch.get_array_memory_size();
        if size > limit {
            return Err(Status::resource_exhausted(format!("more than {limit} bytes of parameters")));
        }
        batches.push(batch);
    }
    prepared::encode(&batches)
}

fn unreadable(error: FlightError) -> Status {
    match error {
        FlightError::Tonic(status) => *status,
        other => Status::invalid_argument(format!("the parameters cannot be read: {other}")),
    }
}
