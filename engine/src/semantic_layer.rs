//! Templates in SQL: `{{ semantic_layer.query(metrics=['revenue'], group_by=['metric_time']) }}`, alone
//! or as a table. What dbt's SDK, JDBC users and notebooks write (`semantic-layer.md` §4, §5).
//!
//! A template is found by a lexer that knows texts and comments, replaced by the name of a relation,
//! and the rest is parsed as SQL. Names and texts of a template are data: they never become SQL text.

mod arguments;
mod call;
mod columns;
mod item;
mod listing;
mod scan;
mod template;
mod text;
mod type_params;

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use model::{Diagnostic, json::quote};
use semantic::{Catalog, Grain, GroupBy, MetricQuery};

use self::{
    call::Fault,
    item::Item,
    template::{Listing, Template as Asked},
};
use crate::{Error, Request, metadata};

pub(crate) use columns::Columns;

/// A statement with a name in place of each template.
#[derive(Debug)]
pub(crate) struct Templates {
    /// What is left to parse.
    pub(crate) text: String,
    /// What the names stand for.
    pub(crate) relations: Vec<Template>,
    alone: bool,
}

/// A template, and the name that stands in its place.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) name: String,
    pub(crate) relation: Relation,
    /// As it was written.
    text: String,
}

/// What stands in for a template.
#[derive(Debug)]
pub(crate) enum Relation {
    /// The rows of a metric query.
    Query(MetricQuery),
    /// One row with its SQL.
    Compiled(MetricQuery),
    /// The values of a group-by.
    Values {
        /// That can be grouped by it.
        metrics: Vec<String>,
        /// The group-by.
        group_by: String,
    },
    /// A listing of the definitions.
    Listing(RelationListing),
}

/// A listing that is understood and not yet made.
#[derive(Debug)]
pub(crate) struct RelationListing(Listing);

impl RelationListing {
    pub(crate) fn rows(&self, catalog: &Catalog) -> Result<Arc<dyn TableProvider>, Error> {
        listing::rows(catalog, &self.0)
    }
}

/// The one row of a compiled query.
pub(crate) fn compiled(sql: &str) -> Result<Arc<dyn TableProvider>, Error> {
    Ok(listing::compiled(sql)?)
}

/// The templates of a statement, or everything that is wrong with them. `None` is plain SQL.
pub(crate) fn find(statement: &str) -> Result<Option<Templates>, Error> {
    if !statement.contains("{{") {
        return Ok(None);
    }
    let scanned = scan::scan(statement).map_err(|fault| located(statement, &fault))?;
    if scanned.templates.is_empty() {
        return Ok(None);
    }
    let mut found = Templates { text: String::new(), relations: Vec::new(), alone: scanned.alone };
    let mut faults: Vec<Diagnostic> = Vec::new();
    let mut from = 0;
    for (range, call) in scanned.templates {
        match Asked::read(call) {
            Ok(asked) => {
                let name = found.free_name(statement);
                found.text.push_str(&format!("{} {name} ", &statement[from..range.start]));
                let (relation, text) = (relation(asked), statement[range.clone()].to_owned());
                found.relations.push(Template { name, relation, text });
            }
            Err(more) => faults.extend(more),
        }
        from = range.end;
    }
    if !faults.is_empty() {
        return Err(Error::Metrics(faults));
    }
    found.text.push_str(&statement[from..]);
    if found.alone {
        found.text = found.relations.iter().map(|t| format!("SELECT * FROM {}", t.name)).collect();
    }
    Ok(Some(found))
}

impl Templates {
    /// A part of [`Templates::text`] as it was written.
    pub(crate) fn restore(&self, part: &str) -> String {
        self.relations.iter().fold(part.to_owned(), |text, t| text.replace(&format!(" {} ", t.name), &t.text))
    }

    /// A name that the statement does not use.
    fn free_name(&self, statement: &str) -> String {
        let lower = statement.to_lowercase();
        let mut number = self.relations.len() + 1;
        loop {
            let name = format!("semantic_layer_{number}");
            let taken = lower.contains(&name) || self.relations.iter().any(|known| known.name == name);
            if !taken {
                return name;
            }
            number += 1;
        }
    }
}

fn relation(asked: Asked) -> Relation {
    match asked {
        Asked::Query { query, compile: false } => Relation::Query(query),
        Asked::Query { query, compile: true } => Relation::Compiled(query),
        Asked::Values { metrics, group_by } => Relation::Values { metrics, group_by },
        Asked::Listing(listing) => Relation::Listing(RelationListing(listing)),
    }
}

fn located(statement: &str, fault: &Fault) -> Error {
    let before = statement.get(..fault.at).unwrap_or(statement);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    Error::Syntax(format!("{} at line {line}, column {column}", fault.message))
}

/// A query template alone is a metric query like any other: same plan, same caches.
pub(crate) fn lowered(request: Request) -> Result<Request, Error> {
    let Request::Sql { text, parameters } = &request else { return Ok(request) };
    if !parameters.is_empty() {
        return Ok(request);
    }
    let Some(mut found) = find(text)? else { return Ok(request) };
    match found.relations.pop() {
        Some(Template { relation: Relation::Query(query), .. }) if found.alone => Ok(Request::Metrics(query)),
        _ => Ok(request),
    }
}

/// The values of a group-by as metrics can be grouped by it: first the question that says whether they
/// can, then the one whose first column are the values.
pub fn value_queries(
    catalog: &Catalog,
    metrics: &[String],
    group_by: &str,
) -> Result<(Option<MetricQuery>, MetricQuery), Error> {
    let metrics = metadata::named(catalog, metrics)?;
    let group_by = [group_by.to_owned()];
    let check = (!metrics.is_empty()).then(|| metadata::grouped(catalog, &metrics, &group_by));
    // The times of metrics are those of their rows; the time spine alone has points without any.
    match check {
        Some(check) if group_by_parts(&group_by[0]).name == "metric_time" => Ok((None, check)),
        check => {
            let group_by = group_by.map(GroupBy::Name).to_vec();
            Ok((check, MetricQuery { group_by, ..MetricQuery::default() }))
        }
    }
}

/// A group-by taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupByParts {
    /// The name without its grain.
    pub name: String,
    /// The grain that is asked for, in lower case.
    pub grain: Option<String>,
    /// The part that is asked for, in lower case.
    pub date_part: Option<String>,
}

/// Takes `metric_time__month` or `TimeDimension('metric_time', 'MONTH')` apart. What is neither is a name.
pub fn group_by_parts(text: &str) -> GroupByParts {
    if let Some(Item::GroupBy { name, grain, date_part, .. }) =
        call::object(text).and_then(|object| Item::read(object).ok())
    {
        return GroupByParts { name: name.to_lowercase(), grain, date_part };
    }
    let lower = text.to_lowercase();
    match lower.rsplit_once("__") {
        Some((name, grain)) if Grain::parse(grain).is_some() => {
            GroupByParts { name: name.to_owned(), grain: Some(grain.to_owned()), date_part: None }
        }
        _ => GroupByParts { name: lower, grain: None, date_part: None },
    }
}

impl Request {
    /// The distinct values of a dimension or entity, for metrics that can be grouped by it.
    pub fn dimension_values(metrics: &[String], group_by: &str) -> Self {
        let metrics: Vec<String> = metrics.iter().map(|name| quote(name)).collect();
        let group_by = quote(group_by);
        Self::sql(format!(
            "{{{{ semantic_layer.dimension_values(group_by={group_by},metrics=[{}]) }}}}",
            metrics.join(",")
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(statement: &str, expect: &str) {
        let found = find(statement).map(|found| found.map_or("plain".to_owned(), |found| found.text));
        assert_eq!(found.unwrap_or_else(|error| error.to_string()), expect, "{statement}");
    }

    #[test]
    fn templates_become_names() {
        check("SELECT '{{ x }}'", "plain");
        check("{{ semantic_layer.metrics() }} ;", "SELECT * FROM semantic_layer_1");
        check("SELECT*FROM{{semantic_layer.metrics()}}WHERE true", "SELECT*FROM semantic_layer_1 WHERE true");
        check(
            "SELECT semantic_layer_1 FROM {{ semantic_layer.metrics() }} a, {{ semantic_layer.metrics() }} b",
            "SELECT semantic_layer_1 FROM  semantic_layer_2  a,  semantic_layer_3  b",
        );
    }

    #[test]
    fn faults_say_where_and_all_are_said() {
        check(
            "SELECT *\nFROM {{ semantic_layer.query(metrics=[ }}",
            "syntax error: a value expected: a text in quotes, a number, True, False, None, a list or an object at line 2, column 40",
        );
        check(
            "SELECT * FROM {{ semantic_layer.metric() }} a, {{ semantic_layer.query(limt=1) }} b",
            "unknown template 'semantic_layer.metric', did you mean 'metrics'?\n\
             semantic_layer.query has no argument 'limt'; it has metrics, group_by, where, order_by, limit, saved_query, read_cache, compile, explain, did you mean 'limit'?",
        );
    }

    #[test]
    fn a_query_alone_is_a_metric_query() {
        let lowered = |text: &str| lowered(Request::sql(text)).unwrap();
        let query = MetricQuery { metrics: vec!["m".into()], ..MetricQuery::default() };
        assert_eq!(lowered("{{ semantic_layer.query(metrics=['m']) }};"), Request::Metrics(query));
        for text in [
            "SELECT * FROM {{ semantic_layer.query(metrics=['m']) }}",
            "{{ semantic_layer.query(metrics=['m'], compile=True) }}",
            "{{ semantic_layer.metrics() }}",
        ] {
            assert_eq!(lowered(text), Request::sql(text));
        }
    }

    #[test]
    fn names_in_requests_stay_names() {
        let Request::Sql { text, .. } = Request::dimension_values(&["m\"]) }}".to_owned()], "a'b\\") else {
            panic!("a statement");
        };
        let found = find(&text).unwrap().unwrap();
        let [Template { relation: Relation::Values { metrics, group_by }, .. }] = found.relations.as_slice()
        else {
            panic!("{found:?}");
        };
        assert_eq!((metrics.as_slice(), group_by.as_str()), (&["m\"]) }}".to_owned()][..], "a'b\\"));
    }

    #[test]
    fn group_bys_are_taken_apart() {
        let check = |text: &str, name: &str, grain: Option<&str>, date_part: Option<&str>| {
            let own = |text: Option<&str>| text.map(str::to_owned);
            let expect = GroupByParts { name: name.to_owned(), grain: own(grain), date_part: own(date_part) };
            assert_eq!(group_by_parts(text), expect, "{text}");
        };
        check("metric_time", "metric_time", None, None);
        check("METRIC_TIME__MONTH", "metric_time", Some("month"), None);
        check("order__currency", "order__currency", None, None);
        check("TimeDimension('metric_time', 'DAY')", "metric_time", Some("day"), None);
        check("Dimension('a__t', entity_path=['x']).date_part('YEAR')", "x__a__t", None, Some("year"));
        check("Entity('e')", "e", None, None);
        check("Dimension(", "dimension(", None, None);
    }
}
