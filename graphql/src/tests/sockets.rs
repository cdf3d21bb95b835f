use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
};

use super::service;
use crate::fixture::Fixture;

/// Longest wait for a message.
const DEADLINE: Duration = Duration::from_secs(20);

struct Client(WebSocketStream<TcpStream>);

impl Client {
    async fn connect(fixture: &Fixture, origin: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = service(fixture);
        tokio::spawn(async move { axum::serve(listener, service).await });
        let mut request = format!("ws://{address}/graphql").into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", HeaderValue::from_static("graphql-transport-ws"));
        if let Some(origin) = origin {
            headers.insert("origin", HeaderValue::from_static(origin));
        }
        let stream = TcpStream::connect(address).await.unwrap();
        let (socket, answer) = client_async(request, stream).await.unwrap();
        assert_eq!(answer.headers()["sec-websocket-protocol"], "graphql-transport-ws");
        Self(socket)
    }

    async fn ready(fixture: &Fixture) -> Self {
        let mut client = Self::connect(fixture, None).await;
        client.say(json!({"type": "connection_init"})).await;
        assert_eq!(client.hear().await, json!({"type": "connection_ack"}));
        client
    }

    async fn say(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    async fn subscribe(&mut self, id: &str, query: &str) {
        self.say(json!({"type": "subscribe", "id": id, "payload": {"query": query}})).await;
    }

    async fn hear(&mut self) -> Value {
        loop {
            let message = timeout(DEADLINE, self.0.next()).await.expect("the server answers in time");
            match message.unwrap().unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Close(frame) => return json!({"closed": frame.map(|frame| u16::from(frame.code))}),
                _ => {}
            }
        }
    }
}

async fn check_closed(messages: &[Value], expect: u16) {
    let fixture = Fixture::start().await;
    let mut client = Client::connect(&fixture, None).await;
    for message in messages {
        client.say(message.clone()).await;
    }
    loop {
        let heard = client.hear().await;
        if let Some(code) = heard.get("closed") {
            assert_eq!(*code, expect, "{messages:?}");
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_rules_close_the_socket_with_their_code() {
    let init = || json!({"type": "connection_init"});
    let live = || json!({"type": "subscribe", "id": "1", "payload": {"query": "subscription{audienceChanges{cursor}}"}});
    check_closed(&[], 4408).await;
    check_closed(&[json!({"type": "start"})], 4400).await;
    check_closed(&[live()], 4401).await;
    check_closed(&[init(), init()], 4429).await;
    check_closed(&[init(), live(), live()], 4409).await;
    check_closed(
        &[json!({"type": "connection_init", "payload": {"authorization": "Bearer stranger"}})],
        4403,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_origin_needs_a_credential_of_its_own() {
    let fixture = Fixture::start().await;
    let mut client = Client::connect(&fixture, Some("https://evil.example")).await;
    client.say(json!({"type": "connection_init"})).await;
    assert_eq!(client.hear().await, json!({"closed": 4403}));
    let mut client = Client::connect(&fixture, Some("https://shop.example")).await;
    client.say(json!({"type": "connection_init", "payload": {"authorization": "Bearer reader"}})).await;
    assert_eq!(client.hear().await, json!({"type": "connection_ack"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_run_over_the_socket_and_errors_end_the_operation_alone() {
    let fixture = Fixture::start().await;
    let mut client = Client::ready(&fixture).await;
    client.subscribe("a", "{audiences{name}}").await;
    let next = client.hear().await;
    assert_eq!(next["payload"]["data"]["audiences"][0]["name"], "pro_plan");
    assert_eq!(client.hear().await, json!({"type": "complete", "id": "a"}));
    client.subscribe("b", "{").await;
    let error = client.hear().await;
    assert_eq!((&error["type"], &error["id"]), (&json!("error"), &json!("b")));
    assert_eq!(error["payload"][0]["extensions"]["code"], "BAD_REQUEST");
    client.say(json!({"type": "ping"})).await;
    assert_eq!(client.hear().await, json!({"type": "pong"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_followed_by_changes_without_a_gap() {
    let fixture = Fixture::start().await;
    let mut client = Client::ready(&fixture).await;
    let fields =
        "cursor heartbeat changes { id seq change reason audience { name } profile { id } cause { event } }";
    client
        .subscribe("a", &format!("subscription {{ audienceChanges(snapshot: true) {{ {fields} }} }}"))
        .await;
    let batch = client.hear().await["payload"]["data"]["audienceChanges"].clone();
    let change = &batch["changes"][0];
    assert_eq!((&change["reason"], &change["seq"]), (&json!("reconcile"), &Value::Null));
    assert_eq!(change["profile"]["id"], fixture.profile.to_string());
    fixture.enter(1);
    let batch = client.hear().await["payload"]["data"]["audienceChanges"].clone();
    let change = &batch["changes"][0];
    assert_eq!((&change["id"], &change["reason"]), (&json!("chg_0_1_0"), &json!("trait")));
    assert_eq!(change["cause"]["event"], "identify");

    let after = batch["cursor"].as_str().unwrap();
    fixture.enter(2);
    let query = format!("subscription {{ audienceChanges(after: \"{after}\") {{ changes {{ seq }} }} }}");
    let mut other = Client::ready(&fixture).await;
    other.subscribe("b", &query).await;
    let next = other.hear().await;
    assert_eq!(next["payload"]["data"]["audienceChanges"]["changes"], json!([{"seq": "2"}]));
}
