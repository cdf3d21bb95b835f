use model::{ColumnType, Secret};
use semantic::{PlannedEvent, PlannedProperty, Unplanned};

use super::*;
use crate::WriteKey;

fn key(key: &str, source: &str, flavour: Flavour, ip: IpRule) -> WriteKey {
    let (key, source) = (Secret::new(key.to_owned()), source.into());
    WriteKey { key, source, flavour, enabled: true, origins: Vec::new(), ip }
}

fn plan() -> TrackingPlan {
    let event = |name: &str, on_violation| PlannedEvent {
        name: name.to_owned(),
        table: name.to_lowercase(),
        on_violation,
        properties: vec![PlannedProperty {
            name: "revenue".to_owned(),
            column: "revenue".to_owned(),
            column_type: ColumnType::Int64,
            required: true,
            minimum: None,
            maximum: None,
            one_of: Vec::new(),
        }],
    };
    TrackingPlan::new(
        Unplanned::Accept,
        vec![event("Strict", OnViolation::Reject), event("Lax", OnViolation::Keep)],
    )
}

/// Judges one item of a call changed by `change`; answers what `show` makes of it.
fn with<T>(raw: &str, change: impl FnOnce(&mut Call<'_>), show: impl FnOnce(Judged, Notes) -> T) -> T {
    let sources = Sources::new(vec![
        key("WK", "web", Flavour::Segment, IpRule::Keep),
        key("WK2", "web", Flavour::Segment, IpRule::Truncate),
        key("CUT", "cut", Flavour::Segment, IpRule::Truncate),
        key("NONE", "none", Flavour::RudderStack, IpRule::Drop),
    ])
    .unwrap();
    let plan = plan();
    let options = Options { max_event_bytes: 200_000, ..Options::default() };
    let mut call = Call {
        source: sources.find("WK").unwrap(),
        sources: &sources,
        plan: &plan,
        options: &options,
        path_type: None,
        import: false,
        webhook: false,
        received: Timestamp::from_millis(60_000),
        sent: None,
        sender: "9.8.7.6".parse().ok(),
        browser: false,
        request_id: "r1",
        context: None,
        integrations: None,
        replayed_from: None,
    };
    change(&mut call);
    let mut notes = Notes::default();
    let judged = judge(raw.as_bytes(), 3, &call, &mut notes);
    show(judged, notes)
}

fn reason(judged: Judged, _: Notes) -> String {
    judged.refused.map_or("accepted".to_owned(), |r| format!("{} {}", r.reason.as_str(), r.pointer))
}

fn body(judged: Judged, _: Notes) -> String {
    assert_eq!(judged.refused, None);
    Event::decode(&judged.record.payload).unwrap().body.to_owned()
}

fn check(raw: &str, expect: &str) {
    assert_eq!(with(raw, |_| {}, reason).trim_end(), expect, "{raw}");
}

#[test]
fn the_first_failing_check_names_the_reason() {
    check("{\"type\":", "unparsable");
    check("[1]", "not_an_object");
    check("NaN", "not_an_object");
    check(&format!("{}{}", "[".repeat(70), "]".repeat(70)), "too_deep");
    check(&format!(r#"{{"type":"page","userId":"u","x":"{}"}}"#, "y".repeat(200_000)), "event_too_large");
    check(r#"{"type":"page","userId":"u","writeKey":"CUT"}"#, "key_mismatch /writeKey");
    check(r#"{"type":"page","userId":"u","writeKey":"unknown"}"#, "key_mismatch /writeKey");
    check(r#"{"userId":"u"}"#, "unknown_type /type");
    check(r#"{"type":"purchase","userId":"u"}"#, "unknown_type /type");
    check(r#"{"type":"page"}"#, "missing_ids /userId");
    check(r#"{"type":"page","userId":"","anonymousId":null}"#, "missing_ids /userId");
    check(r#"{"type":"page","userId":{"a":1}}"#, "missing_ids /userId");
    check(r#"{"type":"track","userId":"u"}"#, "missing_event /event");
    check(r#"{"type":"track","userId":"u","event":" "}"#, "missing_event /event");
    check(r#"{"type":"track","userId":"u","event":7}"#, "missing_event /event");
    check(r#"{"type":"group","userId":"u"}"#, "missing_target /groupId");
    check(r#"{"type":"alias","userId":"u"}"#, "missing_target /previousId");
    check(
        r#"{"type":"track","userId":"u","event":"Strict","properties":{"revenue":"x"}}"#,
        "plan_violation /properties/revenue",
    );
}

#[test]
fn what_is_no_error_is_accepted() {
    check(r#"{"type":"TRACK","userId":42,"event":"A","unknown":{}}"#, "accepted");
    check(r#"{"type":"alias","userId":"u","previousId":"u"}"#, "accepted");
    check(r#"{"type":"page","anonymousId":true,"writeKey":"WK2"}"#, "accepted");
    check(r#"{"type":"page","userId":"u","timestamp":"soon","writeKey":""}"#, "accepted");
    check(r#"{"type":"merge","mergeProperties":[{"type":"email","value":"a"}]}"#, "accepted");
    check(r#"{"type":"track","userId":"u","event":"Lax","properties":{"revenue":"x"}}"#, "accepted");
}

#[test]
fn properties_are_counted_at_any_depth() {
    let many: Vec<String> = (0..10_001).map(|i| format!("\"k{i}\":1")).collect();
    let of = |count: usize| {
        format!(r#"{{"type":"page","userId":"u","properties":{{"a":{{{}}}}}}}"#, many[..count].join(","))
    };
    check(&of(10_000), "too_many_properties /properties");
    check(&of(9_999), "accepted");
}

#[test]
fn the_path_wins_over_the_type() {
    let typed = with(
        r#"{"type":"track","userId":"u"}"#,
        |c| c.path_type = Some(EventType::Identify),
        |j, _| Event::decode(&j.record.payload).unwrap().event_type,
    );
    assert_eq!(typed, EventType::Identify);
}

#[test]
fn the_text_is_kept_as_sent_unless_it_had_to_be_mended() {
    let keep = r#"{"type":"page", "userId":"u","properties":{"n":1.50,"big":123456789012345678901,"nul":"a\u0000b","null":null}}"#;
    assert_eq!(with(keep, |_| {}, body), keep);
    assert_eq!(
        with(r#"{"type":"page","userId":"u","p":[NaN,-Infinity]}"#, |_| {}, body),
        r#"{"type":"page","userId":"u","p":[null,null]}"#
    );
    assert_eq!(
        with(r#"{"type":"page","userId":"u","p":"x\ud83dy"}"#, |_| {}, body),
        "{\"type\":\"page\",\"userId\":\"u\",\"p\":\"x\u{fffd}y\"}"
    );
    assert_eq!(
        with(r#"{"type":"page","userId":"u","a":1,"a":2}"#, |_| {}, body),
        r#"{"type":"page","userId":"u","a":2}"#
    );
    let notes =
        with(r#"{"type":"page","userId":"u","p":[NaN,"\ud83d"],"a":1,"a":2}"#, |_| {}, |_, notes| notes);
    assert_eq!(
        (notes.non_finite, notes.mended_text, notes.repeated_keys, notes.without_message_id),
        (1, 1, 1, 1)
    );
}

#[test]
fn batch_level_context_is_merged_and_the_item_wins_c27() {
    let context = Json::parse(br#"{"app":"x","locale":"de"}"#).unwrap().value;
    let merged =
        with(r#"{"type":"page","userId":"u","context":{"app":"y"}}"#, |c| c.context = Some(context), body);
    assert_eq!(merged, r#"{"type":"page","userId":"u","context":{"app":"y","locale":"de"}}"#);
}

#[test]
fn a_replayed_event_says_so_and_gets_a_lasting_id() {
    let text = with(
        r#"{"type":"page","userId":"u"}"#,
        |c| c.replayed_from = Some(Offset(7)),
        |j, _| {
            let event = Event::decode(&j.record.payload).unwrap();
            format!("{} {} {}", event.message_id, j.fingerprint.is_some(), event.body)
        },
    );
    let expect =
        r#"dead-letter-7 true {"type":"page","userId":"u","context":{"etalon":{"replayedFrom":"7"}}}"#;
    assert_eq!(text, expect);
}

#[test]
fn the_ip_rule_comes_before_the_log() {
    let check =
        |key: &'static str, browser: bool, context: &str, expect_body: &str, expect_ip: Option<&str>| {
            let raw = format!(r#"{{"type":"page","userId":"u","context":{context}}}"#);
            let change = |c: &mut Call<'_>| {
                c.source = c.sources.find(key).unwrap();
                c.browser = browser;
            };
            let (ip, got) = with(&raw, change, |j, _| {
                let event = Event::decode(&j.record.payload).unwrap();
                (event.request_ip.map(|ip| ip.to_string()), event.json().get("context").unwrap().to_text())
            });
            assert_eq!((got.as_str(), ip.as_deref()), (expect_body, expect_ip), "{key} {raw}");
        };
    check("WK", false, "{}", "{}", Some("9.8.7.6"));
    check("WK", true, "{}", r#"{"ip":"9.8.7.6"}"#, Some("9.8.7.6"));
    check("WK", false, r#"{"direct":true}"#, r#"{"direct":true,"ip":"9.8.7.6"}"#, Some("9.8.7.6"));
    check("WK", true, r#"{"ip":"1.2.3.4"}"#, r#"{"ip":"1.2.3.4"}"#, Some("9.8.7.6"));
    check("CUT", false, r#"{"ip":"1.2.3.4"}"#, r#"{"ip":"1.2.3.0"}"#, Some("9.8.7.0"));
    check("NONE", true, r#"{"ip":"1.2.3.4"}"#, "{}", None);
    check("NONE", true, "{}", "{}", None);
}

#[test]
fn a_dead_letter_holds_what_could_be_read() {
    let raw = r#"{"type":"track","messageId":"m1","anonymousId":"a1"}"#;
    let letter = with(raw, |_| {}, |j, _| DeadLetter::decode(&j.record.payload).unwrap());
    assert_eq!(
        (letter.index, letter.reason.as_str(), letter.raw.as_slice()),
        (3, "missing_event", raw.as_bytes())
    );
    assert_eq!((letter.message_id.as_deref(), letter.anonymous_id.as_deref()), (Some("m1"), Some("a1")));
    assert_eq!((letter.source.as_str(), letter.request_id.as_str()), ("web", "r1"));
}

proptest::proptest! {
    #[test]
    fn every_item_becomes_an_event_or_a_letter(raw in proptest::collection::vec(proptest::num::u8::ANY, 0..80)) {
        let text = String::from_utf8_lossy(&raw).into_owned();
        with(&text, |_| {}, |judged, _| match judged.refused {
            Some(_) => assert_eq!(DeadLetter::decode(&judged.record.payload).unwrap().raw, text.as_bytes()),
            None => assert!(Event::decode(&judged.record.payload).is_ok()),
        });
    }
}
