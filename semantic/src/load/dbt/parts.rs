//! Small parts of many elements: filters, grains, windows, tables.

use model::Span;

use super::Reader;
use crate::{
    Grain, Relation, TimeGrain, TimeWindow,
    load::{declared::At, fields::Fields},
    names,
    yaml::{Node, NodeValue},
};

impl Reader<'_> {
    /// Filters: one text, a list of texts that must all hold, or the shapes of a manifest.
    pub(super) fn filters(&mut self, fields: &Fields<'_>, key: &str) -> Vec<At<String>> {
        let mut found = Vec::new();
        if let Some(node) = fields.get(key) {
            self.add_filters(node, &mut found);
        }
        found
    }

    fn add_filters(&mut self, node: &Node, found: &mut Vec<At<String>>) {
        match &node.value {
            NodeValue::Scalar { text, .. } => found.push(At::new(text.clone(), &node.span)),
            NodeValue::List(items) => {
                for item in items {
                    match &item.value {
                        NodeValue::Scalar { text, .. } => found.push(At::new(text.clone(), &item.span)),
                        NodeValue::Map(_) => self.add_filters(item, found),
                        NodeValue::Bad | NodeValue::Null => {}
                        NodeValue::List(_) => self.bad_filter(&item.span),
                    }
                }
            }
            NodeValue::Map(_) => match (node.get("where_filters"), node.get("where_sql_template")) {
                (Some(inner), _) | (None, Some(inner)) => self.add_filters(inner, found),
                (None, None) => self.bad_filter(&node.span),
            },
            NodeValue::Bad | NodeValue::Null => {}
        }
    }

    fn bad_filter(&mut self, span: &Span) {
        self.report.error("bad_filter", span, "a filter is a text or a list of texts");
    }

    /// Names in a list, one by one.
    pub(super) fn names(&mut self, fields: &mut Fields<'_>, key: &str) -> Vec<At<String>> {
        fields.texts(key, self.report).into_iter().map(|(text, span)| At { value: text, span }).collect()
    }

    /// A grain of the calendar (V22).
    pub(super) fn grain(&mut self, text: &str, span: &Span) -> Option<Grain> {
        let found = Grain::parse(text);
        if found.is_none() {
            let close = names::closest(text, Grain::ALL.map(Grain::as_str));
            self.report.suggest("unknown_grain", span, format!("'{text}' is not a grain"), close);
        }
        found
    }

    /// A grain that may be one of a time spine; which ones there are is known later.
    pub(super) fn time_grain(&mut self, fields: &mut Fields<'_>, key: &str) -> Option<At<TimeGrain>> {
        let (text, span) = fields.word(key, self.report)?;
        Some(At::new(time_grain(text), span))
    }

    /// `28 days`, or a manifest's `{count, granularity}` (V22).
    pub(super) fn window(&mut self, fields: &mut Fields<'_>, key: &str) -> Option<At<TimeWindow>> {
        let node = fields.get(key)?;
        let window = match &node.value {
            NodeValue::Map(_) => {
                let mut parts = self.open(node, "a window", &["count", "granularity"])?;
                let count = parts.whole("count", 1, self.report)?;
                let (grain, _) = parts.required("granularity", self.report)?;
                u32::try_from(count).ok().map(|count| TimeWindow { count, grain: window_grain(grain) })
            }
            _ => node.text().and_then(parse_window),
        };
        if window.is_none() {
            let shown = node.text().unwrap_or("this");
            let message = format!(
                "'{shown}' is not a window; write '<count> <grain>', e.g. '{}'",
                likely_window(shown)
            );
            self.report.error("bad_window", &node.span, message);
        }
        window.map(|window| At::new(window, &node.span))
    }

    /// `ref('x')`, `source('a', 'x')`, `table`, `schema.table` or `database.schema.table`.
    pub(in crate::load) fn relation(&mut self, text: &str, span: &Span) -> Option<Relation> {
        let found = parse_relation(text);
        if found.is_none() {
            let message = format!(
                "'{text}' is not a relation; write warehouse.order_completed, ref('x') or source('a', 'x')"
            );
            self.report.error("bad_relation", span, message);
        }
        found
    }
}

fn time_grain(text: &str) -> TimeGrain {
    Grain::parse(text).map_or_else(|| TimeGrain::Custom(text.to_lowercase()), TimeGrain::Standard)
}

/// The grain of a window: singular or plural (N8).
fn window_grain(text: &str) -> TimeGrain {
    let lower = text.to_lowercase();
    Grain::parse(&lower)
        .or_else(|| lower.strip_suffix('s').and_then(Grain::parse))
        .map_or(TimeGrain::Custom(lower), TimeGrain::Standard)
}

pub(super) fn parse_window(text: &str) -> Option<TimeWindow> {
    let (count, grain) = text.split_once(' ')?;
    let count: u32 = count.parse().ok().filter(|n| *n > 0)?;
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let starts = grain.starts_with(|c: char| c.is_ascii_alphabetic());
    (starts && grain.bytes().all(fits)).then(|| TimeWindow { count, grain: window_grain(grain) })
}

/// What was probably meant by a window that is not one: `30d` is `30 days`.
fn likely_window(text: &str) -> String {
    let digits: String = text.trim().chars().take_while(char::is_ascii_digit).collect();
    let unit = text.trim()[digits.len()..].trim().to_lowercase();
    let grain = match unit.as_str() {
        "w" => Grain::Week,
        "mo" | "mon" => Grain::Month,
        "q" => Grain::Quarter,
        "y" => Grain::Year,
        "h" => Grain::Hour,
        "m" | "min" => Grain::Minute,
        "s" | "sec" => Grain::Second,
        _ => match window_grain(&unit) {
            TimeGrain::Standard(grain) => grain,
            TimeGrain::Custom(_) => Grain::Day,
        },
    };
    let count = digits.parse::<u32>().ok().filter(|n| *n > 0).unwrap_or(30);
    TimeWindow { count, grain: grain.into() }.to_string()
}

pub(super) fn parse_relation(text: &str) -> Option<Relation> {
    let call = |name: &str| text.trim().strip_prefix(name)?.trim().strip_prefix('(')?.strip_suffix(')');
    let parts: Option<Vec<String>> = match (call("ref"), call("source")) {
        // Two arguments of `ref` are a package and a model.
        (Some(inner), _) => arguments(inner).and_then(|mut parts| Some(vec![parts.pop()?])),
        (_, Some(inner)) => arguments(inner).filter(|parts| parts.len() == 2),
        _ => split_name(text),
    };
    let parts = parts.filter(|parts| parts.iter().all(fits))?;
    match parts.as_slice() {
        [table] => Some(Relation::table("warehouse", table.as_str())),
        [schema, table] => Some(Relation::table(schema.as_str(), table.as_str())),
        [database, schema, name] => Some(Relation::Table {
            database: Some(database.clone()),
            schema: schema.clone(),
            name: name.clone(),
        }),
        _ => None,
    }
}

fn fits(part: &String) -> bool {
    !part.is_empty() && !part.contains(['(', ')', '\'', '"', '`', ';']) && part.trim() == part
}

fn arguments(inner: &str) -> Option<Vec<String>> {
    let unquoted = |part: &str| {
        let part = part.trim();
        let quote = part.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        part.strip_prefix(quote)?.strip_suffix(quote).map(str::to_owned)
    };
    let parts: Vec<String> = inner.split(',').map(unquoted).collect::<Option<_>>()?;
    (1..=2).contains(&parts.len()).then_some(parts)
}

/// A dotted name whose parts may be quoted, as warehouses write them.
pub(super) fn split_name(text: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    loop {
        let close = match rest.chars().next()? {
            '"' => Some('"'),
            '`' => Some('`'),
            '[' => Some(']'),
            _ => None,
        };
        let (part, after) = match close {
            Some(close) => rest[1..].split_once(close)?,
            None => {
                let end = rest.find('.').unwrap_or(rest.len());
                let part = &rest[..end];
                if part.contains(char::is_whitespace) {
                    return None;
                }
                (part, &rest[end..])
            }
        };
        parts.push(part.to_owned());
        match after.strip_prefix('.') {
            Some(next) => rest = next,
            None => return after.is_empty().then_some(parts),
        }
    }
}
