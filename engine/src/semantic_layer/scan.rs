//! Templates in a statement: outside of texts, quoted names and comments.

use super::call::{self, Call, Fault};

/// A statement cut at its templates.
#[derive(Debug, PartialEq)]
pub(super) struct Scanned {
    /// The templates with the bytes they take up, in order.
    pub(super) templates: Vec<(std::ops::Range<usize>, Call)>,
    /// Nothing but one template, blanks, comments and a final `;`.
    pub(super) alone: bool,
}

/// Cuts a statement.
pub(super) fn scan(statement: &str) -> Result<Scanned, Fault> {
    let mut found = Scanned { templates: Vec::new(), alone: true };
    let mut at = 0;
    while let Some(c) = statement[at..].chars().next() {
        let rest = &statement[at..];
        if rest.starts_with("{{") {
            let (call, end) = call::read(statement, at)?;
            found.templates.push((at..end, call));
            at = end;
            continue;
        }
        let comment = comment(rest);
        let insignificant =
            comment.is_some() || c.is_whitespace() || (c == ';' && !found.templates.is_empty());
        found.alone &= insignificant;
        at += match comment {
            Some(length) => length,
            None => quoted(statement, at).unwrap_or(c.len_utf8()),
        };
    }
    found.alone &= found.templates.len() == 1;
    Ok(found)
}

/// Length of a comment at the start; those in `/* */` nest.
fn comment(rest: &str) -> Option<usize> {
    if rest.starts_with("--") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if !rest.starts_with("/*") {
        return None;
    }
    let bytes = rest.as_bytes();
    let (mut depth, mut at) = (0_usize, 0);
    while at < bytes.len() {
        match &bytes[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return Some(at);
        }
    }
    Some(bytes.len())
}

/// Length of a text or quoted name at this place. A doubled quote reads as two texts in a row.
fn quoted(statement: &str, at: usize) -> Option<usize> {
    let rest = &statement[at..];
    let before = statement[..at].chars().next_back();
    let to_quote = |quote: char| rest[1..].find(quote).map_or(rest.len(), |i| i + 2);
    match rest.chars().next()? {
        '"' => Some(to_quote('"')),
        '\'' if before.is_some_and(|c| matches!(c, 'e' | 'E')) && !inside_word(statement, at - 1) => {
            Some(escaped_text(rest))
        }
        '\'' => Some(to_quote('\'')),
        '$' if !before.is_some_and(is_word) => dollar_text(rest),
        _ => None,
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether the character at this place belongs to a word that started before it.
fn inside_word(statement: &str, at: usize) -> bool {
    statement[..at].chars().next_back().is_some_and(is_word)
}

/// `E'..'`: a backslash takes the next character with it.
fn escaped_text(rest: &str) -> usize {
    let mut escaped = false;
    for (i, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\'' => return i + 1,
            _ => {}
        }
    }
    rest.len()
}

/// `$tag$..$tag$`; `$1` is a parameter.
fn dollar_text(rest: &str) -> Option<usize> {
    let close = rest[1..].find('$')? + 2;
    let tag = &rest[..close];
    let name = &tag[1..close - 1];
    let valid = name.chars().all(is_word) && !name.starts_with(|c: char| c.is_ascii_digit());
    valid.then(|| rest[close..].find(tag).map_or(rest.len(), |i| close + i + close))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Replaces each `T` by a template and says which are found, by number, and whether alone.
    fn check(statement: &str, expect: &[usize], alone: bool) {
        let mut text = String::new();
        for (n, part) in statement.split('T').enumerate() {
            if n > 0 {
                text.push_str(&format!("{{{{ semantic_layer.query(limit={}) }}}}", n - 1));
            }
            text.push_str(part);
        }
        let scanned = scan(&text).unwrap();
        let found: Vec<usize> = scanned
            .templates
            .iter()
            .map(|(range, call)| {
                assert!(text[range.clone()].starts_with("{{") && text[range.clone()].ends_with("}}"));
                match call.arguments.as_slice() {
                    [(_, call::Value::Number(n))] => usize::try_from(*n).unwrap(),
                    other => panic!("{other:?}"),
                }
            })
            .collect();
        assert_eq!((found.as_slice(), scanned.alone), (expect, alone), "{text}");
    }

    #[test]
    fn templates_stand_alone_or_as_tables() {
        check("T", &[0], true);
        check(" /* a */ T ; -- b", &[0], true);
        check("; T", &[0], false);
        check("select * from T t join T u on t.a = u.a", &[0, 1], false);
        check("(select 1 from T)", &[0], false);
    }

    #[test]
    fn texts_names_and_comments_are_not_searched() {
        check("select 'T', T", &[1], false);
        check("select 'it''s T', T", &[1], false);
        check("select E'\\'T', T", &[1], false);
        check("select like'\\', T", &[0], false);
        check("select \"T\", T", &[1], false);
        check("select $$T$$, $a$ $b$T$a$, T, $1", &[2], false);
        check("select 1 -- T\n from T", &[1], false);
        check("select 1 /* /* T */ T */ from T", &[2], false);
        check("select a - - 1, b / c from T", &[0], false);
    }

    #[test]
    fn braces_in_a_statement_are_a_template_or_a_fault() {
        assert_eq!(scan("select {{ x }}").unwrap_err().at, 10);
        assert_eq!(scan("select '{{ x }}'").unwrap().templates, []);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in r#"[\[\](){}'"\\,=.$/*a-zA-Z0-9é; \n-]{0,80}"#) {
            let _ = scan(&text);
        }
    }
}
