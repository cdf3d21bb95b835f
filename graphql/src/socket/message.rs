use async_graphql::Response;
use axum::extract::ws::Message;
use serde_json::{Value, json};

use super::Close;
use crate::Error;

/// What a client says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Client {
    Init { authorization: Option<String> },
    Ping,
    Pong,
    Subscribe { id: String, payload: Value },
    Complete { id: String },
}

impl Client {
    pub(super) fn read(text: &str) -> Result<Self, Close> {
        let Ok(Value::Object(mut message)) = serde_json::from_str(text) else {
            return Err((4400, "a message is a JSON object"));
        };
        let kind = message.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        let id = message.get("id").and_then(Value::as_str).map(str::to_owned);
        let payload = message.remove("payload").unwrap_or_default();
        let named = |id: Option<String>| id.filter(|id| !id.is_empty()).ok_or((4400, "'id' must be a text"));
        match kind.as_str() {
            "connection_init" => Ok(Self::Init { authorization: authorization(&payload) }),
            "ping" => Ok(Self::Ping),
            "pong" => Ok(Self::Pong),
            "subscribe" => Ok(Self::Subscribe { id: named(id)?, payload }),
            "complete" => Ok(Self::Complete { id: named(id)? }),
            _ => Err((4400, "unknown message type")),
        }
    }
}

/// `authorization` in any case, as a header editor spells it, or `token`.
fn authorization(payload: &Value) -> Option<String> {
    let members = payload.as_object()?;
    let found = members
        .iter()
        .find(|(name, _)| ["authorization", "token"].iter().any(|known| name.eq_ignore_ascii_case(known)));
    found.and_then(|(_, value)| value.as_str()).map(str::to_owned)
}

/// What we say.
pub(super) enum Server<'a> {
    Acknowledge,
    Pong,
    Next { id: &'a str, answer: &'a Response },
    Error { id: &'a str, error: &'a Error },
    Complete { id: &'a str },
}

impl Server<'_> {
    pub(super) fn write(&self) -> Message {
        let message = match self {
            Self::Acknowledge => json!({"type": "connection_ack"}),
            Self::Pong => json!({"type": "pong"}),
            Self::Next { id, answer } => json!({"type": "next", "id": id, "payload": answer}),
            Self::Error { id, error } => {
                json!({"type": "error", "id": id, "payload": [error.entry()]})
            }
            Self::Complete { id } => json!({"type": "complete", "id": id}),
        };
        Message::Text(message.to_string().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_credential_is_found_as_headers_editors_write_it() {
        for text in [
            r#"{"type":"connection_init","payload":{"Authorization":"Bearer k"}}"#,
            r#"{"type":"connection_init","payload":{"authorization":"Bearer k"}}"#,
        ] {
            let expect = Client::Init { authorization: Some("Bearer k".into()) };
            assert_eq!(Client::read(text), Ok(expect));
        }
        let plain = Client::read(r#"{"type":"connection_init"}"#);
        assert_eq!(plain, Ok(Client::Init { authorization: None }));
    }

    #[test]
    fn what_is_no_message_is_refused_with_4400() {
        for text in [
            "",
            "[]",
            "{}",
            r#"{"type":"start","id":"1"}"#,
            r#"{"type":"subscribe"}"#,
            r#"{"type":"subscribe","id":7}"#,
        ] {
            assert_eq!(Client::read(text).map_err(|(code, _)| code), Err(4400), "{text}");
        }
    }
}
