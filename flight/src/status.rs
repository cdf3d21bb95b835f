use arrow::error::ArrowError;
use model::ErrorKind;
use tonic::{Code, Status};

/// The one mapping from our errors to gRPC.
pub(crate) fn of(error: &engine::Error) -> Status {
    Status::new(code(error.kind()), error.to_string())
}

fn code(kind: ErrorKind) -> Code {
    match kind {
        ErrorKind::Invalid => Code::InvalidArgument,
        ErrorKind::Unauthenticated => Code::Unauthenticated,
        ErrorKind::Denied => Code::PermissionDenied,
        ErrorKind::NotFound => Code::NotFound,
        ErrorKind::Conflict => Code::Aborted,
        ErrorKind::TooLarge | ErrorKind::Exhausted => Code::ResourceExhausted,
        ErrorKind::Timeout => Code::DeadlineExceeded,
        ErrorKind::Unavailable => Code::Unavailable,
        ErrorKind::Unsupported => Code::Unimplemented,
        ErrorKind::Internal => Code::Internal,
    }
}

/// For failures while making answers that are ours to make.
#[cold]
pub(crate) fn internal(cause: ArrowError) -> Status {
    tracing::error!(%cause, "flight answer could not be made");
    Status::internal("internal error; the server's log says more")
}

/// For messages that do not say what they must.
pub(crate) fn malformed(what: &str) -> Status {
    Status::invalid_argument(format!("malformed {what}"))
}

/// For updates and ingestion: never a silent count.
pub(crate) fn read_only() -> Status {
    Status::invalid_argument("writing is refused: queries only read; send events to the tracking API")
}
