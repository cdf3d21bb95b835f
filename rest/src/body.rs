//! Request bodies, read by hand into the engine's types: an unknown key is an error, not a default.

use engine::{MetricQuery, OrderBy, Request, ScalarValue, TimeConstraint, TimeRange};
use model::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::Error;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MetricsBody {
    metrics: OneOrMany,
    #[serde(default)]
    group_by: OneOrMany,
    #[serde(default, rename = "where")]
    filters: OneOrMany,
    #[serde(default)]
    order_by: Vec<OrderItem>,
    limit: Option<u64>,
    time: Option<TimeBody>,
}

/// One text stands for a list of one.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "a text or a list of texts")]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl Default for OneOrMany {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl From<OneOrMany> for Vec<String> {
    fn from(texts: OneOrMany) -> Self {
        match texts {
            OneOrMany::One(text) => vec![text],
            OneOrMany::Many(texts) => texts,
        }
    }
}

/// `"revenue"`, `"-revenue"` (largest first), or an object.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "a name, a name with '-' in front, or {name, descending}")]
enum OrderItem {
    Text(String),
    Object(OrderObject),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OrderObject {
    name: String,
    #[serde(default)]
    descending: bool,
}

impl From<OrderItem> for OrderBy {
    fn from(item: OrderItem) -> Self {
        match item {
            OrderItem::Object(object) => Self { name: object.name, descending: object.descending },
            OrderItem::Text(text) => match text.strip_prefix('-') {
                Some(name) => Self { name: name.to_owned(), descending: true },
                None => Self { name: text, descending: false },
            },
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TimeBody {
    from: Option<String>,
    to: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SqlBody {
    sql: String,
    #[serde(default)]
    params: Vec<Value>,
}

/// The body of `/query`.
pub(crate) fn metrics(body: &[u8]) -> Result<Request, Error> {
    let body: MetricsBody = read(body)?;
    let time = body.time.map(|time| -> Result<TimeConstraint, Error> {
        let range = TimeRange { from: instant("time.from", time.from)?, to: instant("time.to", time.to)? };
        Ok(TimeConstraint::Between(range))
    });
    Ok(Request::Metrics(MetricQuery {
        metrics: named(body.metrics),
        group_by: named(body.group_by),
        filters: body.filters.into(),
        time: time.transpose()?,
        order_by: body.order_by.into_iter().map(OrderBy::from).collect(),
        limit: body.limit,
        ..MetricQuery::default()
    }))
}

fn named<T: From<String>>(names: impl Into<Vec<String>>) -> Vec<T> {
    names.into().into_iter().map(T::from).collect()
}

/// The body of `/sql`.
pub(crate) fn sql(body: &[u8]) -> Result<Request, Error> {
    let body: SqlBody = read(body)?;
    let parameters = body.params.into_iter().map(parameter).collect::<Result<_, _>>()?;
    Ok(Request::Sql { text: body.sql, parameters })
}

/// The body of `/compile`: either of the two.
pub(crate) fn either(body: &[u8]) -> Result<Request, Error> {
    let shape: Value = read(body)?;
    if shape.get("sql").is_some() { sql(body) } else { metrics(body) }
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|error| Error::Invalid(format!("the body does not fit: {error}")))
}

fn instant(name: &str, text: Option<String>) -> Result<Option<Timestamp>, Error> {
    let parse = |text: String| {
        Timestamp::parse(&text)
            .ok_or_else(|| Error::Invalid(format!("'{name}' is not an instant in RFC 3339")))
    };
    text.map(parse).transpose()
}

fn parameter(value: Value) -> Result<ScalarValue, Error> {
    Ok(match value {
        Value::Null => ScalarValue::Null,
        Value::Bool(value) => ScalarValue::Boolean(Some(value)),
        Value::String(text) => ScalarValue::Utf8(Some(text)),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => ScalarValue::Int64(Some(integer)),
            None => ScalarValue::Float64(number.as_f64()),
        },
        Value::Array(_) | Value::Object(_) => {
            return Err(Error::Invalid("a parameter is a text, a number, a boolean or null".into()));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(body: &str) -> MetricQuery {
        match metrics(body.as_bytes()) {
            Ok(Request::Metrics(query)) => query,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_text_stands_for_a_list_of_one_and_a_minus_for_largest_first() {
        let short = query(
            r#"{"metrics":"revenue","group_by":"metric_time","where":"a = 1","order_by":["-revenue"]}"#,
        );
        let long = query(
            r#"{"metrics":["revenue"],"group_by":["metric_time"],"where":["a = 1"],
                "order_by":[{"name":"revenue","descending":true}]}"#,
        );
        assert_eq!(short, long);
        assert!(short.order_by[0].descending);
    }

    #[test]
    fn time_bounds_are_instants() {
        let query = query(r#"{"metrics":"a","time":{"from":"2026-01-01"},"limit":5}"#);
        let from = Timestamp::parse("2026-01-01");
        assert_eq!(query.time, Some(TimeConstraint::Between(TimeRange { from, to: None })));
        assert_eq!(query.limit, Some(5));
        assert!(metrics(br#"{"metrics":"a","time":{"from":"soon"}}"#).is_err());
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_it() {
        for body in
            [r#"{"metrics":"a","groupby":[]}"#, r#"{"metrics":"a","time":{"since":""}}"#, "{}", "[]", ""]
        {
            assert!(metrics(body.as_bytes()).is_err(), "{body}");
        }
        let error = metrics(br#"{"metrics":"a","groupby":[]}"#).expect_err("unknown key");
        assert!(error.to_string().contains("groupby"), "{error}");
    }

    #[test]
    fn parameters_keep_their_type() {
        let Ok(Request::Sql { parameters, .. }) = sql(br#"{"sql":"x","params":[1,1.5,"a",null,true]}"#)
        else {
            panic!("a statement");
        };
        assert_eq!(parameters[0], ScalarValue::Int64(Some(1)));
        assert_eq!(parameters[2], ScalarValue::Utf8(Some("a".into())));
        assert!(sql(br#"{"sql":"x","params":[[1]]}"#).is_err());
    }
}
