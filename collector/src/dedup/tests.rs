use std::time::Duration;

use eventlog::MemoryLog;
use model::{Event, EventType, ManualClock, NewRecord, RecordKind};

use super::*;

struct World {
    clock: Arc<ManualClock>,
    log: MemoryLog,
    store: Store,
}

const DAY: Duration = Duration::from_secs(86_400);

impl World {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_800_000_000_000)));
        Self { log: MemoryLog::new(clock.clone()), store: Store::memory(), clock }
    }

    fn open(&self, max_keys: u64) -> Dedup {
        let options = DedupOptions { window: 7 * DAY, hot_keys: 4, max_keys };
        Dedup::open(options, &self.store, &self.log, self.clock.clone()).unwrap()
    }

    /// Appends the new ones of some ids; says how many there were.
    async fn send(&self, dedup: &Dedup, ids: &[&str]) -> usize {
        let keys: Vec<_> = ids.iter().map(|id| Some(Fingerprint::of("web", id))).collect();
        let reservation = dedup.reserve(&keys).unwrap();
        let fresh = ids.iter().zip(&reservation.fresh).filter(|(_, fresh)| **fresh).map(|(id, _)| event(id));
        let records: Vec<NewRecord> = fresh.collect();
        let count = records.len();
        let at = if count == 0 { self.clock.now() } else { self.log.append(records).await.unwrap().at };
        reservation.settle(Ok(at));
        dedup.shared.flush_if_full().unwrap();
        count
    }
}

fn event(id: &str) -> NewRecord {
    let event = Event {
        source: "web",
        message_id: id,
        event_type: EventType::Page,
        name: None,
        user_id: Some("u"),
        anonymous_id: None,
        timestamp: Timestamp::default(),
        original_timestamp: None,
        sent_at: None,
        received_at: Timestamp::default(),
        request_ip: None,
        body: "{}",
    };
    NewRecord { kind: RecordKind::Event, payload: event.encode() }
}

#[tokio::test]
async fn the_first_copy_wins_c30_c31() {
    let world = World::new();
    let dedup = world.open(1_000);
    assert_eq!(world.send(&dedup, &["a", "b", "a"]).await, 2);
    assert_eq!(world.send(&dedup, &["b", "c", "a"]).await, 1);
}

#[tokio::test]
async fn keys_survive_leaving_memory_and_a_restart_c33() {
    let world = World::new();
    let dedup = world.open(1_000);
    let ids: Vec<String> = (0..200).map(|i| format!("m{i}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    for chunk in ids.chunks(3) {
        assert_eq!(world.send(&dedup, chunk).await, chunk.len());
    }
    assert!(dedup.statistics().cold_keys > 150);
    assert_eq!(world.send(&dedup, &ids).await, 0);
    drop(dedup);
    let dedup = world.open(1_000);
    assert_eq!(world.send(&dedup, &ids).await, 0, "after a restart");
    assert!(world.log.released("collector").unwrap() > Offset(150));
}

#[tokio::test]
async fn a_lost_index_is_made_again_from_the_log_c34() {
    let mut world = World::new();
    let dedup = world.open(1_000);
    let ids = ["a", "b", "c", "d", "e", "f", "g"];
    world.send(&dedup, &ids).await;
    drop(dedup);
    world.store = Store::memory();
    assert_eq!(world.send(&world.open(1_000), &ids).await, 0);
    // An index that is ahead of its log is not believed.
    world.log = MemoryLog::new(world.clock.clone());
    assert_eq!(world.send(&world.open(1_000), &["a"]).await, 1);
}

#[tokio::test]
async fn the_window_ends_by_the_collectors_clock_c35() {
    let world = World::new();
    let dedup = world.open(1_000);
    world.send(&dedup, &["a", "b", "c", "d", "e"]).await;
    world.clock.advance(7 * DAY - Duration::from_secs(1));
    assert_eq!(world.send(&dedup, &["a", "e"]).await, 0);
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.send(&dedup, &["a", "e"]).await, 2);
    drop(dedup);
    let dedup = world.open(1_000);
    assert_eq!(world.send(&dedup, &["a", "e", "b"]).await, 1);
    world.send(&dedup, &["1", "2", "3", "4", "5", "6"]).await;
    assert!(dedup.statistics().cold_keys <= 12, "old runs are deleted");
}

#[tokio::test]
async fn memory_is_bounded_by_forgetting_the_oldest_run() {
    let world = World::new();
    let dedup = world.open(12);
    for i in 0..20 {
        let ids: Vec<String> = (0..4).map(|n| format!("m{i}-{n}")).collect();
        world.send(&dedup, &ids.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }
    let statistics = dedup.statistics();
    assert!(statistics.cold_keys <= 12, "{statistics:?}");
    assert!(statistics.evicted_keys > 0);
}

#[tokio::test]
async fn a_copy_in_flight_is_waited_for_c32() {
    let world = World::new();
    let dedup = world.open(1_000);
    let key = [Some(Fingerprint::of("web", "a"))];
    let first = dedup.reserve(&key).unwrap();
    let mut second = dedup.reserve(&key).unwrap();
    assert_eq!((first.fresh[0], second.fresh[0]), (true, false));
    let mut other = second.others.pop().unwrap();
    assert_eq!(*other.borrow(), None);
    first.settle(Err(Rejection::Overloaded));
    assert_eq!(*other.wait_for(Option::is_some).await.unwrap(), Some(Err(Rejection::Overloaded)));
    assert!(dedup.reserve(&key).unwrap().fresh[0], "nobody has it after the failure");
}

#[tokio::test]
async fn an_append_that_runs_keeps_the_checkpoint_behind_it() {
    let world = World::new();
    let dedup = world.open(1_000);
    let slow = dedup.reserve(&[Some(Fingerprint::of("web", "slow"))]).unwrap();
    world.send(&dedup, &["a", "b", "c", "d", "e"]).await;
    assert_eq!(world.log.released("collector"), Some(Offset(0)));
    // The process ends after the append and before the index learns of it.
    world.log.append(vec![event("slow")]).await.unwrap();
    std::mem::forget(slow);
    assert_eq!(world.send(&world.open(1_000), &["slow", "a"]).await, 0);
}
