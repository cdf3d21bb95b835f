use std::{collections::HashMap, time::Duration};

use arrow_flight::{Action, flight_service_client::FlightServiceClient};
use prost::{Message, Oneof};
use tonic::{Request, transport::Channel};

use crate::server::Server;

/// A map from names to values of one kind, as the session actions send it.
#[derive(Clone, PartialEq, Message)]
struct Options {
    #[prost(map = "string, message", tag = "1")]
    entries: HashMap<String, OptionValue>,
}

#[derive(Clone, PartialEq, Message)]
struct OptionValue {
    #[prost(oneof = "Value", tags = "1, 2, 3")]
    value: Option<Value>,
}

#[derive(Clone, PartialEq, Oneof)]
enum Value {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(bool, tag = "2")]
    Boolean(bool),
    #[prost(sfixed64, tag = "3")]
    Integer(i64),
}

#[derive(Clone, PartialEq, Message)]
struct Errors {
    #[prost(map = "string, message", tag = "1")]
    entries: HashMap<String, Kind>,
}

#[derive(Clone, PartialEq, Message)]
struct Kind {
    #[prost(int32, tag = "1")]
    value: i32,
}

const INVALID_NAME: i32 = 1;
const INVALID_VALUE: i32 = 2;
const ERROR: i32 = 3;

/// A client that keeps cookies, or does not.
struct Client {
    inner: FlightServiceClient<Channel>,
    key: &'static str,
    cookie: Option<String>,
}

impl Client {
    async fn new(server: &Server, key: &'static str) -> Self {
        Self { inner: FlightServiceClient::new(server.channel().await), key, cookie: None }
    }

    /// Does an action; its body, and the cookie that came with it.
    async fn act(&mut self, name: &str, body: Vec<u8>) -> (Vec<u8>, Option<String>) {
        let mut request = Request::new(Action::new(name, body));
        let bearer = format!("Bearer {}", self.key);
        request.metadata_mut().insert("authorization", bearer.parse().unwrap());
        if let Some(cookie) = &self.cookie {
            request.metadata_mut().insert("cookie", cookie.parse().unwrap());
        }
        let answer = self.inner.do_action(request).await.unwrap();
        let cookie = answer.metadata().get("set-cookie").map(|value| value.to_str().unwrap().to_owned());
        let result = answer.into_inner().message().await.unwrap();
        (result.map(|result| result.body.to_vec()).unwrap_or_default(), cookie)
    }

    /// Takes the cookie that the server offers.
    async fn with_cookie(mut self) -> Self {
        let (_, cookie) = self.act("GetSessionOptions", Vec::new()).await;
        self.cookie = Some(cookie.unwrap().split(';').next().unwrap().to_owned());
        self
    }

    async fn set(&mut self, name: &str, value: Option<Value>) -> Option<i32> {
        let entries = HashMap::from([(name.to_owned(), OptionValue { value })]);
        let (body, _) = self.act("SetSessionOptions", Options { entries }.encode_to_vec()).await;
        Errors::decode(&body[..]).unwrap().entries.get(name).map(|kind| kind.value)
    }

    async fn option(&mut self, name: &str) -> Option<String> {
        let (body, _) = self.act("GetSessionOptions", Vec::new()).await;
        match Options::decode(&body[..]).unwrap().entries.remove(name)?.value? {
            Value::Text(text) => Some(text),
            other => panic!("{other:?}"),
        }
    }
}

fn text(value: &str) -> Option<Value> {
    Some(Value::Text(value.to_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn options_are_checked_by_name_and_value() {
    let server = Server::start().await;
    let mut client = Client::new(&server, "ann-key").await.with_cookie().await;
    for (name, value, expect) in [
        ("catalog", text("etalon"), None),
        ("catalog", text("other"), Some(INVALID_VALUE)),
        ("timezone", text("utc"), None),
        ("timezone", text("Mars/Base"), Some(INVALID_VALUE)),
        ("etalon.read_cache", text("off"), None),
        ("etalon.read_cache", Some(Value::Boolean(true)), None),
        ("etalon.read_cache", text("maybe"), Some(INVALID_VALUE)),
        ("etalon.read_cache", Some(Value::Integer(1)), Some(INVALID_VALUE)),
        ("etalon.nothing", text("on"), Some(INVALID_NAME)),
        ("x", text("y"), Some(INVALID_NAME)),
    ] {
        assert_eq!(client.set(name, value.clone()).await, expect, "{name} {value:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_keeps_what_it_has_set_until_it_is_closed() {
    let server =
        Server::start_with(|options| flight::Options { session_idle: Duration::from_secs(3_600), ..options })
            .await;
    let mut client = Client::new(&server, "ann-key").await.with_cookie().await;
    assert_eq!(client.option("etalon.bare_measures").await.as_deref(), Some("on"));
    assert_eq!(client.set("etalon.bare_measures", text("error")).await, None);
    assert_eq!(client.option("etalon.bare_measures").await.as_deref(), Some("off"));
    // Unset is the default again.
    assert_eq!(client.set("etalon.bare_measures", None).await, None);
    assert_eq!(client.option("etalon.bare_measures").await.as_deref(), Some("on"));
    assert_eq!(client.set("etalon.bare_measures", text("off")).await, None);
    let (closed, forget) = client.act("CloseSession", Vec::new()).await;
    assert_eq!(closed, [8, 1]);
    assert!(forget.unwrap().contains("Max-Age=0"));
    assert_eq!(client.option("etalon.bare_measures").await.as_deref(), Some("on"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_cookies_only_values_that_need_no_state_are_accepted() {
    let server = Server::start().await;
    let mut client = Client::new(&server, "ann-key").await;
    assert_eq!(client.set("catalog", text("etalon")).await, None);
    assert_eq!(client.set("etalon.read_cache", text("on")).await, None);
    assert_eq!(client.set("etalon.read_cache", text("off")).await, Some(ERROR));
    assert_eq!(client.option("etalon.read_cache").await.as_deref(), Some("on"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_opens_nobody_elses_session() {
    let server = Server::start().await;
    let mut ann = Client::new(&server, "ann-key").await.with_cookie().await;
    assert_eq!(ann.set("etalon.read_cache", text("off")).await, None);
    let mut bob = Client::new(&server, "bob-key").await;
    bob.cookie.clone_from(&ann.cookie);
    assert_eq!(bob.option("etalon.read_cache").await.as_deref(), Some("on"));
    assert_eq!(ann.option("etalon.read_cache").await.as_deref(), Some("off"));
}
