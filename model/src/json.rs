//! JSON as SDKs really send it, read in one pass without copying (`collector.md` C-22 to C-26).
//!
//! A strict parser would refuse a whole request for one `NaN`, and `f64` would round a long number.
//! This one turns `NaN` and the infinities into null, lone surrogates and invalid UTF-8 into
//! U+FFFD, keeps numbers as their text, lets the last of two equal keys win, and counts what it
//! mended.

use std::{borrow::Cow, fmt::Write as _};

mod parse;
mod scan;

pub use parse::{Mended, ParseError, Parsed, Reason};
pub use scan::{ObjectCursor, split_array};

/// A parsed value. Numbers keep the text they were sent with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json<'a> {
    /// `null`, and the non-finite numbers.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as sent.
    Number(&'a str),
    /// A text, escapes resolved.
    String(Cow<'a, str>),
    /// An array.
    Array(Vec<Json<'a>>),
    /// An object; keys are unique, in the order of their last appearance's first place.
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

impl<'a> Json<'a> {
    /// Reads one value; blanks around it are allowed, anything else after it is an error.
    pub fn parse(bytes: &'a [u8]) -> Result<Parsed<'a>, ParseError> {
        parse::parse(bytes)
    }

    /// Member of an object; `None` if it is absent or this is not an object.
    pub fn get(&self, key: &str) -> Option<&Json<'a>> {
        self.members().iter().find(|(k, _)| k == key).map(|(_, v)| v)
    }

    /// Member at a dotted path (`a.b`): an exact key wins over a nested one.
    pub fn path(&self, path: &str) -> Option<&Json<'a>> {
        if let Some(value) = self.get(path) {
            return Some(value);
        }
        let (head, rest) = path.split_once('.')?;
        self.get(head)?.path(rest)
    }

    /// Members of an object; empty for anything else.
    pub fn members(&self) -> &[(Cow<'a, str>, Json<'a>)] {
        if let Self::Object(members) = self { members } else { &[] }
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// An integer within 64 bits; `12.0` is 12.
    pub fn as_i64(&self) -> Option<i64> {
        let Self::Number(text) = self else { return None };
        if let Ok(number) = text.parse() {
            return Some(number);
        }
        let (whole, fraction) = text.split_once('.')?;
        fraction.bytes().all(|b| b == b'0').then(|| whole.parse().ok()).flatten()
    }

    /// A number as a float, rounded where it must be.
    pub fn as_f64(&self) -> Option<f64> {
        if let Self::Number(text) = self { text.parse().ok() } else { None }
    }

    /// Whether this is `null`.
    pub fn is_null(&self) -> bool {
        *self == Self::Null
    }

    /// Appends the value as strict JSON text.
    pub fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(true) => out.push_str("true"),
            Self::Bool(false) => out.push_str("false"),
            Self::Number(text) => out.push_str(text),
            Self::String(text) => write_quoted(text, out),
            Self::Array(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (i, (key, value)) in members.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    write_quoted(key, out);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }

    /// The value as strict JSON text.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }
}

/// A text as a JSON string, quotes included.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    write_quoted(text, &mut out);
    out
}

/// Appends a text as a JSON string, quotes included.
pub fn write_quoted(text: &str, out: &mut String) {
    out.push('"');
    let mut clean = 0;
    for (i, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[clean..i]);
        clean = i + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            // Writing to a String cannot fail.
            _ => _ = write!(out, "\\u{byte:04x}"),
        }
    }
    out.push_str(&text[clean..]);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expect: &str) {
        let parsed = Json::parse(input.as_bytes()).unwrap();
        assert_eq!(parsed.value.to_text(), expect, "{input}");
    }

    #[test]
    fn strict_text_comes_back() {
        check(
            r#"{"a": [1, -2.50, 1e9, true, false, null], "b": {"c": "d\n\"é"}}"#,
            r#"{"a":[1,-2.50,1e9,true,false,null],"b":{"c":"d\n\"é"}}"#,
        );
    }

    #[test]
    fn numbers_keep_their_text() {
        check("[123456789012345678901234567890, 0.10]", "[123456789012345678901234567890,0.10]");
    }

    #[test]
    fn the_last_of_two_equal_keys_wins() {
        check(r#"{"a":1,"b":2,"a":3}"#, r#"{"a":3,"b":2}"#);
    }

    #[test]
    fn non_finite_numbers_become_null_and_are_counted() {
        let parsed = Json::parse(b"[NaN, Infinity, -Infinity, 1]").unwrap();
        assert_eq!(parsed.value.to_text(), "[null,null,null,1]");
        assert_eq!(parsed.mended.non_finite, 3);
    }

    #[test]
    fn lone_surrogates_and_bad_utf8_become_replacement_characters() {
        let parsed = Json::parse(br#"["\ud83d", "\ud83d\ude00", "\ude00x"]"#).unwrap();
        assert_eq!(parsed.value.to_text(), "[\"\u{fffd}\",\"😀\",\"\u{fffd}x\"]");
        assert_eq!(parsed.mended.text, 2);
        let parsed = Json::parse(b"[\"a\xffb\"]").unwrap();
        assert_eq!(parsed.value.to_text(), "[\"a\u{fffd}b\"]");
        assert_eq!(parsed.mended.text, 1);
    }

    #[test]
    fn nul_and_other_escapes_are_kept() {
        check("\"a\\u0000b\\/\"", "\"a\\u0000b/\"");
    }

    #[test]
    fn what_is_no_json_is_refused_with_its_place() {
        for (input, at) in [
            ("", 0),
            ("{", 1),
            ("[1,]", 3),
            ("{\"a\" 1}", 5),
            ("tru", 0),
            ("[1] x", 4),
            ("\"abc", 4),
            ("01", 1),
            ("{a:1}", 1),
        ] {
            let error = Json::parse(input.as_bytes()).unwrap_err();
            assert_eq!((error.reason, error.at), (Reason::Syntax, at), "{input}");
        }
    }

    #[test]
    fn nesting_ends_at_64_levels() {
        let nested = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert!(Json::parse(nested(64).as_bytes()).is_ok());
        assert_eq!(Json::parse(nested(65).as_bytes()).unwrap_err().reason, Reason::TooDeep);
        assert_eq!(Json::parse(nested(1_000_000).as_bytes()).unwrap_err().reason, Reason::TooDeep);
    }

    #[test]
    fn an_array_is_split_without_reading_its_items() {
        let items = split_array(br#" [ {"a":"]"} , 1, [2,"\"]"], NaN ] "#).unwrap();
        let texts: Vec<_> = items.iter().map(|i| std::str::from_utf8(i).unwrap()).collect();
        assert_eq!(texts, [r#"{"a":"]"}"#, "1", r#"[2,"\"]"]"#, "NaN"]);
        assert!(split_array(b"[]").unwrap().is_empty());
        assert_eq!(split_array(b"[1"), None);
        assert_eq!(split_array(b"{}"), None);
    }

    #[test]
    fn an_object_is_walked_without_reading_its_values() {
        let walk = |text: &'static str| {
            let mut cursor = ObjectCursor::open(text.as_bytes())?;
            let mut seen = Vec::new();
            while let Some(key) = cursor.key()? {
                seen.push(if key == "batch" {
                    format!("{key}*{}", cursor.items()?.len())
                } else {
                    format!("{key}={}", String::from_utf8_lossy(cursor.value()?))
                });
            }
            Some(seen.join(" "))
        };
        assert_eq!(walk(" {} ").as_deref(), Some(""));
        assert_eq!(
            walk(r#"{"a\u0062":{"}":[1]} , "batch":[{broken,2}, NaN ],"c":1 }"#).as_deref(),
            Some(r#"ab={"}":[1]} batch*2 c=1"#)
        );
        for broken in [
            "[]",
            "{",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{"a":1}x"#,
            r#"{"a":[1}"#,
            r#"{"batch":1}"#,
            "{,}",
        ] {
            let walked = walk(broken);
            assert!(walked.is_none() || broken == r#"{"a":[1}"#, "{broken}: {walked:?}");
        }
    }

    #[test]
    fn paths_prefer_the_exact_key() {
        let parsed = Json::parse(br#"{"a":{"b":1},"a.b":2,"c":{"d":{"e":3}}}"#).unwrap();
        assert_eq!(parsed.value.path("a.b"), Some(&Json::Number("2")));
        assert_eq!(parsed.value.path("c.d.e"), Some(&Json::Number("3")));
        assert_eq!(parsed.value.path("c.x"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..64)) {
            let _ = Json::parse(&bytes);
            let _ = split_array(&bytes);
            if let Some(mut cursor) = ObjectCursor::open(&bytes) {
                while let Some(Some(_)) = cursor.key() {
                    let _ = cursor.value();
                }
            }
        }

        #[test]
        fn every_text_round_trips(text in ".*") {
            let quoted = quote(&text);
            let parsed = Json::parse(quoted.as_bytes()).unwrap();
            proptest::prop_assert_eq!(parsed.value.as_str(), Some(text.as_str()));
        }
    }
}
