//! `graphql-transport-ws`: many operations over one web socket.
//!
//! The socket has one reader (this task) and one task per operation; all write through one bounded
//! queue, so a reader that does not read holds its own operations back and nobody else's.

mod message;

use std::{collections::HashMap, time::Duration};

use axum::{
    extract::{
        WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket},
    },
    response::{IntoResponse, Response},
};
use futures::{SinkExt, StreamExt, stream::SplitSink};
use model::Principal;
use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinSet},
};

use self::message::{Client, Server};
use crate::http::{Service, refuse, token};

const PROTOCOL: &str = "graphql-transport-ws";
const QUEUE: usize = 16;
const MAX_MESSAGE: usize = 1024 * 1024;
const MAX_OPERATIONS: usize = 100;

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timings {
    /// Until `connection_init`.
    pub(crate) init: Duration,
    /// Between pings of ours; also how often the credential is looked at again.
    pub(crate) ping: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        Self { init: Duration::from_secs(10), ping: Duration::from_secs(1) }
    }
}

/// What the upgrade request said about its sender.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) bearer: Option<String>,
    pub(crate) same_origin: bool,
}

pub(crate) fn upgrade(service: Service, caller: Caller, upgrade: WebSocketUpgrade) -> Response {
    let upgrade = upgrade.protocols([PROTOCOL]).max_message_size(MAX_MESSAGE);
    if upgrade.selected_protocol().is_none() {
        let text = format!("the web socket protocol must be {PROTOCOL}");
        return refuse(&crate::Error::Invalid(text)).into_response();
    }
    upgrade.on_upgrade(async move |socket| serve(service, caller, socket).await)
}

/// A close code and its reason.
type Close = (u16, &'static str);

async fn serve(service: Service, caller: Caller, socket: WebSocket) {
    let (sink, mut incoming) = socket.split();
    let (outgoing, queue) = mpsc::channel(QUEUE);
    let mut session = Session {
        init: tokio::time::Instant::now() + service.timings.init,
        service,
        caller,
        principal: None,
        outgoing,
        operations: HashMap::new(),
        running: JoinSet::new(),
    };
    let writer = write(sink, queue);
    let reader = async {
        let close = session.run(&mut incoming).await;
        session.running.abort_all();
        if let Err((code, reason)) = close {
            let frame = CloseFrame { code, reason: reason.into() };
            // The writer may be gone already: then there is nobody to tell.
            let _ = session.outgoing.send(Message::Close(Some(frame))).await;
        }
        drop(session);
    };
    futures::join!(writer, reader);
}

async fn write(mut sink: SplitSink<WebSocket, Message>, mut queue: mpsc::Receiver<Message>) {
    while let Some(message) = queue.recv().await {
        let last = matches!(message, Message::Close(_));
        if sink.send(message).await.is_err() || last {
            break;
        }
    }
}

struct Session {
    service: Service,
    caller: Caller,
    init: tokio::time::Instant,
    principal: Option<(Principal, Option<String>)>,
    outgoing: mpsc::Sender<Message>,
    operations: HashMap<String, AbortHandle>,
    running: JoinSet<String>,
}

impl Session {
    /// Until the socket ends, or a rule is broken.
    async fn run<S>(&mut self, incoming: &mut S) -> Result<(), Close>
    where
        S: futures::Stream<Item = Result<Message, axum::Error>> + Unpin,
    {
        let mut look = tokio::time::interval(self.service.timings.ping);
        loop {
            tokio::select! {
                message = incoming.next() => match message {
                    Some(Ok(Message::Text(text))) => self.message(Client::read(&text)?).await?,
                    Some(Ok(Message::Binary(_))) => return Err((4400, "messages are texts")),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return Ok(()),
                },
                Some(ended) = self.running.join_next() => {
                    if let Ok(id) = ended {
                        self.operations.remove(&id);
                    }
                }
                () = tokio::time::sleep_until(self.init), if self.principal.is_none() => {
                    return Err((4408, "Connection initialisation timeout"));
                }
                _ = look.tick(), if self.principal.is_some() => self.look_again()?,
                () = self.outgoing.closed() => return Ok(()),
            }
        }
    }

    async fn message(&mut self, message: Client) -> Result<(), Close> {
        match message {
            Client::Init { authorization } => {
                self.init(authorization)?;
                self.send(Server::Acknowledge).await;
            }
            Client::Ping => self.send(Server::Pong).await,
            Client::Pong => {}
            Client::Subscribe { id, payload } => self.subscribe(id, payload)?,
            Client::Complete { id } => {
                if let Some(operation) = self.operations.remove(&id) {
                    operation.abort();
                }
            }
        }
        Ok(())
    }

    fn init(&mut self, authorization: Option<String>) -> Result<(), Close> {
        if self.principal.is_some() {
            return Err((4429, "Too many initialisation requests"));
        }
        let given = authorization.as_deref().map(|text| token(text).unwrap_or(text).to_owned());
        let bearer = given.or_else(|| self.caller.bearer.clone());
        if bearer.is_none() && !self.caller.same_origin {
            return Err((4403, "Forbidden"));
        }
        let principal = (self.service.auth)(bearer.as_deref()).ok_or((4403, "Forbidden"))?;
        self.principal = Some((principal, bearer));
        Ok(())
    }

    /// A revoked credential closes the socket (GQL-4).
    fn look_again(&mut self) -> Result<(), Close> {
        let Some((principal, bearer)) = &self.principal else { return Ok(()) };
        match (self.service.auth)(bearer.as_deref()) {
            Some(now) if now == *principal => Ok(()),
            _ => Err((4403, "Forbidden")),
        }
    }

    fn subscribe(&mut self, id: String, payload: serde_json::Value) -> Result<(), Close> {
        let Some((principal, _)) = &self.principal else { return Err((4401, "Unauthorized")) };
        if self.operations.contains_key(&id) {
            return Err((4409, "Subscriber already exists"));
        }
        if self.operations.len() >= MAX_OPERATIONS {
            return Err((4400, "too many operations on one socket"));
        }
        let admitted = self.service.admit(payload, principal.clone());
        let outgoing = self.outgoing.clone();
        let name = id.clone();
        let operation = async move {
            match admitted {
                Ok(admitted) => {
                    let mut answers = admitted.schema.execute_stream(admitted.request);
                    while let Some(answer) = answers.next().await {
                        if outgoing.send(Server::Next { id: &id, answer: &answer }.write()).await.is_err() {
                            return id;
                        }
                    }
                    // Nobody listens any more if this fails.
                    let _ = outgoing.send(Server::Complete { id: &id }.write()).await;
                }
                Err(error) => {
                    let _ = outgoing.send(Server::Error { id: &id, error: &error }.write()).await;
                }
            }
            id
        };
        self.operations.insert(name, self.running.spawn(operation));
        Ok(())
    }

    async fn send(&self, message: Server<'_>) {
        // A closed queue ends the loop by itself.
        let _ = self.outgoing.send(message.write()).await;
    }
}
