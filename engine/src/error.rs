use std::{error::Error as StdError, fmt};

use arrow::error::ArrowError;
use datafusion::common::{DataFusionError, SchemaError};
use model::{Diagnostic, ErrorKind, Retry};

/// Why a query has no answer. Its text is for the caller and holds no internals; what the log
/// needs is logged where the error is made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// The text is not SQL.
    #[error("syntax error: {0}")]
    Syntax(String),
    /// A name that does not exist, or that this principal may not see.
    #[error("unknown {what} '{name}'{}", did_you_mean(.suggestion.as_deref()))]
    Unknown {
        /// `table`, `column`, ..
        what: &'static str,
        /// As written.
        name: String,
        /// A name that is close.
        suggestion: Option<String>,
    },
    /// A metric query with faults, all of them.
    #[error("{}", Faults(.0))]
    Metrics(Vec<Diagnostic>),
    /// The statement would write.
    #[error("{0} is refused: queries only read")]
    ReadOnly(String),
    /// The statement cannot be answered as it stands.
    #[error("{0}")]
    Invalid(String),
    /// Understood, but not offered.
    #[error("{0}")]
    Unsupported(String),
    /// A limit is reached.
    #[error("{0}")]
    Exhausted(String),
    /// The deadline passed.
    #[error("the query took longer than {0:?}")]
    Timeout(std::time::Duration),
    /// Storage does not answer, or acknowledged events are not readable yet.
    #[error("{0}")]
    Unavailable(String),
    /// Our fault.
    #[error("internal error; the server's log says more")]
    Internal,
}

impl Error {
    /// For transports.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Syntax(_) | Self::Unknown { .. } | Self::Metrics(_) => ErrorKind::Invalid,
            Self::ReadOnly(_) | Self::Invalid(_) => ErrorKind::Invalid,
            Self::Unsupported(_) => ErrorKind::Unsupported,
            Self::Exhausted(_) => ErrorKind::Exhausted,
            Self::Timeout(_) => ErrorKind::Timeout,
            Self::Unavailable(_) => ErrorKind::Unavailable,
            Self::Internal => ErrorKind::Internal,
        }
    }

    /// Whether asking again may help.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Unavailable(_) => Retry::Now,
            _ => Retry::No,
        }
    }

    pub(crate) fn unknown<'a>(
        what: &'static str,
        name: impl Into<String>,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let name = name.into();
        let suggestion = closest(&name, known).map(str::to_owned);
        Self::Unknown { what, name, suggestion }
    }

    pub(crate) fn too_many_rows(most: u64) -> Self {
        Self::Exhausted(format!("result exceeds {} rows (limits.result_rows)", grouped(most)))
    }

    /// Logs the cause, tells the caller nothing about it.
    #[cold]
    pub(crate) fn internal(cause: impl fmt::Display) -> Self {
        tracing::error!(%cause, "query failed inside");
        Self::Internal
    }

    /// So that it can travel inside a stream of batches.
    pub(crate) fn into_stream_item(self) -> DataFusionError {
        DataFusionError::External(Box::new(self))
    }
}

/// A number as people read it: `50,000,000`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The closest name, if it is close enough to be what was meant.
pub(crate) fn closest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&name, &candidate.to_lowercase()), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map(|name| format!(", did you mean '{name}'?")).unwrap_or_default()
}

struct Faults<'a>(&'a [Diagnostic]);

impl fmt::Display for Faults<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, fault) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

impl From<DataFusionError> for Error {
    fn from(error: DataFusionError) -> Self {
        classify(&error)
    }
}

#[cold]
fn classify(error: &DataFusionError) -> Error {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => classify(inner),
        DataFusionError::Shared(inner) => classify(inner),
        DataFusionError::Collection(all) => all.first().map_or(Error::Internal, classify),
        DataFusionError::External(inner) => external(inner.as_ref()),
        DataFusionError::ArrowError(inner, _) => arrow(inner),
        DataFusionError::SchemaError(inner, _) => schema(inner),
        DataFusionError::SQL(inner, _) => {
            let text = inner.to_string();
            Error::Syntax(text.strip_prefix("sql parser error: ").unwrap_or(&text).to_owned())
        }
        DataFusionError::Plan(text) | DataFusionError::Execution(text) => Error::Invalid(plain(text)),
        DataFusionError::Configuration(text) => Error::Invalid(plain(text)),
        DataFusionError::NotImplemented(text) => Error::Unsupported(plain(text)),
        DataFusionError::ResourcesExhausted(text) => {
            tracing::warn!(cause = %text, "query over its memory limit");
            let text = "the query needs more memory than queries may use: add a filter, or aggregate more";
            Error::Exhausted(text.to_owned())
        }
        DataFusionError::ObjectStore(cause) => storage(cause),
        DataFusionError::IoError(cause) => storage(cause),
        other => Error::internal(other),
    }
}

fn storage(cause: &dyn fmt::Display) -> Error {
    tracing::error!(%cause, "warehouse storage failed");
    Error::Unavailable("the warehouse's storage does not answer".to_owned())
}

fn external(error: &(dyn StdError + Send + Sync + 'static)) -> Error {
    if let Some(ours) = error.downcast_ref::<Error>() {
        return ours.clone();
    }
    if let Some(inner) = error.downcast_ref::<DataFusionError>() {
        return classify(inner);
    }
    match error.downcast_ref::<ArrowError>() {
        Some(inner) => arrow(inner),
        None => Error::internal(error),
    }
}

fn arrow(error: &ArrowError) -> Error {
    match error {
        ArrowError::DivideByZero => Error::Invalid("division by zero".to_owned()),
        ArrowError::ArithmeticOverflow(text)
        | ArrowError::CastError(text)
        | ArrowError::ParseError(text)
        | ArrowError::ComputeError(text)
        | ArrowError::InvalidArgumentError(text) => Error::Invalid(plain(text)),
        ArrowError::ExternalError(inner) => external(inner.as_ref()),
        ArrowError::NotYetImplemented(text) => Error::Unsupported(plain(text)),
        other => Error::internal(other),
    }
}

fn schema(error: &SchemaError) -> Error {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            Error::unknown("column", field.name(), valid_fields.iter().map(|f| f.name()))
        }
        SchemaError::AmbiguousReference { field } => {
            Error::Invalid(format!("column '{}' is in more than one table: write table.column", field.name()))
        }
        SchemaError::DuplicateQualifiedField { name, .. }
        | SchemaError::DuplicateUnqualifiedField { name } => {
            Error::Invalid(format!("two columns are named '{name}': give one an alias"))
        }
    }
}

/// Takes what only a developer understands out of a planner's text.
fn plain(text: &str) -> String {
    let text = text.replace(&format!("{}.{}.", crate::CATALOG, crate::names::SEARCH_PATH), "");
    let end = [" to the signature", "\n\tCandidate functions", " Candidate functions", "\n\nbacktrace"]
        .iter()
        .filter_map(|mark| text.find(mark))
        .min()
        .unwrap_or(text.len());
    text[..end].split_whitespace().collect::<Vec<_>>().join(" ").trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_name_is_suggested_and_a_far_one_is_not() {
        let known = ["revenue", "orders"];
        assert_eq!(closest("revenu", known), Some("revenue"));
        assert_eq!(closest("Orders", known), Some("orders"));
        assert_eq!(closest("temperature", known), None);
    }

    #[test]
    fn a_planners_text_loses_what_only_developers_understand() {
        let text = "Failed to coerce arguments to satisfy a call to 'sum' function: coercion from Utf8 to the signature OneOf([..]) failed";
        assert_eq!(
            plain(text),
            "Failed to coerce arguments to satisfy a call to 'sum' function: coercion from Utf8"
        );
    }

    #[test]
    fn internals_never_reach_the_caller() {
        let error = Error::from(DataFusionError::Internal("/var/lib/etalon/x.parquet".to_owned()));
        assert_eq!(error.kind(), ErrorKind::Internal);
        assert!(!error.to_string().contains("/var"));
    }
}
