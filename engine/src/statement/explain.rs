use sqlparser::{
    keywords::Keyword,
    tokenizer::{Token, TokenWithSpan},
};

use crate::Error;

/// `EXPLAIN [ANALYZE] [(FORMAT JSON)]` in front of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Explain {
    /// Runs the query, to say how it went.
    pub(crate) analyze: bool,
    /// One JSON document instead of lines.
    pub(crate) json: bool,
}

/// Takes our EXPLAIN from the front of a statement. `EXPLAIN VERBOSE` and `EXPLAIN FORMAT ..` are
/// DataFusion's own and stay.
pub(super) fn take(tokens: &mut Vec<TokenWithSpan>) -> Result<Option<Explain>, Error> {
    let mut reader = Reader { tokens, at: 0 };
    if !reader.word(Keyword::EXPLAIN) {
        return Ok(None);
    }
    let mut explain = Explain { analyze: reader.word(Keyword::ANALYZE), json: false };
    match reader.peek() {
        Some(Token::Word(word)) if matches!(word.keyword, Keyword::VERBOSE | Keyword::FORMAT) => {
            return Ok(None);
        }
        Some(Token::LParen) if !reader.is_query_in_parentheses() => {
            reader.next();
            options(&mut reader, &mut explain)?;
        }
        _ => {}
    }
    let end = reader.at;
    tokens.drain(..end);
    Ok(Some(explain))
}

fn options(reader: &mut Reader<'_>, explain: &mut Explain) -> Result<(), Error> {
    loop {
        let Some(Token::Word(option)) = reader.next() else { return Err(expected()) };
        let value = match reader.peek() {
            Some(Token::Word(value)) => {
                reader.next();
                Some(value.value.to_lowercase())
            }
            _ => None,
        };
        let on = !matches!(value.as_deref(), Some("false" | "off"));
        match (option.value.to_lowercase().as_str(), value.as_deref()) {
            ("analyze", _) => explain.analyze = on,
            ("format", Some("json")) => explain.json = true,
            ("format", Some("text")) => explain.json = false,
            ("format", _) => {
                return Err(Error::Unsupported("EXPLAIN has the formats TEXT and JSON".to_owned()));
            }
            // What these would add or leave out is always there.
            ("verbose" | "costs" | "timing" | "summary" | "buffers" | "settings", _) => {}
            (other, _) => return Err(Error::Syntax(format!("unknown EXPLAIN option '{other}'"))),
        }
        match reader.next() {
            Some(Token::Comma) => {}
            Some(Token::RParen) => return Ok(()),
            _ => return Err(expected()),
        }
    }
}

fn expected() -> Error {
    Error::Syntax("EXPLAIN takes options such as (ANALYZE, FORMAT JSON)".to_owned())
}

struct Reader<'a> {
    tokens: &'a [TokenWithSpan],
    at: usize,
}

impl Reader<'_> {
    fn peek(&mut self) -> Option<Token> {
        while let Some(Token::Whitespace(_)) = self.tokens.get(self.at).map(|t| &t.token) {
            self.at += 1;
        }
        self.tokens.get(self.at).map(|t| t.token.clone())
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.peek();
        self.at += usize::from(token.is_some());
        token
    }

    fn word(&mut self, keyword: Keyword) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(word)) if word.keyword == keyword);
        self.at += usize::from(found);
        found
    }

    fn is_query_in_parentheses(&self) -> bool {
        let rest = self.tokens.get(self.at..).unwrap_or_default();
        let inside =
            rest.iter().map(|t| &t.token).find(|t| !matches!(t, Token::LParen | Token::Whitespace(_)));
        matches!(inside, Some(Token::Word(word)) if matches!(word.keyword, Keyword::SELECT | Keyword::WITH | Keyword::VALUES))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::parse;

    fn check(text: &str, expect: Option<(bool, bool)>) {
        let parsed = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let expect = expect.map(|(analyze, json)| Explain { analyze, json });
        assert_eq!(parsed.explain.as_ref().map(|(explain, _)| *explain), expect, "{text}");
        if let Some((_, rest)) = parsed.explain {
            assert_eq!(rest, "SELECT 1", "{text}");
            assert_eq!(parsed.statement.to_string(), "SELECT 1", "{text}");
        }
    }

    #[test]
    fn explain_has_options() {
        check("SELECT 1", None);
        check("EXPLAIN SELECT 1", Some((false, false)));
        check("explain analyze SELECT 1", Some((true, false)));
        check("EXPLAIN (FORMAT JSON) SELECT 1", Some((false, true)));
        check("EXPLAIN (ANALYZE, COSTS OFF, FORMAT json) SELECT 1", Some((true, true)));
        check("EXPLAIN (ANALYZE FALSE, FORMAT TEXT) SELECT 1", Some((false, false)));
        check("EXPLAIN FORMAT INDENT SELECT 1", None);
        check("EXPLAIN VERBOSE SELECT 1", None);
    }

    #[test]
    fn unknown_options_are_refused() {
        let error = parse("EXPLAIN (COLOUR on) SELECT 1").unwrap_err();
        assert_eq!(error.to_string(), "syntax error: unknown EXPLAIN option 'colour'");
        let error = parse("EXPLAIN (FORMAT yaml) SELECT 1").unwrap_err();
        assert_eq!(error.to_string(), "EXPLAIN has the formats TEXT and JSON");
    }
}
