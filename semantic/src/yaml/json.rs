//! JSON as the same nodes, with places. The YAML parser would read most JSON, but not the surrogate pairs
//! that Python writes, and manifests are large.

use std::{fmt::Write as _, sync::Arc};

use model::Span;

use super::{
    Key, Node, NodeValue,
    node::{self, is_number},
    parse::MAX_DEPTH,
};
use crate::report::Report;

/// Reads one JSON value. `None`, reported, if the text is none.
pub(crate) fn parse_json(file: &Arc<str>, text: &str, report: &mut Report) -> Option<Node> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader { file, text, at: 0, line: 1, counted: 0, column: 1, report };
    let read = reader.document();
    match read {
        Ok(node) => Some(node),
        Err(message) => {
            let span = reader.place();
            reader.report.error("bad_json", &span, format!("not valid JSON: {message}"));
            None
        }
    }
}

/// Reads the JSON that a text of a file holds. All of it has the place of that text.
pub(crate) fn parse_embedded(node: &Node, report: &mut Report) -> Option<Node> {
    let text = node.text()?;
    let mut inner = Report::default();
    let mut found = parse_json(&node.span.file, text, &mut inner);
    for diagnostic in inner.into_all() {
        report.error(diagnostic.code, &node.span, diagnostic.message);
    }
    if let Some(found) = &mut found {
        place_all(found, &node.span);
    }
    found
}

fn place_all(node: &mut Node, span: &Span) {
    node.span = span.clone();
    match &mut node.value {
        NodeValue::List(items) => items.iter_mut().for_each(|item| place_all(item, span)),
        NodeValue::Map(members) => members.iter_mut().for_each(|(key, value)| {
            key.span = span.clone();
            place_all(value, span);
        }),
        _ => {}
    }
}

struct Reader<'a> {
    file: &'a Arc<str>,
    text: &'a str,
    at: usize,
    line: u32,
    /// Up to where lines and columns have been counted: each byte is looked at once.
    counted: usize,
    column: u32,
    report: &'a mut Report,
}

type Read<T> = Result<T, &'static str>;

impl Reader<'_> {
    fn place(&mut self) -> Span {
        for c in self.text[self.counted..self.at].chars() {
            if c == '\n' {
                self.line = self.line.saturating_add(1);
                self.column = 1;
            } else {
                self.column = self.column.saturating_add(1);
            }
        }
        self.counted = self.at;
        Span { file: self.file.clone(), line: self.line, column: self.column }
    }

    fn document(&mut self) -> Read<Node> {
        let node = self.value(0)?;
        self.blanks();
        if self.at == self.text.len() { Ok(node) } else { Err("something follows the end of the document") }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        self.blanks();
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self, depth: usize) -> Read<Node> {
        self.blanks();
        let span = self.place();
        if depth > MAX_DEPTH {
            return Err("nested too deep");
        }
        let value = match self.peek() {
            Some(b'{') => NodeValue::Map(self.object(depth)?),
            Some(b'[') => NodeValue::List(self.array(depth)?),
            Some(b'"') => NodeValue::Scalar { text: self.string()?, plain: false },
            Some(_) => self.word()?,
            None => return Err("the text ends too early"),
        };
        Ok(Node { span, value })
    }

    fn object(&mut self, depth: usize) -> Read<Vec<(Key, Node)>> {
        self.at += 1;
        let mut members = node::Members::default();
        if self.take(b'}') {
            return Ok(members.finish());
        }
        loop {
            self.blanks();
            let span = self.place();
            if self.peek() != Some(b'"') {
                return Err("a key in quotes expected");
            }
            let key = Key { text: self.string()?, span };
            if !self.take(b':') {
                return Err("':' expected");
            }
            let value = self.value(depth + 1)?;
            members.push(key, value, self.report);
            if self.take(b'}') {
                return Ok(members.finish());
            }
            if !self.take(b',') {
                return Err("',' or '}' expected");
            }
        }
    }

    fn array(&mut self, depth: usize) -> Read<Vec<Node>> {
        self.at += 1;
        let mut items = Vec::new();
        if self.take(b']') {
            return Ok(items);
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.take(b']') {
                return Ok(items);
            }
            if !self.take(b',') {
                return Err("',' or ']' expected");
            }
        }
    }

    fn word(&mut self) -> Read<NodeValue> {
        let rest = &self.text[self.at..];
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '+' | '.' | '_'))
            .unwrap_or(rest.len());
        let word = &rest[..end];
        let value = match word {
            "null" => NodeValue::Null,
            "true" | "false" => NodeValue::Scalar { text: word.to_owned(), plain: true },
            _ if is_number(word) && !word.starts_with('+') => {
                NodeValue::Scalar { text: word.to_owned(), plain: true }
            }
            _ => return Err("a value expected"),
        };
        self.at += end;
        Ok(value)
    }

    fn string(&mut self) -> Read<String> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let rest = &self.text[self.at..];
            let end = rest.find(['"', '\\']).ok_or("a text has no end")?;
            out.push_str(&rest[..end]);
            self.at += end + 1;
            if rest.as_bytes()[end] == b'"' {
                return Ok(out);
            }
            self.escape(&mut out)?;
        }
    }

    fn escape(&mut self, out: &mut String) -> Read<()> {
        let kind = self.peek().ok_or("a text has no end")?;
        self.at += 1;
        out.push(match kind {
            b'"' | b'\\' | b'/' => char::from(kind),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => self.unicode()?,
            _ => {
                // The byte may begin a longer character.
                self.at -= 1;
                return Err("unknown escape");
            }
        });
        Ok(())
    }

    fn unicode(&mut self) -> Read<char> {
        let first = self.hex()?;
        let code = match first {
            0xD800..=0xDBFF if self.text[self.at..].starts_with("\\u") => {
                self.at += 2;
                let second = self.hex()?;
                if !(0xDC00..=0xDFFF).contains(&second) {
                    return Ok(char::REPLACEMENT_CHARACTER);
                }
                0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)
            }
            code => code,
        };
        Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex(&mut self) -> Read<u32> {
        let digits = self.text.get(self.at..self.at + 4).ok_or("four hex digits expected")?;
        let fits = digits.bytes().all(|b| b.is_ascii_hexdigit());
        let code = u32::from_str_radix(digits, 16).ok().filter(|_| fits);
        self.at += 4;
        code.ok_or("four hex digits expected")
    }
}

/// A node as JSON text: numbers and booleans as they are, everything else as texts.
pub(crate) fn to_json(node: &Node) -> String {
    let mut out = String::new();
    write(node, &mut out);
    out
}

fn write(node: &Node, out: &mut String) {
    match &node.value {
        NodeValue::Null | NodeValue::Bad => out.push_str("null"),
        NodeValue::Scalar { text, .. } => match (node.as_bool(), node.as_number()) {
            (Some(value), _) => out.push_str(if value { "true" } else { "false" }),
            (None, Some(number)) => out.push_str(number.strip_prefix('+').unwrap_or(number)),
            (None, None) => quote(text, out),
        },
        NodeValue::List(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i > 0 { "," } else { "" });
                write(item, out);
            }
            out.push(']');
        }
        NodeValue::Map(members) => {
            out.push('{');
            for (i, (key, value)) in members.iter().enumerate() {
                out.push_str(if i > 0 { "," } else { "" });
                quote(&key.text, out);
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
    }
}

/// A text in JSON's quotes, which YAML reads as well.
pub(crate) fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // What neither JSON nor YAML takes as it is.
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
