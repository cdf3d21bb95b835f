//! Queries: described by a signed ticket, run when the ticket is fetched.

use std::sync::Arc;

use arrow::{datatypes::Schema, ipc::writer::IpcWriteOptions};
use arrow_flight::{IpcMessage, SchemaAsIpc};
use bytes::Bytes;
use engine::{Answer, Engine, Prepared, Provenance, Request};
use futures::{StreamExt, TryStreamExt, stream};
use model::Principal;
use tonic::Status;

use crate::{
    Options, prepared,
    rows::{self, Messages},
    running::Running,
    status,
    ticket::{self, Signer, Ticket},
};

/// Describes queries and runs tickets.
#[derive(Debug)]
pub(crate) struct Statements {
    engine: Engine,
    signer: Signer,
    running: Running,
    clock: Arc<dyn model::Clock>,
}

/// A planned query.
pub(crate) struct Description {
    pub(crate) prepared: Prepared,
    pub(crate) ticket: Ticket,
}

impl Statements {
    pub(crate) fn new(engine: Engine, options: &Options) -> Self {
        let signer = Signer::new(options.signing_keys.clone(), options.ticket_lifetime);
        Self { engine, signer, running: Running::default(), clock: Arc::clone(&options.clock) }
    }

    /// Plans a statement; nothing runs (FLT-4).
    pub(crate) async fn describe(
        &self,
        who: &Principal,
        sql: &str,
        parameters: Bytes,
    ) -> Result<Description, Status> {
        let values = prepared::decode(&parameters)?.into_iter().next().unwrap_or_default();
        let request = Request::Sql { text: sql.to_owned(), parameters: values };
        let prepared = self.engine.prepare(who, &request).await.map_err(|error| status::of(&error))?;
        let ticket = Ticket {
            sql: sql.to_owned(),
            parameters,
            principal: ticket::fingerprint(who),
            catalog_version: prepared.catalog_version,
            schema: ticket::digest(&encode_schema(&prepared.schema)?),
            nonce: Ticket::fresh_nonce(),
            expires: self.signer.expiry(self.clock.as_ref()).as_micros(),
        };
        Ok(Description { prepared, ticket })
    }

    pub(crate) fn seal(&self, ticket: &Ticket) -> Bytes {
        self.signer.seal(ticket)
    }

    pub(crate) fn open(&self, sealed: &[u8], who: &Principal) -> Result<Ticket, Status> {
        self.signer.open(sealed, who, self.clock.as_ref())
    }

    /// The same ticket with a later end.
    pub(crate) fn renew(&self, ticket: Ticket) -> Ticket {
        Ticket { expires: self.signer.expiry(self.clock.as_ref()).as_micros(), ..ticket }
    }

    /// Stops what a ticket runs; false if nothing runs.
    pub(crate) fn cancel(&self, ticket: &Ticket) -> bool {
        self.running.cancel(ticket.nonce)
    }

    /// Runs a ticket. If it would now give other columns than were announced, it counts as expired.
    pub(crate) async fn run(&self, who: &Principal, ticket: Ticket) -> Result<Messages, Status> {
        let mut rows = prepared::decode(&ticket.parameters)?.into_iter();
        let first = self.answer(who, &ticket, rows.next().unwrap_or_default()).await?;
        let schema = Arc::clone(&first.schema);
        let metadata = summary(&first.provenance);
        let (engine, who, sql) = (self.engine.clone(), who.clone(), ticket.sql.clone());
        let more = stream::iter(rows)
            .then(move |parameters| {
                let request = Request::Sql { text: sql.clone(), parameters };
                let (engine, who) = (engine.clone(), who.clone());
                async move { engine.query(&who, request).await.map(batches).map_err(|e| status::of(&e)) }
            })
            .try_flatten();
        let messages = rows::encode(schema, batches(first).chain(more), metadata);
        Ok(self.running.track(ticket.nonce, messages))
    }

    async fn answer(
        &self,
        who: &Principal,
        ticket: &Ticket,
        parameters: Vec<engine::ScalarValue>,
    ) -> Result<Answer, Status> {
        let request = Request::Sql { text: ticket.sql.clone(), parameters };
        let answer = self.engine.query(who, request).await.map_err(|error| status::of(&error))?;
        match ticket::digest(&encode_schema(&answer.schema)?) == ticket.schema {
            true => Ok(answer),
            false => Err(ticket::expired()),
        }
    }
}

fn batches(answer: Answer) -> impl stream::Stream<Item = Result<arrow::array::RecordBatch, Status>> + Send {
    answer.stream.map_err(|error| status::of(&engine::Error::from(error)))
}

/// The provenance that travels with the schema message.
fn summary(provenance: &Provenance) -> Bytes {
    let Provenance { query_id, as_of, catalog_version, truncated, .. } = provenance;
    let text = format!(
        r#"{{"query_id":"{query_id}","as_of":{as_of},"catalog_version":"{catalog_version:016x}","truncated":{truncated}}}"#
    );
    text.into()
}

/// A schema as Flight sends it.
pub(crate) fn encode_schema(schema: &Schema) -> Result<Bytes, Status> {
    let options = IpcWriteOptions::default();
    let message = IpcMessage::try_from(SchemaAsIpc::new(schema, &options)).map_err(status::internal)?;
    Ok(message.0)
}
