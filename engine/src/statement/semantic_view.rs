//! `SEMANTIC_VIEW(v DIMENSIONS d, .. METRICS m, .. [WHERE ..])` becomes a subquery over the view: what
//! it means is said once, by the rewrite of metric views.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use sqlparser::{
    ast::{
        Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Query, TableFactor, VisitMut,
        VisitorMut,
    },
    keywords::Keyword,
    parser::Parser,
    tokenizer::{Token, TokenWithSpan, Word},
};

use super::dialect::EtalonDialect;
use crate::Error;

/// Stands for `expr AS alias` where the parser reads no alias. A blank keeps it apart from functions.
const ALIASED: &str = "aliased as";

/// Rewrites `m AS alias` inside `SEMANTIC_VIEW(..)`, which the parser does not read, as a call.
pub(super) fn mark_aliases(tokens: &mut Vec<TokenWithSpan>) {
    let mut at = 0;
    while let Some(found) = tokens[at..].iter().position(is_semantic_view).map(|i| at + i) {
        at = found + 1;
        let open = after_blanks(tokens, at);
        if matches!(tokens.get(open).map(|t| &t.token), Some(Token::LParen)) {
            at = mark(tokens, open + 1);
        }
    }
}

fn is_semantic_view(token: &TokenWithSpan) -> bool {
    matches!(&token.token, Token::Word(word) if word.keyword == Keyword::SEMANTIC_VIEW && word.quote_style.is_none())
}

fn after_blanks(tokens: &[TokenWithSpan], mut at: usize) -> usize {
    while matches!(tokens.get(at).map(|t| &t.token), Some(Token::Whitespace(_))) {
        at += 1;
    }
    at
}

/// Rewrites one call from its first token on, and says where it ends.
fn mark(tokens: &mut Vec<TokenWithSpan>, from: usize) -> usize {
    let mut depth = 0;
    let mut item = None;
    let mut at = from;
    while let Some(token) = tokens.get(at).map(|t| t.token.clone()) {
        match token {
            Token::LParen => depth += 1,
            Token::RParen if depth == 0 => return at,
            Token::RParen => depth -= 1,
            Token::Comma if depth == 0 && item.is_some() => item = Some(at + 1),
            Token::Word(word) if depth == 0 => match word.keyword {
                Keyword::DIMENSIONS | Keyword::METRICS => item = Some(at + 1),
                Keyword::FACTS | Keyword::WHERE => item = None,
                Keyword::AS => {
                    let alias = after_blanks(tokens, at + 1);
                    if let (Some(start), Some(Token::Word(_))) = (item, tokens.get(alias).map(|t| &t.token)) {
                        tokens.insert(alias + 1, TokenWithSpan::wrap(Token::RParen));
                        tokens[at] = TokenWithSpan::wrap(Token::Comma);
                        let call = Word {
                            value: ALIASED.to_owned(),
                            quote_style: Some('"'),
                            keyword: Keyword::NoKeyword,
                        };
                        tokens.insert(start, TokenWithSpan::wrap(Token::LParen));
                        tokens.insert(start, TokenWithSpan::wrap(Token::Word(call)));
                        at = alias + 3;
                    }
                }
                _ => {}
            },
            _ => {}
        }
        at += 1;
    }
    at
}

/// Puts a subquery in the place of each `SEMANTIC_VIEW(..)`.
pub(super) fn expand(statement: &mut Statement) -> Result<(), Error> {
    match statement {
        Statement::Statement(sql) => match VisitMut::visit(sql.as_mut(), &mut Expand) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(error) => Err(error),
        },
        Statement::Explain(explain) => expand(&mut explain.statement),
        _ => Ok(()),
    }
}

struct Expand;

impl VisitorMut for Expand {
    type Break = Error;

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        if !matches!(factor, TableFactor::SemanticView { .. }) {
            return ControlFlow::Continue(());
        }
        match subquery(factor) {
            Ok(derived) => {
                *factor = derived;
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(error),
        }
    }
}

fn subquery(factor: &TableFactor) -> Result<TableFactor, Error> {
    let TableFactor::SemanticView { name, dimensions, metrics, facts, where_clause, alias } = factor else {
        return Ok(factor.clone());
    };
    if !facts.is_empty() {
        let text = "FACTS is not offered in SEMANTIC_VIEW: use DIMENSIONS and METRICS";
        return Err(Error::Unsupported(text.to_owned()));
    }
    if dimensions.is_empty() && metrics.is_empty() {
        return Err(Error::Invalid("SEMANTIC_VIEW needs DIMENSIONS or METRICS".to_owned()));
    }
    let mut items = Vec::new();
    let mut keys = Vec::new();
    for dimension in dimensions {
        let (expr, alias) = item(dimension)?;
        items.push(named(&expr.to_string(), alias));
        keys.push(expr.to_string());
    }
    for metric in metrics {
        let (expr, alias) = item(metric)?;
        items.push(named(&format!("MEASURE({expr})"), alias));
    }
    let distinct = if metrics.is_empty() { "DISTINCT " } else { "" };
    let mut text = format!("SELECT {distinct}{} FROM {name}", items.join(", "));
    if let Some(condition) = where_clause {
        text.push_str(&format!(" WHERE {condition}"));
    }
    if !keys.is_empty() && !metrics.is_empty() {
        text.push_str(&format!(" GROUP BY {}", keys.join(", ")));
    }
    let subquery = query(&text)?;
    Ok(TableFactor::Derived {
        lateral: false,
        subquery: Box::new(subquery),
        alias: alias.clone(),
        sample: None,
    })
}

fn named(expr: &str, alias: Option<Ident>) -> String {
    match alias {
        Some(alias) => format!("{expr} AS {alias}"),
        None => expr.to_owned(),
    }
}

/// An item and the name of its column: its alias, else the last part of its name.
fn item(expr: &Expr) -> Result<(&Expr, Option<Ident>), Error> {
    match expr {
        Expr::Function(call) if call.name.to_string() == format!("\"{ALIASED}\"") => {
            let FunctionArguments::List(arguments) = &call.args else { return Err(misread()) };
            match arguments.args.as_slice() {
                [
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)),
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(alias))),
                ] => Ok((expr, Some(alias.clone()))),
                _ => Err(misread()),
            }
        }
        Expr::Identifier(name) => Ok((expr, Some(name.clone()))),
        Expr::CompoundIdentifier(parts) => Ok((expr, parts.last().cloned())),
        Expr::Wildcard(_) | Expr::QualifiedWildcard(..) => {
            let text = "SEMANTIC_VIEW takes no *: name the dimensions and metrics";
            Err(Error::Unsupported(text.to_owned()))
        }
        other => Ok((other, None)),
    }
}

fn misread() -> Error {
    Error::Syntax("an item of SEMANTIC_VIEW is an expression, with AS name after it".to_owned())
}

fn query(text: &str) -> Result<Query, Error> {
    let dialect = EtalonDialect::default();
    let parsed = Parser::new(&dialect).try_with_sql(text).and_then(|mut parser| parser.parse_query());
    parsed.map(|query| *query).map_err(|error| Error::Syntax(error.to_string()))
}

#[cfg(test)]
mod tests {
    use crate::statement::parse;

    fn check(text: &str, expect: Result<&str, &str>) {
        let outcome = parse(text).map(|parsed| parsed.statement.to_string()).map_err(|e| e.to_string());
        assert_eq!(outcome.as_deref().map_err(String::as_str), expect, "{text}");
    }

    #[test]
    fn a_semantic_view_is_a_subquery() {
        check(
            "SELECT * FROM SEMANTIC_VIEW(sales DIMENSIONS country METRICS revenue, orders WHERE country <> 'x') s",
            Ok(
                "SELECT * FROM (SELECT country AS country, MEASURE(revenue) AS revenue, MEASURE(orders) AS orders FROM sales WHERE country <> 'x' GROUP BY country) s",
            ),
        );
        check(
            "SELECT * FROM SEMANTIC_VIEW(metrics.sales METRICS sales.revenue AS r, orders AS \"O\" DIMENSIONS date_trunc('month', t) AS m)",
            Ok(
                "SELECT * FROM (SELECT date_trunc('month', t) AS m, MEASURE(sales.revenue) AS r, MEASURE(orders) AS \"O\" FROM metrics.sales GROUP BY date_trunc('month', t))",
            ),
        );
        check(
            "SELECT * FROM SEMANTIC_VIEW(sales DIMENSIONS a, CAST(b AS text) AS c)",
            Ok("SELECT * FROM (SELECT DISTINCT a AS a, CAST(b AS TEXT) AS c FROM sales)"),
        );
    }

    #[test]
    fn what_a_semantic_view_does_not_take() {
        check(
            "SELECT * FROM SEMANTIC_VIEW(sales FACTS amount)",
            Err("FACTS is not offered in SEMANTIC_VIEW: use DIMENSIONS and METRICS"),
        );
        check(
            "SELECT * FROM SEMANTIC_VIEW(sales METRICS sales.*)",
            Err("SEMANTIC_VIEW takes no *: name the dimensions and metrics"),
        );
        check("SELECT * FROM SEMANTIC_VIEW(sales)", Err("SEMANTIC_VIEW needs DIMENSIONS or METRICS"));
    }
}
