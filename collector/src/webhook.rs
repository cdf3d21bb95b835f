use std::borrow::Cow;

use axum::http::HeaderMap;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use model::{
    Event, Timestamp,
    json::{Json, split_array},
};

use crate::query::fields;

/// Begins the message id of every webhook event that came with an idempotency key.
pub(crate) const KEY_PREFIX: &str = "wh:";

/// One call of a webhook, turned into track calls by the default mapping: event
/// `webhook_source_event`, properties = the body, a made-up anonymous id that is marked as such.
pub(crate) fn events(
    headers: &HeaderMap,
    content_type: &str,
    query: &str,
    body: &[u8],
    now: Timestamp,
) -> Vec<Vec<u8>> {
    let key = ["idempotency-key", "webhook-id"].iter().find_map(|name| {
        let text = headers.get(*name)?.to_str().ok()?.trim();
        (!text.is_empty()).then(|| text.to_owned())
    });
    let trimmed = body.trim_ascii();
    if trimmed.first() == Some(&b'[')
        && let Some(items) = split_array(trimmed)
    {
        let each = |(i, item): (usize, &[u8])| {
            event(properties_of(item, content_type), key.as_deref().map(|k| format!("{k}:{i}")), now)
        };
        return items.into_iter().enumerate().map(each).collect();
    }
    let properties =
        if trimmed.is_empty() { form(query, true) } else { properties_of(trimmed, content_type) };
    vec![event(properties, key, now)]
}

/// What a repeated delivery must have in common with the first one: the text of its properties. `None`
/// for an event that is not from a webhook with a key.
pub(crate) fn content(event: &Event<'_>) -> Option<String> {
    event.message_id.starts_with(KEY_PREFIX).then(|| properties_text(&event.json()))
}

/// The properties of a webhook event, as text.
pub(crate) fn properties_text(event: &Json<'_>) -> String {
    event.get("properties").map(Json::to_text).unwrap_or_default()
}

/// A body: an object as it is; a form as an object; anything else as a text, or base64 if it is none.
fn properties_of<'a>(body: &'a [u8], content_type: &str) -> Json<'a> {
    if let Ok(parsed) = Json::parse(body)
        && matches!(parsed.value, Json::Object(_))
    {
        return parsed.value;
    }
    let single =
        |name: &'static str, text: Cow<'a, str>| Json::Object(vec![(name.into(), Json::String(text))]);
    match std::str::from_utf8(body) {
        Ok(text) if content_type.starts_with("application/x-www-form-urlencoded") => form(text, false),
        Ok(text) => single("body", text.into()),
        Err(_) => single("body_base64", STANDARD.encode(body).into()),
    }
}

/// Form fields as an object; repeated fields become arrays. A query also holds the write key.
fn form(text: &str, is_query: bool) -> Json<'static> {
    let mut members: Vec<(Cow<'static, str>, Json<'static>)> = Vec::new();
    for (name, value) in fields(text) {
        if is_query && name.eq_ignore_ascii_case("writekey") {
            continue;
        }
        let value = Json::String(Cow::Owned(value.into_owned()));
        match members.iter_mut().find(|(present, _)| *present == name) {
            None => members.push((Cow::Owned(name.into_owned()), value)),
            Some((_, Json::Array(items))) => items.push(value),
            Some((_, first)) => *first = Json::Array(vec![std::mem::replace(first, Json::Null), value]),
        }
    }
    Json::Object(members)
}

fn event(properties: Json<'_>, key: Option<String>, now: Timestamp) -> Vec<u8> {
    let text = |text: String| Json::String(Cow::Owned(text));
    let mark = Json::Object(vec![("syntheticId".into(), Json::Bool(true))]);
    let mut members: Vec<(Cow<'_, str>, Json<'_>)> = vec![
        ("type".into(), Json::String("track".into())),
        ("event".into(), Json::String("webhook_source_event".into())),
        ("anonymousId".into(), text(uuid::Uuid::new_v4().to_string())),
        ("timestamp".into(), text(now.to_string())),
        ("context".into(), Json::Object(vec![("etalon".into(), mark)])),
        ("properties".into(), properties),
    ];
    if let Some(key) = key {
        members.push(("messageId".into(), text(format!("{KEY_PREFIX}{key}"))));
    }
    Json::Object(members).to_text().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(content_type: &str, query: &str, body: &[u8], expect: &[&str]) {
        let mut headers = HeaderMap::new();
        headers.insert("idempotency-key", "k1".parse().unwrap());
        let events = events(&headers, content_type, query, body, Timestamp::from_millis(0));
        let got: Vec<String> = events
            .iter()
            .map(|bytes| {
                let value = Json::parse(bytes).unwrap().value;
                format!("{} {}", value.get("messageId").unwrap().as_str().unwrap(), properties_text(&value))
            })
            .collect();
        assert_eq!(got, expect);
    }

    #[test]
    fn every_body_becomes_properties() {
        check("application/json", "", br#"{"a":1}"#, &[r#"wh:k1 {"a":1}"#]);
        check("application/json", "", br#"[{"a":1}, 7]"#, &[r#"wh:k1:0 {"a":1}"#, r#"wh:k1:1 {"body":"7"}"#]);
        check("application/x-www-form-urlencoded", "", b"a=1&b=2&a=3", &[r#"wh:k1 {"a":["1","3"],"b":"2"}"#]);
        check("text/plain", "", b"hello", &[r#"wh:k1 {"body":"hello"}"#]);
        check("", "", b"\xff", &[r#"wh:k1 {"body_base64":"/w=="}"#]);
        check("", "writeKey=WK&x=1", b"", &[r#"wh:k1 {"x":"1"}"#]);
    }
}
