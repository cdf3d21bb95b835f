use axum::{
    extract::rejection::{BytesRejection, PathRejection, QueryRejection},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use model::{Diagnostic, ErrorKind, Retry, json};

/// Why a call has no answer. Its text is for the caller.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// The body or a parameter is wrong.
    #[error("{0}")]
    Invalid(String),
    /// The body is larger than bodies may be.
    #[error("the body is larger than 1 MiB")]
    TooLarge,
    /// No credential, or a bad one.
    #[error("missing or unknown bearer token")]
    Unauthenticated,
    /// Unknown, or not visible to this caller.
    #[error("unknown {what} '{name}'")]
    NotFound {
        /// `audience`, ..
        what: &'static str,
        /// As written.
        name: String,
    },
    /// None of the formats the caller takes is offered.
    #[error(
        "answers are application/json, application/x-ndjson, text/csv or application/vnd.apache.arrow.stream"
    )]
    NotAcceptable,
    /// A cursor that no list of ours gave out, or one of another list.
    #[error(transparent)]
    Cursor(#[from] engine::CursorError),
    /// The query has no answer.
    #[error(transparent)]
    Query(#[from] engine::Error),
    /// The change log does not reach back to the cursor.
    #[error("the cursor is older than the change log: list the members, then read on from '{oldest}'")]
    CursorExpired {
        /// The oldest cursor that works.
        oldest: String,
    },
    /// The change log cannot be read.
    #[error("the change log cannot be read now")]
    Changes {
        /// What the log says.
        kind: ErrorKind,
    },
}

impl Error {
    /// For the HTTP status.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid(_) | Self::NotAcceptable | Self::Cursor(_) => ErrorKind::Invalid,
            Self::TooLarge => ErrorKind::TooLarge,
            Self::Unauthenticated => ErrorKind::Unauthenticated,
            Self::NotFound { .. } | Self::CursorExpired { .. } => ErrorKind::NotFound,
            Self::Query(error) => error.kind(),
            Self::Changes { kind } => *kind,
        }
    }

    /// Whether the same call may succeed later.
    pub fn retry(&self) -> Retry {
        if let Self::Query(error) = self { error.retry() } else { Retry::No }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::CursorExpired { .. } => StatusCode::GONE,
            Self::Query(engine::Error::ReadOnly(_)) => StatusCode::METHOD_NOT_ALLOWED,
            other => status(other.kind()),
        }
    }

    /// Stable code in the body.
    pub fn code(&self) -> &'static str {
        match self {
            Self::CursorExpired { .. } => "CURSOR_EXPIRED",
            Self::Query(engine::Error::Unknown { .. }) => "UNKNOWN_NAME",
            Self::Query(engine::Error::ReadOnly(_)) => "READ_ONLY",
            Self::Query(engine::Error::Metrics(faults)) if all_unknown(faults) => "UNKNOWN_NAME",
            other => code(other.kind()),
        }
    }

    fn faults(&self) -> &[Diagnostic] {
        if let Self::Query(engine::Error::Metrics(faults)) = self { faults } else { &[] }
    }

    /// RFC 9457, with every fault and every close name.
    fn body(&self) -> String {
        let faults = self.faults();
        let mut names: Vec<&str> = faults.iter().filter_map(|fault| fault.suggestion.as_deref()).collect();
        if let Self::Query(engine::Error::Unknown { suggestion: Some(name), .. }) = self {
            names.push(name);
        }
        let names: Vec<String> = names.into_iter().map(json::quote).collect();
        let faults: Vec<String> = faults.iter().map(fault).collect();
        let status = self.status();
        format!(
            r#"{{"type":"about:blank","title":{title},"status":{status},"code":"{code}","detail":{detail},"suggestions":[{names}],"diagnostics":[{faults}]}}"#,
            title = json::quote(status.canonical_reason().unwrap_or_default()),
            status = status.as_u16(),
            code = self.code(),
            detail = json::quote(&self.to_string()),
            names = names.join(","),
            faults = faults.join(","),
        )
    }
}

fn fault(fault: &Diagnostic) -> String {
    let suggestion = fault.suggestion.as_deref().map_or("null".to_owned(), json::quote);
    let (code, message) = (json::quote(fault.code), json::quote(&fault.message));
    format!(r#"{{"code":{code},"message":{message},"suggestion":{suggestion}}}"#)
}

fn all_unknown(faults: &[Diagnostic]) -> bool {
    !faults.is_empty() && faults.iter().all(|fault| fault.code.starts_with("unknown"))
}

fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::Invalid => StatusCode::BAD_REQUEST,
        ErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorKind::Denied => StatusCode::FORBIDDEN,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::Exhausted => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Unsupported => StatusCode::NOT_IMPLEMENTED,
        ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn code(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Invalid => "BAD_REQUEST",
        ErrorKind::Unauthenticated => "UNAUTHENTICATED",
        ErrorKind::Denied => "FORBIDDEN",
        ErrorKind::NotFound => "NOT_FOUND",
        ErrorKind::Conflict => "CONFLICT",
        ErrorKind::TooLarge | ErrorKind::Exhausted => "LIMIT",
        ErrorKind::Timeout => "TIMEOUT",
        ErrorKind::Unavailable => "SOURCE_UNAVAILABLE",
        ErrorKind::Unsupported => "UNSUPPORTED",
        ErrorKind::Internal => "INTERNAL",
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        let mut response = (self.status(), kind, self.body()).into_response();
        let headers = response.headers_mut();
        if let Retry::After(wait) = self.retry() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        if self == Self::Unauthenticated {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<delivery::Error> for Error {
    fn from(error: delivery::Error) -> Self {
        if let delivery::Error::CursorExpired { oldest } = error {
            return Self::CursorExpired { oldest: engine::Cursor::Change(oldest).encode() };
        }
        tracing::error!(%error, "change log failed");
        Self::Changes { kind: error.kind() }
    }
}

impl From<QueryRejection> for Error {
    fn from(rejection: QueryRejection) -> Self {
        Self::Invalid(rejection.body_text())
    }
}

impl From<PathRejection> for Error {
    fn from(rejection: PathRejection) -> Self {
        Self::Invalid(rejection.body_text())
    }
}

impl From<BytesRejection> for Error {
    fn from(rejection: BytesRejection) -> Self {
        match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Self::TooLarge,
            _ => Self::Invalid("the body could not be read".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(error: impl Into<Error>, status: u16, code: &str) {
        let error = error.into();
        assert_eq!((error.status().as_u16(), error.code()), (status, code), "{error}");
    }

    #[test]
    fn statuses_and_codes_follow_the_table() {
        check(Error::Invalid("x".into()), 400, "BAD_REQUEST");
        check(Error::Unauthenticated, 401, "UNAUTHENTICATED");
        check(Error::NotFound { what: "audience", name: "x".into() }, 404, "NOT_FOUND");
        check(Error::TooLarge, 413, "LIMIT");
        check(Error::CursorExpired { oldest: "x".into() }, 410, "CURSOR_EXPIRED");
        check(engine::Error::ReadOnly("DROP".into()), 405, "READ_ONLY");
        check(engine::Error::Internal, 500, "INTERNAL");
        check(engine::CursorError, 400, "BAD_REQUEST");
    }

    #[test]
    fn the_body_names_what_was_meant() {
        let error = Error::Query(engine::Error::Unknown {
            what: "table",
            name: "ordrs".into(),
            suggestion: Some("orders".into()),
        });
        let body: serde_json::Value = serde_json::from_str(&error.body()).expect("json");
        assert_eq!(body["code"], "UNKNOWN_NAME");
        assert_eq!(body["suggestions"][0], "orders");
        assert_eq!(body["status"], 400);
    }
}
