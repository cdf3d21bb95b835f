use std::pin::pin;

use delivery::{Error, Filter};
use futures::StreamExt as _;
use model::ProfileId;
use state::Store;

use crate::world::World;

#[tokio::test(start_paused = true)]
async fn a_feed_gives_all_later_changes_and_beats_when_quiet() {
    let world = World::new(Store::memory());
    world.append(&[1, 2, 1]);
    let filter = Filter { profile: Some(ProfileId([1; 16])), ..Filter::default() };
    let mut all = pin!(world.changes.feed(Some(0), Filter::default()));
    let mut mine = pin!(world.changes.feed(Some(1), filter));
    let mut later = pin!(world.changes.feed(None, Filter::default()));
    assert_eq!(all.next().await.unwrap().unwrap().changes.len(), 3);
    let batch = mine.next().await.unwrap().unwrap();
    assert_eq!((batch.cursor, batch.changes.len(), batch.changes[0].seq), (3, 1, 3));
    // A change that the filter hides moves the cursor of the next beat.
    world.append(&[2]);
    let beat = mine.next().await.unwrap().unwrap();
    assert_eq!((beat.cursor, beat.heartbeat, beat.changes.len()), (4, true, 0));
    let batch = later.next().await.unwrap().unwrap();
    assert_eq!((batch.cursor, batch.heartbeat, batch.changes.len()), (4, false, 1));
}

#[tokio::test]
async fn a_slow_reader_gets_batches_of_a_thousand() {
    let world = World::new(Store::memory());
    world.append(&[1; 2_500]);
    let feed = world.changes.feed(Some(0), Filter::default());
    let sizes: Vec<usize> = feed.take(3).map(|batch| batch.unwrap().changes.len()).collect().await;
    assert_eq!(sizes, [1_000, 1_000, 500]);
}

#[tokio::test]
async fn an_expired_cursor_says_where_to_go_on() {
    let world = World::new(Store::memory());
    world.append(&[1, 2, 3]);
    let mut batch = world.store.batch();
    let keyspace = world.store.keyspace("changes").unwrap();
    batch.delete(&keyspace, 1_u64.to_be_bytes());
    batch.delete(&keyspace, 2_u64.to_be_bytes());
    batch.commit().unwrap();
    let mut feed = pin!(world.changes.feed(Some(0), Filter::default()));
    assert!(matches!(feed.next().await, Some(Err(Error::CursorExpired { oldest: 2 }))));
    assert!(feed.next().await.is_none());
    assert_eq!(world.changes.read(2, 9).unwrap().len(), 1);
}
