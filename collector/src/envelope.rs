use model::{
    Timestamp,
    json::{Json, ObjectCursor, split_array},
};

use crate::{answer::Rejection, reason::Reason, times::sent_at};

/// A request cut into raw items, and what it says about all of them.
#[derive(Debug, Default)]
pub(crate) struct Envelope<'a> {
    pub(crate) items: Vec<&'a [u8]>,
    pub(crate) write_key: Option<String>,
    pub(crate) sent_at: Option<Timestamp>,
    pub(crate) context: Option<Json<'a>>,
    pub(crate) integrations: Option<Json<'a>>,
}

/// Why nothing could be separated into events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    InvalidJson,
    NotAnObject,
    EmptyBatch,
    BadGzip,
}

impl Broken {
    pub(crate) fn rejection(self) -> Rejection {
        match self {
            Self::InvalidJson => Rejection::InvalidJson,
            Self::NotAnObject => Rejection::NotAnObject,
            Self::EmptyBatch => Rejection::EmptyBatch,
            Self::BadGzip => Rejection::BadGzip,
        }
    }

    pub(crate) fn reason(self) -> Reason {
        match self {
            Self::InvalidJson => Reason::InvalidJson,
            Self::NotAnObject => Reason::NotAnObject,
            Self::EmptyBatch => Reason::EmptyBatch,
            Self::BadGzip => Reason::BadGzip,
        }
    }
}

impl<'a> Envelope<'a> {
    /// Cuts the body of a batch call: an object with a member `batch`, or a bare array (C-22).
    pub(crate) fn of_batch(body: &'a [u8]) -> Result<Self, Broken> {
        let envelope = match first_byte(body)? {
            b'[' => Self { items: split_array(body).ok_or(Broken::InvalidJson)?, ..Self::default() },
            _ => Self::walk(body).ok_or(Broken::InvalidJson)?,
        };
        if envelope.items.is_empty() { Err(Broken::EmptyBatch) } else { Ok(envelope) }
    }

    /// The body of a single call: one item, unless it is a bare array.
    pub(crate) fn of_single(body: &'a [u8]) -> Result<Self, Broken> {
        match first_byte(body)? {
            b'[' => Self::of_batch(body),
            _ => Ok(Self { items: vec![body.trim_ascii()], ..Self::default() }),
        }
    }

    fn walk(body: &'a [u8]) -> Option<Self> {
        let mut envelope = Self::default();
        let mut cursor = ObjectCursor::open(body)?;
        while let Some(key) = cursor.key()? {
            if key == "batch"
                && let Some(items) = cursor.items()
            {
                envelope.items = items;
                continue;
            }
            let value = cursor.value()?;
            let read = || Json::parse(value).ok().map(|parsed| parsed.value);
            match &*key {
                "sentAt" => envelope.sent_at = sent_at(read().as_ref()),
                "writeKey" => envelope.write_key = read().and_then(|v| v.as_str().map(str::to_owned)),
                "context" => envelope.context = read(),
                "integrations" => envelope.integrations = read(),
                _ => {}
            }
        }
        Some(envelope)
    }

    /// The write key inside the body: of the request, else of its first item.
    pub(crate) fn find_key(&self) -> Option<String> {
        let own = self.write_key.clone().filter(|key| !key.is_empty());
        own.or_else(|| item_key(self.items.first()?))
    }
}

fn item_key(item: &[u8]) -> Option<String> {
    let mut cursor = ObjectCursor::open(item)?;
    while let Some(key) = cursor.key()? {
        let value = cursor.value()?;
        if key == "writeKey" {
            let value = Json::parse(value).ok()?.value;
            return value.as_str().filter(|key| !key.is_empty()).map(str::to_owned);
        }
    }
    None
}

/// The first byte of an object or array.
fn first_byte(body: &[u8]) -> Result<u8, Broken> {
    match body.trim_ascii().first() {
        Some(&byte @ (b'{' | b'[')) => Ok(byte),
        _ if Json::parse(body).is_ok() => Err(Broken::NotAnObject),
        _ => Err(Broken::InvalidJson),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expect: Result<usize, Broken>) {
        assert_eq!(Envelope::of_batch(body.as_bytes()).map(|e| e.items.len()), expect, "{body}");
    }

    #[test]
    fn a_batch_is_cut_before_its_items_are_read_c22() {
        check(r#"{"batch":[{"a":1},{broken},3],"sentAt":"x"}"#, Ok(3));
        check(r#" [{"a":1},NaN] "#, Ok(2));
    }

    #[test]
    fn what_cannot_be_cut_is_refused_whole() {
        check("", Err(Broken::InvalidJson));
        check("7", Err(Broken::NotAnObject));
        check("\"text\"", Err(Broken::NotAnObject));
        check("{\"batch\":[", Err(Broken::InvalidJson));
        check("{\"batch\":[1]} x", Err(Broken::InvalidJson));
        check("{\"batch\":[]}", Err(Broken::EmptyBatch));
        check("{\"batch\":{}}", Err(Broken::EmptyBatch));
        check("{}", Err(Broken::EmptyBatch));
        check("[]", Err(Broken::EmptyBatch));
    }

    #[test]
    fn the_key_is_found_in_the_body_or_its_first_item() {
        let find = |body: &str| Envelope::of_batch(body.as_bytes()).unwrap().find_key();
        assert_eq!(find(r#"{"batch":[{"writeKey":"b"}],"writeKey":"a"}"#).as_deref(), Some("a"));
        assert_eq!(find(r#"{"batch":[{"writeKey":"b"}],"writeKey":""}"#).as_deref(), Some("b"));
        assert_eq!(find(r#"{"batch":[{"a":1},{"writeKey":"b"}]}"#), None);
    }
}
