use eventlog::{
    EmbeddedLog, Log,
    testing::{Faults, FaultyStorage},
};
use futures::future::join_all;

use crate::support::{append, disk_with, is_segment, noise, open, open_with, options, read_whole, segments};

const SEGMENT_BYTES: u64 = 2_000;

fn power_cut_after(changes: u64) -> Faults {
    Faults { power_cut_after: Some(changes), ..Faults::default() }
}

/// Payload of an append, unique in a test.
fn payload(seed: u64, round: u64, n: u64) -> Vec<u8> {
    let mut payload = noise(seed * 1_000_003 + round * 1_009 + n, 50 + (n % 7) as usize * 60);
    payload.extend(format!(" {seed} {round} {n}").into_bytes());
    payload
}

/// Appends until the power fails, up to `count` times in groups of three at once; what was acknowledged.
async fn append_until_dark(log: &EmbeddedLog, seed: u64, round: u64, count: u64) -> Vec<(u64, Vec<u8>)> {
    let mut acknowledged = Vec::new();
    for n in (0..count).step_by(3) {
        let payloads: Vec<_> =
            (n..n + 3).map(|n| [payload(seed, round, n), payload(seed, round, n + 10_000)]).collect();
        let answers = join_all(payloads.iter().map(|pair| append(log, pair))).await;
        for (pair, answer) in payloads.into_iter().zip(answers) {
            let Ok(appended) = answer else { continue };
            assert_eq!(appended.next.0 - appended.first.0, 2);
            acknowledged.extend((appended.first.0..).zip(pair));
        }
    }
    acknowledged
}

fn check(log: &EmbeddedLog, acknowledged: &[(u64, Vec<u8>)], context: &str) {
    let mut records = read_whole(log);
    for (offset, payload) in acknowledged {
        let found = records.get(*offset as usize).map(|(_, payload)| payload);
        assert_eq!(found, Some(payload), "acknowledged record {offset} is there (LOG-1), {context}");
    }
    let count = records.len();
    records.sort_by(|a, b| a.1.cmp(&b.1));
    records.dedup_by(|a, b| a.1 == b.1);
    assert_eq!(records.len(), count, "none is there twice (LOG-3), {context}");
    assert!(count.is_multiple_of(2), "appends of two records are whole, {context}");
}

#[tokio::test]
async fn power_cuts_at_random_lose_nothing_acknowledged() {
    let (mut cuts, mut survived) = (0, 0);
    for seed in 0..200 {
        let storage = FaultyStorage::new(seed);
        let mut acknowledged = Vec::new();
        for round in 0..3 {
            let context = format!("seed={seed} round={round}");
            let (log, _) = open(&storage, SEGMENT_BYTES);
            check(&log, &acknowledged, &context);
            storage.set_faults(power_cut_after(1 + (seed * 7 + round * 13) % 60));
            acknowledged.extend(append_until_dark(&log, seed, round, 60).await);
            drop(log);
            storage.crash();
            cuts += 1;
        }
        let (log, _) = open(&storage, SEGMENT_BYTES);
        check(&log, &acknowledged, &format!("seed={seed} at the end"));
        survived += acknowledged.len();
    }
    assert_eq!(cuts, 600);
    assert!(survived > 1_000, "the test appends something: {survived}");
}

#[tokio::test]
async fn a_power_cut_at_any_step_of_starting_a_segment_loses_nothing_acknowledged() {
    for cut in 1..40 {
        for seed in 0..6 {
            let storage = FaultyStorage::new(seed);
            // Every append starts a segment.
            let (log, _) = open(&storage, 1);
            storage.set_faults(power_cut_after(cut));
            let acknowledged = append_until_dark(&log, seed, 0, 30).await;
            drop(log);
            storage.crash();
            let (log, _) = open(&storage, 1);
            check(&log, &acknowledged, &format!("cut={cut} seed={seed}"));
            append(&log, &[payload(seed, 1, 0), payload(seed, 1, 1)]).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_power_cut_at_any_step_of_creating_a_log_leaves_an_empty_one() {
    for cut in 1..20 {
        for seed in 0..6 {
            let storage = FaultyStorage::new(seed);
            storage.set_faults(power_cut_after(cut));
            drop(open_with(&storage, options(SEGMENT_BYTES)));
            storage.crash();
            let (log, recovery) = open(&storage, SEGMENT_BYTES);
            assert_eq!((recovery.start.0, recovery.end.0), (0, 0), "cut={cut} seed={seed}");
            append(&log, &[b"x".to_vec()]).await.unwrap();
        }
    }
}

/// Recovery cut off 50 times, a step later each time round, ends in the same bytes as one recovery.
#[tokio::test]
async fn recovery_that_is_interrupted_again_and_again_ends_the_same() {
    let storage = FaultyStorage::new(5);
    let (log, _) = open(&storage, SEGMENT_BYTES);
    let acknowledged = append_until_dark(&log, 5, 0, 30).await;
    let mut files = storage.files();
    drop(log);
    let newest = files.iter_mut().rfind(|(path, _)| is_segment(path)).unwrap();
    newest.1.extend(noise(1, 333));

    let once = disk_with(&files);
    let (log, recovery) = open(&once, SEGMENT_BYTES);
    assert_eq!(recovery.torn.unwrap().bytes, 333);
    check(&log, &acknowledged, "once");
    drop(log);

    let often = disk_with(&files);
    for interruption in 0..50 {
        often.set_faults(power_cut_after(1 + interruption % 8));
        drop(open_with(&often, options(SEGMENT_BYTES)));
        often.crash();
    }
    let (log, _) = open(&often, SEGMENT_BYTES);
    check(&log, &acknowledged, "often");
    assert_eq!(segments(&once), segments(&often), "byte for byte");
    assert_eq!(log.end().0, acknowledged.len() as u64);
}
