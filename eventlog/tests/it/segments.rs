use std::path::PathBuf;

use eventlog::{Error, testing::FaultyStorage};

use crate::support::{append, disk_with, is_segment, noise, open, open_with, options, read_whole};

const SEGMENT_BYTES: u64 = 1_000;

/// A log of segments with three records each, at least four of them. `closed` in good order or not.
async fn files(closed: bool) -> Vec<(PathBuf, Vec<u8>)> {
    let storage = FaultyStorage::new(0);
    let (log, _) = open(&storage, SEGMENT_BYTES);
    for n in 0..14 {
        append(&log, &[noise(n, 300)]).await.unwrap();
    }
    let open_files = storage.files();
    drop(log);
    if closed { storage.files() } else { open_files }
}

fn segment(files: &[(PathBuf, Vec<u8>)], index: usize) -> usize {
    files.iter().enumerate().filter(|(_, (path, _))| is_segment(path)).nth(index).unwrap().0
}

fn refusal(files: &[(PathBuf, Vec<u8>)]) -> Error {
    open_with(&disk_with(files), options(SEGMENT_BYTES)).unwrap_err()
}

#[tokio::test]
async fn segments_follow_each_other() {
    let files = files(true).await;
    let (log, recovery) = open(&disk_with(&files), SEGMENT_BYTES);
    assert_eq!((recovery.segments, recovery.start.0, recovery.end.0), (5, 0, 14));
    assert_eq!(read_whole(&log).len(), 14);
    let verified = log.verify().unwrap();
    assert_eq!((verified.segments, verified.batches, verified.records), (5, 14, 14));
    assert_eq!((verified.damaged, verified.replaced), (vec![], vec![]));
}

#[tokio::test]
async fn a_missing_segment_is_refused_and_the_gap_named() {
    for closed in [true, false] {
        for (index, gap) in [(0, (0, 3)), (1, (3, 6)), (3, (9, 12)), (4, (12, 12))] {
            let mut files = files(closed).await;
            files.remove(segment(&files, index));
            let error = refusal(&files);
            let Error::Missing { first, next, .. } = &error else { panic!("{index}: {error}") };
            assert_eq!((first.0, next.0), gap, "{error}");
        }
    }
}

#[tokio::test]
async fn a_log_without_any_of_its_segments_is_refused() {
    let mut files = files(true).await;
    files.retain(|(path, _)| !is_segment(path));
    assert!(matches!(refusal(&files), Error::Missing { .. }));
}

#[tokio::test]
async fn swapped_segments_are_refused() {
    let mut files = files(true).await;
    let (one, two) = (segment(&files, 1), segment(&files, 2));
    let bytes = files[one].1.clone();
    files[one].1 = std::mem::replace(&mut files[two].1, bytes);
    assert!(matches!(refusal(&files), Error::Misplaced { base, .. } if base.0 == 6));
}

#[tokio::test]
async fn a_duplicated_segment_is_refused() {
    let mut files = files(true).await;
    let bytes = files[segment(&files, 1)].1.clone();
    let copy = files[segment(&files, 1)].0.with_file_name("00000000000000000004.log");
    files.push((copy, bytes));
    assert!(matches!(refusal(&files), Error::Misplaced { base, .. } if base.0 == 3));
}

#[tokio::test]
async fn a_segment_of_another_log_in_place_of_ours_is_found() {
    let mut ours = files(true).await;
    let storage = FaultyStorage::new(0);
    let (log, _) = open(&storage, SEGMENT_BYTES);
    for n in 0..14 {
        append(&log, &[noise(n + 100, 300)]).await.unwrap();
    }
    drop(log);
    let index = segment(&ours, 1);
    ours[index].1 = storage.files()[index].1.clone();
    let (log, _) = open(&disk_with(&ours), SEGMENT_BYTES);
    // Neither what it says of the one before it nor what the next one says of it is true.
    let replaced = log.verify().unwrap().replaced;
    assert_eq!(replaced, ["00000000000000000000.log", "00000000000000000003.log"]);
}

#[tokio::test]
async fn a_segment_of_a_newer_format_is_refused() {
    let mut files = files(true).await;
    let index = segment(&files, 4);
    for copy in [0, 64] {
        files[index].1[copy + 8] = 9;
        let crc = crc(&files[index].1[copy..copy + 60]);
        files[index].1[copy + 60..copy + 64].copy_from_slice(&crc.to_le_bytes());
    }
    assert!(matches!(refusal(&files), Error::Newer { version: 9, .. }));
}

/// CRC32C by its definition.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg()))
    })
}

#[tokio::test]
async fn a_header_without_a_whole_copy_is_refused() {
    let mut files = files(true).await;
    let index = segment(&files, 2);
    files[index].1[5] ^= 1;
    files[index].1[70] ^= 1;
    assert!(matches!(refusal(&files), Error::Header { file } if file.contains("06.log")));
}
