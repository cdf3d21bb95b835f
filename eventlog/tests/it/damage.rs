use std::{ops::Range, path::PathBuf};

use eventlog::{Error, Log, testing::FaultyStorage};
use model::Offset;

use crate::support::{append, disk_with, is_segment, noise, open, read_all, segments};

const SEGMENT_BYTES: u64 = 15_000;

/// Where the records of each append stand: file, bytes, offsets. Taken from the growth of the files.
struct Layout {
    files: Vec<(PathBuf, Vec<u8>)>,
    batches: Vec<(PathBuf, Range<usize>, Range<u64>)>,
    end: u64,
}

/// A log of a few segments, closed in good order.
async fn log_on_disk() -> Layout {
    let storage = FaultyStorage::new(0);
    let (log, _) = open(&storage, SEGMENT_BYTES);
    let mut batches = Vec::new();
    for n in 0..100_u64 {
        let before = segments(&storage);
        let payloads: Vec<_> = (0..n % 5 + 1).map(|i| noise(n * 10 + i, 200)).collect();
        let appended = append(&log, &payloads).await.unwrap();
        let (path, bytes) = segments(&storage).pop().unwrap();
        let start = before.iter().find(|(p, _)| *p == path).map_or(128, |(_, bytes)| bytes.len());
        batches.push((path, start..bytes.len(), appended.first.0..appended.next.0));
    }
    let end = log.end().0;
    drop(log);
    Layout { files: storage.files(), batches, end }
}

#[tokio::test]
async fn a_flipped_bit_anywhere_is_found_and_costs_its_own_batch_alone() {
    let layout = log_on_disk().await;
    let total: usize = layout.files.iter().filter(|(p, _)| is_segment(p)).map(|(_, b)| b.len()).sum();
    let (mut injected, mut found) = (0, 0);
    for (index, (path, bytes)) in layout.files.iter().enumerate() {
        if !is_segment(path) {
            continue;
        }
        for at in (0..bytes.len()).step_by(total / 1_000) {
            let mut files = layout.files.clone();
            files[index].1[at] ^= 1 << (at % 8);
            injected += 1;
            let hit = layout.batches.iter().find(|(p, range, _)| p == path && range.contains(&at));
            found += check(&files, &layout, hit.map(|(_, _, offsets)| offsets.clone()), at);
        }
    }
    assert!(injected >= 1_000);
    assert_eq!(found, injected, "every flipped bit is found");
}

/// How many faults were found, with `lost` the only records that may be.
fn check(files: &[(PathBuf, Vec<u8>)], layout: &Layout, lost: Option<Range<u64>>, at: usize) -> usize {
    let (log, recovery) = open(&disk_with(files), SEGMENT_BYTES);
    assert_eq!(log.end().0, layout.end, "no offset is given twice (LOG-2), byte {at}");
    let (records, damaged) = read_all(&log);
    let expect: Vec<_> = lost.clone().map(|range| (range.start, range.end)).into_iter().collect();
    assert_eq!(damaged, expect, "byte {at}");
    let kept = layout.batches.iter().flat_map(|(_, _, offsets)| offsets.clone());
    let kept = kept.filter(|offset| !lost.as_ref().is_some_and(|lost| lost.contains(offset)));
    assert!(records.iter().map(|(offset, _)| *offset).eq(kept), "all other records are read, byte {at}");
    assert_eq!(recovery.torn, None, "byte {at}");
    // A header copy that is damaged in the newest segment was repaired when the log was opened.
    let verified = log.verify().unwrap().damaged.len();
    if verified > 0 { verified } else { recovery.damaged.len() }
}

#[tokio::test]
async fn damage_is_named_with_its_place_and_reading_goes_on_after_it() {
    let layout = log_on_disk().await;
    let (path, bytes, offsets) = layout.batches[20].clone();
    let mut files = layout.files;
    let file = files.iter_mut().find(|(p, _)| *p == path).unwrap();
    file.1[bytes.start + 60] ^= 1;
    let (log, _) = open(&disk_with(&files), SEGMENT_BYTES);
    let Err(Error::Damaged { first, next, file, at }) = log.read(Offset(offsets.start), 1) else {
        panic!("the read meets the damage")
    };
    assert_eq!((first.0..next.0, at), (offsets, bytes.start as u64));
    assert_eq!(path.file_name().unwrap().to_str().unwrap(), file);
    assert_eq!(log.read(next, 1).unwrap().records().next().unwrap().offset, next);
    // A read from before it stops there first.
    let before = log.read(log.start(), 1 << 20).unwrap();
    assert_eq!(before.next(), first);
}

#[tokio::test]
async fn damage_over_several_batches_is_one_range() {
    let layout = log_on_disk().await;
    let hit: Vec<_> = layout.batches[30..34].to_vec();
    assert!(hit.iter().all(|(path, ..)| *path == hit[0].0));
    let mut files = layout.files;
    let file = files.iter_mut().find(|(path, _)| *path == hit[0].0).unwrap();
    file.1[hit[0].1.start..hit[3].1.end].fill(0xaa);
    let (log, _) = open(&disk_with(&files), SEGMENT_BYTES);
    assert_eq!(read_all(&log).1, [(hit[0].2.start, hit[3].2.end)]);
}

#[tokio::test]
async fn a_sealed_segment_that_was_cut_short_names_what_is_gone() {
    let layout = log_on_disk().await;
    let cut = layout.batches.iter().position(|(path, ..)| *path != layout.batches[0].0).unwrap() - 2;
    let next_segment = layout.batches[cut + 2].2.start;
    let (path, bytes, offsets) = layout.batches[cut].clone();
    let mut files = layout.files;
    files.iter_mut().find(|(p, _)| *p == path).unwrap().1.truncate(bytes.start);
    let (log, _) = open(&disk_with(&files), SEGMENT_BYTES);
    assert_eq!(read_all(&log).1, [(offsets.start, next_segment)]);
    assert_eq!(log.verify().unwrap().damaged.len(), 1);
}

#[tokio::test]
async fn a_damaged_middle_of_an_open_log_is_not_taken_for_its_end() {
    let storage = FaultyStorage::new(0);
    let (log, _) = open(&storage, 1 << 20);
    let mut places = vec![128];
    for n in 0..5 {
        append(&log, &[noise(n, 300)]).await.unwrap();
        places.push(segments(&storage)[0].1.len());
    }
    let mut files = storage.files();
    drop(log);
    let newest = files.iter_mut().find(|(path, _)| is_segment(path)).unwrap();
    newest.1[places[2] + 10] ^= 4;
    let storage = disk_with(&files);
    let (log, recovery) = open(&storage, 1 << 20);
    let damaged: Vec<_> = recovery.damaged.iter().map(|d| (d.first.0, d.next.0)).collect();
    assert_eq!((recovery.torn, damaged), (None, vec![(2, 3)]));
    assert_eq!(append(&log, &[b"on".to_vec()]).await.unwrap().first.0, 5);
    let (records, lost) = read_all(&log);
    assert_eq!((records.len(), lost), (5, vec![(2, 3)]));
}

#[tokio::test]
async fn damage_to_either_half_of_the_list_of_segments_is_survived() {
    let layout = log_on_disk().await;
    let index = layout.files.iter().position(|(path, _)| path.ends_with("segments")).unwrap();
    for at in (0..64).chain(4096..4160) {
        let mut files = layout.files.clone();
        files[index].1[at] ^= 1;
        let (log, _) = open(&disk_with(&files), SEGMENT_BYTES);
        assert_eq!((log.end().0, read_all(&log).1), (layout.end, vec![]), "byte {at}");
    }
}

#[tokio::test]
async fn a_client_cannot_forge_a_batch_inside_its_own_payload() {
    // The bytes of a whole segment, batches included, as a payload of another log.
    let storage = FaultyStorage::new(0);
    let (log, _) = open(&storage, 1 << 20);
    append(&log, &[b"forged".to_vec()]).await.unwrap();
    let bait = segments(&storage)[0].1.clone();
    let victim = FaultyStorage::new(0);
    let clock = crate::support::clock();
    clock.set(model::Timestamp::from_millis(77));
    let open_victim = |storage: FaultyStorage| {
        eventlog::EmbeddedLog::open(
            crate::support::options(1 << 20),
            std::sync::Arc::new(storage),
            clock.clone(),
        )
    };
    let (log, _) = open_victim(victim.clone()).unwrap();
    append(&log, &[bait]).await.unwrap();
    append(&log, &[b"after".to_vec()]).await.unwrap();
    let mut files = victim.files();
    drop(log);
    files.iter_mut().find(|(path, _)| is_segment(path)).unwrap().1[130] ^= 1;
    let (log, _) = open_victim(disk_with(&files)).unwrap();
    assert_eq!(read_all(&log), (vec![(1, b"after".to_vec())], vec![(0, 1)]));
}
