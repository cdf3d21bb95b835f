//! Queries: described by a signed ticket, run when the ticket is fetched.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{datatypes::Schema, ipc::writer::IpcWriteOptions};
use arrow_flight::{IpcMessage, SchemaAsIpc};
use bytes::Bytes;
use engine::{Answer, Engine, Prepared, Provenance, QueryOptions, Request};
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
        settings: Settings,
    ) -> Result<Description, Status> {
        let values = prepared::decode(&parameters)?.into_iter().next().unwrap_or_default();
        let request = Request::Sql { text: sql.to_owned(), parameters: values };
        let options = options(&settings)?;
        let prepared =
            self.engine.prepare_with(who, &request, &options).await.map_err(|error| status::of(&error))?;
        let ticket = Ticket {
            sql: sql.trim().to_owned(),
            parameters,
            principal: ticket::fingerprint(who),
            policy: ticket::policy(who),
            settings,
            catalog_version: prepared.catalog_version,
            schema: ticket::digest(&encode_schema(&prepared.schema)?),
            nonce: Ticket::fresh_nonce(),
            ..Ticket::default()
        };
        Ok(Description { prepared, ticket: self.renew(ticket) })
    }

    pub(crate) fn seal(&self, ticket: &Ticket) -> Bytes {
        self.signer.seal(ticket)
    }

    pub(crate) fn open(&self, sealed: &[u8], who: &Principal) -> Result<Ticket, Status> {
        self.signer.open(sealed, who, self.clock.as_ref())
    }

    /// The same ticket with a later end.
    pub(crate) fn renew(&self, ticket: Ticket) -> Ticket {
        self.signer.dated(ticket, self.clock.as_ref())
    }

    /// Stops what a ticket runs; false if nothing runs.
    pub(crate) fn cancel(&self, ticket: &Ticket) -> bool {
        self.running.cancel(ticket.nonce)
    }

    /// Runs a ticket.
    pub(crate) async fn run(&self, who: &Principal, ticket: Ticket) -> Result<Messages, Status> {
        let mut rows = prepared::decode(&ticket.parameters)?.into_iter();
        let nonce = ticket.nonce;
        let run = Arc::new(Run { engine: self.engine.clone(), who: who.clone(), ticket });
        let first = run.answer(rows.next().unwrap_or_default()).await?;
        let schema = Arc::clone(&first.schema);
        let metadata = summary(&first.provenance);
        let more = stream::iter(rows)
            .then(move |parameters| {
                let run = Arc::clone(&run);
                async move { run.answer(parameters).await.map(batches) }
            })
            .try_flatten();
        let messages = rows::encode(schema, batches(first).chain(more), metadata);
        Ok(self.running.track(nonce, messages))
    }
}

/// Settings of a session by name.
pub(crate) type Settings = BTreeMap<String, String>;

/// Settings as the engine takes them.
pub(crate) fn options(settings: &Settings) -> Result<QueryOptions, Status> {
    let mut options = QueryOptions::default();
    for (name, value) in settings {
        options.set(name, value).map_err(|error| status::of(&error))?;
    }
    Ok(options)
}

/// A ticket being run.
struct Run {
    engine: Engine,
    who: Principal,
    ticket: Ticket,
}

impl Run {
    /// The answer for one row of parameters. If the definitions are others than those it was described
    /// with, or the columns are, the ticket counts as expired.
    async fn answer(&self, parameters: Vec<engine::ScalarValue>) -> Result<Answer, Status> {
        let Ticket { sql, settings, catalog_version, schema, .. } = &self.ticket;
        if self.engine.catalog().version != *catalog_version {
            return Err(ticket::expired());
        }
        let (request, options) = (Request::Sql { text: sql.clone(), parameters }, options(settings)?);
        let answer = self.engine.query_with(&self.who, request, &options).await;
        let answer = answer.map_err(|error| status::of(&error))?;
        let same = answer.provenance.catalog_version == *catalog_version
            && ticket::digest(&encode_schema(&answer.schema)?) == *schema;
        if same { Ok(answer) } else { Err(ticket::expired()) }
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
