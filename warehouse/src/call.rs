//! One tracking call, taken apart once for all tables it goes to.

use std::borrow::Cow;

use model::{CodecError, Event, EventType, RecordId, Timestamp, json::Json};

use crate::{
    fit::{canonical, is_empty},
    spec::EventRow,
};

/// The parts of a call that have columns of their own, and the rest.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) row: &'a EventRow,
    pub(crate) event: Event<'a>,
    pub(crate) loaded_at: Timestamp,
    pub(crate) channel: Option<String>,
    pub(crate) group_id: Option<String>,
    pub(crate) previous_id: Option<String>,
    pub(crate) category: Option<String>,
    /// `name` of a page or screen, else its `properties.name`.
    pub(crate) title: Option<String>,
    pub(crate) context: Option<Json<'a>>,
    /// `properties`, or the traits, whichever the call has by its type.
    pub(crate) payload: Option<Json<'a>>,
    /// Members of the call without a column, by their raw names.
    pub(crate) rest: Vec<(Cow<'a, str>, Json<'a>)>,
}

/// Which member the call's own values are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Payload {
    Properties,
    Traits,
    None,
}

pub(crate) fn payload_of(event_type: EventType) -> Payload {
    match event_type {
        EventType::Track | EventType::Page | EventType::Screen => Payload::Properties,
        EventType::Identify | EventType::Group | EventType::Alias => Payload::Traits,
        EventType::Merge => Payload::None,
    }
}

impl<'a> Call<'a> {
    pub(crate) fn read(row: &'a EventRow, loaded_at: Timestamp) -> Result<Self, CodecError> {
        let event = Event::decode(&row.payload)?;
        let mut call = Self {
            row,
            loaded_at,
            channel: None,
            group_id: None,
            previous_id: None,
            category: None,
            title: None,
            context: None,
            payload: None,
            rest: Vec::new(),
            event,
        };
        if let Json::Object(members) = call.event.json() {
            for (key, value) in members {
                call.take(key, value);
            }
        }
        call.overlay_traits();
        call.take_view_names();
        Ok(call)
    }

    pub(crate) fn record_id(&self) -> Option<&str> {
        self.row.record_id.as_ref().map(RecordId::as_str)
    }

    /// `context.ip` where it was sent as a text.
    pub(crate) fn passed_ip(&self) -> Option<&str> {
        self.context.as_ref()?.get("ip")?.as_str().filter(|ip| !ip.is_empty())
    }

    /// Puts one member where it belongs; what a column does not say exactly goes to the rest (W-1).
    fn take(&mut self, key: Cow<'a, str>, value: Json<'a>) {
        let kind = self.event.event_type;
        let view = matches!(kind, EventType::Page | EventType::Screen);
        let said = match (key.as_ref(), &value) {
            ("context", Json::Object(_)) => return self.context = Some(value),
            ("properties", Json::Object(_)) if payload_of(kind) == Payload::Properties => {
                return self.payload = Some(value);
            }
            ("traits", Json::Object(_)) if payload_of(kind) == Payload::Traits => {
                return self.payload = Some(value);
            }
            ("channel", Json::String(text)) => set(&mut self.channel, text),
            ("groupId", Json::String(text)) if kind == EventType::Group => set(&mut self.group_id, text),
            ("previousId", Json::String(text)) if kind == EventType::Alias => {
                set(&mut self.previous_id, text)
            }
            ("category", Json::String(text)) if view => set(&mut self.category, text),
            ("type", Json::String(text)) => EventType::parse(text) == Some(kind),
            ("event", _) if kind == EventType::Track => says(self.event.name, &value),
            ("name", _) if view => says(self.event.name, &value),
            ("messageId", _) => says(Some(self.event.message_id), &value),
            ("userId", _) => says(self.event.user_id, &value),
            ("anonymousId", _) => says(self.event.anonymous_id, &value),
            ("timestamp", Json::String(text)) => {
                same_instant(Some(self.event.timestamp), text)
                    || same_instant(self.event.original_timestamp, text)
            }
            ("originalTimestamp", Json::String(text)) => same_instant(self.event.original_timestamp, text),
            ("sentAt", Json::String(text)) => same_instant(self.event.sent_at, text),
            ("receivedAt", Json::String(text)) => same_instant(Some(self.event.received_at), text),
            _ => false,
        };
        if !said && !is_empty(&value) {
            self.rest.push((key, value));
        }
    }

    /// Traits of an identify call are `context.traits` overlaid by `traits`.
    fn overlay_traits(&mut self) {
        if self.event.event_type != EventType::Identify {
            return;
        }
        let Some(below @ Json::Object(_)) = self.context.as_ref().and_then(|c| c.get("traits")) else {
            return;
        };
        match &mut self.payload {
            None => self.payload = Some(below.clone()),
            Some(Json::Object(members)) => {
                for (key, value) in below.members() {
                    if !members.iter().any(|(name, _)| name == key) {
                        members.push((key.clone(), value.clone()));
                    }
                }
            }
            Some(_) => {}
        }
    }

    fn take_view_names(&mut self) {
        if !matches!(self.event.event_type, EventType::Page | EventType::Screen) {
            return;
        }
        let property = |name: &str| {
            let text = self.payload.as_ref()?.get(name)?.as_str()?;
            (!text.is_empty()).then(|| text.to_owned())
        };
        let title = self.event.name.map(str::to_owned).or_else(|| property("name"));
        let category = self.category.clone().or_else(|| property("category"));
        self.title = title;
        self.category = category;
    }
}

fn set(place: &mut Option<String>, text: &str) -> bool {
    *place = (!text.is_empty()).then(|| text.to_owned());
    true
}

fn says(column: Option<&str>, value: &Json<'_>) -> bool {
    column == Some(canonical(value).as_ref())
}

/// Whether the column's instant is what was sent, to the microsecond.
fn same_instant(column: Option<Timestamp>, sent: &str) -> bool {
    let fraction = sent.split_once('.').map_or(0, |(_, f)| f.bytes().take_while(u8::is_ascii_digit).count());
    column.is_some() && fraction <= 6 && Timestamp::parse(sent) == column
}
