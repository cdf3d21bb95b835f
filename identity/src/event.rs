use model::{Event, EventType, RecordId, json::Json};
use semantic::IdentityRules;

use crate::{Observation, RecordOrigin, default_blocks::is_blocked_by_default, links::identifier_text};

/// Joins the parts of a merge call's record key.
const PART_SEPARATOR: &str = "\u{1f}";

/// What an event says about its record (`identity.md` §3); `None` when it takes no part in identity
/// resolution. Group traits belong to the group, so nothing of them is read here.
pub fn observe_event(rules: &IdentityRules, event: &Event<'_>) -> Option<Observation> {
    let body = event.json();
    let record = Record::of(rules, event, &body)?;
    let context = body.get("context").unwrap_or(&Json::Null);
    let ids = match &record.merged {
        Some(merged) => merged.to_vec(),
        None => identifiers(event, record.user, &body, context),
    };
    let traits = match event.event_type {
        EventType::Identify => stated_traits(&body, context),
        _ => Vec::new(),
    };
    // A client's clock may be wrong either way: it can neither win for ever nor take every anchor.
    let at = event.timestamp.max(event.received_at.minus(rules.max_backdate)).min(event.received_at);
    let kind = match (&record.merged, record.user) {
        (None, None) => RecordOrigin::Anonymous,
        _ => RecordOrigin::Known,
    };
    let msg = event.message_id.to_owned();
    Some(Observation { rid: record.rid, kind, at, msg, ids, traits, replace: false })
}

/// The record an event belongs to for ever: it follows from the event and the default block list
/// alone. `None` for events without a usable id, and for those whose id the collector made up.
pub fn record_of_event(rules: &IdentityRules, event: &Event<'_>) -> Option<RecordId> {
    // Most events need no look at their body.
    let plain = event.event_type != EventType::Merge && !event.body.contains("syntheticId");
    let body = if plain { Json::Null } else { event.json() };
    Record::of(rules, event, &body).map(|record| record.rid)
}

struct Record<'a> {
    rid: RecordId,
    /// The user id that counts.
    user: Option<&'a str>,
    /// The two identifiers of a merge call.
    merged: Option<[(String, String); 2]>,
}

impl<'a> Record<'a> {
    fn of(rules: &IdentityRules, event: &Event<'a>, body: &Json<'_>) -> Option<Self> {
        if body.path("context.etalon.syntheticId") == Some(&Json::Bool(true)) {
            return None;
        }
        if event.event_type == EventType::Merge {
            let merged = merged_identifiers(body)?;
            let mut parts = merged.each_ref().map(|(name, value)| format!("{name}={value}"));
            parts.sort_unstable();
            let rid = RecordId::new(format!("{}:merge:{}", event.source, parts.join(PART_SEPARATOR)));
            return Some(Self { rid, user: None, merged: Some(merged) });
        }
        let is_absent =
            |id: &str| id.trim().is_empty() || (rules.default_blocks && is_blocked_by_default(id.trim()));
        let user = event.user_id.filter(|id| !is_absent(id));
        let rid = event.record_id(is_absent)?;
        Some(Self { rid, user, merged: None })
    }
}

fn merged_identifiers(body: &Json<'_>) -> Option<[(String, String); 2]> {
    let Json::Array(items) = body.get("mergeProperties")? else { return None };
    let identifier = |item: &Json<'_>| {
        let name = item.get("type")?.as_str()?.to_owned();
        Some((name, identifier_text(item.get("value")?)?))
    };
    let [first, second] = items.as_slice() else { return None };
    Some([identifier(first)?, identifier(second)?])
}

fn identifiers(
    event: &Event<'_>,
    user: Option<&str>,
    body: &Json<'_>,
    context: &Json<'_>,
) -> Vec<(String, String)> {
    let mut ids: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.trim().is_empty()) {
            ids.push((name.to_owned(), value));
        }
    };
    add("user_id", user.map(str::to_owned));
    add("anonymous_id", event.anonymous_id.map(str::to_owned));
    if event.event_type == EventType::Alias && user.is_some() {
        let previous = body.get("previousId").and_then(identifier_text);
        add("anonymous_id", previous.filter(|previous| Some(previous.as_str()) != user));
    }
    let device = context.get("device").unwrap_or(&Json::Null);
    add("device_id", device.get("id").and_then(identifier_text));
    add("advertising_id", device.get("advertisingId").and_then(identifier_text));
    if let Some(Json::Array(external)) = context.get("externalIds") {
        for item in external {
            if let Some(name) = item.get("type").and_then(Json::as_str) {
                add(name, item.get("id").and_then(identifier_text));
            }
        }
    }
    // Only an identify call's own traits are the person's.
    let own = if event.event_type == EventType::Identify { body.get("traits") } else { None };
    for name in ["email", "phone"] {
        let stated = own.and_then(|traits| traits.get(name));
        let stated = stated.or_else(|| context.get("traits").and_then(|traits| traits.get(name)));
        // An explicit null is a mention: it clears the value where only the latest one counts.
        if stated == Some(&Json::Null) {
            ids.push((name.to_owned(), String::new()));
        } else if let Some(value) = stated.and_then(identifier_text) {
            ids.push((name.to_owned(), value));
        }
    }
    ids
}

/// Traits of an identify call: those of the context, overlaid by its own.
fn stated_traits(body: &Json<'_>, context: &Json<'_>) -> Vec<(String, String)> {
    let own = body.get("traits").map_or(&[][..], Json::members);
    let cached = context.get("traits").map_or(&[][..], Json::members);
    let overlaid = |name: &str| own.iter().any(|(own, _)| own == name);
    let cached = cached.iter().filter(|(name, _)| !overlaid(name));
    cached.chain(own).map(|(name, value)| (name.to_string(), value.to_text())).collect()
}
