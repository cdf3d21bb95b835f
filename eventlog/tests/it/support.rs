use std::{
    future::Future,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use eventlog::{AppendError, Appended, EmbeddedLog, Error, Log, Options, Recovery, testing::FaultyStorage};
use model::{ManualClock, NewRecord, Offset, RecordKind, Timestamp};

pub(crate) const DIR: &str = "/log";

pub(crate) fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(Timestamp::from_millis(1_000)))
}

/// Small segments, so that every test crosses several.
pub(crate) fn options(segment_bytes: u64) -> Options {
    Options { segment_bytes, ..Options::new(DIR) }
}

pub(crate) fn open_with(storage: &FaultyStorage, options: Options) -> Result<(EmbeddedLog, Recovery), Error> {
    EmbeddedLog::open(options, Arc::new(storage.clone()), clock())
}

pub(crate) fn open(storage: &FaultyStorage, segment_bytes: u64) -> (EmbeddedLog, Recovery) {
    open_with(storage, options(segment_bytes)).unwrap()
}

/// A disk with these files.
pub(crate) fn disk_with(files: &[(PathBuf, Vec<u8>)]) -> FaultyStorage {
    let storage = FaultyStorage::new(0);
    for (path, bytes) in files {
        storage.put(path, bytes.clone());
    }
    storage
}

/// The segment files of a disk, oldest first.
pub(crate) fn segments(storage: &FaultyStorage) -> Vec<(PathBuf, Vec<u8>)> {
    storage.files().into_iter().filter(|(path, _)| is_segment(path)).collect()
}

pub(crate) fn is_segment(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "log")
}

pub(crate) fn event(payload: impl Into<Vec<u8>>) -> NewRecord {
    NewRecord { kind: RecordKind::Event, payload: payload.into() }
}

/// Bytes that do not compress, the same for the same number.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| byte()).collect()
}

pub(crate) async fn append(log: &EmbeddedLog, payloads: &[Vec<u8>]) -> Result<Appended, AppendError> {
    log.append(payloads.iter().map(|payload| event(payload.clone())).collect()).await
}

pub(crate) type Records = Vec<(u64, Vec<u8>)>;

/// Every readable record, and the ranges of those that are named as damaged.
pub(crate) fn read_all(log: &EmbeddedLog) -> (Records, Vec<(u64, u64)>) {
    let (mut records, mut lost, mut at) = (Vec::new(), Vec::new(), log.start());
    while at < log.end() {
        match log.read(at, 10_000) {
            Ok(batch) => {
                assert!(!batch.is_empty() && batch.next() > at);
                records.extend(batch.records().map(|r| (r.offset.0, r.payload.to_vec())));
                at = batch.next();
            }
            Err(error) => {
                let (first, next) = error.damaged().unwrap_or_else(|| panic!("{error}"));
                assert!(first == at && next > at, "damage {first}..{next} met at {at}");
                lost.push((first.0, next.0));
                at = next;
            }
        }
    }
    (records, lost)
}

/// Every record of a log that is whole.
pub(crate) fn read_whole(log: &EmbeddedLog) -> Records {
    let (records, lost) = read_all(log);
    assert_eq!(lost, [], "nothing is damaged");
    let offsets: Vec<_> = records.iter().map(|(offset, _)| *offset).collect();
    let Offset(start) = log.start();
    assert_eq!(offsets, (start..log.end().0).collect::<Vec<_>>(), "offsets are dense (LOG-2)");
    records
}

/// Lets a future run up to its first wait.
pub(crate) fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}
