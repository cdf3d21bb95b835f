use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use model::json;

use crate::{Flavour, source::Source};

/// Why a request is not answered 200 (`collector.md` §7). No status of C-10 is among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Rejection {
    InvalidJson,
    NotAnObject,
    EmptyBatch,
    BadGzip,
    MissingWriteKey,
    InvalidWriteKey,
    SourceDisabled,
    NotFound,
    PayloadTooLarge,
    Overloaded,
    /// The client did not send its body in time: a retry may be faster, so it must not be dropped.
    BodyTimeout,
    StorageFailed,
}

impl Rejection {
    pub(crate) const ALL: [Self; 12] = [
        Self::InvalidJson,
        Self::NotAnObject,
        Self::EmptyBatch,
        Self::BadGzip,
        Self::MissingWriteKey,
        Self::InvalidWriteKey,
        Self::SourceDisabled,
        Self::NotFound,
        Self::PayloadTooLarge,
        Self::Overloaded,
        Self::BodyTimeout,
        Self::StorageFailed,
    ];

    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::InvalidJson => "invalid_json",
            Self::NotAnObject => "not_an_object",
            Self::EmptyBatch => "empty_batch",
            Self::BadGzip => "bad_gzip",
            Self::MissingWriteKey => "missing_write_key",
            Self::InvalidWriteKey => "invalid_write_key",
            Self::SourceDisabled => "source_disabled",
            Self::NotFound => "not_found",
            Self::PayloadTooLarge => "payload_too_large",
            Self::Overloaded => "overloaded",
            Self::BodyTimeout => "body_timeout",
            Self::StorageFailed => "storage_failed",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::InvalidJson | Self::NotAnObject | Self::EmptyBatch | Self::BadGzip => {
                StatusCode::BAD_REQUEST
            }
            Self::MissingWriteKey | Self::InvalidWriteKey => StatusCode::UNAUTHORIZED,
            Self::SourceDisabled | Self::NotFound => StatusCode::NOT_FOUND,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Overloaded | Self::BodyTimeout => StatusCode::TOO_MANY_REQUESTS,
            Self::StorageFailed => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn message(self) -> &'static str {
        match self {
            Self::InvalidJson => "the body is not JSON",
            Self::NotAnObject => "the body is not an object or an array",
            Self::EmptyBatch => "the batch holds no events",
            Self::BadGzip => "the body could not be inflated",
            Self::MissingWriteKey => "no write key was sent",
            Self::InvalidWriteKey => "the write key is not known",
            Self::SourceDisabled => "the source is disabled",
            Self::NotFound => "nothing is served here",
            Self::PayloadTooLarge => "the request is larger than allowed",
            Self::Overloaded => "the server is busy, send again later",
            Self::BodyTimeout => "the body did not arrive in time",
            Self::StorageFailed => "the events could not be stored",
        }
    }

    /// The error body both vendors' SDKs can read (C-2).
    pub(crate) fn response(self) -> Response {
        let body = format!(r#"{{"code":"{}","message":{}}}"#, self.code(), json::quote(self.message()));
        let mut response = with(self.status(), JSON, body);
        let headers = response.headers_mut();
        if self.status() == StatusCode::TOO_MANY_REQUESTS {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
        }
        if matches!(self, Self::BodyTimeout | Self::PayloadTooLarge) {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// What became of the items of a request; their sum is the number of items sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tally {
    pub(crate) accepted: u32,
    pub(crate) duplicate: u32,
    pub(crate) quarantined: u32,
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const GIF: HeaderValue = HeaderValue::from_static("image/gif");

/// A transparent image of one pixel, 43 bytes.
const PIXEL: &[u8; 43] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";

fn with(status: StatusCode, content_type: HeaderValue, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

/// Success: status exactly 200 (C-1), the vendor's body, and the counts.
pub(crate) fn success(flavour: Flavour, tally: Tally) -> Response {
    let mut response = match flavour {
        Flavour::Segment => with(StatusCode::OK, JSON, r#"{"success":true}"#),
        Flavour::RudderStack => with(StatusCode::OK, TEXT, "ok"),
    };
    let counts = format!(
        "accepted={} duplicate={} quarantined={} suppressed=0",
        tally.accepted, tally.duplicate, tally.quarantined
    );
    let counts = HeaderValue::try_from(counts).expect("digits and letters are a header value");
    response.headers_mut().insert("etalon-result", counts);
    response
}

/// Success of a request that holds no events.
pub(crate) fn nothing_to_do() -> Response {
    with(StatusCode::OK, JSON, r#"{"success":true}"#)
}

/// The image, whatever happened.
pub(crate) fn pixel() -> Response {
    let mut response = with(StatusCode::OK, GIF, &PIXEL[..]);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A configuration document for a browser or mobile SDK.
pub(crate) fn configuration(body: String) -> Response {
    let mut response = with(StatusCode::OK, JSON, body);
    let caching = HeaderValue::from_static("public, max-age=300");
    response.headers_mut().insert(header::CACHE_CONTROL, caching);
    response
}

/// Answer to a preflight: everything asked for is allowed, by name, because `*` never covers
/// `Authorization` (C-5).
pub(crate) fn preflight(asked: &HeaderMap) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    let methods = HeaderValue::from_static("GET, POST, OPTIONS");
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    if let Some(names) = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
    }
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("7200"));
    response
}

/// Lets the page that asked read the answer, errors included, if the source allows its origin.
pub(crate) fn allow_origin(response: &mut Response, origin: Option<&HeaderValue>, source: Option<&Source>) {
    let Some(origin) = origin else { return };
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    let allowed = source.is_none_or(|s| origin.to_str().is_ok_and(|text| s.allows(text)));
    if allowed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("etalon-result"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rejection_stands_at_its_number_and_has_no_status_of_c10() {
        for (i, rejection) in Rejection::ALL.into_iter().enumerate() {
            assert_eq!(rejection as usize, i);
            let status = rejection.status().as_u16();
            assert!([400, 401, 404, 413, 429, 500].contains(&status), "{}", rejection.code());
        }
    }

    #[test]
    fn a_busy_answer_says_when_to_come_back() {
        let response = Rejection::Overloaded.response();
        let seconds: u32 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=5).contains(&seconds));
    }

    #[test]
    fn an_origin_is_mirrored_only_if_allowed_c5() {
        let origin = HeaderValue::from_static("https://shop.example");
        let mut response = pixel();
        allow_origin(&mut response, Some(&origin), None);
        assert_eq!(response.headers()["access-control-allow-origin"], "https://shop.example");
        assert_eq!(response.headers()["vary"], "Origin");
    }
}
