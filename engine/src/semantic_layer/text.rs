//! Texts in quotes: JSON escapes in double quotes, Python escapes in single ones.

/// Reads the text literal at the start; what it says and its length. A fault has its place.
pub(super) fn read(literal: &str) -> Result<(String, usize), (usize, String)> {
    let quote = literal.chars().next().filter(|c| matches!(c, '\'' | '"'));
    let Some(quote) = quote else { return Err((0, "a text in quotes expected".to_owned())) };
    let mut text = String::new();
    let mut at = 1;
    while let Some(c) = literal[at..].chars().next() {
        at += match c {
            '\\' => escape(&literal[at..], quote, &mut text).map_err(|message| (at, message))?,
            c if c == quote => return Ok((text, at + 1)),
            c => {
                text.push(c);
                c.len_utf8()
            }
        };
    }
    Err((0, "the text has no end".to_owned()))
}

/// Reads one escape; its length.
fn escape(rest: &str, quote: char, text: &mut String) -> Result<usize, String> {
    let Some(kind) = rest[1..].chars().next() else { return Err("the text has no end".to_owned()) };
    let digits = &rest[1 + kind.len_utf8()..];
    let json = quote == '"';
    let (c, length) = match kind {
        '\\' | '\'' | '"' => (Some(kind), 2),
        'n' => (Some('\n'), 2),
        'r' => (Some('\r'), 2),
        't' => (Some('\t'), 2),
        'b' => (Some('\u{8}'), 2),
        'f' => (Some('\u{c}'), 2),
        '/' if json => (Some('/'), 2),
        'u' => return unicode(rest, text),
        'a' if !json => (Some('\u{7}'), 2),
        'v' if !json => (Some('\u{b}'), 2),
        '\n' if !json => (None, 2),
        'x' if !json => (Some(code_point(digits, 2)?), 4),
        'U' if !json => (Some(code_point(digits, 8)?), 10),
        '0'..='7' if !json => {
            let octal = rest[1..].bytes().take(3).take_while(|b| matches!(b, b'0'..=b'7')).count();
            let code = u32::from_str_radix(&rest[1..=octal], 8).ok().and_then(char::from_u32);
            (code, octal + 1)
        }
        other if json => return Err(format!("'\\{other}' is not an escape of JSON")),
        // Python keeps the backslash of an escape it does not know.
        other => {
            text.push('\\');
            (Some(other), 1 + other.len_utf8())
        }
    };
    text.extend(c);
    Ok(length)
}

/// `\uXXXX`; JSON writes what lies beyond as two of them.
fn unicode(rest: &str, text: &mut String) -> Result<usize, String> {
    let first = hex(&rest[2..], 4)?;
    if !(0xD800..0xE000).contains(&first) {
        text.extend(char::from_u32(first));
        return Ok(6);
    }
    let second = rest[6..].strip_prefix("\\u").and_then(|digits| hex(digits, 4).ok());
    let pair = second.filter(|second| first < 0xDC00 && (0xDC00..0xE000).contains(second));
    let joined =
        pair.and_then(|second| char::from_u32(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)));
    match joined {
        Some(c) => {
            text.push(c);
            Ok(12)
        }
        None => Err("half of a surrogate pair".to_owned()),
    }
}

fn code_point(digits: &str, count: usize) -> Result<char, String> {
    char::from_u32(hex(digits, count)?).ok_or_else(|| "not a character".to_owned())
}

fn hex(digits: &str, count: usize) -> Result<u32, String> {
    let digits = digits.get(..count).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
    let value = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
    value.ok_or_else(|| format!("{count} hexadecimal digits expected"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(literal: &str, expect: Result<&str, (usize, &str)>) {
        let found = read(literal);
        let found = found.as_ref().map(|(text, _)| text.as_str()).map_err(|(at, m)| (*at, m.as_str()));
        assert_eq!(found, expect, "{literal}");
    }

    #[test]
    fn json_escapes_in_double_quotes() {
        check(r#""a\"b\\c\/d\n\t\b\f\r""#, Ok("a\"b\\c/d\n\t\u{8}\u{c}\r"));
        check(r#""\u00e9 \ud83d\ude00 it's""#, Ok("é 😀 it's"));
        check(r#""\ud83d""#, Err((1, "half of a surrogate pair")));
        check(r#""\x41""#, Err((1, "'\\x' is not an escape of JSON")));
        check(r#""\u12""#, Err((1, "4 hexadecimal digits expected")));
        check(r#""open"#, Err((0, "the text has no end")));
        check("\"open\\", Err((5, "the text has no end")));
    }

    #[test]
    fn python_escapes_in_single_quotes() {
        check(r"'a\'b \x41 \u00e9 \U0001F600 \101 \d'", Ok("a'b A é 😀 A \\d"));
        check("'one \\\nline'", Ok("one line"));
        check(r#"'"{{ }}"'"#, Ok("\"{{ }}\""));
        check(r"'\x4'", Err((1, "2 hexadecimal digits expected")));
    }

    #[test]
    fn what_json_writes_is_read_as_it_was() {
        for text in ["", "'", "\"", "\\", "{{ x }}", "a\nb", "é😀\u{1}", "\\\"'"] {
            let written = model::json::quote(text);
            assert_eq!(read(&written), Ok((text.to_owned(), written.len())), "{written}");
        }
    }
}
