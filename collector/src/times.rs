use model::{Timestamp, json::Json};

use crate::Flavour;

/// The times of one event (`collector.md` §10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) timestamp: Timestamp,
    pub(crate) original: Option<Timestamp>,
    pub(crate) sent: Option<Timestamp>,
    /// The rule gave a time after receivedAt, which was clamped to it.
    pub(crate) future: bool,
}

/// What the clock rules look at beside the event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClockRule {
    pub(crate) flavour: Flavour,
    /// Historical import: `timestamp` is kept as sent.
    pub(crate) import: bool,
    pub(crate) received: Timestamp,
    /// The request's own `sentAt`, for items without one.
    pub(crate) batch_sent: Option<Timestamp>,
}

impl ClockRule {
    /// The event's times, corrected for the device's clock and never later than receivedAt.
    pub(crate) fn times(&self, event: &Json<'_>) -> Times {
        let read = |key| event.get(key).and_then(Json::as_str).and_then(Timestamp::parse);
        let (timestamp, original_field) = (read("timestamp"), read("originalTimestamp"));
        let sent = read("sentAt").or(self.batch_sent);
        let (original, time) = match self.flavour {
            Flavour::Segment => {
                let original = timestamp.or(original_field);
                let time = match (original, sent) {
                    (Some(original), _) if self.import => original,
                    (Some(original), Some(sent)) => self.corrected(original, sent),
                    (Some(original), None) => original,
                    (None, _) => self.received,
                };
                (original, time)
            }
            Flavour::RudderStack => {
                let time = timestamp.unwrap_or_else(|| {
                    self.corrected(original_field.unwrap_or(self.received), sent.unwrap_or(self.received))
                });
                (original_field.or(timestamp), time)
            }
        };
        let future = time > self.received;
        Times { timestamp: time.min(self.received), original, sent, future }
    }

    fn corrected(&self, original: Timestamp, sent: Timestamp) -> Timestamp {
        let age = sent.as_micros().saturating_sub(original.as_micros());
        Timestamp::from_micros(self.received.as_micros().saturating_sub(age))
    }
}

/// The `sentAt` of a whole request.
pub(crate) fn sent_at(value: Option<&Json<'_>>) -> Option<Timestamp> {
    value.and_then(Json::as_str).and_then(Timestamp::parse)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Received at 00:01:00; texts are seconds after 00:00:00.
    fn check(flavour: Flavour, import: bool, fields: &[(&str, u32)], expect: (u32, Option<u32>, bool)) {
        let at = |s: u32| format!("2026-01-01T00:{:02}:{:02}.000Z", s / 60, s % 60);
        let body: Vec<String> = fields.iter().map(|(k, s)| format!("\"{k}\":\"{}\"", at(*s))).collect();
        let body = format!("{{{}}}", body.join(","));
        let received = Timestamp::parse(&at(60)).unwrap();
        let rule = ClockRule { flavour, import, received, batch_sent: None };
        let times = rule.times(&Json::parse(body.as_bytes()).unwrap().value);
        let got = (times.timestamp.to_string(), times.original.map(|t| t.to_string()), times.future);
        assert_eq!(got, (at(expect.0), expect.1.map(at), expect.2), "{flavour:?} {body}");
    }

    #[test]
    fn segment_corrects_the_device_clock() {
        use Flavour::Segment;
        check(Segment, false, &[("timestamp", 10), ("sentAt", 15)], (55, Some(10), false));
        check(Segment, false, &[("timestamp", 10)], (10, Some(10), false));
        check(Segment, false, &[], (60, None, false));
        check(Segment, false, &[("sentAt", 5)], (60, None, false));
        check(Segment, false, &[("timestamp", 30), ("sentAt", 20)], (60, Some(30), true));
        check(Segment, false, &[("timestamp", 90)], (60, Some(90), true));
        check(Segment, true, &[("timestamp", 10), ("sentAt", 50)], (10, Some(10), false));
    }

    #[test]
    fn rudderstack_keeps_a_readable_timestamp() {
        use Flavour::RudderStack;
        check(
            RudderStack,
            false,
            &[("timestamp", 3), ("originalTimestamp", 10), ("sentAt", 15)],
            (3, Some(10), false),
        );
        check(RudderStack, false, &[("originalTimestamp", 10), ("sentAt", 15)], (55, Some(10), false));
        check(RudderStack, false, &[("originalTimestamp", 10)], (10, Some(10), false));
        check(RudderStack, false, &[("sentAt", 20)], (60, None, true));
        check(RudderStack, false, &[("sentAt", 60)], (60, None, false));
        check(RudderStack, false, &[("timestamp", 99)], (60, Some(99), true));
    }

    #[test]
    fn an_unreadable_time_is_absent_and_the_batch_gives_the_sending_time() {
        let received = Timestamp::from_millis(60_000);
        let rule = ClockRule {
            flavour: Flavour::Segment,
            import: false,
            received,
            batch_sent: Some(Timestamp::from_millis(5_000)),
        };
        let times = rule
            .times(&Json::parse(br#"{"timestamp":"1970-01-01T00:00:01Z","sentAt":"soon"}"#).unwrap().value);
        assert_eq!(times.timestamp, Timestamp::from_millis(56_000));
        assert_eq!(times.sent, Some(Timestamp::from_millis(5_000)));
    }
}
