use collector::{Filter, Flavour};
use model::{DeadLetterStatus, Event, RecordKind};

use crate::support::{World, catalog};

fn batch() -> String {
    let item = |i: usize| {
        let revenue = if i % 40 == 7 { "\"a lot\"" } else { "12" };
        format!(
            r#"{{"type":"track","event":"Order Completed","userId":"u{i}","messageId":"m{i}","properties":{{"revenue":{revenue}}}}}"#
        )
    };
    format!(r#"{{"batch":[{}]}}"#, (0..100).map(item).collect::<Vec<_>>().join(","))
}

#[tokio::test]
async fn three_bad_of_a_hundred_come_back_after_the_plan_is_fixed() {
    let mut world = World::new(Flavour::Segment).await;
    assert_eq!(world.post("/v1/batch", &batch()).await.short(), "200 97 0 3");
    world.fold();
    let letters = world.collector.dead_letters();
    let filter = Filter { reason: Some("plan_violation".to_owned()), ..Filter::default() };
    let listed = letters.list(&filter, 10).unwrap();
    let seen: Vec<_> =
        listed.iter().map(|l| (l.stored.letter.index, l.stored.letter.pointer.as_str())).collect();
    assert_eq!(seen, [(7, "/properties/revenue"), (47, "/properties/revenue"), (87, "/properties/revenue")]);

    let again = letters.replay(&filter, false).await.unwrap();
    assert_eq!((again.accepted, again.refused.len()), (0, 3), "the plan still says no");
    world.fold();
    assert_eq!(letters.show(listed[0].id).unwrap().stored.attempts, 1);

    let received = world.now();
    world.clock.advance(std::time::Duration::from_secs(3_600));
    world.plan.send_replace(catalog("json"));
    assert_eq!(letters.replay(&filter, true).await.unwrap().accepted, 3);
    assert_eq!(world.message_ids().len(), 97, "a dry run writes nothing");
    let replayed = letters.replay(&filter, false).await.unwrap();
    assert_eq!((replayed.accepted, replayed.duplicate, replayed.refused.len()), (3, 0, 0));
    assert_eq!(world.message_ids().len(), 100);
    let events = world.records(RecordKind::Event);
    let event = Event::decode(events.last().unwrap()).unwrap();
    assert_eq!((event.message_id, event.received_at), ("m87", received));
    let mark = event.json().path("context.etalon.replayedFrom").unwrap().as_str().map(str::to_owned);
    assert_eq!(mark, Some(listed[2].id.to_string()));

    // Before the fold the letters still look open: deduplication stops the second copy.
    assert_eq!(letters.replay(&filter, false).await.unwrap().duplicate, 3);
    world.fold();
    assert_eq!(letters.replay(&filter, false).await.unwrap(), collector::Replayed::default());
    assert_eq!(world.message_ids().len(), 100);
    assert_eq!(letters.show(listed[0].id).unwrap().stored.status, DeadLetterStatus::Replayed);
    assert_eq!(world.post("/v1/batch", &batch()).await.short(), "200 0 100 0");
}

#[tokio::test]
async fn letters_are_filtered_and_dropped() {
    let mut world = World::new(Flavour::Segment).await;
    world
        .post(
            "/v1/batch",
            r#"{"batch":[{"type":"track","userId":"u"},{"type":"page"},{"type":"page","name":"Home"}]}"#,
        )
        .await;
    world.fold();
    let letters = world.collector.dead_letters();
    let count = |filter: Filter| letters.list(&filter, 10).unwrap().len();
    assert_eq!(count(Filter::default()), 3);
    assert_eq!(count(Filter { reason: Some("missing_ids".into()), ..Filter::default() }), 2);
    assert_eq!(count(Filter { event: Some("Home".into()), ..Filter::default() }), 1);
    assert_eq!(count(Filter { source: Some("app".into()), ..Filter::default() }), 0);
    assert_eq!(
        count(Filter {
            since: Some(world.now().plus(std::time::Duration::from_secs(1))),
            ..Filter::default()
        }),
        0
    );
    assert_eq!(letters.list(&Filter::default(), 2).unwrap().len(), 2);
    let missing = Filter { reason: Some("missing_ids".into()), ..Filter::default() };
    assert_eq!(letters.drop(&missing).await.unwrap(), 2);
    world.fold();
    let letters = world.collector.dead_letters();
    let open = Filter { status: Some(DeadLetterStatus::Open), ..Filter::default() };
    assert_eq!(letters.list(&open, 10).unwrap().len(), 1);
    assert_eq!(letters.drop(&missing).await.unwrap(), 0);
    assert!(letters.show(model::Offset(99)).is_err());
}
