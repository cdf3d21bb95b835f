use std::borrow::Cow;

use super::Json;

/// Walks the members of a JSON object by brackets and quotes alone, so that what stands in a value
/// cannot hide its neighbours (C-22). Every method answers `None` for a text that is no closed object.
#[derive(Debug)]
pub struct ObjectCursor<'a> {
    bytes: &'a [u8],
    at: usize,
    first: bool,
}

impl<'a> ObjectCursor<'a> {
    /// A cursor before the first member.
    pub fn open(bytes: &'a [u8]) -> Option<Self> {
        let bytes = bytes.trim_ascii();
        (bytes.first() == Some(&b'{')).then_some(Self { bytes, at: 1, first: true })
    }

    /// The next key, or `Some(None)` after the last member and the end of the text.
    /// Read its value before asking for the next one.
    pub fn key(&mut self) -> Option<Option<Cow<'a, str>>> {
        self.blanks();
        if self.bytes.get(self.at) == Some(&b'}') {
            return (self.at + 1 == self.bytes.len()).then_some(None);
        }
        if !self.first {
            self.take(b',')?;
            self.blanks();
        }
        self.first = false;
        if self.bytes.get(self.at) != Some(&b'"') {
            return None;
        }
        let end = string_end(self.bytes, self.at)?;
        let key = Json::parse(&self.bytes[self.at..=end]).ok()?.value;
        self.at = end + 1;
        self.blanks();
        self.take(b':')?;
        self.blanks();
        if let Json::String(key) = key { Some(Some(key)) } else { None }
    }

    /// The bytes of the value.
    pub fn value(&mut self) -> Option<&'a [u8]> {
        let start = self.at;
        self.at = value_end(self.bytes, start)?;
        Some(self.bytes[start..self.at].trim_ascii_end())
    }

    /// The bytes of the value's items, if the value is an array.
    pub fn items(&mut self) -> Option<Vec<&'a [u8]>> {
        let (items, end) = split_array_at(self.bytes, self.at)?;
        self.at = end;
        Some(items)
    }

    fn blanks(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.bytes.get(self.at) == Some(&byte)).then(|| self.at += 1)
    }
}

/// Cuts a JSON array into the bytes of its items, by brackets and quotes alone, so that one broken
/// item does not hide the others (C-22). `None` if this is not a closed array.
pub fn split_array(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let bytes = bytes.trim_ascii();
    let (items, end) = split_array_at(bytes, 0)?;
    (end == bytes.len()).then_some(items)
}

/// The items of the array that opens at `open`, and the place after its closing bracket.
fn split_array_at(bytes: &[u8], open: usize) -> Option<(Vec<&[u8]>, usize)> {
    if bytes.get(open) != Some(&b'[') {
        return None;
    }
    let mut items = Vec::new();
    let (mut start, mut at, mut depth) = (open + 1, open + 1, 0_u32);
    loop {
        match *bytes.get(at)? {
            b'"' => at = string_end(bytes, at)?,
            b'[' | b'{' => depth += 1,
            b']' if depth == 0 => break,
            b']' | b'}' => depth = depth.checked_sub(1)?,
            b',' if depth == 0 => {
                items.push(bytes[start..at].trim_ascii());
                start = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    let last = bytes[start..at].trim_ascii();
    if !(items.is_empty() && last.is_empty()) {
        items.push(last);
    }
    Some((items, at + 1))
}

/// The place after the value that starts at `start`.
fn value_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    let mut depth = 0_u32;
    loop {
        match *bytes.get(at)? {
            b'"' => at = string_end(bytes, at)?,
            b'[' | b'{' => depth += 1,
            b',' | b']' | b'}' if depth == 0 => return (at > start).then_some(at),
            b']' | b'}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
}

/// Place of the quote that closes the string opened at `open`.
pub(super) fn string_end(bytes: &[u8], open: usize) -> Option<usize> {
    let mut at = open + 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}
