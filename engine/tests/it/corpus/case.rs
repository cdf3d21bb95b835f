use std::{fs, path::Path};

use engine::{GroupBy, MetricQuery, MetricRequest, MetricValue, OrderBy, TimeConstraint};
use model::Timestamp;
use serde_json::Value;

use super::cell::Cell;

/// One question and what is right.
#[derive(Debug)]
pub struct Case {
    pub name: String,
    pub manifest: String,
    pub query: MetricQuery,
    pub check_order: bool,
    /// Kinds of percentiles that not every engine has.
    pub features: Vec<String>,
    /// Engines that are asked; all where none is named.
    pub engines: Vec<String>,
    pub outcome: Outcome,
}

#[derive(Debug)]
pub enum Outcome {
    Rows(Expected),
    /// Refused, with these messages.
    Refused(Vec<String>),
}

#[derive(Debug)]
pub struct Expected {
    pub columns: Vec<String>,
    pub types: Vec<CoarseType>,
    pub row_count: usize,
    /// Empty where the suite has none.
    pub checksum: String,
    pub rel_tol: f64,
    pub truncated: bool,
    pub rows: Vec<Vec<Cell>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CoarseType {
    Boolean,
    Float,
    Int,
    Text,
    Time,
}

/// Every case of a suite, by name.
pub fn read_all(folder: &Path) -> Vec<Case> {
    let mut files: Vec<_> =
        fs::read_dir(folder.join("cases")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let json = files.iter().filter(|file| file.extension().is_some_and(|e| e == "json"));
    json.map(|file| read(file)).collect()
}

fn read(file: &Path) -> Case {
    let name = file.file_stem().unwrap().to_string_lossy().into_owned();
    let case: Value = serde_json::from_str(&fs::read_to_string(file).unwrap())
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    let outcome = match case["expected"].get("refused") {
        Some(messages) => Outcome::Refused(texts(messages)),
        None => Outcome::Rows(expected(&case["expected"])),
    };
    Case {
        manifest: text(&case["manifest"]),
        query: query(&case["query"]),
        check_order: case["check_order"].as_bool().unwrap_or(false),
        features: texts(&case["required_features"]),
        engines: texts(&case["engines"]),
        outcome,
        name,
    }
}

fn query(query: &Value) -> MetricQuery {
    let order = |item: &Value| OrderBy {
        name: text(&item["name"]),
        descending: item["descending"].as_bool().unwrap_or(false),
    };
    let instant = |value: &Value| Timestamp::parse(value.as_str().unwrap()).unwrap();
    let time = match &query["time_constraint"] {
        Value::Null => None,
        range => {
            Some(TimeConstraint::Periods { start: instant(&range["start"]), end: instant(&range["end"]) })
        }
    };
    MetricQuery {
        metrics: list(&query["metrics"]).iter().map(metric).collect(),
        group_by: list(&query["group_by"]).iter().map(group_by).collect(),
        filters: texts(&query["where"]),
        time,
        order_by: list(&query["order_by"]).iter().map(order).collect(),
        limit: query["limit"].as_u64(),
        saved_query: query["saved_query"].as_str().map(str::to_owned),
        keep_duplicates: query["apply_group_by"].as_bool() == Some(false),
        min_max_only: query["min_max_only"].as_bool() == Some(true),
    }
}

/// A name, or `{name, alias, where}`.
fn metric(item: &Value) -> MetricRequest {
    match item.as_str() {
        Some(name) => MetricRequest::named(name),
        None => MetricRequest {
            value: MetricValue::Named(text(&item["name"])),
            alias: item["alias"].as_str().map(str::to_owned),
            filters: texts(&item["where"]),
        },
    }
}

/// `{name, grain?, date_part?}`.
fn group_by(item: &Value) -> GroupBy {
    let name = text(&item["name"]);
    let quoted = name.replace('\'', "''");
    match (item["grain"].as_str(), item["date_part"].as_str()) {
        (None, None) => GroupBy::Name(name),
        (Some(grain), _) => GroupBy::Name(format!("TimeDimension('{quoted}', '{grain}')")),
        (None, Some(part)) => GroupBy::Name(format!("TimeDimension('{quoted}').date_part('{part}')")),
    }
}

fn expected(expected: &Value) -> Expected {
    let types: Vec<CoarseType> = texts(&expected["types"]).iter().map(|name| coarse(name)).collect();
    let row = |row: &Value| list(row).iter().zip(&types).map(|(value, t)| cell(value, *t)).collect();
    let rows: Vec<Vec<Cell>> = list(&expected["rows"]).iter().map(row).collect();
    Expected {
        columns: texts(&expected["columns"]),
        row_count: expected["row_count"].as_u64().map_or(rows.len(), |n| usize::try_from(n).unwrap()),
        checksum: expected["checksum"].as_str().unwrap_or_default().to_owned(),
        rel_tol: expected["rel_tol"].as_f64().unwrap_or(1e-6),
        truncated: expected["truncated"].as_bool().unwrap_or(false),
        rows,
        types,
    }
}

fn coarse(name: &str) -> CoarseType {
    match name {
        "BOOLEAN" => CoarseType::Boolean,
        "FLOAT" => CoarseType::Float,
        "INT" => CoarseType::Int,
        "STRING" => CoarseType::Text,
        "TIME" => CoarseType::Time,
        other => panic!("'{other}' is not a type of a result"),
    }
}

fn cell(value: &Value, coarse: CoarseType) -> Cell {
    let read = match (coarse, value) {
        (_, Value::Null) => Some(Cell::Null),
        (CoarseType::Time, Value::String(text)) => Cell::parse_time(text),
        (CoarseType::Boolean, Value::Bool(value)) => Some(Cell::Boolean(*value)),
        (CoarseType::Text, Value::String(text)) => Some(Cell::Text(text.clone())),
        (CoarseType::Int | CoarseType::Float, Value::Number(number)) => {
            Cell::parse_number(&number.to_string())
        }
        _ => None,
    };
    read.unwrap_or_else(|| panic!("{value} is not a {coarse:?}"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    list(value).iter().map(text).collect()
}
