use std::borrow::Cow;

use super::{Json, scan::string_end};

/// Nesting allowed by C-26.
const MAX_DEPTH: u32 = 64;

/// A value and what had to be mended in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed<'a> {
    /// The value.
    pub value: Json<'a>,
    /// What the text held that strict JSON does not.
    pub mended: Mended,
}

/// Counts of what was mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mended {
    /// `NaN`, `Infinity`, `-Infinity` turned into null.
    pub non_finite: u32,
    /// Strings with a lone surrogate or invalid UTF-8, which became U+FFFD.
    pub text: u32,
    /// Objects with a key that came twice; the last one won.
    pub keys: u32,
}

/// Why a text is no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Not JSON.
    Syntax,
    /// More than 64 levels.
    TooDeep,
}

/// A text that is no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{} at byte {at}", match reason { Reason::Syntax => "not JSON", Reason::TooDeep => "nested deeper than 64 levels" })]
pub struct ParseError {
    /// Why.
    pub reason: Reason,
    /// Byte at which it was found.
    pub at: usize,
}

pub(super) fn parse(bytes: &[u8]) -> Result<Parsed<'_>, ParseError> {
    let text = std::str::from_utf8(bytes).ok();
    let mut parser = Parser { bytes, text, at: 0, depth: 0, mended: Mended::default() };
    parser.blanks();
    let value = parser.value()?;
    parser.blanks();
    if parser.at < bytes.len() {
        return Err(parser.syntax());
    }
    Ok(Parsed { value, mended: parser.mended })
}

struct Parser<'a> {
    bytes: &'a [u8],
    /// The same bytes, if all of them are UTF-8: then no string needs a check of its own.
    text: Option<&'a str>,
    at: usize,
    depth: u32,
    mended: Mended,
}

impl<'a> Parser<'a> {
    fn value(&mut self) -> Result<Json<'a>, ParseError> {
        match self.bytes.get(self.at) {
            Some(b'"') => self.string().map(Json::String),
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            Some(b'N') => self.non_finite("NaN"),
            Some(b'I') => self.non_finite("Infinity"),
            Some(b'-') if self.bytes.get(self.at + 1) == Some(&b'I') => self.non_finite("-Infinity"),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.syntax()),
        }
    }

    fn nested(
        &mut self,
        read: fn(&mut Self) -> Result<Json<'a>, ParseError>,
    ) -> Result<Json<'a>, ParseError> {
        if self.depth == MAX_DEPTH {
            return Err(ParseError { reason: Reason::TooDeep, at: self.at });
        }
        self.depth += 1;
        self.at += 1;
        self.blanks();
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn object(&mut self) -> Result<Json<'a>, ParseError> {
        let mut members: Vec<(Cow<'a, str>, Json<'a>)> = Vec::new();
        if self.take(b'}') {
            return Ok(Json::Object(members));
        }
        loop {
            if self.bytes.get(self.at) != Some(&b'"') {
                return Err(self.syntax());
            }
            let key = self.string()?;
            self.blanks();
            self.expect(b':')?;
            self.blanks();
            let value = self.value()?;
            members.push((key, value));
            self.blanks();
            if self.take(b'}') {
                let count = members.len();
                let members = last_of_equal_keys(members);
                self.mended.keys += u32::from(members.len() < count);
                return Ok(Json::Object(members));
            }
            self.expect(b',')?;
            self.blanks();
        }
    }

    fn array(&mut self) -> Result<Json<'a>, ParseError> {
        let mut items = Vec::new();
        if self.take(b']') {
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value()?);
            self.blanks();
            if self.take(b']') {
                return Ok(Json::Array(items));
            }
            self.expect(b',')?;
            self.blanks();
        }
    }

    fn string(&mut self) -> Result<Cow<'a, str>, ParseError> {
        let start = self.at + 1;
        if let (Some(text), Some(length)) =
            (self.text, memchr::memchr2(b'"', b'\\', self.bytes.get(start..).unwrap_or_default()))
            && self.bytes[start + length] == b'"'
        {
            self.at = start + length + 1;
            return Ok(Cow::Borrowed(&text[start..start + length]));
        }
        let Some(end) = string_end(self.bytes, self.at) else {
            self.at = self.bytes.len();
            return Err(self.syntax());
        };
        let raw = &self.bytes[start..end];
        self.at = end + 1;
        let text = match String::from_utf8_lossy(raw) {
            Cow::Borrowed(text) if !raw.contains(&b'\\') => return Ok(Cow::Borrowed(text)),
            Cow::Owned(text) => {
                self.mended.text += 1;
                Cow::Owned(text)
            }
            text => text,
        };
        let (text, lone) = unescape(&text).ok_or(ParseError { reason: Reason::Syntax, at: start })?;
        self.mended.text += u32::from(lone);
        Ok(Cow::Owned(text))
    }

    fn number(&mut self) -> Result<Json<'a>, ParseError> {
        let start = self.at;
        self.at += usize::from(self.bytes[self.at] == b'-');
        if self.take(b'0') {
            if self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
                return Err(self.syntax());
            }
        } else {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.bytes.get(self.at), Some(b'+' | b'-')));
            self.digits()?;
        }
        let text = std::str::from_utf8(&self.bytes[start..self.at]);
        Ok(Json::Number(text.expect("digits, signs and points are ASCII")))
    }

    fn digits(&mut self) -> Result<(), ParseError> {
        let count = self.bytes[self.at..].iter().take_while(|b| b.is_ascii_digit()).count();
        self.at += count;
        if count == 0 { Err(self.syntax()) } else { Ok(()) }
    }

    fn non_finite(&mut self, word: &str) -> Result<Json<'a>, ParseError> {
        self.mended.non_finite += 1;
        self.word(word, Json::Null)
    }

    fn word(&mut self, word: &str, value: Json<'a>) -> Result<Json<'a>, ParseError> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(self.syntax());
        }
        self.at += word.len();
        Ok(value)
    }

    fn blanks(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let taken = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(taken);
        taken
    }

    fn expect(&mut self, byte: u8) -> Result<(), ParseError> {
        if self.take(byte) { Ok(()) } else { Err(self.syntax()) }
    }

    fn syntax(&self) -> ParseError {
        ParseError { reason: Reason::Syntax, at: self.at }
    }
}

/// Keeps each key once, with its last value, at its first place. Few keys are compared pairwise;
/// many through a map, so that a hostile object of 10,000 keys stays linear.
fn last_of_equal_keys<'a>(members: Vec<(Cow<'a, str>, Json<'a>)>) -> Vec<(Cow<'a, str>, Json<'a>)> {
    let unique = if members.len() <= 16 {
        let seen_later = |i: usize| members[i + 1..].iter().any(|(k, _)| *k == members[i].0);
        !(0..members.len()).any(seen_later)
    } else {
        let keys: std::collections::HashSet<&str> = members.iter().map(|(k, _)| &**k).collect();
        keys.len() == members.len()
    };
    if unique {
        return members;
    }
    let mut places = std::collections::HashMap::new();
    let mut kept: Vec<(Cow<'a, str>, Json<'a>)> = Vec::with_capacity(members.len());
    for (key, value) in members {
        match places.get(&key) {
            Some(&place) => {
                let slot: &mut (Cow<'a, str>, Json<'a>) = &mut kept[place];
                slot.1 = value;
            }
            None => {
                places.insert(key.clone(), kept.len());
                kept.push((key, value));
            }
        }
    }
    kept
}

/// Resolves escapes; the flag says that a lone surrogate became U+FFFD. `None` for a bad escape.
fn unescape(text: &str) -> Option<(String, bool)> {
    let mut out = String::with_capacity(text.len());
    let mut lone = false;
    let mut rest = text;
    while let Some(slash) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(&rest[..slash]);
        let escape = *rest.as_bytes().get(slash + 1)?;
        rest = rest.get(slash + 2..)?;
        match escape {
            b'"' | b'\\' | b'/' => out.push(escape as char),
            b'b' => out.push('\u{8}'),
            b'f' => out.push('\u{c}'),
            b'n' => out.push('\n'),
            b'r' => out.push('\r'),
            b't' => out.push('\t'),
            b'u' => {
                let unit = hex4(rest)?;
                rest = &rest[4..];
                let low = rest.strip_prefix("\\u").and_then(hex4).filter(|l| (0xdc00..0xe000).contains(l));
                match (unit, low) {
                    (0xd800..0xdc00, Some(low)) => {
                        rest = &rest[6..];
                        let code = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                        out.push(char::from_u32(code)?);
                    }
                    (0xd800..0xe000, _) => {
                        lone = true;
                        out.push('\u{fffd}');
                    }
                    _ => out.push(char::from_u32(unit)?),
                }
            }
            _ => return None,
        }
    }
    out.push_str(rest);
    Some((out, lone))
}

fn hex4(text: &str) -> Option<u32> {
    let digits = text.get(..4)?;
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u32::from_str_radix(digits, 16).ok()
}
