use std::{collections::HashMap, time::Duration};

use model::{AudienceName, Secret, Span};

use super::{
    duration,
    fields::{Fields, duplicate, unsupported},
    merge::Document,
};
use crate::{
    Audience, Subscription, names,
    report::Report,
    yaml::{Node, NodeValue},
};

const KEYS: [&str; 7] = ["name", "url", "secret", "audiences", "format", "order", "batch"];
const LATER: [&str; 6] = ["changes", "traits", "transitions", "rate", "identifiers", "headers"];

pub(super) fn read(
    document: &Document<'_>,
    audiences: &[Audience],
    report: &mut Report,
) -> Vec<Subscription> {
    let mut found: Vec<Subscription> = Vec::new();
    let mut seen: HashMap<String, Span> = HashMap::new();
    for node in document.items("subscriptions", report) {
        let Some((subscription, span)) = read_one(node, audiences, report) else { continue };
        if let Some(first) = seen.get(&subscription.name) {
            duplicate("subscription", &subscription.name, first, &span, report);
        }
        seen.entry(subscription.name.clone()).or_insert(span);
        found.push(subscription);
    }
    found
}

/// What the subscriptions say, without their secrets, which no hash or log may hold.
pub(super) fn content(subscriptions: &[Subscription]) -> Vec<(&str, &str, &[AudienceName], usize, Duration)> {
    subscriptions
        .iter()
        .map(|s| (s.name.as_str(), s.url.as_str(), s.audiences.as_slice(), s.batch_max, s.batch_linger))
        .collect()
}

fn read_one(node: &Node, audiences: &[Audience], report: &mut Report) -> Option<(Subscription, Span)> {
    let mut fields = Fields::open(node, "a subscription", &KEYS, &LATER, report)?;
    let name = fields.required("name", report);
    if let Some((name, span)) = name.filter(|(name, _)| !names::is_plain_name(name)) {
        report.error("bad_name", span, format!("'{name}' is not a valid name: use lower case letters, digits and single underscores, start with a letter"));
    }
    let url = fields.required("url", report);
    if let Some((url, span)) = url {
        let host = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
        if host.is_none_or(|h| h.is_empty() || h.starts_with('/')) {
            report.error("bad_value", span, "a url starts with http:// or https:// and names a host");
        }
    }
    let secrets = fields.texts("secret", report);
    for (secret, span) in &secrets {
        // The secret itself must never be repeated in a message.
        if secret.starts_with("whsk_") {
            unsupported("signing with ed25519 ('whsk_')", span, report);
        } else if secret.strip_prefix("whsec_").is_none_or(|s| s.len() < 24) {
            report.error("bad_value", span, "a secret is 'whsec_' and at least 24 characters of base64");
        }
    }
    if secrets.is_empty() && node.get("secret").is_none_or(|n| n.is_null()) {
        report.error("missing_key", fields.span(), "a subscription needs 'secret'");
    }
    let wanted = fields.texts("audiences", report);
    for (audience, span) in &wanted {
        if !audiences.iter().any(|a| a.name.as_str() == *audience) {
            let close = names::closest(audience, audiences.iter().map(|a| a.name.as_str()));
            report.suggest("unknown_audience", span, format!("unknown audience '{audience}'"), close);
        }
    }
    only("format", "etalon", &mut fields, report);
    only("order", "per_profile", &mut fields, report);
    let (batch_max, batch_linger) = batch(&mut fields, report);
    let (name, span) = name?;
    let subscription = Subscription {
        name: name.to_owned(),
        url: url?.0.to_owned(),
        secrets: secrets.into_iter().map(|(s, _)| Secret::new(s)).collect(),
        audiences: wanted.iter().map(|(a, _)| AudienceName::from(a.as_str())).collect(),
        batch_max,
        batch_linger,
    };
    Some((subscription, span.clone()))
}

/// A key of which this version offers one value.
fn only(key: &str, offered: &str, fields: &mut Fields<'_>, report: &mut Report) {
    if let Some((text, span)) = fields.word(key, report).filter(|(text, _)| *text != offered) {
        unsupported(&format!("{key} '{text}'"), span, report);
    }
}

fn batch(fields: &mut Fields<'_>, report: &mut Report) -> (usize, Duration) {
    let mut max = 100;
    let mut linger = Duration::from_millis(5);
    let Some(node) = fields.get("batch") else { return (max, linger) };
    if matches!(node.value, NodeValue::Bad) {
        return (max, linger);
    }
    let Some(mut batch) = Fields::open(node, "batch", &["max", "linger"], &["bytes"], report) else {
        return (max, linger);
    };
    if let Some(number) = batch.whole("max", 1, report) {
        max = usize::try_from(number).unwrap_or(usize::MAX);
    }
    if let Some((text, span)) = batch.word("linger", report) {
        match duration::parse(text) {
            Some(duration) => linger = duration,
            None => report.error("bad_duration", span, format!("'{text}' is not a duration such as 5ms")),
        }
    }
    (max, linger)
}
