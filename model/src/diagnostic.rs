use std::{fmt, sync::Arc};

/// A place in a definitions or configuration file. Lines and columns count from 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// File as the user named it.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// How bad a diagnostic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The input is refused.
    Error,
    /// The input is accepted; the user should look.
    Warning,
}

/// One problem in a definitions file, a query or the configuration.
///
/// Bad input yields all diagnostics at once. `code` is stable and documented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable code, such as `unknown_key`.
    pub code: &'static str,
    /// Error or warning.
    pub severity: Severity,
    /// Where; absent for queries that did not come from a file.
    pub span: Option<Span>,
    /// What is wrong, lower case, no final dot.
    pub message: String,
    /// What to write instead, such as a close name.
    pub suggestion: Option<String>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(span) = &self.span {
            write!(f, "{span}: ")?;
        }
        if self.severity == Severity::Warning {
            f.write_str("warning: ")?;
        }
        f.write_str(&self.message)?;
        if let Some(suggestion) = &self.suggestion {
            write!(f, ", did you mean '{suggestion}'?")?;
        }
        Ok(())
    }
}
