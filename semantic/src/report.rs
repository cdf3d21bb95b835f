//! Where problems are collected: all of them, each at its place.

use model::{Diagnostic, Severity, Span};

/// Problems found so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    diagnostics: Vec<Diagnostic>,
}

impl Report {
    /// An error at a place.
    pub(crate) fn error(&mut self, code: &'static str, span: &Span, message: impl Into<String>) {
        self.add(Severity::Error, code, span, message.into(), None);
    }

    /// An error with a close name to try instead.
    pub(crate) fn suggest(
        &mut self,
        code: &'static str,
        span: &Span,
        message: impl Into<String>,
        close: Option<String>,
    ) {
        self.add(Severity::Error, code, span, message.into(), close);
    }

    /// Something the user should look at.
    pub(crate) fn warn(
        &mut self,
        code: &'static str,
        span: &Span,
        message: impl Into<String>,
        close: Option<String>,
    ) {
        self.add(Severity::Warning, code, span, message.into(), close);
    }

    /// Whether any error was found.
    pub(crate) fn failed(&self) -> bool {
        self.diagnostics.iter().any(|d| d.severity == Severity::Error)
    }

    /// How many problems were found so far.
    pub(crate) fn count(&self) -> usize {
        self.diagnostics.len()
    }

    /// All problems, in the order they were found.
    pub(crate) fn into_all(self) -> Vec<Diagnostic> {
        self.diagnostics
    }

    /// All problems, by file in the order of `files`, then by place.
    pub(crate) fn finish(mut self, files: &[&str]) -> Vec<Diagnostic> {
        let rank = |d: &Diagnostic| {
            d.span.as_ref().map(|s| (files.iter().position(|f| **f == *s.file), s.line, s.column))
        };
        self.diagnostics.sort_by_key(rank);
        self.diagnostics.dedup();
        self.diagnostics
    }

    fn add(
        &mut self,
        severity: Severity,
        code: &'static str,
        span: &Span,
        message: String,
        suggestion: Option<String>,
    ) {
        self.diagnostics.push(Diagnostic { code, severity, span: Some(span.clone()), message, suggestion });
    }
}
