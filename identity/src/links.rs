use std::borrow::Cow;

use model::{RecordId, json::Json};

use crate::{
    fold::Folded,
    rules::{Rules, TypeRule},
};

/// Joins the parts of a composite value.
const PART_SEPARATOR: &str = "\u{1f}";

/// A normalised, usable value that a record carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link<'a> {
    /// Position of the type in priority order.
    pub(crate) kind: u16,
    pub(crate) value: Cow<'a, str>,
    pub(crate) first: i64,
    pub(crate) last: i64,
    /// The value or the record is blocked: no link of F1.
    pub(crate) blocked: bool,
}

/// All values of a record, each once, by type and value (F1 and what it leaves out).
pub(crate) fn links_of<'a>(rules: &Rules, rid: &RecordId, folded: &Folded<'a>) -> Vec<Link<'a>> {
    let record_blocked = rules.is_record_blocked(rid);
    let mut links: Vec<Link<'a>> = Vec::with_capacity(folded.links.len());
    for (kind, rule) in rules.types.iter().enumerate() {
        let from = links.len();
        let mut add = |value: Cow<'a, str>, first: i64, last: i64| {
            let blocked = record_blocked || rules.is_blocked(rule, &value);
            match links[from..].iter_mut().find(|link| link.value == value) {
                Some(link) => (link.first, link.last) = (link.first.min(first), link.last.max(last)),
                None => links.push(Link { kind: kind as u16, value, first, last, blocked }),
            }
        };
        if rule.from.is_empty() {
            stated_values(rule, folded, &mut add);
        } else if let Some((value, first, last)) = composite(rule, folded) {
            add(value.into(), first, last);
        }
        links[from..].sort_unstable_by(|a, b| a.value.cmp(&b.value));
    }
    links
}

fn stated_values<'a>(rule: &TypeRule, folded: &Folded<'a>, add: &mut impl FnMut(Cow<'a, str>, i64, i64)) {
    let mentions = || folded.links.iter().filter(|link| link.name == rule.name);
    let newest = if rule.keep_latest { mentions().map(|link| link.last).max() } else { None };
    for link in mentions().filter(|link| newest.is_none_or(|newest| link.last == newest)) {
        if let Some(value) = rule.normalize(link.raw) {
            add(value, link.first, link.last.at);
        }
    }
}

/// The value of a composite with the time of its newest part; `None` when a part is missing.
fn composite(rule: &TypeRule, folded: &Folded<'_>) -> Option<(String, i64, i64)> {
    let mut value = String::new();
    let mut newest = i64::MIN;
    for (i, name) in rule.from.iter().enumerate() {
        let (json, at) = folded.trait_json(name)?;
        let raw = part_text(json)?;
        if i > 0 {
            value.push_str(PART_SEPARATOR);
        }
        value.push_str(&rule.normalize(&raw)?);
        newest = newest.max(at);
    }
    (value.len() <= 512).then_some((value, newest, newest))
}

/// Text, and integers as decimal text, carry an identifier; nothing else does.
fn part_text(json: &str) -> Option<String> {
    identifier_text(&Json::parse(json.as_bytes()).ok()?.value)
}

pub(crate) fn identifier_text(value: &Json<'_>) -> Option<String> {
    match value {
        Json::String(text) => Some(text.to_string()),
        Json::Number(text) => {
            let digits = text.strip_prefix('-').unwrap_or(text);
            digits.bytes().all(|b| b.is_ascii_digit()).then(|| (*text).to_owned())
        }
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
    }
}
