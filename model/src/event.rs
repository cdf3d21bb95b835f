use std::net::IpAddr;

use crate::{CodecError, Decoder, Encoder, MessageId, SourceName, Timestamp, json::Json};

/// A tracking call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum EventType {
    /// Who somebody is.
    Identify = 1,
    /// What somebody did.
    Track = 2,
    /// A page view.
    Page = 3,
    /// A screen view.
    Screen = 4,
    /// Which group somebody belongs to.
    Group = 5,
    /// A new id for a known person.
    Alias = 6,
    /// RudderStack's merge of two identifiers.
    Merge = 7,
}

impl EventType {
    /// Name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Identify => "identify",
            Self::Track => "track",
            Self::Page => "page",
            Self::Screen => "screen",
            Self::Group => "group",
            Self::Alias => "alias",
            Self::Merge => "merge",
        }
    }

    /// Reads a wire name in any case.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Identify, Self::Track, Self::Page, Self::Screen, Self::Group, Self::Alias, Self::Merge]
            .into_iter()
            .find(|t| t.as_str().eq_ignore_ascii_case(text))
    }

    fn from_u8(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Identify,
            2 => Self::Track,
            3 => Self::Page,
            4 => Self::Screen,
            5 => Self::Group,
            6 => Self::Alias,
            7 => Self::Merge,
            _ => return None,
        })
    }
}

/// An accepted event as it stands on the log: the fields every stage needs, decided once by the
/// collector, and the cleaned JSON of the whole call.
///
/// Borrowed, so that readers of the log copy only what they keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event<'a> {
    /// The write key's source.
    pub source: &'a str,
    /// The SDK's messageId, or a UUID given by the collector.
    pub message_id: &'a str,
    /// The call.
    pub event_type: EventType,
    /// `event` of a track call, `name` of a page or screen call; as sent.
    pub name: Option<&'a str>,
    /// Cleaned userId; absent when blank.
    pub user_id: Option<&'a str>,
    /// Cleaned anonymousId; absent when blank.
    pub anonymous_id: Option<&'a str>,
    /// Skew-corrected event time, never later than `received_at` (`collector.md` §10).
    pub timestamp: Timestamp,
    /// The device's time of the event, if it could be read.
    pub original_timestamp: Option<Timestamp>,
    /// The device's time of sending, if it could be read.
    pub sent_at: Option<Timestamp>,
    /// The collector's clock when the request was read.
    pub received_at: Timestamp,
    /// Peer address after the source's IP rule.
    pub request_ip: Option<IpAddr>,
    /// The call as strict JSON text (an object), batch-level context merged in, numbers as sent.
    pub body: &'a str,
}

const FORMAT: u8 = 1;

impl<'a> Event<'a> {
    /// The log's form.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::with_capacity(self.body.len() + 160);
        out.u8(FORMAT).u8(self.event_type as u8).text(self.source).text(self.message_id);
        for text in [self.name, self.user_id, self.anonymous_id] {
            out.option(text, |out, text| {
                out.text(text);
            });
        }
        out.i64(self.timestamp.as_micros());
        for time in [self.original_timestamp, self.sent_at] {
            out.option(time, |out, time| {
                out.i64(time.as_micros());
            });
        }
        out.i64(self.received_at.as_micros());
        out.option(self.request_ip, |out, ip| {
            match ip {
                IpAddr::V4(ip) => out.bytes(&ip.octets()),
                IpAddr::V6(ip) => out.bytes(&ip.octets()),
            };
        });
        out.text(self.body);
        out.finish()
    }

    /// Reads the log's form.
    pub fn decode(payload: &'a [u8]) -> Result<Self, CodecError> {
        let mut input = Decoder::new("event", payload);
        if input.u8()? != FORMAT {
            return Err(input.error());
        }
        let event_type = EventType::from_u8(input.u8()?).ok_or_else(|| input.error())?;
        Ok(Self {
            event_type,
            source: input.text()?,
            message_id: input.text()?,
            name: input.option(Decoder::text)?,
            user_id: input.option(Decoder::text)?,
            anonymous_id: input.option(Decoder::text)?,
            timestamp: input.i64().map(Timestamp::from_micros)?,
            original_timestamp: input.option(|i| i.i64().map(Timestamp::from_micros))?,
            sent_at: input.option(|i| i.i64().map(Timestamp::from_micros))?,
            received_at: input.i64().map(Timestamp::from_micros)?,
            request_ip: input.option(read_ip)?,
            body: input.text()?,
        })
    }

    /// Event time as audiences and BI use it: the smaller of `timestamp` and `received_at`.
    pub fn time(&self) -> Timestamp {
        self.timestamp.min(self.received_at)
    }

    /// The body, parsed. The collector wrote it, so it is strict JSON.
    pub fn json(&self) -> Json<'a> {
        Json::parse(self.body.as_bytes()).map_or(Json::Null, |parsed| parsed.value)
    }

    /// The record this event belongs to for ever: `source:user:<userId>`, else
    /// `source:anon:<anonymousId>` (`identity.md` §3). `None` without either, and for events whose
    /// anonymous id the collector made up.
    ///
    /// `blank_user` says whether a userId counts as absent (the default block list); it is a rule of
    /// the definitions, so it is passed in.
    pub fn record_id(&self, blank_user: impl Fn(&str) -> bool) -> Option<crate::RecordId> {
        match (self.user_id.filter(|id| !blank_user(id)), self.anonymous_id) {
            (Some(user), _) => Some(crate::RecordId::new(format!("{}:user:{user}", self.source))),
            (None, Some(anonymous)) => {
                Some(crate::RecordId::new(format!("{}:anon:{anonymous}", self.source)))
            }
            (None, None) => None,
        }
    }

    /// Owned ids, for keys.
    pub fn ids(&self) -> (SourceName, MessageId) {
        (SourceName::new(self.source), MessageId::new(self.message_id))
    }
}

fn read_ip(input: &mut Decoder<'_>) -> Result<IpAddr, CodecError> {
    let octets = input.bytes()?;
    if let Ok(v4) = <[u8; 4]>::try_from(octets) {
        return Ok(v4.into());
    }
    <[u8; 16]>::try_from(octets).map(IpAddr::from).map_err(|_| input.error())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Event<'static> {
        Event {
            source: "web",
            message_id: "m-1",
            event_type: EventType::Track,
            name: Some("Order Completed"),
            user_id: Some("u1"),
            anonymous_id: None,
            timestamp: Timestamp::from_millis(1_000),
            original_timestamp: Some(Timestamp::from_millis(900)),
            sent_at: None,
            received_at: Timestamp::from_millis(1_001),
            request_ip: Some([127, 0, 0, 1].into()),
            body: r#"{"type":"track"}"#,
        }
    }

    #[test]
    fn the_log_form_round_trips() {
        let event = sample();
        assert_eq!(Event::decode(&event.encode()).unwrap(), event);
    }

    #[test]
    fn every_cut_of_the_log_form_is_refused() {
        let bytes = sample().encode();
        for end in 0..bytes.len() {
            assert!(Event::decode(&bytes[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn the_record_is_the_user_before_the_anonymous_visitor() {
        let mut event = sample();
        event.anonymous_id = Some("a1");
        assert_eq!(event.record_id(|_| false).unwrap().as_str(), "web:user:u1");
        assert_eq!(event.record_id(|id| id == "u1").unwrap().as_str(), "web:anon:a1");
    }
}
