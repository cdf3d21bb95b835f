use async_graphql::{ErrorExtensions, Pos, ServerError, Value};
use axum::http::StatusCode;
use model::{Diagnostic, ErrorKind, Retry};

use crate::value;

/// Why a request, or one field of it, has no answer. Its text is for the caller.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// The document or an argument is wrong.
    #[error("{0}")]
    Invalid(String),
    /// A value has the right type and is not possible.
    #[error("{0}")]
    BadValue(String),
    /// The document is larger than documents may be.
    #[error("{0}")]
    Limit(String),
    /// No credential, or a bad one.
    #[error("missing or unknown bearer token")]
    Unauthenticated,
    /// A known principal that may not do this.
    #[error("{0}")]
    Denied(String),
    /// Unknown, or not visible to this principal.
    #[error("unknown {what} '{name}'")]
    NotFound {
        /// `audience`, ..
        what: &'static str,
        /// As written.
        name: String,
    },
    /// A cursor that no list of ours gave out, or one of another list.
    #[error(transparent)]
    Cursor(#[from] engine::CursorError),
    /// The query has no answer.
    #[error(transparent)]
    Query(#[from] engine::Error),
    /// The change log does not reach back to the cursor.
    #[error("the cursor is older than the change log: list the members, then subscribe again")]
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
    /// The reader of a subscription does not keep up.
    #[error("this reader is more than {limit} changes behind: subscribe again after its cursor")]
    SlowConsumer {
        /// How far behind is too far.
        limit: u64,
        /// Where to go on.
        cursor: String,
    },
}

impl Error {
    /// For the HTTP status of a request refused as a whole.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid(_) | Self::BadValue(_) | Self::Cursor(_) => ErrorKind::Invalid,
            Self::Limit(_) => ErrorKind::TooLarge,
            Self::Unauthenticated => ErrorKind::Unauthenticated,
            Self::Denied(_) => ErrorKind::Denied,
            Self::NotFound { .. } | Self::CursorExpired { .. } => ErrorKind::NotFound,
            Self::Query(error) => error.kind(),
            Self::Changes { kind } => *kind,
            Self::SlowConsumer { .. } => ErrorKind::Exhausted,
        }
    }

    /// Whether the same request may succeed later.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Query(error) => error.retry(),
            Self::SlowConsumer { .. } => Retry::Now,
            _ => Retry::No,
        }
    }

    /// `extensions.code`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadValue(_) => "BAD_VALUE",
            Self::SlowConsumer { .. } => "SLOW_CONSUMER",
            Self::CursorExpired { .. } => "CURSOR_EXPIRED",
            Self::Query(engine::Error::Unknown { .. }) => "UNKNOWN_NAME",
            Self::Query(engine::Error::ReadOnly(_)) => "READ_ONLY",
            Self::Query(engine::Error::Metrics(faults)) if all_unknown(faults) => "UNKNOWN_NAME",
            other => code_of(other.kind()),
        }
    }

    /// As one entry of `errors`: text, `extensions.code`, and where there are any the single faults.
    ///
    /// Not `From`: async-graphql converts everything that can be displayed, and drops the code.
    pub(crate) fn shown(&self) -> async_graphql::Error {
        let faults: Vec<Value> = self.faults().iter().map(fault).collect();
        async_graphql::Error::new(self.to_string()).extend_with(|_, extensions| {
            extensions.set("code", self.code());
            if !faults.is_empty() {
                extensions.set("diagnostics", Value::List(faults));
            }
            match self {
                Self::SlowConsumer { cursor, .. } | Self::CursorExpired { oldest: cursor } => {
                    extensions.set("cursor", cursor.as_str());
                }
                Self::Query(engine::Error::Unknown { suggestion: Some(name), .. }) => {
                    extensions.set("suggestions", Value::List(vec![name.as_str().into()]));
                }
                _ => {}
            }
        })
    }

    /// As the error of a whole request, which has no place in the document.
    pub(crate) fn entry(&self) -> ServerError {
        ServerError { locations: Vec::new(), ..self.shown().into_server_error(Pos::default()) }
    }

    fn faults(&self) -> &[Diagnostic] {
        if let Self::Query(engine::Error::Metrics(faults)) = self { faults } else { &[] }
    }
}

fn all_unknown(faults: &[Diagnostic]) -> bool {
    !faults.is_empty() && faults.iter().all(|fault| fault.code.starts_with("unknown"))
}

fn code_of(kind: ErrorKind) -> &'static str {
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

pub(crate) fn status(kind: ErrorKind) -> StatusCode {
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

impl From<delivery::Error> for Error {
    fn from(error: delivery::Error) -> Self {
        if let delivery::Error::CursorExpired { oldest } = error {
            return Self::CursorExpired { oldest: engine::Cursor::Change(oldest).encode() };
        }
        tracing::error!(%error, "change log failed");
        Self::Changes { kind: error.kind() }
    }
}

fn fault(fault: &Diagnostic) -> Value {
    value::object([
        ("code", fault.code.into()),
        ("message", fault.message.as_str().into()),
        ("suggestion", value::optional(fault.suggestion.as_deref())),
    ])
}

#[cfg(test)]
mod tests {
    use model::Severity;

    use super::*;

    fn check(error: impl Into<Error>, code: &str, expect: StatusCode) {
        let error = error.into();
        assert_eq!((error.code(), status(error.kind())), (code, expect), "{error}");
    }

    #[test]
    fn codes_and_statuses_follow_the_table() {
        check(Error::Invalid("x".into()), "BAD_REQUEST", StatusCode::BAD_REQUEST);
        check(Error::BadValue("x".into()), "BAD_VALUE", StatusCode::BAD_REQUEST);
        check(Error::Limit("x".into()), "LIMIT", StatusCode::PAYLOAD_TOO_LARGE);
        check(Error::Unauthenticated, "UNAUTHENTICATED", StatusCode::UNAUTHORIZED);
        check(engine::Error::Syntax("x".into()), "BAD_REQUEST", StatusCode::BAD_REQUEST);
        check(engine::Error::ReadOnly("DROP".into()), "READ_ONLY", StatusCode::BAD_REQUEST);
        check(engine::Error::Internal, "INTERNAL", StatusCode::INTERNAL_SERVER_ERROR);
        check(engine::CursorError, "BAD_REQUEST", StatusCode::BAD_REQUEST);
    }

    #[test]
    fn every_fault_of_a_metric_query_is_named() {
        let fault = Diagnostic {
            code: "unknown_metric",
            severity: Severity::Error,
            span: None,
            message: "unknown metric 'revenu'".into(),
            suggestion: Some("revenue".into()),
        };
        let error = Error::from(engine::Error::Metrics(vec![fault]));
        let shown = error.shown();
        let extensions = shown.extensions.expect("set above");
        assert_eq!(extensions.get("code"), Some(&"UNKNOWN_NAME".into()));
        let diagnostics = extensions.get("diagnostics").expect("one fault").to_string();
        assert!(diagnostics.contains("suggestion: \"revenue\""), "{diagnostics}");
    }
}
