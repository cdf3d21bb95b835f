use std::collections::HashMap;

use model::{ColumnType, Span, naming};

use super::{
    fields::{Fields, duplicate},
    merge::Document,
    operator,
};
use crate::{
    Literal, OnViolation, PlannedEvent, PlannedProperty, TrackingPlan, Unplanned, names, report::Report,
    violations::Decimal, yaml::Node,
};

/// Columns every event table has; a property of such a column name would hide it.
const COMMON: [&str; 2] = ["id", "profile_id"];

pub(super) fn read(document: &Document<'_>, report: &mut Report) -> TrackingPlan {
    let mut unplanned: Option<(Unplanned, &Span)> = None;
    let mut events = Vec::new();
    let mut names: HashMap<String, Span> = HashMap::new();
    let mut tables: HashMap<String, (String, Span)> = HashMap::new();
    for node in document.all("tracking_plan") {
        let Some(mut fields) =
            Fields::open(node, "tracking_plan", &["unplanned_events", "events"], &[], report)
        else {
            continue;
        };
        let choices = [("accept", Unplanned::Accept), ("reject", Unplanned::Reject)];
        if let Some(choice) = fields.choice("unplanned_events", &choices, report) {
            let span = fields.place_of("unplanned_events");
            if let Some((_, first)) = unplanned.replace((choice, span)) {
                duplicate("key", "unplanned_events", first, span, report);
            }
        }
        for item in fields.list("events", report) {
            let Some((event, span)) = read_event(item, report) else { continue };
            if let Some(first) = names.get(&event.name) {
                duplicate("event", &event.name, first, &span, report);
            } else if let Some((other, first)) = tables.get(&event.table) {
                let message = format!(
                    "events '{}' and '{other}' (at {first}) would share the table '{}'",
                    event.name, event.table
                );
                report.error("duplicate_name", &span, message);
            }
            names.entry(event.name.clone()).or_insert_with(|| span.clone());
            tables.entry(event.table.clone()).or_insert_with(|| (event.name.clone(), span));
            events.push(event);
        }
    }
    TrackingPlan::new(unplanned.map(|(u, _)| u).unwrap_or_default(), events)
}

fn read_event(node: &Node, report: &mut Report) -> Option<(PlannedEvent, Span)> {
    let mut fields =
        Fields::open(node, "an event", &["name", "description", "on_violation", "properties"], &[], report)?;
    let (name, span) = fields.required("name", report)?;
    if name.trim().is_empty() {
        report.error("bad_name", span, "an event needs a name");
    }
    fields.word("description", report);
    let choices = [("reject", OnViolation::Reject), ("keep", OnViolation::Keep)];
    let on_violation = fields.choice("on_violation", &choices, report).unwrap_or_default();
    let mut properties = Vec::new();
    let mut columns: HashMap<String, (String, Span)> = HashMap::new();
    if let Some(node) = fields.get("properties") {
        if node.members().is_empty() && !matches!(&node.value, crate::yaml::NodeValue::Map(_)) {
            report.error("bad_value", &node.span, "properties must be a mapping of names to types");
        }
        for (key, value) in node.members() {
            let Some(property) = read_property(&key.text, value, report) else { continue };
            if COMMON.contains(&property.column.as_str()) {
                let message = format!(
                    "property '{}' would hide the column '{}' of the event",
                    key.text, property.column
                );
                report.error("reserved_name", &key.span, message);
            }
            if let Some((other, first)) = columns.get(&property.column) {
                let message = format!(
                    "properties '{}' and '{other}' (at {first}) would share the column '{}'",
                    key.text, property.column
                );
                report.error("duplicate_name", &key.span, message);
            }
            columns.entry(property.column.clone()).or_insert_with(|| (key.text.clone(), key.span.clone()));
            properties.push(property);
        }
    }
    let table = naming::event_table_name(name);
    Some((PlannedEvent { name: name.to_owned(), table, on_violation, properties }, span.clone()))
}

fn read_property(name: &str, node: &Node, report: &mut Report) -> Option<PlannedProperty> {
    let keys = ["type", "required", "minimum", "maximum", "enum", "description"];
    let mut fields = Fields::open(node, "a property", &keys, &[], report)?;
    let column_type = fields.required("type", report).and_then(|t| read_type(t, report));
    let required = fields.boolean("required", false, report);
    fields.word("description", report);
    let bound = |key: &str, report: &mut Report| {
        let node = fields.get(key)?;
        let number = node.as_number().filter(|n| Decimal::parse(n).is_some());
        if number.is_none() {
            report.error("bad_value", &node.span, format!("'{key}' must be a number"));
        }
        number.map(|n| (n.to_owned(), node.span.clone()))
    };
    let (minimum, maximum) = (bound("minimum", report), bound("maximum", report));
    if let Some((_, span)) = minimum.as_ref().or(maximum.as_ref())
        && column_type.is_some_and(|t| !is_numeric(t))
    {
        report.error("bad_value", span, "minimum and maximum need a property of a number type");
    }
    if let (Some((low, _)), Some((high, span))) = (&minimum, &maximum)
        && Decimal::parse(low) > Decimal::parse(high)
    {
        report.error("bad_value", span, format!("maximum {high} is less than minimum {low}"));
    }
    let one_of =
        fields.list("enum", report).iter().filter_map(|n| operator::literal(n, report)).collect::<Vec<_>>();
    for (literal, node) in one_of.iter().zip(fields.list("enum", report)) {
        let fits = match literal {
            Literal::Number(_) => column_type.is_none_or(is_numeric),
            Literal::Bool(_) => column_type.is_none_or(|t| t == ColumnType::Boolean),
            _ => column_type.is_none_or(|t| !is_numeric(t) && t != ColumnType::Boolean),
        };
        if !fits {
            report.error("bad_value", &node.span, "this value of enum is not of the property's type");
        }
    }
    Some(PlannedProperty {
        name: name.to_owned(),
        column: naming::column_name(name),
        column_type: column_type?,
        required,
        minimum: minimum.map(|(n, _)| n),
        maximum: maximum.map(|(n, _)| n),
        one_of,
    })
}

/// Reads a column type, with a close one to try instead.
pub(super) fn read_type((text, span): (&str, &Span), report: &mut Report) -> Option<ColumnType> {
    let found = ColumnType::parse(text);
    if found.is_none() {
        let types = [
            "string",
            "boolean",
            "int64",
            "float64",
            "decimal(12,2)",
            "date",
            "timestamp",
            "uuid",
            "json",
            "array",
        ];
        let alias = match text {
            "text" | "varchar" => Some("string".to_owned()),
            "int" | "integer" | "bigint" => Some("int64".to_owned()),
            "float" | "double" | "number" => Some("float64".to_owned()),
            "bool" => Some("boolean".to_owned()),
            "datetime" => Some("timestamp".to_owned()),
            "decimal" => Some("decimal(12,2)".to_owned()),
            _ => names::closest(text, types),
        };
        report.suggest("unknown_type", span, format!("unknown type '{text}'"), alias);
    }
    found
}

fn is_numeric(column_type: ColumnType) -> bool {
    matches!(column_type, ColumnType::Int64 | ColumnType::Float64 | ColumnType::Decimal { .. })
}
