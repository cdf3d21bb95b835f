//! From text to one statement that only reads (SQL-8).

mod dialect;
mod explain;
mod semantic_view;

use std::{collections::HashSet, ops::ControlFlow};

use datafusion::sql::parser::{DFParserBuilder, Statement};
use sqlparser::{
    ast::{Select, SelectItem, Statement as Sql, Visit, Visitor},
    tokenizer::{Token, TokenWithSpan, Tokenizer},
};

pub(crate) use explain::Explain;

use crate::Error;
use dialect::EtalonDialect;

const NESTING: usize = 128;

/// A statement, and what is known about it before any name is looked up.
#[derive(Debug)]
pub(crate) struct Parsed {
    /// Without the EXPLAIN in front that is ours to answer.
    pub(crate) statement: Statement,
    /// That EXPLAIN, and the text after it.
    pub(crate) explain: Option<(Explain, String)>,
    /// Every word in it as a name: in lower case unless quoted.
    pub(crate) words: HashSet<String>,
    /// Whether it selects a `*` somewhere.
    pub(crate) star: bool,
}

/// Parses one statement and refuses it if any part of it would write.
pub(crate) fn parse(text: &str) -> Result<Parsed, Error> {
    let dialect = EtalonDialect::default();
    let mut tokens = Tokenizer::new(&dialect, text)
        .tokenize_with_location()
        .map_err(|error| Error::Syntax(error.to_string()))?;
    number_question_marks(&mut tokens)?;
    let explain = explain::take(&mut tokens)?;
    let explain = explain.map(|explain| (explain, rest(text, &tokens)));
    semantic_view::mark_aliases(&mut tokens);
    let words = tokens.iter().filter_map(word).collect();
    let mut statements = DFParserBuilder::new(tokens)
        .with_dialect(&dialect)
        .with_recursion_limit(NESTING)
        .build()?
        .parse_statements()?;
    let mut statement =
        statements.pop_front().ok_or_else(|| Error::Syntax("there is no statement".to_owned()))?;
    if !statements.is_empty() {
        return Err(Error::Syntax("send one statement at a time".to_owned()));
    }
    only_reads(&statement)?;
    if explain.is_some() && !is_query(&statement) {
        return Err(Error::Unsupported("only queries are explained".to_owned()));
    }
    semantic_view::expand(&mut statement)?;
    let star = has_star(&statement);
    Ok(Parsed { statement, explain, words, star })
}

/// The text from the first of these tokens on.
fn rest(text: &str, tokens: &[TokenWithSpan]) -> String {
    let Some(start) = tokens.first().map(|token| token.span.start) else { return String::new() };
    let mut place = (1, 1);
    let at = text.char_indices().find(|(_, c)| {
        let found = place == (start.line, start.column);
        place = if *c == '\n' { (place.0 + 1, 1) } else { (place.0, place.1 + 1) };
        found
    });
    at.and_then(|(at, _)| text.get(at..)).unwrap_or_default().trim().to_owned()
}

/// A statement without the blanks and comments in front of it.
pub(crate) fn without_comments(text: &str) -> &str {
    let mut text = text.trim_start();
    loop {
        let after = match (text.strip_prefix("--"), text.strip_prefix("/*")) {
            (Some(line), _) => line.find('\n').and_then(|end| line.get(end..)),
            (_, Some(block)) => block.find("*/").and_then(|end| block.get(end + 2..)),
            _ => return text,
        };
        text = after.unwrap_or_default().trim_start();
    }
}

fn word(token: &TokenWithSpan) -> Option<String> {
    match &token.token {
        Token::Word(word) if word.quote_style.is_some() => Some(word.value.clone()),
        Token::Word(word) => Some(word.value.to_lowercase()),
        _ => None,
    }
}

fn is_query(statement: &Statement) -> bool {
    matches!(statement, Statement::Statement(sql) if matches!(sql.as_ref(), Sql::Query(_)))
}

fn has_star(statement: &Statement) -> bool {
    struct Stars;
    impl Visitor for Stars {
        type Break = ();

        fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
            let star = |item: &SelectItem| {
                matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..))
            };
            match select.projection.iter().any(star) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        }
    }
    match statement {
        Statement::Statement(sql) => sql.visit(&mut Stars).is_break(),
        Statement::Explain(explain) => has_star(&explain.statement),
        _ => false,
    }
}

/// `?`, `?` becomes `$1`, `$2`.
fn number_question_marks(tokens: &mut [TokenWithSpan]) -> Result<(), Error> {
    let mut dollars = false;
    let mut marks = 0;
    for token in tokens {
        match &token.token {
            Token::Question => {
                marks += 1;
                token.token = Token::Placeholder(format!("${marks}"));
            }
            Token::Placeholder(_) => dollars = true,
            _ => {}
        }
    }
    if dollars && marks > 0 {
        return Err(Error::Syntax("use either ? or $1, $2, .. for parameters, not both".to_owned()));
    }
    Ok(())
}

fn only_reads(statement: &Statement) -> Result<(), Error> {
    match statement {
        Statement::Statement(sql) => match sql.visit(&mut Reads) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(error) => Err(error),
        },
        Statement::Explain(explain) => only_reads(&explain.statement),
        Statement::CreateExternalTable(_) => Err(Error::ReadOnly("CREATE EXTERNAL TABLE".to_owned())),
        Statement::CopyTo(_) => Err(Error::ReadOnly("COPY".to_owned())),
        Statement::Reset(_) => Err(no_settings()),
    }
}

fn no_settings() -> Error {
    Error::Unsupported("settings are not kept between statements: SET and RESET are not offered".to_owned())
}

/// Stops at the first part of a statement that is not reading.
struct Reads;

impl Visitor for Reads {
    type Break = Error;

    fn pre_visit_statement(&mut self, statement: &Sql) -> ControlFlow<Error> {
        match statement {
            Sql::Query(_)
            | Sql::Explain { .. }
            | Sql::ShowTables { .. }
            | Sql::ShowColumns { .. }
            | Sql::ShowVariable { .. }
            | Sql::ShowFunctions { .. } => ControlFlow::Continue(()),
            Sql::Set(_) => ControlFlow::Break(no_settings()),
            Sql::ExplainTable { .. } => ControlFlow::Break(Error::Unsupported(
                "DESCRIBE is not offered: select from information_schema.columns".to_owned(),
            )),
            other => ControlFlow::Break(Error::ReadOnly(first_word(other))),
        }
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Error> {
        match select.into {
            Some(_) => ControlFlow::Break(Error::ReadOnly("SELECT INTO".to_owned())),
            None => ControlFlow::Continue(()),
        }
    }
}

fn first_word(statement: &Sql) -> String {
    statement.to_string().split_whitespace().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Result<&str, &str>) {
        let outcome = parse(text).map(|s| s.statement.to_string()).map_err(|e| e.to_string());
        assert_eq!(outcome.as_deref().map_err(String::as_str), expect, "{text}");
    }

    #[test]
    fn question_marks_are_numbered() {
        check("SELECT ?, '?', a FROM t WHERE a = ?", Ok("SELECT $1, '?', a FROM t WHERE a = $2"));
        check("SELECT $2", Ok("SELECT $2"));
        check("SELECT ?, $1", Err("syntax error: use either ? or $1, $2, .. for parameters, not both"));
    }

    #[test]
    fn one_statement_at_a_time() {
        check("", Err("syntax error: there is no statement"));
        check("SELECT 1; SELECT 2", Err("syntax error: send one statement at a time"));
        check("SELECT 1;", Ok("SELECT 1"));
    }

    #[test]
    fn writes_are_refused_wherever_they_stand() {
        let writes = [
            ("INSERT INTO t VALUES (1)", "INSERT"),
            ("UPDATE t SET a = 1", "UPDATE"),
            ("DELETE FROM t", "DELETE"),
            ("CREATE TABLE t (a INT)", "CREATE"),
            ("CREATE TABLE t AS SELECT 1", "CREATE"),
            ("CREATE VIEW v AS SELECT 1", "CREATE"),
            ("CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'", "CREATE EXTERNAL TABLE"),
            ("DROP TABLE t", "DROP"),
            ("COPY t TO '/tmp/x.csv'", "COPY"),
            ("TRUNCATE t", "TRUNCATE"),
            ("SELECT * INTO u FROM t", "SELECT INTO"),
            ("WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x", "DELETE"),
            ("EXPLAIN INSERT INTO t VALUES (1)", "INSERT"),
            ("EXPLAIN ANALYZE DELETE FROM t", "DELETE"),
        ];
        for (text, word) in writes {
            check(text, Err(&format!("{word} is refused: queries only read")));
        }
    }
}
