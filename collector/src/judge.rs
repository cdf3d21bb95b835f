use std::{borrow::Cow, net::IpAddr};

use model::{
    DeadLetter, Event, EventType, NewRecord, Offset, RecordKind, Timestamp,
    json::{Json, Parsed, Reason as ParseReason},
};
use semantic::{OnViolation, TrackingPlan};

use crate::{
    Flavour, IpRule, Options,
    dedup::Fingerprint,
    ids::clean,
    reason::{Reason, Refusal},
    rewrite,
    source::{Source, Sources},
    statistics::Notes,
    times::{ClockRule, Times},
    webhook,
};

/// What all items of a request share.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) source: &'a Source,
    pub(crate) sources: &'a Sources,
    pub(crate) plan: &'a TrackingPlan,
    pub(crate) options: &'a Options,
    /// The type the path gave; it wins over `type`.
    pub(crate) path_type: Option<EventType>,
    pub(crate) import: bool,
    /// Webhook calls need no ids; those that were made up take no part in identity resolution.
    pub(crate) webhook: bool,
    pub(crate) received: Timestamp,
    pub(crate) sent: Option<Timestamp>,
    /// The sender's address, before the source's IP rule.
    pub(crate) sender: Option<IpAddr>,
    /// The request came from a page.
    pub(crate) browser: bool,
    pub(crate) request_id: &'a str,
    /// Batch-level `context` and `integrations`, merged into each item.
    pub(crate) context: Option<Json<'a>>,
    pub(crate) integrations: Option<Json<'a>>,
    /// The dead letter that is being replayed.
    pub(crate) replayed_from: Option<Offset>,
}

/// An item turned into the record that stands for it.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) record: NewRecord,
    /// Key of an accepted event that came with a message id.
    pub(crate) fingerprint: Option<Fingerprint>,
    /// Key of what a webhook delivery said, beside its idempotency key.
    pub(crate) content: Option<Fingerprint>,
    /// Why it is a dead letter, if it is one.
    pub(crate) refused: Option<Refusal>,
}

/// Decides one item: an event, or a dead letter with its reason. Looks at nothing but its arguments.
pub(crate) fn judge(raw: &[u8], index: u32, call: &Call<'_>, notes: &mut Notes) -> Judged {
    let (refusal, value) = match parse(raw) {
        Err(refusal) => (refusal, Json::Null),
        Ok(parsed) => {
            let mut value = parsed.value;
            let mut draft =
                Draft { raw, dirty: parsed.mended != Default::default(), notes: Notes::default() };
            draft.notes.non_finite = parsed.mended.non_finite;
            draft.notes.mended_text = parsed.mended.text;
            draft.notes.repeated_keys = parsed.mended.keys;
            match draft.accept(&mut value, call) {
                Ok(judged) => {
                    notes.add(draft.notes);
                    return judged;
                }
                Err(refusal) => (refusal, value),
            }
        }
    };
    let letter = letter(raw, index, call, &refusal, &value);
    let record = NewRecord { kind: RecordKind::DeadLetter, payload: letter.encode() };
    Judged { record, fingerprint: None, content: None, refused: Some(refusal) }
}

fn parse(raw: &[u8]) -> Result<Parsed<'_>, Refusal> {
    Json::parse(raw).map_err(|error| {
        let reason = match error.reason {
            ParseReason::Syntax => Reason::Unparsable,
            ParseReason::TooDeep => Reason::TooDeep,
        };
        Refusal::new(reason, "", error.to_string())
    })
}

/// The dead letter of an item, with whatever of it could be read.
pub(crate) fn letter(
    raw: &[u8],
    index: u32,
    call: &Call<'_>,
    refusal: &Refusal,
    value: &Json<'_>,
) -> DeadLetter {
    let text = |key| clean(value.get(key)).map(Cow::into_owned);
    DeadLetter {
        received_at: call.received,
        source: call.source.name.to_string(),
        request_id: call.request_id.to_owned(),
        index,
        reason: refusal.reason.as_str().to_owned(),
        pointer: refusal.pointer.clone(),
        message: refusal.message.clone(),
        raw: raw.to_vec(),
        path_type: call.path_type.map(|t| t.as_str().to_owned()),
        message_id: text("messageId"),
        event_type: call.path_type.map(|t| t.as_str().to_owned()).or_else(|| text("type")),
        event: text("event").or_else(|| text("name")),
        user_id: text("userId"),
        anonymous_id: text("anonymousId"),
    }
}

/// An item on its way to being an event.
struct Draft<'r> {
    raw: &'r [u8],
    /// The text as sent is no longer what is stored.
    dirty: bool,
    notes: Notes,
}

impl Draft<'_> {
    /// The checks of `collector.md` §9, in their order; the first that fails names the reason.
    fn accept<'a>(&mut self, value: &mut Json<'a>, call: &Call<'a>) -> Result<Judged, Refusal> {
        self.check_shape(value, call)?;
        let event_type = event_type(value, call)?;
        check_ids(value, event_type, call)?;
        check_target(value, event_type)?;
        self.merge(value, call);
        self.check_plan(value, event_type, call)?;
        let times = self.times(value, call);
        let request_ip = self.address(value, call);
        Ok(self.seal(value, event_type, times, request_ip, call))
    }

    fn check_shape(&self, value: &Json<'_>, call: &Call<'_>) -> Result<(), Refusal> {
        if !matches!(value, Json::Object(_)) {
            return Err(Refusal::new(Reason::NotAnObject, "", "an event is a JSON object"));
        }
        let limit = call.options.max_event_bytes;
        if self.raw.len() > limit {
            let message = format!("{} bytes, {limit} are allowed", self.raw.len());
            return Err(Refusal::new(Reason::EventTooLarge, "", message));
        }
        let limit = call.options.max_properties;
        // A property takes at least five bytes, so a short event need not be counted.
        if self.raw.len() / 5 > limit {
            let count: usize =
                ["properties", "traits"].iter().filter_map(|k| value.get(k)).map(members).sum();
            if count > limit {
                let message = format!("{count} properties, {limit} are allowed");
                return Err(Refusal::new(Reason::TooManyProperties, "/properties", message));
            }
        }
        let key = value.get("writeKey").and_then(Json::as_str).filter(|key| !key.is_empty());
        match key {
            Some(key) if key != call.source.key() => {
                let same = call.sources.find(key).is_some_and(|s| s.name == call.source.name);
                let refusal =
                    || Refusal::new(Reason::KeyMismatch, "/writeKey", "the write key is of another source");
                if same { Ok(()) } else { Err(refusal()) }
            }
            _ => Ok(()),
        }
    }

    /// Batch-level context and integrations (C-27), and where a replayed event came from.
    fn merge<'a>(&mut self, value: &mut Json<'a>, call: &Call<'a>) {
        for (key, defaults) in [("context", &call.context), ("integrations", &call.integrations)] {
            if let Some(defaults) = defaults {
                self.dirty |= rewrite::overlay(value, key, defaults);
            }
        }
        if let Some(offset) = call.replayed_from {
            let id = Json::String(Cow::Owned(offset.to_string()));
            rewrite::set(value, &["context", "etalon", "replayedFrom"], id);
            self.dirty = true;
        }
    }

    fn check_plan(
        &mut self,
        value: &Json<'_>,
        event_type: EventType,
        call: &Call<'_>,
    ) -> Result<(), Refusal> {
        let name = value.get("event").and_then(Json::as_str);
        let (EventType::Track, Some(name)) = (event_type, name) else { return Ok(()) };
        let violations = call.plan.violations(name, value);
        let Some(first) = violations.first() else { return Ok(()) };
        if call.plan.event(name).is_some_and(|planned| planned.on_violation == OnViolation::Keep) {
            self.notes.plan_violations_kept += 1;
            return Ok(());
        }
        let all: Vec<String> = violations.iter().map(|v| format!("{}: {}", v.pointer, v.message)).collect();
        Err(Refusal::new(Reason::PlanViolation, &first.pointer, all.join("; ")))
    }

    fn times(&mut self, value: &Json<'_>, call: &Call<'_>) -> Times {
        let rule = ClockRule {
            flavour: call.source.flavour,
            import: call.import,
            received: call.received,
            batch_sent: call.sent,
        };
        let times = rule.times(value);
        self.notes.future_timestamp += u32::from(times.future);
        times
    }

    /// Applies the source's IP rule to the sender's address and to `context.ip`, and fills the latter
    /// for browser and mobile sources of the Segment flavour.
    fn address(&mut self, value: &mut Json<'_>, call: &Call<'_>) -> Option<IpAddr> {
        let rule = call.source.ip;
        let sender = call.sender.and_then(|ip| rule.apply(ip));
        let context = value.get("context");
        let present = context.and_then(|c| c.get("ip")).and_then(Json::as_str).filter(|ip| !ip.is_empty());
        let kept = match (present, rule) {
            (Some(_), IpRule::Keep) => return sender,
            (Some(text), _) => text.trim().parse().ok().and_then(|ip| rule.apply(ip)),
            (None, _) if fills_ip(context, call) => sender,
            (None, _) => return sender,
        };
        self.dirty = true;
        match kept {
            Some(ip) => rewrite::set(value, &["context", "ip"], Json::String(Cow::Owned(ip.to_string()))),
            None => rewrite::remove(value, &["context", "ip"]),
        }
        sender
    }

    fn seal(
        &mut self,
        value: &Json<'_>,
        event_type: EventType,
        times: Times,
        request_ip: Option<IpAddr>,
        call: &Call<'_>,
    ) -> Judged {
        let source = call.source.name.as_str();
        let sent_id = clean(value.get("messageId"));
        let fingerprint = sent_id.as_deref().map(|id| Fingerprint::of(source, id));
        let (message_id, fingerprint) = match (sent_id, call.replayed_from) {
            (Some(id), _) => (id, fingerprint),
            // The same id on every replay, so that replaying twice stores once.
            (None, Some(offset)) => {
                let id = format!("dead-letter-{offset}");
                let fingerprint = Fingerprint::of(source, &id);
                (Cow::Owned(id), Some(fingerprint))
            }
            (None, None) => {
                self.notes.without_message_id += 1;
                (Cow::Owned(uuid::Uuid::new_v4().to_string()), None)
            }
        };
        let (user_id, anonymous_id) = (clean(value.get("userId")), clean(value.get("anonymousId")));
        let body = match std::str::from_utf8(self.raw) {
            Ok(text) if !self.dirty => Cow::Borrowed(text),
            _ => Cow::Owned(value.to_text()),
        };
        let event = Event {
            source,
            message_id: &message_id,
            event_type,
            name: name(value, event_type),
            user_id: user_id.as_deref(),
            anonymous_id: anonymous_id.as_deref().filter(|_| !(call.webhook && synthetic(value))),
            timestamp: times.timestamp,
            original_timestamp: times.original,
            sent_at: times.sent,
            received_at: call.received,
            request_ip,
            body: &body,
        };
        let record = NewRecord { kind: RecordKind::Event, payload: event.encode() };
        let content = call.webhook.then(|| {
            let text = webhook::properties_text(value);
            Fingerprint::of_content(source, &message_id, &text)
        });
        Judged { record, fingerprint, content: content.filter(|_| fingerprint.is_some()), refused: None }
    }
}

fn event_type(value: &Json<'_>, call: &Call<'_>) -> Result<EventType, Refusal> {
    let sent = || value.get("type").and_then(Json::as_str).and_then(|text| EventType::parse(text.trim()));
    call.path_type.or_else(sent).ok_or_else(|| {
        let message = "type is not identify, track, page, screen, group, alias or merge";
        Refusal::new(Reason::UnknownType, "/type", message)
    })
}

fn check_ids(value: &Json<'_>, event_type: EventType, call: &Call<'_>) -> Result<(), Refusal> {
    let has = |key| clean(value.get(key)).is_some();
    let merges = event_type == EventType::Merge && value.get("mergeProperties").is_some_and(|m| !m.is_null());
    if has("userId") || has("anonymousId") || merges || call.webhook {
        return Ok(());
    }
    Err(Refusal::new(Reason::MissingIds, "/userId", "neither userId nor anonymousId"))
}

/// What a call of this type must name.
fn check_target(value: &Json<'_>, event_type: EventType) -> Result<(), Refusal> {
    let missing = |reason, pointer, message| Err(Refusal::new(reason, pointer, message));
    let has = |key| clean(value.get(key)).is_some();
    let named = || value.get("event").and_then(Json::as_str).is_some_and(|e| !e.trim().is_empty());
    match event_type {
        EventType::Track if !named() => {
            missing(Reason::MissingEvent, "/event", "a track call names its event")
        }
        EventType::Group if !has("groupId") => {
            missing(Reason::MissingTarget, "/groupId", "a group call has a groupId")
        }
        EventType::Alias if !has("previousId") => {
            missing(Reason::MissingTarget, "/previousId", "an alias call has a previousId")
        }
        _ => Ok(()),
    }
}

/// `event` of a track call; `name` of a page or screen call, else the property of that name.
fn name<'v>(value: &'v Json<'_>, event_type: EventType) -> Option<&'v str> {
    let text = |value: Option<&'v Json<'_>>| value.and_then(Json::as_str).filter(|text| !text.is_empty());
    match event_type {
        EventType::Track => text(value.get("event")),
        EventType::Page | EventType::Screen => {
            text(value.get("name")).or_else(|| text(value.get("properties")?.get("name")))
        }
        _ => None,
    }
}

fn fills_ip(context: Option<&Json<'_>>, call: &Call<'_>) -> bool {
    const MOBILE: [&str; 6] = ["android", "ios", "kotlin", "swift", "react-native", "flutter"];
    if call.source.flavour != Flavour::Segment {
        return false;
    }
    let field = |key| context.and_then(|c| c.get(key));
    let direct = matches!(field("direct"), Some(Json::Bool(true)));
    let library = field("library").and_then(|l| l.get("name")).and_then(Json::as_str).unwrap_or_default();
    call.browser || direct || library == "analytics.js" || MOBILE.iter().any(|m| library.contains(m))
}

fn synthetic(value: &Json<'_>) -> bool {
    let mark = value.get("context").and_then(|c| c.get("etalon")).and_then(|e| e.get("syntheticId"));
    matches!(mark, Some(Json::Bool(true)))
}

/// Members of objects at any depth.
fn members(value: &Json<'_>) -> usize {
    match value {
        Json::Object(members_) => members_.iter().map(|(_, v)| 1 + members(v)).sum(),
        Json::Array(items) => items.iter().map(members).sum(),
        _ => 0,
    }
}

impl Notes {
    pub(crate) fn add(&mut self, other: Self) {
        self.non_finite += other.non_finite;
        self.mended_text += other.mended_text;
        self.repeated_keys += other.repeated_keys;
        self.future_timestamp += other.future_timestamp;
        self.without_message_id += other.without_message_id;
        self.webhook_without_key += other.webhook_without_key;
        self.plan_violations_kept += other.plan_violations_kept;
    }
}

#[cfg(test)]
mod tests;
