use std::{future::Future, sync::Arc, time::Duration};

use model::{ManualClock, NewRecord, Offset, RecordKind, Timestamp};

use crate::{Error, Log};

/// Checks on fresh, empty logs, one per promise, that an implementation keeps what [`Log`] promises.
/// Panics with the first promise that is broken.
pub async fn conformance<L, F>(make: impl Fn(Arc<ManualClock>) -> F)
where
    L: Log,
    F: Future<Output = L>,
{
    let clock = || Arc::new(ManualClock::at(Timestamp::from_millis(1_000)));
    an_empty_log_has_nothing(make(clock()).await).await;
    offsets_are_dense(make(clock()).await).await;
    records_come_back_as_they_were(make(clock()).await).await;
    reading_is_cut_into_pieces_without_loss(make(clock()).await).await;
    concurrent_appends_stay_whole(make(clock()).await).await;
    the_end_is_announced(make(clock()).await).await;
    let manual = clock();
    the_log_clock_never_goes_back(make(Arc::clone(&manual)).await, &manual).await;
}

fn event(payload: impl Into<Vec<u8>>) -> NewRecord {
    NewRecord { kind: RecordKind::Event, payload: payload.into() }
}

async fn append(log: &impl Log, records: Vec<NewRecord>) -> crate::Appended {
    log.append(records).await.expect("an append to a log that works")
}

/// Everything from `from` on, as offset and payload, read in pieces of `max_bytes`.
fn read_all(log: &impl Log, from: Offset, max_bytes: usize) -> Vec<(Offset, Vec<u8>)> {
    let mut records = Vec::new();
    let mut at = from;
    loop {
        let batch = log.read(at, max_bytes).expect("a read of a log that works");
        if batch.is_empty() {
            assert_eq!(batch.next(), at, "an empty batch leads nowhere");
            return records;
        }
        let before = records.len() as u64;
        records.extend(batch.records().map(|record| (record.offset, record.payload.to_vec())));
        assert_eq!(batch.next(), at.plus(records.len() as u64 - before), "next follows the last record");
        at = batch.next();
    }
}

async fn an_empty_log_has_nothing(log: impl Log) {
    assert_eq!(log.start(), log.end(), "an empty log ends where it starts");
    assert!(log.read(log.end(), 1 << 20).expect("a read at the end").is_empty());
    let beyond = log.read(log.end().plus(1), 1 << 20);
    assert!(matches!(beyond, Err(Error::AfterEnd { .. })), "a read after the end is an error");
    let nothing = append(&log, Vec::new()).await;
    assert_eq!((nothing.first, nothing.next), (log.end(), log.end()), "no records take no offsets");
}

async fn offsets_are_dense(log: impl Log) {
    let mut expect = log.end();
    for count in [1, 3, 1, 10] {
        let appended = append(&log, vec![event("x"); count]).await;
        assert_eq!(appended.first, expect, "an append follows the one before");
        expect = expect.plus(count as u64);
        assert_eq!(appended.next, expect, "every record takes one offset");
        assert_eq!(log.end(), expect, "what is acknowledged is readable");
    }
    let offsets: Vec<_> = read_all(&log, log.start(), 1).into_iter().map(|(offset, _)| offset.0).collect();
    assert_eq!(offsets, (log.start().0..expect.0).collect::<Vec<_>>(), "no hole, none twice (LOG-3)");
}

async fn records_come_back_as_they_were(log: impl Log) {
    let kinds = [
        RecordKind::Event,
        RecordKind::DeadLetter,
        RecordKind::DeadLetterState,
        RecordKind::Tick,
        RecordKind::Definitions,
        RecordKind::Probe,
    ];
    let payload = |n: usize| (0..n).map(|i| (i * 7 % 251) as u8).collect::<Vec<_>>();
    let records: Vec<_> = kinds
        .into_iter()
        .zip([0, 1, 127, 128, 20_000, 300_000])
        .map(|(kind, size)| NewRecord { kind, payload: payload(size) })
        .collect();
    let appended = append(&log, records.clone()).await;
    let batch = log.read(appended.first, 1 << 20).expect("a read of a log that works");
    let found: Vec<_> = batch
        .records()
        .inspect(|record| assert_eq!(record.at, appended.at, "a record has the time of its commit"))
        .map(|record| NewRecord { kind: record.kind, payload: record.payload.to_vec() })
        .collect();
    assert_eq!(found, records, "kind and payload come back");
}

async fn reading_is_cut_into_pieces_without_loss(log: impl Log) {
    for n in 0..20_u8 {
        append(&log, vec![event(vec![n; 100]); usize::from(n % 4) + 1]).await;
    }
    let whole = read_all(&log, log.start(), 1 << 20);
    for max_bytes in [0, 1, 99, 100, 101, 1_000] {
        assert_eq!(read_all(&log, log.start(), max_bytes), whole, "pieces of {max_bytes} bytes");
    }
    for from in 0..whole.len() {
        let found = read_all(&log, log.start().plus(from as u64), 250);
        assert_eq!(found, whole[from..], "from record {from} on");
    }
    let piece = log.read(log.start(), 1_000).expect("a read of a log that works");
    let bytes: usize = piece.records().map(|record| record.payload.len()).sum();
    assert!(bytes <= 1_000 + 100, "a piece is about as large as asked, not {bytes} bytes");
}

async fn concurrent_appends_stay_whole(log: impl Log) {
    let tasks = (0..8_u8).map(|task| {
        let log = log.clone();
        tokio::spawn(async move {
            let mut appended = Vec::new();
            for n in 0..10_u8 {
                let records = (0..5_u8).map(|i| event([task, n, i])).collect();
                appended.push((task, n, append(&log, records).await));
            }
            appended
        })
    });
    let tasks: Vec<_> = tasks.collect();
    let records = read_all_after(&log, tasks).await;
    let (appended, records) = records;
    assert_eq!(records.len(), 8 * 10 * 5, "every record once");
    for (task, n, at) in appended {
        for i in 0..5_u8 {
            let offset = at.first.plus(u64::from(i));
            let (_, payload) = &records[(offset.0 - log.start().0) as usize];
            assert_eq!(payload, &[task, n, i], "records of one append are together and in order");
        }
    }
}

type Acknowledged = Vec<(u8, u8, crate::Appended)>;

async fn read_all_after(
    log: &impl Log,
    tasks: Vec<tokio::task::JoinHandle<Acknowledged>>,
) -> (Acknowledged, Vec<(Offset, Vec<u8>)>) {
    let mut appended = Vec::new();
    for task in tasks {
        appended.extend(task.await.expect("a task that appends"));
    }
    (appended, read_all(log, log.start(), 700))
}

async fn the_end_is_announced(log: impl Log) {
    let mut end = log.watch_end();
    assert_eq!(*end.borrow_and_update(), log.end());
    let appended = append(&log, vec![event("x"), event("y")]).await;
    let seen = end.wait_for(|end| *end >= appended.next).await.expect("a log that is there");
    assert_eq!(*seen, appended.next);
}

async fn the_log_clock_never_goes_back(log: impl Log, clock: &ManualClock) {
    let first = append(&log, vec![event("x")]).await;
    assert_eq!(first.at, Timestamp::from_millis(1_000), "the log's clock is the machine's");
    clock.set(Timestamp::from_millis(5));
    let back = append(&log, vec![event("x")]).await;
    assert_eq!(back.at, first.at, "it stands while the machine's clock is behind");
    clock.set(Timestamp::from_millis(1_000));
    clock.advance(Duration::from_millis(1));
    let on = append(&log, vec![event("x")]).await;
    assert_eq!(on.at, Timestamp::from_millis(1_001), "and goes on with it");
}
