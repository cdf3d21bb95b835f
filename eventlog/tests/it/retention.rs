use std::{sync::Arc, time::Duration};

use eventlog::{EmbeddedLog, Error, Log, Options, testing::FaultyStorage};
use model::{ManualClock, Offset};

use crate::support::{append, clock, noise, open, options, read_whole, segments};

/// A log with segments of two records.
fn open_log(storage: &FaultyStorage, clock: &Arc<ManualClock>, options: Options) -> EmbeddedLog {
    EmbeddedLog::open(options, Arc::new(storage.clone()), clock.clone()).unwrap().0
}

async fn fill(log: &EmbeddedLog, records: u64) {
    for _ in 0..records {
        append(log, &[noise(log.end().0, 300)]).await.unwrap();
    }
}

/// Segments go after a commit is acknowledged, before the next one: two appends see it done.
async fn start_after_two_appends(log: &EmbeddedLog) -> u64 {
    fill(log, 2).await;
    log.start().0
}

#[tokio::test]
async fn without_limits_everything_stays() {
    let storage = FaultyStorage::new(0);
    let log = open_log(&storage, &clock(), options(600));
    fill(&log, 10).await;
    assert_eq!(start_after_two_appends(&log).await, 0);
}

#[tokio::test]
async fn the_oldest_segments_beyond_the_size_go() {
    let storage = FaultyStorage::new(0);
    let log = open_log(&storage, &clock(), Options { max_bytes: Some(3_000), ..options(600) });
    fill(&log, 40).await;
    let start = start_after_two_appends(&log).await;
    assert!(start >= 32 && start < log.end().0, "start {start}");
    assert!(log.statistics().stored_bytes <= 3_000 + 900);
    assert!(matches!(log.read(Offset(start - 1), 1), Err(Error::BeforeStart { .. })));
    assert_eq!(read_whole(&log)[0].0, start);
    assert_eq!(segments(&storage).len(), 1 + ((log.end().0 - 1 - start) / 2) as usize, "files are gone");
    drop(log);
    let (log, recovery) = open(&storage, 600);
    assert!(recovery.clean && recovery.start.0 >= start);
    assert!(!read_whole(&log).is_empty());
}

#[tokio::test]
async fn whole_segments_beyond_their_time_go() {
    let storage = FaultyStorage::new(0);
    let clock = clock();
    let retention = Some(Duration::from_secs(100));
    let log = open_log(&storage, &clock, Options { retention, ..options(600) });
    fill(&log, 6).await;
    clock.advance(Duration::from_secs(90));
    fill(&log, 6).await;
    assert_eq!(log.start().0, 0);
    clock.advance(Duration::from_secs(50));
    // The segment that was newest then may hold records of both times.
    let start = start_after_two_appends(&log).await;
    assert!((4..=6).contains(&start), "start {start}");
}

#[tokio::test]
async fn nothing_goes_that_a_consumer_has_not_released() {
    let storage = FaultyStorage::new(0);
    let consumers = vec!["pipeline".to_owned(), "warehouse".to_owned()];
    let limited = Options { max_bytes: Some(1_000), consumers, ..options(600) };
    let log = open_log(&storage, &clock(), limited);
    fill(&log, 20).await;
    assert_eq!(start_after_two_appends(&log).await, 0, "nobody has said anything");
    log.release("pipeline", Offset(15));
    assert_eq!(start_after_two_appends(&log).await, 0, "one has not");
    log.release("warehouse", Offset(9));
    assert_eq!(start_after_two_appends(&log).await, 8, "segments before the slower one");
    log.release("warehouse", Offset(3));
    log.release("unknown", Offset(0));
    assert_eq!(start_after_two_appends(&log).await, 8, "a release is not taken back");
    log.release("warehouse", Offset(20));
    assert_eq!(start_after_two_appends(&log).await, 14);
    assert_eq!(read_whole(&log)[0].0, 14);
}
