//! Actions: prepared statements, transactions in name, cancelling, session options.

use std::pin::Pin;

use arrow_flight::{
    Action, ActionType, CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus, FlightEndpoint,
    FlightInfo, RenewFlightEndpointRequest, Result as ActionResult,
    sql::{
        ActionBeginSavepointResult, ActionBeginTransactionResult, ActionCancelQueryRequest,
        ActionCancelQueryResult, ActionClosePreparedStatementRequest, ActionCreatePreparedStatementRequest,
        ActionCreatePreparedStatementResult, Any, ProstMessageExt, TicketStatementQuery,
    },
};
use bytes::Bytes;
use futures::{Stream, stream};
use model::Principal;
use prost::Message;
use tonic::Status;

use crate::{
    service::Service,
    session_messages::{
        CloseSessionResult, CloseStatus, GetSessionOptionsResult, OptionValue, SessionOptionValue, SetError,
        SetSessionOptionsRequest, SetSessionOptionsResult,
    },
    sessions::Session,
    statements::encode_schema,
    status::malformed,
    ticket::{self, Ticket},
};

/// Results of an action.
pub(crate) type Results = Pin<Box<dyn Stream<Item = Result<ActionResult, Status>> + Send + 'static>>;

/// Numbers of `CancelResult` in FlightSql.proto; arrow-flight keeps the enum to itself.
const CANCELLED: i32 = 1;
const NOT_CANCELLABLE: i32 = 3;

const CANCEL_FLIGHT_INFO: &str = "CancelFlightInfo";
const CANCEL_QUERY: &str = "CancelQuery";
const RENEW_FLIGHT_ENDPOINT: &str = "RenewFlightEndpoint";
const CREATE_PREPARED_STATEMENT: &str = "CreatePreparedStatement";
const CLOSE_PREPARED_STATEMENT: &str = "ClosePreparedStatement";
const BEGIN_TRANSACTION: &str = "BeginTransaction";
const END_TRANSACTION: &str = "EndTransaction";
const BEGIN_SAVEPOINT: &str = "BeginSavepoint";
const END_SAVEPOINT: &str = "EndSavepoint";
const SET_SESSION_OPTIONS: &str = "SetSessionOptions";
const GET_SESSION_OPTIONS: &str = "GetSessionOptions";
pub(crate) const CLOSE_SESSION: &str = "CloseSession";

const ACTIONS: [(&str, &str); 12] = [
    (CREATE_PREPARED_STATEMENT, "plans a statement and gives a handle"),
    (CLOSE_PREPARED_STATEMENT, "drops a handle"),
    (BEGIN_TRANSACTION, "accepted; every statement reads the newest data"),
    (END_TRANSACTION, "accepted"),
    (BEGIN_SAVEPOINT, "accepted"),
    (END_SAVEPOINT, "accepted"),
    (CANCEL_FLIGHT_INFO, "stops a running query"),
    (CANCEL_QUERY, "stops a running query (older form)"),
    (RENEW_FLIGHT_ENDPOINT, "gives a ticket a later end"),
    (SET_SESSION_OPTIONS, "sets options of the session"),
    (GET_SESSION_OPTIONS, "the options of the session"),
    (CLOSE_SESSION, "forgets the options of the session"),
];

pub(crate) fn list() -> Vec<ActionType> {
    let action = |(name, text): (&str, &str)| ActionType { r#type: name.into(), description: text.into() };
    ACTIONS.into_iter().map(action).collect()
}

/// Does an action.
pub(crate) async fn act(
    service: &Service,
    who: &Principal,
    session: &Session,
    action: Action,
) -> Result<Results, Status> {
    let body = &action.body[..];
    let result = match action.r#type.as_str() {
        CREATE_PREPARED_STATEMENT => Some(prepare(service, who, session, unpack(body)?).await?),
        CLOSE_PREPARED_STATEMENT => {
            let request: ActionClosePreparedStatementRequest = unpack(body)?;
            service.prepared.close(&request.prepared_statement_handle, who);
            None
        }
        BEGIN_TRANSACTION => Some(packed(&ActionBeginTransactionResult { transaction_id: handle() })),
        BEGIN_SAVEPOINT => Some(packed(&ActionBeginSavepointResult { savepoint_id: handle() })),
        END_TRANSACTION | END_SAVEPOINT => None,
        CANCEL_FLIGHT_INFO => Some(bare(&cancel(service, who, body)?)),
        CANCEL_QUERY => Some(packed(&cancel_query(service, who, unpack(body)?)?)),
        RENEW_FLIGHT_ENDPOINT => Some(bare(&renew(service, who, body)?)),
        SET_SESSION_OPTIONS => Some(bare(&set_options(service, session, body)?)),
        GET_SESSION_OPTIONS => Some(bare(&get_options(service, session))),
        CLOSE_SESSION => {
            service.sessions.close(session);
            Some(bare(&CloseSessionResult { status: CloseStatus::Closed as i32 }))
        }
        other => return Err(Status::unimplemented(format!("the action '{other}' is not offered"))),
    };
    Ok(Box::pin(stream::iter(result.map(|body| Ok(ActionResult { body })))))
}

fn unpack<M: ProstMessageExt>(body: &[u8]) -> Result<M, Status> {
    let any = Any::decode(body).map_err(|_| malformed("action"))?;
    any.unpack().ok().flatten().ok_or_else(|| malformed("action"))
}

fn packed(message: &impl ProstMessageExt) -> Bytes {
    message.as_any().encode_to_vec().into()
}

fn bare(message: &impl Message) -> Bytes {
    message.encode_to_vec().into()
}

/// Drivers only hand it back.
fn handle() -> Bytes {
    Bytes::copy_from_slice(&Ticket::fresh_nonce().to_be_bytes())
}

async fn prepare(
    service: &Service,
    who: &Principal,
    session: &Session,
    request: ActionCreatePreparedStatementRequest,
) -> Result<Bytes, Status> {
    let settings = service.sessions.settings(session);
    let description = service.statements.describe(who, &request.query, Bytes::new(), settings).await?;
    let parameters = &description.prepared.parameters;
    let parameter_schema = match parameters.fields().is_empty() {
        true => Bytes::new(),
        false => encode_schema(parameters)?,
    };
    Ok(packed(&ActionCreatePreparedStatementResult {
        prepared_statement_handle: service.prepared.add(&request.query, who),
        dataset_schema: encode_schema(&description.prepared.schema)?,
        parameter_schema,
    }))
}

/// The ticket of what `GetFlightInfo` gave.
fn ticket_of(
    service: &Service,
    who: &Principal,
    endpoint: Option<&FlightEndpoint>,
) -> Result<Ticket, Status> {
    let sealed = endpoint.and_then(|endpoint| endpoint.ticket.as_ref()).ok_or_else(ticket::unknown)?;
    let any = Any::decode(&sealed.ticket[..]).map_err(|_| ticket::unknown())?;
    let query: Option<TicketStatementQuery> = any.unpack().ok().flatten();
    service.statements.open(&query.ok_or_else(ticket::unknown)?.statement_handle, who)
}

fn cancel(service: &Service, who: &Principal, body: &[u8]) -> Result<CancelFlightInfoResult, Status> {
    let request = CancelFlightInfoRequest::decode(body).map_err(|_| malformed("action"))?;
    let info = request.info.unwrap_or_default();
    let ticket = ticket_of(service, who, info.endpoint.first())?;
    let status = match service.statements.cancel(&ticket) {
        true => CancelStatus::Cancelled,
        false => CancelStatus::NotCancellable,
    };
    Ok(CancelFlightInfoResult { status: status as i32 })
}

fn cancel_query(
    service: &Service,
    who: &Principal,
    request: ActionCancelQueryRequest,
) -> Result<ActionCancelQueryResult, Status> {
    let info = FlightInfo::decode(request.info).map_err(|_| malformed("action"))?;
    let ticket = ticket_of(service, who, info.endpoint.first())?;
    let result = match service.statements.cancel(&ticket) {
        true => CANCELLED,
        false => NOT_CANCELLABLE,
    };
    Ok(ActionCancelQueryResult { result })
}

fn renew(service: &Service, who: &Principal, body: &[u8]) -> Result<FlightEndpoint, Status> {
    let request = RenewFlightEndpointRequest::decode(body).map_err(|_| malformed("action"))?;
    let ticket = ticket_of(service, who, request.endpoint.as_ref())?;
    Ok(service.endpoint(&service.statements.renew(ticket)))
}

fn set_options(service: &Service, session: &Session, body: &[u8]) -> Result<SetSessionOptionsResult, Status> {
    let request = SetSessionOptionsRequest::decode(body).map_err(|_| malformed("action"))?;
    let wanted = request.session_options.into_iter().map(|(name, wanted)| (name, wanted.value));
    let faults = service.sessions.set(session, wanted);
    let errors = faults.into_iter().map(|(name, kind)| (name, SetError { value: kind as i32 }));
    Ok(SetSessionOptionsResult { errors: errors.collect() })
}

fn get_options(service: &Service, session: &Session) -> GetSessionOptionsResult {
    let option = |(name, value)| (name, SessionOptionValue { value: Some(OptionValue::Text(value)) });
    GetSessionOptionsResult {
        session_options: service.sessions.all(session).into_iter().map(option).collect(),
    }
}
