//! Filter text: SQL with objects in `{{ }}` (`semantic-layer.md` 1.5). Cut by a lexer, read by a
//! recursive parser; every fault has its column.

use std::sync::Arc;

use sqlparser::ast::{BinaryOperator, Expr};

use super::plan::{mark, marked};
use crate::{DatePart, names, sql};

/// A text with objects as a tree: its marked identifiers stand for the holes.
#[derive(Debug)]
pub(crate) struct Template {
    pub(super) body: Result<Body, Fault>,
}

/// A template that reads.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) expr: Arc<Expr>,
    pub(super) holes: Vec<Hole>,
    /// Holes that must hold by themselves for the whole to hold. A semi-join answers an audience
    /// there; anywhere else membership is a value, which needs an outer join.
    pub(super) direct: Vec<usize>,
}

/// What stands in a template where a value belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hole {
    /// The object and its column, from 1.
    Object(Object, usize),
    /// A bare output column.
    Bare(String),
}

impl Template {
    pub(super) fn parse(text: &str) -> Self {
        Self { body: read(text) }
    }
}

fn read(text: &str) -> Result<Body, Fault> {
    let mut sql_text = String::new();
    let mut holes = Vec::new();
    for piece in pieces(text)? {
        match piece {
            Piece::Sql(part) => sql_text.push_str(&part),
            Piece::Object(object, column) => {
                sql_text.push_str(&format!(" {} ", mark(holes.len())));
                holes.push(Hole::Object(object, column));
            }
        }
    }
    let objects = holes.len();
    let at = |column: usize, message: &str| Fault { column, message: message.to_owned() };
    let mut expr = sql::parse_expr(&sql_text).map_err(|fault| {
        // With objects in it, the column of the parser is none of the text.
        let column = fault.column.and_then(|c| usize::try_from(c).ok()).unwrap_or(1);
        Fault { column: if objects == 0 { column } else { 0 }, message: fault.message }
    })?;
    let mut seen = vec![0; objects];
    let mut reserved = false;
    sql::replace(&mut expr, &mut |name| {
        if let Some(n) = marked(name) {
            reserved |= n >= objects;
            if let Some(count) = seen.get_mut(n) {
                *count += 1;
            }
            return None;
        }
        holes.push(Hole::Bare(name.to_owned()));
        Some(sql::bare(&mark(holes.len() - 1)))
    });
    if reserved || seen.iter().any(|n| *n > 1) {
        return Err(at(1, "names that start with etalon_object_ are reserved"));
    }
    if seen.contains(&0) {
        return Err(at(0, "an object stands inside a text in quotes"));
    }
    if sql::has_compound(&expr) {
        return Err(at(0, "a filter names columns as {{ Dimension('..') }}"));
    }
    let mut direct = Vec::new();
    find_direct(&expr, &mut direct);
    Ok(Body { expr: Arc::new(expr), holes, direct })
}

fn find_direct(expr: &Expr, found: &mut Vec<usize>) {
    match expr {
        Expr::Nested(inner) => find_direct(inner, found),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            find_direct(left, found);
            find_direct(right, found);
        }
        Expr::Identifier(ident) => found.extend(marked(&ident.value)),
        _ => {}
    }
}

/// An object of a filter or a group-by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Object {
    /// `Dimension('e__d')`, `TimeDimension('e__t', 'month')`, `.grain('week')`, `.date_part('year')`.
    Dimension { name: String, path: Vec<String>, grain: Option<String>, part: Option<DatePart> },
    /// `Entity('e')`.
    Entity { name: String, path: Vec<String> },
    /// `Audience('name')`.
    Audience(String),
    /// `Metric('m', ['e'])`: the metric's value per value of a group-by.
    Metric { name: String, group_by: String },
}

/// A piece of a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Sql(String),
    /// The object and its column, from 1.
    Object(Object, usize),
}

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// From 1, in characters.
    pub(super) column: usize,
    pub(super) message: String,
}

/// Cuts a filter into SQL and objects.
fn pieces(text: &str) -> Result<Vec<Piece>, Fault> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while let Some(open) = text[at..].find("{{").map(|i| at + i) {
        if let Some(stray) = text[at..open].find("}}") {
            return Err(fault(text, at + stray, "'}}' without '{{'"));
        }
        let Some(close) = text[open..].find("}}").map(|i| open + i) else {
            return Err(fault(text, open, "'{{' without '}}'"));
        };
        pieces.push(Piece::Sql(text[at..open].to_owned()));
        let mut reader = Reader::new(text, open + 2, close);
        let object = reader.object()?;
        reader.end()?;
        pieces.push(Piece::Object(object, column(text, open)));
        at = close + 2;
    }
    if let Some(stray) = text[at..].find("}}") {
        return Err(fault(text, at + stray, "'}}' without '{{'"));
    }
    pieces.push(Piece::Sql(text[at..].to_owned()));
    Ok(pieces)
}

/// Reads one object without braces around it.
pub(super) fn object(text: &str) -> Result<Object, Fault> {
    let mut reader = Reader::new(text, 0, text.len());
    let object = reader.object()?;
    reader.end()?;
    Ok(object)
}

fn column(text: &str, at: usize) -> usize {
    text[..at].chars().count() + 1
}

fn fault(text: &str, at: usize, message: impl Into<String>) -> Fault {
    Fault { column: column(text, at), message: message.into() }
}

/// The grain of a text; `None` in quotes is how some clients say that there is none.
fn written_grain(text: &str) -> Option<String> {
    (!text.eq_ignore_ascii_case("none")).then(|| text.to_lowercase())
}

/// What the n-th argument of a function without a name is.
fn positional(function: &str, n: usize) -> &'static str {
    match (function, n) {
        (_, 0) => "name",
        ("TimeDimension", 1) => "grain",
        ("TimeDimension", 2) | ("Dimension" | "Entity" | "Metric", 1) => "path",
        ("TimeDimension", 3) => "part",
        _ => "",
    }
}

/// An argument of a call.
enum Argument {
    Text(String),
    Texts(Vec<String>),
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    end: usize,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, at: usize, end: usize) -> Self {
        Self { text, at, end }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..self.end]
    }

    fn blanks(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn fault<T>(&self, message: impl Into<String>) -> Result<T, Fault> {
        Err(fault(self.text, self.at, message))
    }

    fn take(&mut self, c: char) -> bool {
        self.blanks();
        let found = self.rest().starts_with(c);
        if found {
            self.at += c.len_utf8();
        }
        found
    }

    fn expect(&mut self, c: char) -> Result<(), Fault> {
        if self.take(c) { Ok(()) } else { self.fault(format!("'{c}' expected")) }
    }

    fn end(&mut self) -> Result<(), Fault> {
        self.blanks();
        if self.rest().is_empty() {
            Ok(())
        } else {
            self.fault(format!("unexpected '{}'", self.rest().trim_end()))
        }
    }

    fn word(&mut self) -> &'a str {
        self.blanks();
        let rest = self.rest();
        let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn object(&mut self) -> Result<Object, Fault> {
        self.blanks();
        let start = self.at;
        let function = self.word();
        let known = ["Dimension", "TimeDimension", "Entity", "Metric", "Audience"];
        if !known.contains(&function) {
            let message = match function {
                "" => "an object such as Dimension('order__currency') expected".to_owned(),
                other => match names::closest(other, known) {
                    Some(close) => format!("unknown function '{other}', did you mean '{close}'?"),
                    None => format!(
                        "unknown function '{other}'; use Dimension, TimeDimension, Entity, Metric or Audience"
                    ),
                },
            };
            return Err(fault(self.text, start, message));
        }
        let arguments = self.arguments()?;
        let mut object = self.build(function, arguments, start)?;
        while self.take('.') {
            self.method(&mut object)?;
        }
        Ok(object)
    }

    fn method(&mut self, object: &mut Object) -> Result<(), Fault> {
        let start = self.at;
        let method = self.word();
        let arguments = self.arguments()?;
        let text = match arguments.as_slice() {
            [(None, Argument::Text(text))] => Some(text),
            _ => None,
        };
        match (object, method, text) {
            (Object::Dimension { grain, .. }, "grain", Some(text)) => *grain = written_grain(text),
            (Object::Dimension { part, .. }, "date_part", Some(text)) => {
                *part = Some(self.part(text, start)?);
            }
            (Object::Dimension { .. }, "grain" | "date_part", None) => {
                let message = format!("{method} needs one text, such as {method}('month')");
                return Err(fault(self.text, start, message));
            }
            (_, "descending", _) => return Err(fault(self.text, start, "descending belongs to order_by")),
            (_, other, _) => {
                let message = format!("unknown method '{other}'; use grain or date_part on a dimension");
                return Err(fault(self.text, start, message));
            }
        }
        Ok(())
    }

    fn part(&self, text: &str, at: usize) -> Result<DatePart, Fault> {
        DatePart::parse(text).ok_or_else(|| {
            let known = DatePart::ALL.map(DatePart::as_str);
            let hint = names::closest(text, known).map(|c| format!(", did you mean '{c}'?"));
            let hint = hint.unwrap_or_else(|| format!("; use {}", known.join(", ")));
            fault(self.text, at, format!("unknown date part '{text}'{hint}"))
        })
    }

    fn build(
        &self,
        function: &str,
        arguments: Vec<(Option<&'a str>, Argument)>,
        at: usize,
    ) -> Result<Object, Fault> {
        let (mut name, mut path, mut grain, mut part) = (None, Vec::new(), None, None);
        for (position, (key, argument)) in arguments.into_iter().enumerate() {
            let key = key.unwrap_or_else(|| positional(function, position));
            match (key, argument) {
                ("name", Argument::Text(text)) => name = Some(text),
                ("grain", Argument::Text(text)) => grain = written_grain(&text),
                ("path", Argument::Texts(texts)) => path = texts,
                // One text instead of a list of one.
                ("path", Argument::Text(text)) if function == "Metric" => path = vec![text],
                ("part", Argument::Text(text)) => part = Some(self.part(&text, at)?),
                ("time_granularity_name", Argument::Text(text)) if function == "TimeDimension" => {
                    grain = written_grain(&text);
                }
                ("date_part_name", Argument::Text(text)) if function == "TimeDimension" => {
                    part = Some(self.part(&text, at)?);
                }
                ("entity_path", Argument::Texts(texts)) if !matches!(function, "Audience" | "Metric") => {
                    path = texts;
                }
                ("group_by", Argument::Texts(texts)) if function == "Metric" => path = texts,
                ("", _) | ("name" | "grain" | "path" | "part", _) => {
                    return Err(fault(self.text, at, format!("unexpected argument of {function}")));
                }
                (key, _) => {
                    return Err(fault(self.text, at, format!("{function} has no argument '{key}'")));
                }
            }
        }
        let Some(name) = name.filter(|n| !n.is_empty()) else {
            return Err(fault(self.text, at, format!("{function} needs a name")));
        };
        Ok(match function {
            "Entity" => Object::Entity { name, path },
            "Audience" => Object::Audience(name),
            "Metric" => match <[String; 1]>::try_from(path) {
                Ok([group_by]) => Object::Metric { name, group_by },
                Err(_) => {
                    let message = "Metric needs exactly one group_by, such as Metric('orders', ['user'])";
                    return Err(fault(self.text, at, message));
                }
            },
            _ => Object::Dimension { name, path, grain, part },
        })
    }

    fn arguments(&mut self) -> Result<Vec<(Option<&'a str>, Argument)>, Fault> {
        self.expect('(')?;
        let mut found = Vec::new();
        while !self.take(')') {
            if !found.is_empty() {
                self.expect(',')?;
            }
            self.blanks();
            let key = if self.rest().starts_with(['\'', '"', '[']) {
                None
            } else {
                let key = self.word();
                if key.is_empty() {
                    return self.fault("a text in quotes expected");
                }
                self.expect('=')?;
                Some(key)
            };
            found.push((key, self.argument()?));
        }
        Ok(found)
    }

    fn argument(&mut self) -> Result<Argument, Fault> {
        if !self.take('[') {
            return Ok(Argument::Text(self.string()?));
        }
        let mut texts = Vec::new();
        while !self.take(']') {
            if !texts.is_empty() {
                self.expect(',')?;
            }
            texts.push(self.string()?);
        }
        Ok(Argument::Texts(texts))
    }

    fn string(&mut self) -> Result<String, Fault> {
        self.blanks();
        let Some(quote) = self.rest().chars().next().filter(|c| matches!(c, '\'' | '"')) else {
            return self.fault("a text in quotes expected");
        };
        let inner = &self.rest()[1..];
        let Some(length) = inner.find(quote) else { return self.fault("the text has no end") };
        self.at += length + 2;
        Ok(inner[..length].trim().to_owned())
    }
}
