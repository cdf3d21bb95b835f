use std::sync::Arc;

use arrow::{
    array::RecordBatch,
    ipc::{reader::StreamReader, writer::StreamWriter},
};
use bytes::Bytes;
use engine::ScalarValue;
use model::Principal;
use moka::{policy::EvictionPolicy, sync::Cache};
use tonic::Status;

use crate::{
    Options, status,
    ticket::{Ticket, fingerprint},
};

/// A prepared statement with the parameters that are bound to it.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    pub(crate) sql: Arc<str>,
    /// Rows of parameters as an Arrow IPC stream; empty before any is bound.
    pub(crate) parameters: Bytes,
    owner: Vec<u8>,
}

/// Prepared statements by handle; bounded in number and in idle time.
#[derive(Debug)]
pub(crate) struct PreparedStatements {
    statements: Cache<Vec<u8>, Statement>,
}

impl PreparedStatements {
    pub(crate) fn new(options: &Options) -> Self {
        let statements = Cache::builder()
            .max_capacity(options.prepared_statements)
            .eviction_policy(EvictionPolicy::lru())
            .time_to_idle(options.prepared_idle)
            .build();
        Self { statements }
    }

    pub(crate) fn add(&self, sql: &str, owner: &Principal) -> Bytes {
        let handle = [Ticket::fresh_nonce().to_be_bytes(), Ticket::fresh_nonce().to_be_bytes()].concat();
        let statement = Statement { sql: sql.into(), parameters: Bytes::new(), owner: fingerprint(owner) };
        self.statements.insert(handle.clone(), statement);
        handle.into()
    }

    /// The statement of a handle. Another principal's is as unknown as one that never was.
    pub(crate) fn get(&self, handle: &[u8], who: &Principal) -> Result<Statement, Status> {
        let statement = self.statements.get(handle).filter(|s| s.owner == fingerprint(who));
        statement.ok_or_else(|| Status::not_found("unknown prepared statement: prepare it again"))
    }

    /// Binds parameters in place of those bound before.
    pub(crate) fn bind(&self, handle: &[u8], who: &Principal, parameters: Bytes) -> Result<(), Status> {
        let statement = Statement { parameters, ..self.get(handle, who)? };
        self.statements.insert(handle.to_vec(), statement);
        Ok(())
    }

    pub(crate) fn close(&self, handle: &[u8], who: &Principal) {
        if self.get(handle, who).is_ok() {
            self.statements.invalidate(handle);
        }
    }
}

/// Parameter rows as bytes for a ticket.
pub(crate) fn encode(batches: &[RecordBatch]) -> Result<Bytes, Status> {
    let Some(first) = batches.first() else { return Ok(Bytes::new()) };
    let mut bytes = Vec::new();
    let written = (|| {
        let mut writer = StreamWriter::try_new(&mut bytes, &first.schema())?;
        for batch in batches {
            writer.write(batch)?;
        }
        writer.finish()
    })();
    written.map_err(status::internal)?;
    Ok(bytes.into())
}

/// The rows of parameters, each a list of values. A statement without parameters runs once.
pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<Vec<ScalarValue>>, Status> {
    if bytes.is_empty() {
        return Ok(vec![Vec::new()]);
    }
    let mut rows = Vec::new();
    for batch in StreamReader::try_new(bytes, None).map_err(unreadable)? {
        let batch = batch.map_err(unreadable)?;
        for row in 0..batch.num_rows() {
            let value = |column: &arrow::array::ArrayRef| ScalarValue::try_from_array(column, row);
            let values: Result<Vec<_>, _> = batch.columns().iter().map(value).collect();
            rows.push(values.map_err(unreadable)?);
        }
    }
    Ok(rows)
}

fn unreadable(cause: impl std::fmt::Display) -> Status {
    Status::invalid_argument(format!("the parameters cannot be read: {cause}"))
}
