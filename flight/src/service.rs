use std::{fmt, pin::Pin};

use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightEndpoint, FlightInfo,
    HandshakeRequest, HandshakeResponse, PollInfo, PutResult, SchemaResult, Ticket as FlightTicket,
    flight_service_server::{FlightService, FlightServiceServer},
    sql::{Any, Command, DoPutPreparedStatementResult, ProstMessageExt, TicketStatementQuery},
};
use bytes::Bytes;
use engine::Engine;
use futures::{Stream, StreamExt, stream};
use model::Principal;
use prost::Message;
use tonic::{Request, Response, Status, Streaming};

use crate::{
    Authenticate, Options, actions, auth,
    metadata::Metadata,
    prepared::PreparedStatements,
    rows::{self, Messages},
    sessions::{Session, Sessions},
    statements::{Description, Statements, encode_schema},
    status::{self, malformed},
    ticket::{self, Ticket},
};

/// Largest message that is read; statements and rows of parameters.
const READ_BYTES: usize = 16 * 1024 * 1024;

/// Most bytes of parameters that one statement can have bound.
const PARAMETER_BYTES: usize = 8 * 1024 * 1024;

/// What a gRPC server serves; several may serve clones of one.
pub type Server = FlightServiceServer<Service>;

/// The service for a gRPC server.
pub fn service(engine: Engine, authenticate: Authenticate, options: Options) -> Server {
    let service = Service {
        statements: Statements::new(engine.clone(), &options),
        prepared: PreparedStatements::new(&options),
        sessions: Sessions::new(&options),
        engine,
        authenticate,
    };
    FlightServiceServer::new(service)
        .max_decoding_message_size(READ_BYTES)
        .max_encoding_message_size(READ_BYTES)
}

/// Flight SQL over an engine.
pub struct Service {
    engine: Engine,
    authenticate: Authenticate,
    pub(crate) statements: Statements,
    pub(crate) prepared: PreparedStatements,
    pub(crate) sessions: Sessions,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("engine", &self.engine).finish_non_exhaustive()
    }
}

/// What a descriptor or ticket asks for.
enum Asked {
    Statement(String),
    Prepared(Bytes),
    Ticket(Bytes),
    Metadata(Metadata),
}

impl Asked {
    fn read(bytes: &[u8]) -> Result<Self, Status> {
        let any = Any::decode(bytes).map_err(|_| malformed("command"))?;
        let name = any.type_url.clone();
        Ok(match Command::try_from(any).map_err(|_| malformed("command"))? {
            Command::CommandStatementQuery(command) => Self::Statement(command.query),
            Command::CommandPreparedStatementQuery(command) => {
                Self::Prepared(command.prepared_statement_handle)
            }
            Command::TicketStatementQuery(command) => Self::Ticket(command.statement_handle),
            Command::CommandGetCatalogs(command) => Self::Metadata(Metadata::Catalogs(command)),
            Command::CommandGetDbSchemas(command) => Self::Metadata(Metadata::Schemas(command)),
            Command::CommandGetTables(command) => Self::Metadata(Metadata::Tables(command)),
            Command::CommandGetTableTypes(command) => Self::Metadata(Metadata::TableTypes(command)),
            Command::CommandGetSqlInfo(command) => Self::Metadata(Metadata::SqlInfo(command)),
            Command::CommandGetXdbcTypeInfo(command) => Self::Metadata(Metadata::TypeInfo(command)),
            Command::CommandGetPrimaryKeys(_) => Self::Metadata(Metadata::PrimaryKeys),
            Command::CommandGetExportedKeys(_)
            | Command::CommandGetImportedKeys(_)
            | Command::CommandGetCrossReference(_) => Self::Metadata(Metadata::ForeignKeys),
            Command::CommandStatementUpdate(_) | Command::CommandStatementIngest(_) => {
                return Err(status::read_only());
            }
            _ => return Err(Status::unimplemented(format!("'{name}' is not offered"))),
        })
    }
}

/// Who asks, and in which session.
struct Caller {
    who: Principal,
    session: Session,
}

impl Caller {
    /// The answer, with a cookie for a client that has none.
    fn answer<T>(&self, message: T) -> Response<T> {
        let mut response = Response::new(message);
        if let Some(cookie) = self.session.offer() {
            response.metadata_mut().insert("set-cookie", cookie);
        }
        response
    }
}

impl Service {
    fn principal<T>(&self, request: &Request<T>) -> Result<Principal, Status> {
        auth::principal(&self.authenticate, request.metadata())
    }

    /// Who asks, and in which session.
    fn caller<T>(&self, request: &Request<T>) -> Result<Caller, Status> {
        let who = self.principal(request)?;
        let session = Session::of(&who, request.metadata());
        Ok(Caller { who, session })
    }

    /// The one endpoint of a query, without a location: the client keeps its connection.
    pub(crate) fn endpoint(&self, ticket: &Ticket) -> FlightEndpoint {
        let query = TicketStatementQuery { statement_handle: self.statements.seal(ticket) };
        let expires = ticket.expires().as_micros();
        FlightEndpoint::new()
            .with_ticket(FlightTicket::new(query.as_any().encode_to_vec()))
            .with_expiration_time(prost_types::Timestamp {
                seconds: expires.div_euclid(1_000_000),
                nanos: i32::try_from(expires.rem_euclid(1_000_000) * 1_000).unwrap_or(0),
            })
    }

    async fn describe(&self, caller: &Caller, asked: Asked) -> Result<Description, Status> {
        let Caller { who, session } = caller;
        let settings = self.sessions.settings(session);
        match asked {
            Asked::Statement(sql) => self.statements.describe(who, &sql, Bytes::new(), settings).await,
            Asked::Prepared(handle) => {
                let statement = self.prepared.get(&handle, who)?;
                self.statements.describe(who, &statement.sql, statement.parameters, settings).await
            }
            Asked::Ticket(_) | Asked::Metadata(_) => Err(malformed("command")),
        }
    }

    async fn info(&self, caller: &Caller, descriptor: FlightDescriptor) -> Result<FlightInfo, Status> {
        let info = match Asked::read(&descriptor.cmd)? {
            Asked::Metadata(metadata) => {
                // The command is its own ticket: it says nothing that needs a signature.
                let endpoint = FlightEndpoint::new().with_ticket(FlightTicket::new(descriptor.cmd.clone()));
                FlightInfo::new().try_with_schema(&metadata.schema()).map(|info| info.with_endpoint(endpoint))
            }
            asked => {
                let description = self.describe(caller, asked).await?;
                let endpoint = self.endpoint(&description.ticket);
                FlightInfo::new()
                    .try_with_schema(&description.prepared.schema)
                    .map(|info| info.with_endpoint(endpoint))
            }
        };
        Ok(info.map_err(status::internal)?.with_descriptor(descriptor))
    }

    async fn rows(&self, caller: &Caller, asked: Asked) -> Result<Messages, Status> {
        let who = &caller.who;
        match asked {
            Asked::Ticket(sealed) => self.statements.run(who, self.statements.open(&sealed, who)?).await,
            Asked::Metadata(metadata) => Ok(rows::one(metadata.rows(&self.engine, who).await?)),
            asked @ Asked::Prepared(_) => {
                let description = self.describe(caller, asked).await?;
                self.statements.run(who, description.ticket).await
            }
            Asked::Statement(_) => Err(ticket::unknown()),
        }
    }

    /// Binds the rows that follow the first message to a prepared statement.
    async fn bind(
        &self,
        who: &Principal,
        first: FlightData,
        rest: Streaming<FlightData>,
    ) -> Result<DoPutPreparedStatementResult, Status> {
        let descriptor = first.flight_descriptor.as_ref().ok_or_else(|| malformed("DoPut"))?;
        let any = Any::decode(&descriptor.cmd[..]).map_err(|_| malformed("DoPut"))?;
        let handle = match Command::try_from(any).map_err(|_| malformed("DoPut"))? {
            Command::CommandPreparedStatementQuery(command) => command.prepared_statement_handle,
            Command::CommandStatementUpdate(_)
            | Command::CommandStatementIngest(_)
            | Command::CommandPreparedStatementUpdate(_) => return Err(status::read_only()),
            _ => return Err(Status::unimplemented("this command is not offered")),
        };
        self.prepared.get(&handle, who)?;
        let parameters = rows::decode(first, rest, PARAMETER_BYTES).await?;
        self.prepared.bind(&handle, who, parameters)?;
        // The handle stays: clients that ignore the reply and those that use it see the same values.
        Ok(DoPutPreparedStatementResult { prepared_statement_handle: Some(handle) })
    }
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send + 'static>>;

#[tonic::async_trait]
impl FlightService for Service {
    type HandshakeStream = Answers<HandshakeResponse>;
    type ListFlightsStream = Answers<FlightInfo>;
    type DoGetStream = Messages;
    type DoPutStream = Answers<PutResult>;
    type DoActionStream = actions::Results;
    type ListActionsStream = Answers<ActionType>;
    type DoExchangeStream = Answers<FlightData>;

    async fn handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Self::HandshakeStream>, Status> {
        let token = auth::handshake(&self.authenticate, request.metadata())?;
        let payload = Bytes::from(token.clone().unwrap_or_default());
        let answer = HandshakeResponse { protocol_version: 0, payload };
        let mut response = Response::new(stream::iter([Ok(answer)]).boxed());
        if let Some(token) = token {
            let header = format!("Bearer {token}").parse().map_err(|_| malformed("credential"))?;
            response.metadata_mut().insert("authorization", header);
        }
        Ok(response)
    }

    async fn get_flight_info(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let caller = self.caller(&request)?;
        Ok(caller.answer(self.info(&caller, request.into_inner()).await?))
    }

    async fn poll_flight_info(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<PollInfo>, Status> {
        let caller = self.caller(&request)?;
        let info = self.info(&caller, request.into_inner()).await?;
        let poll = PollInfo::new().with_info(info).try_with_progress(1.0).map_err(status::internal)?;
        Ok(caller.answer(poll))
    }

    async fn get_schema(&self, request: Request<FlightDescriptor>) -> Result<Response<SchemaResult>, Status> {
        let caller = self.caller(&request)?;
        let schema = match Asked::read(&request.get_ref().cmd)? {
            Asked::Metadata(metadata) => metadata.schema(),
            asked => self.describe(&caller, asked).await?.prepared.schema,
        };
        Ok(caller.answer(SchemaResult { schema: encode_schema(&schema)? }))
    }

    async fn do_get(&self, request: Request<FlightTicket>) -> Result<Response<Messages>, Status> {
        let caller = self.caller(&request)?;
        let asked = Asked::read(&request.get_ref().ticket)?;
        Ok(caller.answer(self.rows(&caller, asked).await?))
    }

    async fn do_put(
        &self,
        request: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoPutStream>, Status> {
        let who = self.principal(&request)?;
        let mut messages = request.into_inner();
        let first = messages.message().await?.ok_or_else(|| malformed("DoPut"))?;
        let bound = self.bind(&who, first, messages).await?;
        let answer = PutResult { app_metadata: bound.encode_to_vec().into() };
        Ok(Response::new(stream::iter([Ok(answer)]).boxed()))
    }

    async fn do_action(&self, request: Request<Action>) -> Result<Response<actions::Results>, Status> {
        let Caller { who, session } = &self.caller(&request)?;
        let action = request.into_inner();
        let closes = action.r#type == actions::CLOSE_SESSION;
        let mut response = Response::new(actions::act(self, who, session, action).await?);
        let cookie = if closes { session.forget() } else { session.offer() };
        if let Some(cookie) = cookie {
            response.metadata_mut().insert("set-cookie", cookie);
        }
        Ok(response)
    }

    async fn list_actions(
        &self,
        request: Request<Empty>,
    ) -> Result<Response<Self::ListActionsStream>, Status> {
        self.principal(&request)?;
        Ok(Response::new(stream::iter(actions::list().into_iter().map(Ok)).boxed()))
    }

    async fn list_flights(
        &self,
        request: Request<Criteria>,
    ) -> Result<Response<Self::ListFlightsStream>, Status> {
        self.principal(&request)?;
        Err(Status::unimplemented("flights are not listed: ask for tables instead"))
    }

    async fn do_exchange(
        &self,
        request: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoExchangeStream>, Status> {
        self.principal(&request)?;
        Err(Status::unimplemented("DoExchange is not offered"))
    }
}
