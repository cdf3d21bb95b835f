//! What a document may ask for, decided before anything is validated or executed (GQL-3).
//!
//! async-graphql's own limits run after validation and walk fragments without memory: 24 fragments
//! that double one another cost seconds to refuse. Here every fragment is measured once.

use std::{collections::HashMap, convert::Infallible};

use async_graphql::{
    Name, Positioned, Value, Variables,
    parser::{
        parse_query,
        types::{ExecutableDocument, Field, OperationType, Selection, SelectionSet},
    },
};

use crate::Error;

const MAX_BYTES: usize = 64 * 1024;
const MAX_DEPTH: u64 = 15;
const MAX_FIELDS: u64 = 300;
const MAX_ALIASES: u64 = 30;
const MAX_ROWS: u64 = 100_000;
/// Brackets inside one another, counted before parsing because parsers recurse. Above every depth and
/// every argument of use, and below what the parser takes.
const MAX_NESTING: usize = 60;

/// A document within the limits.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) document: ExecutableDocument,
    pub(crate) operation: OperationType,
    /// Whether it asks for the schema itself.
    pub(crate) introspects: bool,
}

/// Parses and measures a document.
pub(crate) fn check(query: &str, variables: &Variables) -> Result<Checked, Error> {
    if query.len() > MAX_BYTES {
        return Err(Error::Limit(format!("the query text is longer than {MAX_BYTES} bytes")));
    }
    check_nesting(query)?;
    let document = parse_query(query).map_err(|error| Error::Invalid(format!("syntax error: {error}")))?;
    let mut operations = document.operations.iter();
    let operation = match (operations.next(), operations.next()) {
        (Some((_, only)), None) => &only.node,
        _ => return Err(Error::Limit("one operation a request".into())),
    };
    let mut walk = Walk { document: &document, variables, fragments: HashMap::new(), nesting: 0 };
    let size = walk.selections(&operation.selection_set.node)?;
    size.check()?;
    // Validation would expand a fragment that was not measured.
    if let Some(name) = document.fragments.keys().find(|name| !walk.fragments.contains_key(name)) {
        return Err(Error::Invalid(format!("fragment '{name}' is never used")));
    }
    let (operation, introspects) = (operation.ty, size.introspects);
    Ok(Checked { document, operation, introspects })
}

/// What a selection set amounts to with every fragment expanded.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    depth: u64,
    fields: u64,
    aliases: u64,
    rows: u64,
    introspects: bool,
}

impl Size {
    fn add(&mut self, other: Self) {
        self.depth = self.depth.max(other.depth);
        self.fields = self.fields.saturating_add(other.fields);
        self.aliases = self.aliases.saturating_add(other.aliases);
        self.rows = self.rows.saturating_add(other.rows);
        self.introspects |= other.introspects;
    }

    fn check(self) -> Result<(), Error> {
        let checks = [
            (self.depth, MAX_DEPTH, "levels"),
            (self.fields, MAX_FIELDS, "fields with fragments expanded"),
            (self.aliases, MAX_ALIASES, "aliases"),
            (self.rows, MAX_ROWS, "rows ('first' multiplied along the path)"),
        ];
        match checks.into_iter().find(|(size, limit, _)| size > limit) {
            None => Ok(()),
            Some((_, limit, what)) => {
                Err(Error::Limit(format!("the query asks for more than {limit} {what}")))
            }
        }
    }
}

struct Walk<'a> {
    document: &'a ExecutableDocument,
    variables: &'a Variables,
    /// `None` while a fragment is being measured: meeting it again is a cycle.
    fragments: HashMap<&'a Name, Option<Size>>,
    /// Selection sets and fragments being measured: bounds the recursion, here and in what follows.
    nesting: usize,
}

impl<'a> Walk<'a> {
    fn selections(&mut self, set: &'a SelectionSet) -> Result<Size, Error> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            return Err(Error::Limit(format!("selections and fragments nest deeper than {MAX_NESTING}")));
        }
        let mut size = Size::default();
        for Positioned { node, .. } in &set.items {
            size.add(match node {
                Selection::Field(field) => self.field(&field.node)?,
                Selection::InlineFragment(inner) => self.selections(&inner.node.selection_set.node)?,
                Selection::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name.node)?,
            });
        }
        self.nesting -= 1;
        Ok(size)
    }

    fn field(&mut self, field: &'a Field) -> Result<Size, Error> {
        let inner = self.selections(&field.selection_set.node)?;
        let first = self.first(field);
        Ok(Size {
            depth: inner.depth.saturating_add(1),
            fields: inner.fields.saturating_add(1),
            aliases: inner.aliases.saturating_add(u64::from(field.alias.is_some())),
            rows: first.map_or(inner.rows, |first| first.saturating_mul(inner.rows.max(1))),
            introspects: inner.introspects || matches!(field.name.node.as_str(), "__schema" | "__type"),
        })
    }

    /// The argument `first`, or its default of the list.
    fn first(&self, field: &Field) -> Option<u64> {
        let Some(argument) = field.get_argument("first") else {
            return match field.name.node.as_str() {
                "query" => Some(1_000),
                "members" | "metrics" => Some(100),
                _ => None,
            };
        };
        let variable =
            |name: Name| Ok::<_, Infallible>(self.variables.get(&name).cloned().unwrap_or_default());
        match argument.node.clone().into_const_with(variable) {
            Ok(Value::Number(first)) => Some(first.as_u64().unwrap_or(0)),
            _ => Some(0),
        }
    }

    fn fragment(&mut self, name: &'a Name) -> Result<Size, Error> {
        match self.fragments.get(name) {
            Some(Some(size)) => return Ok(*size),
            Some(None) => return Err(Error::Invalid(format!("fragment '{name}' contains itself"))),
            None => {}
        }
        let Some(fragment) = self.document.fragments.get(name) else {
            return Err(Error::Invalid(format!("unknown fragment '{name}'")));
        };
        self.fragments.insert(name, None);
        let size = self.selections(&fragment.node.selection_set.node)?;
        self.fragments.insert(name, Some(size));
        Ok(size)
    }
}

/// Counts brackets outside texts and comments.
fn check_nesting(query: &str) -> Result<(), Error> {
    let bytes = query.as_bytes();
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        at += match byte {
            b'"' => text_length(&bytes[at..]),
            b'#' => bytes[at..].iter().take_while(|b| !matches!(b, b'\n' | b'\r')).count(),
            b'{' | b'[' | b'(' => {
                depth += 1;
                if depth > MAX_NESTING {
                    return Err(Error::Limit(format!("the query nests deeper than {MAX_NESTING} brackets")));
                }
                1
            }
            b'}' | b']' | b')' => {
                depth = depth.saturating_sub(1);
                1
            }
            _ => 1,
        };
    }
    Ok(())
}

/// Length of the text literal at the start, quotes included; to the end if it is not closed.
fn text_length(bytes: &[u8]) -> usize {
    let (quote, escape): (&[u8], &[u8]) =
        if bytes.starts_with(b"\"\"\"") { (b"\"\"\"", b"\\\"\"\"") } else { (b"\"", b"\\") };
    let mut at = quote.len();
    while at < bytes.len() {
        let rest = &bytes[at..];
        if rest.starts_with(escape) {
            // In a plain text the escape takes one more byte with it; in a block it is the whole mark.
            at += if quote.len() == 1 { 2 } else { escape.len() };
        } else if rest.starts_with(quote) {
            return at + quote.len();
        } else {
            at += 1;
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests;
