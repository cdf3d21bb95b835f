use collector::Flavour;
use model::{Event, RecordKind};

use crate::support::World;

#[tokio::test]
async fn a_delivery_is_an_event_and_its_key_makes_it_one() {
    let mut world = World::new(Flavour::Segment).await;
    let check = async |world: &World, key: &str, body: &str, expect: &str| {
        let answer =
            world.send("POST", "/v1/webhook?writeKey=WK", &[("idempotency-key", key)], body.as_bytes()).await;
        assert_eq!(answer.short(), expect, "{key} {body}");
    };
    check(&world, "k1", r#"{"id":7}"#, "200 1 0 0").await;
    check(&world, "k1", r#"{"id":7}"#, "200 0 1 0").await;
    check(&world, "k1", r#"{"id":8}"#, "200 0 0 1").await;
    check(&world, "k2", r#"[{"id":1},{"id":2}]"#, "200 2 0 0").await;
    world = world.restart(Flavour::Segment).await;
    check(&world, "k1", r#"{"id":7}"#, "200 0 1 0").await;
    check(&world, "k1", r#"{"id":8}"#, "200 0 0 1").await;
    assert_eq!(world.letters()[0].reason, "idempotency_conflict");
    let events = world.records(RecordKind::Event);
    let event = Event::decode(&events[0]).unwrap();
    assert_eq!((event.message_id, event.name), ("wh:k1", Some("webhook_source_event")));
    assert_eq!((event.user_id, event.anonymous_id), (None, None), "a made-up id is nobody's");
    assert_eq!(event.json().path("properties.id").unwrap().as_i64(), Some(7));
}

#[tokio::test]
async fn deliveries_without_a_key_are_all_stored_and_counted() {
    let world = World::new(Flavour::Segment).await;
    for _ in 0..2 {
        assert_eq!(
            world.send("GET", "/v1/webhook/shop?writeKey=WK&x=1", &[], b"").await.short(),
            "200 1 0 0"
        );
    }
    assert_eq!(world.collector.statistics().webhook_without_key, 2);
    assert_eq!(world.send("POST", "/v1/webhook", &[], b"{}").await.short(), "401 missing_write_key");
}
