//! Arguments to typed values.

use std::hash::{DefaultHasher, Hash, Hasher};

use async_graphql::dynamic::{ObjectAccessor, ValueAccessor};
use engine::{Cursor, MetricQuery, OrderBy, TimeConstraint, TimeRange};
use model::{ProfileId, Timestamp};

use crate::Error;

pub(crate) type Args<'a> = ObjectAccessor<'a>;

/// A text, unless absent or null.
pub(crate) fn text<'a>(args: &'a Args<'_>, name: &str) -> Result<Option<&'a str>, Error> {
    given(args, name).map(|value| value.string().map_err(|_| wrong(name, "a text"))).transpose()
}

/// Texts; one text stands for a list of one, as GraphQL allows.
pub(crate) fn texts(args: &Args<'_>, name: &str) -> Result<Vec<String>, Error> {
    let Some(value) = given(args, name) else { return Ok(Vec::new()) };
    if let Ok(one) = value.string() {
        return Ok(vec![one.to_owned()]);
    }
    let list = value.list().map_err(|_| wrong(name, "a list of texts"))?;
    list.iter()
        .map(|item| item.string().map(str::to_owned).map_err(|_| wrong(name, "a list of texts")))
        .collect()
}

/// Items per page; the schema gives the default.
pub(crate) fn first(args: &Args<'_>, most: usize) -> Result<usize, Error> {
    let Some(value) = given(args, "first") else { return Ok(most.min(100)) };
    let first = value.i64().map_err(|_| wrong("first", "a number"))?;
    match usize::try_from(first) {
        Ok(first) if first <= most => Ok(first),
        _ => Err(Error::BadValue(format!("'first' is from 0 to {most}"))),
    }
}

pub(crate) fn profile(args: &Args<'_>, name: &str) -> Result<Option<ProfileId>, Error> {
    let text = text(args, name)?;
    text.map(|id| id.parse().map_err(|error| Error::BadValue(format!("'{name}': {error}")))).transpose()
}

pub(crate) fn flag(args: &Args<'_>, name: &str) -> bool {
    given(args, name).and_then(|value| value.boolean().ok()).unwrap_or(false)
}

/// What a reader of `after` takes out of it.
pub(crate) fn after<T>(
    args: &Args<'_>,
    read: impl FnOnce(&str) -> Result<T, engine::CursorError>,
) -> Result<Option<T>, Error> {
    Ok(text(args, "after")?.map(read).transpose()?)
}

/// The input object of `query` and `explain`.
pub(crate) fn metric_query(args: &Args<'_>) -> Result<MetricQuery, Error> {
    let input = args.try_get("input").and_then(|input| input.object());
    let input = input.map_err(|_| wrong("input", "an object"))?;
    let limit = given(&input, "limit").map(|value| value.u64());
    Ok(MetricQuery {
        metrics: texts(&input, "metrics")?.into_iter().map(Into::into).collect(),
        group_by: texts(&input, "groupBy")?.into_iter().map(Into::into).collect(),
        filters: texts(&input, "where")?,
        time: time_range(&input)?,
        order_by: order(&input)?,
        limit: limit.transpose().map_err(|_| wrong("limit", "a number from 0"))?,
        ..MetricQuery::default()
    })
}

fn time_range(input: &Args<'_>) -> Result<Option<TimeConstraint>, Error> {
    let Some(range) = given(input, "time") else { return Ok(None) };
    let range = range.object().map_err(|_| wrong("time", "an object"))?;
    let instant = |name: &str| {
        let text = text(&range, name)?;
        let parse = |text| Timestamp::parse(text).ok_or_else(|| wrong(name, "an instant in RFC 3339"));
        text.map(parse).transpose()
    };
    Ok(Some(TimeConstraint::Between(TimeRange { from: instant("from")?, to: instant("to")? })))
}

fn order(input: &Args<'_>) -> Result<Vec<OrderBy>, Error> {
    let Some(items) = given(input, "orderBy") else { return Ok(Vec::new()) };
    let item = |item: ValueAccessor<'_>| {
        let item = item.object().map_err(|_| wrong("orderBy", "a list of {name, descending}"))?;
        let name = text(&item, "name")?.ok_or_else(|| wrong("orderBy.name", "a text"))?.to_owned();
        Ok(OrderBy { name, descending: flag(&item, "descending") })
    };
    match items.list() {
        Ok(list) => list.iter().map(item).collect(),
        Err(_) => Ok(vec![item(items)?]),
    }
}

/// Pages of one query, each run anew: an order without ties, and one row more than the page to see
/// whether there is a next one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Page {
    pub(crate) query: MetricQuery,
    pub(crate) hash: u64,
    pub(crate) skip: u64,
    pub(crate) first: usize,
}

impl Page {
    pub(crate) fn new(mut query: MetricQuery, first: usize, after: Option<&str>) -> Result<Self, Error> {
        let hash = hash(&query);
        let skip = after.map(|cursor| Cursor::rows(cursor, hash)).transpose()?.unwrap_or(0);
        for name in query.group_by.iter().map(|item| item.text().to_owned()).collect::<Vec<_>>() {
            if !query.order_by.iter().any(|item| item.name == name) {
                query.order_by.push(OrderBy { name, descending: false });
            }
        }
        let wanted = skip.saturating_add(first as u64).saturating_add(1);
        query.limit = Some(query.limit.map_or(wanted, |limit| limit.min(wanted)));
        Ok(Self { query, hash, skip, first })
    }

    /// Where the page after this one starts.
    pub(crate) fn end(&self) -> Cursor {
        Cursor::Rows { query: self.hash, skip: self.skip.saturating_add(self.first as u64) }
    }
}

/// Equal requests have equal hashes, also after a restart.
fn hash(query: &MetricQuery) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{query:?}").hash(&mut hasher);
    hasher.finish()
}

fn given<'a>(args: &'a Args<'_>, name: &str) -> Option<ValueAccessor<'a>> {
    args.get(name).filter(|value| !value.is_null())
}

fn wrong(name: &str, expect: &str) -> Error {
    Error::Invalid(format!("'{name}' must be {expect}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(limit: Option<u64>) -> MetricQuery {
        MetricQuery {
            metrics: vec!["revenue".into()],
            group_by: vec!["a".into(), "b".into()],
            order_by: vec![OrderBy { name: "b".into(), descending: true }],
            limit,
            ..MetricQuery::default()
        }
    }

    #[test]
    fn a_page_has_a_total_order_and_asks_for_one_row_more() {
        let page = Page::new(query(None), 10, None).expect("no cursor");
        let order: Vec<_> = page.query.order_by.iter().map(|o| (o.name.as_str(), o.descending)).collect();
        assert_eq!(order, [("b", true), ("a", false)]);
        assert_eq!(page.query.limit, Some(11));
    }

    #[test]
    fn the_next_page_goes_on_where_this_one_ends_and_keeps_the_limit() {
        let page = Page::new(query(Some(15)), 10, None).expect("no cursor");
        let next = Page::new(query(Some(15)), 10, Some(&page.end().encode())).expect("its own cursor");
        assert_eq!((next.skip, next.query.limit), (10, Some(15)));
    }

    #[test]
    fn a_cursor_of_another_query_is_refused() {
        let page = Page::new(query(None), 10, None).expect("no cursor");
        assert!(Page::new(query(Some(1)), 10, Some(&page.end().encode())).is_err());
    }
}
