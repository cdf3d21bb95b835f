//! Hand-written cases: what one observation reports, and what events say.

use identity::{
    Current, Identity, LinkStatus, Observation, Outcome, RecordOrigin, observe_event, profile_id,
    record_of_event,
};
use model::{Event, EventType, Offset, ProfileId, Timestamp};
use semantic::{IdentifierType, IdentityRules, LinkOrder, Normalizer, ProfileRules};

use crate::script::{KEY, identifier, limited, observation, rules};

fn shop() -> IdentityRules {
    rules(vec![limited("user_id", 1), identifier("email"), identifier("anonymous_id")])
}

fn id(rid: &str) -> ProfileId {
    profile_id(&KEY, rid)
}

fn engine(rules: IdentityRules, observations: &[Observation]) -> Identity {
    let mut identity = Identity::new(rules, ProfileRules::default(), KEY);
    for o in observations {
        identity.observe(o.clone(), Offset(1));
    }
    identity
}

fn with_trait(mut o: Observation, name: &str, json: &str) -> Observation {
    o.traits.push((name.to_owned(), json.to_owned()));
    o
}

fn is_quiet(outcome: &Outcome) -> bool {
    let Outcome { moved, hidden, shown, traits_changed, .. } = outcome;
    moved.is_empty() && hidden.is_empty() && shown.is_empty() && traits_changed.is_empty()
}

#[test]
fn a_login_joins_the_visitor_and_keeps_the_visitors_id() {
    let mut identity = engine(shop(), &[observation("web:anon:a1", 1, &[("anonymous_id", "a1")])]);
    let login = observation("web:user:u1", 5, &[("user_id", "u1"), ("anonymous_id", "a1")]);
    let outcome = identity.observe(login, Offset(2));
    assert_eq!(outcome.profile, id("web:anon:a1"));
    assert_eq!((outcome.moved.len(), outcome.moved[0].from), (1, None));
    assert_eq!((outcome.hidden.len(), outcome.shown.len()), (0, 0));
    assert_eq!(outcome.traits_changed, [id("web:anon:a1")]);
    assert_eq!(identity.find("user_id", " u1 "), Some(id("web:anon:a1")));
}

#[test]
fn another_spelling_of_a_value_is_a_later_sight_of_it() {
    let user_id = IdentifierType {
        order: LinkOrder::NewestFirst,
        normalize: vec![Normalizer::Lowercase],
        ..limited("user_id", 1)
    };
    let seen = |rid, at, value| observation(rid, at, &[("user_id", value)]);
    let mut identity = engine(
        rules(vec![user_id]),
        &[seen("web:a", 0, "v1"), seen("web:b", 0, "v3"), seen("web:b", 0, "v1")],
    );
    assert_eq!(identity.profile_of("web:a"), identity.profile_of("web:b"));
    // The newest value holds the record now, so the older one cannot.
    identity.observe(seen("web:b", 1, "V3"), Offset(2));
    assert_ne!(identity.profile_of("web:a"), identity.profile_of("web:b"));
}

#[test]
fn another_event_of_a_known_record_changes_nothing_visible() {
    let ids = [("user_id", "u1")];
    let mut identity = engine(shop(), &[observation("web:user:u1", 5, &ids)]);
    identity.take_dirty();
    assert!(is_quiet(&identity.observe(observation("web:user:u1", 9, &ids), Offset(2))));
    assert_eq!(identity.record("web:user:u1").unwrap().links[0].last_seen, Timestamp::from_micros(9));
    assert_eq!(identity.take_dirty().len(), 1);
    assert!(is_quiet(&identity.observe(observation("web:user:u1", 9, &ids), Offset(3))));
    assert_eq!(identity.take_dirty().len(), 0, "a repeated delivery has nothing to store");
}

#[test]
fn a_merge_hides_the_younger_id_and_removal_brings_it_back() {
    let mut identity = engine(
        shop(),
        &[observation("s:1", 1, &[("email", "a@x")]), observation("s:2", 2, &[("email", "b@x")])],
    );
    let bridge = observation("s:3", 3, &[("email", "a@x"), ("email", "b@x")]);
    let outcome = identity.observe(bridge, Offset(4));
    assert_eq!(outcome.hidden, [(id("s:2"), Some(id("s:1")))]);
    assert_eq!(identity.current(id("s:2")), Current::MovedTo(id("s:1")));
    assert_eq!(identity.records_since(Offset(4)).count(), 2, "the bridge and the record that moved");
    let outcome = identity.remove("s:3", Offset(5)).unwrap();
    assert_eq!(outcome.shown, [id("s:2")]);
    assert_eq!(identity.current(id("s:2")), Current::Live(id("s:2")));
    assert_eq!(identity.current(id("s:3")), Current::MovedTo(id("s:1")));
    assert_eq!(identity.current(id("s:4")), Current::Unknown);
}

#[test]
fn a_refused_value_stays_with_its_record_as_rejected() {
    let shared = ("email", "home@x");
    let identity = engine(
        shop(),
        &[
            observation("s:1", 1, &[("user_id", "1"), shared]),
            observation("s:2", 2, &[("user_id", "2"), shared]),
        ],
    );
    let status = |rid: &str| identity.record(rid).unwrap().links[1].status;
    assert_eq!((status("s:1"), status("s:2")), (LinkStatus::Accepted, LinkStatus::Rejected));
    assert_eq!(identity.find("email", "home@x"), Some(id("s:1")));
    assert_eq!(identity.profile(id("s:2")).unwrap().identifiers.get("email"), None);
}

#[test]
fn a_late_older_trait_changes_nothing() {
    let ids = [("user_id", "u1")];
    let mut identity = engine(shop(), &[with_trait(observation("web:user:u1", 9, &ids), "plan", "\"gold\"")]);
    let late = with_trait(observation("web:user:u1", 8, &ids), "plan", "\"free\"");
    let outcome = identity.observe(late, Offset(2));
    assert!(outcome.traits_changed.is_empty());
    let plan = identity.profile(outcome.profile).unwrap().traits["plan"].clone();
    assert_eq!((plan.json.as_str(), plan.at), ("\"gold\"", Timestamp::from_micros(9)));
}

#[test]
fn damaged_state_is_refused_with_its_record() {
    let mut identity = engine(shop(), &[observation("s:1", 1, &[("email", "a@x")])]);
    let (rid, bytes) = identity.take_dirty().pop().unwrap();
    let bytes = bytes.unwrap();
    for end in 0..bytes.len() {
        let cut = [(rid.clone(), bytes[..end].to_vec())];
        let restored = Identity::restore(shop(), ProfileRules::default(), KEY, cut.into_iter());
        assert!(restored.is_err(), "cut at {end}");
    }
}

/// An event of the source `web`, received at second 100.
fn event<'a>(
    event_type: EventType,
    user: Option<&'a str>,
    anonymous: Option<&'a str>,
    body: &'a str,
) -> Event<'a> {
    Event {
        source: "web",
        message_id: "m1",
        event_type,
        name: None,
        user_id: user,
        anonymous_id: anonymous,
        timestamp: Timestamp::from_millis(99_000),
        original_timestamp: None,
        sent_at: None,
        received_at: Timestamp::from_millis(100_000),
        request_ip: None,
        body,
    }
}

fn check(event: &Event<'_>, rid: Option<&str>, ids: &[(&str, &str)], traits: &[(&str, &str)]) {
    let owned = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    };
    let found = observe_event(&shop(), event);
    assert_eq!(found.as_ref().map(|o| o.rid.as_str()), rid);
    assert_eq!(record_of_event(&shop(), event).as_ref().map(|r| r.as_str()), rid);
    if let Some(found) = found {
        assert_eq!((found.ids, found.traits), (owned(ids), owned(traits)));
    }
}

#[test]
fn an_identify_call_states_traits_over_those_of_its_context() {
    let body = r#"{"traits":{"email":"a@x","plan":"gold"},"context":{"traits":{"plan":"free","city":"Rome"},"device":{"id":"d1","advertisingId":"ad1"},"externalIds":[{"type":"crm_id","id":7}]}}"#;
    check(
        &event(EventType::Identify, Some("u1"), Some("a1"), body),
        Some("web:user:u1"),
        &[
            ("user_id", "u1"),
            ("anonymous_id", "a1"),
            ("device_id", "d1"),
            ("advertising_id", "ad1"),
            ("crm_id", "7"),
            ("email", "a@x"),
        ],
        &[("city", "\"Rome\""), ("email", "\"a@x\""), ("plan", "\"gold\"")],
    );
}

#[test]
fn other_calls_feed_identifiers_only() {
    let body = r#"{"traits":{"email":"group@x"},"context":{"traits":{"phone":"1234567","plan":"free"}}}"#;
    for event_type in [EventType::Track, EventType::Page, EventType::Screen, EventType::Group] {
        check(
            &event(event_type, None, Some("a1"), body),
            Some("web:anon:a1"),
            &[("anonymous_id", "a1"), ("phone", "1234567")],
            &[],
        );
    }
}

#[test]
fn a_placeholder_user_id_counts_as_absent() {
    check(
        &event(EventType::Track, Some("NULL"), Some("a1"), "{}"),
        Some("web:anon:a1"),
        &[("anonymous_id", "a1")],
        &[],
    );
    check(&event(EventType::Track, Some("0"), None, "{}"), None, &[], &[]);
}

#[test]
fn an_alias_call_adds_the_previous_id() {
    let ids: &[(&str, &str)] = &[("user_id", "u1"), ("anonymous_id", "old")];
    check(
        &event(EventType::Alias, Some("u1"), None, r#"{"previousId":"old"}"#),
        Some("web:user:u1"),
        ids,
        &[],
    );
    check(
        &event(EventType::Alias, Some("u1"), None, r#"{"previousId":"u1"}"#),
        Some("web:user:u1"),
        &ids[..1],
        &[],
    );
}

#[test]
fn a_merge_call_is_a_record_of_its_two_identifiers() {
    let body = r#"{"mergeProperties":[{"type":"user_id","value":"u1"},{"type":"email","value":"a@x"}]}"#;
    check(
        &event(EventType::Merge, None, None, body),
        Some("web:merge:email=a@x\u{1f}user_id=u1"),
        &[("user_id", "u1"), ("email", "a@x")],
        &[],
    );
    check(&event(EventType::Merge, None, None, r#"{"mergeProperties":[]}"#), None, &[], &[]);
}

#[test]
fn an_event_whose_id_was_made_up_has_no_record() {
    let body = r#"{"context":{"etalon":{"syntheticId":true}}}"#;
    check(&event(EventType::Track, None, Some("random"), body), None, &[], &[]);
}

#[test]
fn a_clients_clock_counts_only_within_bounds() {
    let at = |timestamp: i64, received: i64| {
        let mut event = event(EventType::Track, Some("u1"), None, "{}");
        event.timestamp = Timestamp::from_millis(timestamp);
        event.received_at = Timestamp::from_millis(received);
        let observation = observe_event(&shop(), &event).unwrap();
        assert_eq!(observation.kind, RecordOrigin::Known);
        observation.at.as_millis()
    };
    const MONTH: i64 = 30 * 86_400_000;
    assert_eq!(at(5, 10), 5);
    assert_eq!(at(99, 10), 10, "never later than its arrival");
    assert_eq!(at(0, MONTH + 10), 10, "never earlier than the declared bound");
}
