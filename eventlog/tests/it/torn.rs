use eventlog::{Log, testing::FaultyStorage};

use crate::support::{append, disk_with, noise, open, read_whole, segments};

const SEGMENT_BYTES: u64 = 1 << 20;

/// A log whose last append of three records is cut at `cut` bytes, opened. Nothing, some or all of it may
/// be there, but never a part.
async fn check(files: &[(std::path::PathBuf, Vec<u8>)], start: usize, cut: usize) {
    let mut files = files.to_vec();
    let newest = files.iter_mut().rfind(|(path, _)| crate::support::is_segment(path)).unwrap();
    let whole = newest.1.len() == cut;
    newest.1.truncate(cut);
    let storage = disk_with(&files);
    let (log, recovery) = open(&storage, SEGMENT_BYTES);
    let torn = recovery.torn.map(|torn| (torn.at, torn.bytes, torn.batches));
    let expect = (cut > start && !whole).then_some((start as u64, (cut - start) as u64, 1));
    assert_eq!(torn, expect, "cut at {cut}");
    let kept = if whole { 13 } else { 10 };
    let records = read_whole(&log);
    assert_eq!(records.len(), kept, "cut at {cut}");
    assert!(records.iter().take(10).all(|(offset, payload)| *payload == noise(*offset, 40)));
    assert_eq!(append(&log, &[b"new".to_vec()]).await.unwrap().first.0, kept as u64);
    drop(log);
    let (log, recovery) = open(&storage, SEGMENT_BYTES);
    assert!(recovery.clean && recovery.torn.is_none(), "the repair lasts");
    assert_eq!(read_whole(&log).len(), kept + 1);
}

#[tokio::test]
async fn a_write_torn_at_any_byte_is_cut_off_whole() {
    let storage = FaultyStorage::new(0);
    let (log, _) = open(&storage, SEGMENT_BYTES);
    for n in 0..10 {
        append(&log, &[noise(n, 40)]).await.unwrap();
    }
    let start = segments(&storage)[0].1.len();
    append(&log, &[noise(10, 40), noise(11, 40), noise(12, 40)]).await.unwrap();
    // As they are while the log is open: it was not closed in good order.
    let files = storage.files();
    let end = segments(&storage)[0].1.len();
    for cut in start..=end {
        check(&files, start, cut).await;
    }
    drop(log);
}

#[tokio::test]
async fn a_write_that_lost_any_block_is_cut_off_whole() {
    let storage = FaultyStorage::new(0);
    let (log, _) = open(&storage, SEGMENT_BYTES);
    append(&log, &[b"kept".to_vec()]).await.unwrap();
    let start = segments(&storage)[0].1.len();
    append(&log, &[noise(1, 2_000)]).await.unwrap();
    let files = storage.files();
    let end = segments(&storage)[0].1.len();
    for block in (start..end).step_by(512) {
        let mut files = files.clone();
        let newest = files.iter_mut().rfind(|(path, _)| crate::support::is_segment(path)).unwrap();
        newest.1[block..end.min(block + 512)].fill(0);
        let (log, recovery) = open(&disk_with(&files), SEGMENT_BYTES);
        assert_eq!(recovery.torn.unwrap().at, start as u64);
        assert_eq!(read_whole(&log), [(0, b"kept".to_vec())]);
        assert_eq!(log.end().0, 1);
    }
    drop(log);
}
