//! From text to one statement that only reads (SQL-8).

use std::ops::ControlFlow;

use datafusion::sql::parser::{DFParserBuilder, Statement};
use sqlparser::{
    ast::{Select, Statement as Sql, Visit, Visitor},
    dialect::PostgreSqlDialect,
    tokenizer::{Token, TokenWithSpan, Tokenizer},
};

use crate::Error;

const NESTING: usize = 128;

/// Parses one statement and refuses it if any part of it would write.
pub(crate) fn parse(text: &str) -> Result<Statement, Error> {
    let dialect = PostgreSqlDialect {};
    let mut tokens = Tokenizer::new(&dialect, text)
        .tokenize_with_location()
        .map_err(|error| Error::Syntax(error.to_string()))?;
    number_question_marks(&mut tokens)?;
    let mut statements = DFParserBuilder::new(tokens)
        .with_dialect(&dialect)
        .with_recursion_limit(NESTING)
        .build()?
        .parse_statements()?;
    let statement =
        statements.pop_front().ok_or_else(|| Error::Syntax("there is no statement".to_owned()))?;
    if !statements.is_empty() {
        return Err(Error::Syntax("send one statement at a time".to_owned()));
    }
    only_reads(&statement)?;
    Ok(statement)
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
        let outcome = parse(text).map(|s| s.to_string()).map_err(|e| e.to_string());
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
