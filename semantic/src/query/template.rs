//! Filter text: SQL with objects in `{{ }}` (`semantic-layer.md` 1.5). Cut by a lexer, read by a
//! recursive parser; every fault has its column.

use crate::Grain;

/// An object of a filter or a group-by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Object {
    /// `Dimension('e__d')`, `TimeDimension('e__t', 'month')`, `.grain('week')`.
    Dimension { name: String, path: Vec<String>, grain: Option<Grain> },
    /// `Entity('e')`.
    Entity { name: String, path: Vec<String> },
    /// `Audience('name')`.
    Audience(String),
}

/// A piece of a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
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
pub(super) fn pieces(text: &str) -> Result<Vec<Piece>, Fault> {
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
        let known = ["Dimension", "TimeDimension", "Entity", "Audience"];
        if !known.contains(&function) {
            let message = match function {
                "" => "an object such as Dimension('order__currency') expected".to_owned(),
                "Metric" => "Metric(..) in a filter is not offered by this version".to_owned(),
                other => match crate::names::closest(other, known) {
                    Some(close) => format!("unknown function '{other}', did you mean '{close}'?"),
                    None => format!(
                        "unknown function '{other}'; use Dimension, TimeDimension, Entity or Audience"
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
        let (Object::Dimension { grain, .. }, "grain") = (object, method) else {
            let message = match method {
                "date_part" => "date_part is not offered by this version".to_owned(),
                "descending" => "descending belongs to order_by".to_owned(),
                other => format!("unknown method '{other}'; use grain on a dimension"),
            };
            return Err(fault(self.text, start, message));
        };
        match arguments.as_slice() {
            [(None, Argument::Text(text))] => {
                *grain = Some(self.grain(text, start)?);
                Ok(())
            }
            _ => Err(fault(self.text, start, "grain needs one text, such as grain('month')")),
        }
    }

    fn grain(&self, text: &str, at: usize) -> Result<Grain, Fault> {
        Grain::parse(text).ok_or_else(|| {
            let close = crate::names::closest(text, Grain::ALL.map(Grain::as_str));
            let hint = close.map(|c| format!(", did you mean '{c}'?")).unwrap_or_default();
            fault(self.text, at, format!("unknown grain '{text}'{hint}"))
        })
    }

    fn build(
        &self,
        function: &str,
        arguments: Vec<(Option<&'a str>, Argument)>,
        at: usize,
    ) -> Result<Object, Fault> {
        let mut name = None;
        let mut path = Vec::new();
        let mut grain = None;
        for (position, (key, argument)) in arguments.into_iter().enumerate() {
            match (key, argument, position) {
                (None, Argument::Text(text), 0) => name = Some(text),
                (None, Argument::Text(text), 1)
                | (Some("time_granularity_name"), Argument::Text(text), _)
                    if function == "TimeDimension" =>
                {
                    grain = Some(self.grain(&text, at)?);
                }
                (Some("entity_path"), Argument::Texts(texts), _) if function != "Audience" => path = texts,
                (None, Argument::Texts(texts), 1)
                    if function != "Audience" && function != "TimeDimension" =>
                {
                    path = texts;
                }
                (None, Argument::Texts(texts), 2) if function == "TimeDimension" => path = texts,
                (Some("date_part_name"), ..) => {
                    return Err(fault(self.text, at, "date_part_name is not offered by this version"));
                }
                (Some(key), ..) => {
                    return Err(fault(self.text, at, format!("{function} has no argument '{key}'")));
                }
                _ => return Err(fault(self.text, at, format!("unexpected argument of {function}"))),
            }
        }
        let Some(name) = name.filter(|n| !n.is_empty()) else {
            return Err(fault(self.text, at, format!("{function} needs a name")));
        };
        Ok(match function {
            "Entity" => Object::Entity { name, path },
            "Audience" => Object::Audience(name),
            _ => Object::Dimension { name, path, grain },
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
