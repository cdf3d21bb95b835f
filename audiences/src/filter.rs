use std::borrow::Cow;

use model::{Encoder, Event, json::Json};
use semantic::{Filter, FilterTarget};

use crate::compare::{self, Test};

/// A predicate over one call, ready to run.
#[derive(Debug, Clone)]
pub(crate) enum Predicate {
    All(Vec<Predicate>),
    Any(Vec<Predicate>),
    Not(Box<Predicate>),
    Compare { target: FilterTarget, tests: Vec<Test> },
}

impl Predicate {
    pub(crate) fn compile(filter: &Filter) -> Self {
        match filter {
            Filter::All(parts) => Self::All(parts.iter().map(Self::compile).collect()),
            Filter::Any(parts) => Self::Any(parts.iter().map(Self::compile).collect()),
            Filter::Not(part) => Self::Not(Box::new(Self::compile(part))),
            Filter::Compare { target, comparisons } => Self::Compare {
                target: target.clone(),
                // A relative date cannot stand in a filter; if one does, it never holds.
                tests: comparisons.iter().map(|c| Test::compile(c).unwrap_or(Test::Never)).collect(),
            },
        }
    }

    /// Whether the call meets the predicate.
    pub(crate) fn holds(&self, event: &Event<'_>, body: &Json<'_>) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(event, body)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(event, body)),
            Self::Not(part) => !part.holds(event, body),
            Self::Compare { target, tests } => match target {
                FilterTarget::Property(path) if path == "$name" => {
                    let name = event.name.map(|name| Json::String(Cow::Borrowed(name)));
                    tests.iter().all(|test| test.holds(name.as_ref()))
                }
                FilterTarget::Property(path) if path == "$time" => {
                    let time = Json::String(Cow::Owned(event.time().to_string()));
                    tests.iter().all(|test| test.holds(Some(&time)))
                }
                FilterTarget::Property(path) => holds_at(body, "properties", path, tests),
                FilterTarget::Context(path) => holds_at(body, "context", path, tests),
            },
        }
    }
}

fn holds_at(body: &Json<'_>, part: &str, path: &str, tests: &[Test]) -> bool {
    let value = body.get(part).and_then(|part| part.path(path));
    tests.iter().all(|test| test.holds(value))
}

/// Appends a filter in a form that is the same for all orders of its parts.
pub(crate) fn encode(filter: &Filter, out: &mut Encoder) {
    match filter {
        Filter::All(parts) => encode_parts(0, parts, out),
        Filter::Any(parts) => encode_parts(1, parts, out),
        Filter::Not(part) => {
            out.u8(2);
            encode(part, out);
        }
        Filter::Compare { target, comparisons } => {
            match target {
                FilterTarget::Property(path) => out.u8(3).text(path),
                FilterTarget::Context(path) => out.u8(4).text(path),
            };
            compare::encode(comparisons, out);
        }
    }
}

fn encode_parts(tag: u8, parts: &[Filter], out: &mut Encoder) {
    let form = |part: &Filter| {
        let mut out = Encoder::default();
        encode(part, &mut out);
        out.finish()
    };
    let mut forms: Vec<_> = parts.iter().map(form).collect();
    forms.sort();
    forms.dedup();
    out.u8(tag).u64(forms.len() as u64);
    for form in forms {
        out.bytes(&form);
    }
}
