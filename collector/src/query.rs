use std::borrow::Cow;

/// The fields of a query string or form, percent-decoded, in order.
pub(crate) fn fields(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    query.split('&').filter(|part| !part.is_empty()).map(|part| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (decode(name), decode(value))
    })
}

/// The first field of a name that is not blank.
pub(crate) fn field<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    fields(query).find(|(n, v)| n == name && !v.is_empty()).map(|(_, value)| value)
}

/// Percent-decodes a form field: `+` is a blank. What is no escape stays as it is.
pub(crate) fn decode(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|b| b == b'%' || b == b'+') {
        return Cow::Borrowed(text);
    }
    Cow::Owned(unescape(text, true))
}

/// Percent-decodes a path segment: `+` stays.
pub(crate) fn decode_segment(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    Cow::Owned(unescape(text, false))
}

fn unescape(text: &str, plus_is_blank: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = |i: usize| bytes.get(i).and_then(|b| (*b as char).to_digit(16)).map(|d| d as u8);
        match (bytes[at], hex(at + 1), hex(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(high << 4 | low);
                at += 2;
            }
            (b'+', _, _) if plus_is_blank => out.push(b' '),
            (byte, _, _) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_decoded_in_order() {
        let all: Vec<_> = fields("a=1&b=x+y%20%C3%A9&&c&a=%zz").map(|(n, v)| format!("{n}={v}")).collect();
        assert_eq!(all, ["a=1", "b=x y é", "c=", "a=%zz"]);
        assert_eq!(field("writeKey=&writeKey=WK", "writeKey").as_deref(), Some("WK"));
        assert_eq!(decode_segment("a+b%2Fc"), "a+b/c");
    }
}
