use eventlog::{
    AppendError, Log,
    testing::{Faults, FaultyStorage},
};

use crate::support::{append, noise, open, read_whole};

fn full_at(capacity: u64) -> Faults {
    Faults { capacity: Some(capacity), ..Faults::default() }
}

#[tokio::test]
async fn without_space_appends_are_refused_until_there_is_some() {
    let storage = FaultyStorage::new(0);
    let (log, _) = open(&storage, 1 << 20);
    append(&log, &[noise(0, 1_000)]).await.unwrap();
    let used = storage.bytes();
    for room in [0, 1, 47, 48, 500, 1_000] {
        storage.set_faults(full_at(used + room));
        let refused = append(&log, &[noise(1, 1_000)]).await.unwrap_err();
        assert!(matches!(refused, AppendError::Full { .. }), "{refused}");
        assert_eq!(storage.bytes(), used, "what was written of it is taken back");
        assert_eq!(read_whole(&log).len(), 1, "what was acknowledged is intact");
    }
    storage.set_faults(Faults::default());
    assert_eq!(append(&log, &[noise(1, 1_000)]).await.unwrap().first.0, 1, "without a restart");
    assert_eq!(*log.failed().borrow(), None);
    assert_eq!(log.statistics().full, 6);
    drop(log);
    let (log, recovery) = open(&storage, 1 << 20);
    assert!(recovery.clean);
    assert_eq!(read_whole(&log), [(0, noise(0, 1_000)), (1, noise(1, 1_000))]);
}

#[tokio::test]
async fn a_small_append_may_still_fit() {
    let storage = FaultyStorage::new(0);
    let (log, _) = open(&storage, 1 << 20);
    storage.set_faults(full_at(storage.bytes() + 200));
    assert!(append(&log, &[noise(1, 1_000)]).await.is_err());
    assert_eq!(append(&log, &[noise(2, 100)]).await.unwrap().first.0, 0);
}

#[tokio::test]
async fn without_space_for_a_new_segment_the_old_one_stays_until_there_is_some() {
    for room in [0, 1, 64, 127, 128, 150] {
        let storage = FaultyStorage::new(0);
        let (log, _) = open(&storage, 500);
        append(&log, &[noise(0, 600)]).await.unwrap();
        storage.set_faults(full_at(storage.bytes() + room));
        for _ in 0..3 {
            let refused = append(&log, &[noise(1, 600)]).await;
            assert!(matches!(refused, Err(AppendError::Full { .. })), "{refused:?}");
        }
        storage.set_faults(Faults::default());
        assert_eq!(append(&log, &[noise(1, 600)]).await.unwrap().first.0, 1);
        drop(log);
        let (log, recovery) = open(&storage, 500);
        assert_eq!((recovery.segments, log.end().0), (2, 2), "room {room}");
        assert_eq!(read_whole(&log), [(0, noise(0, 600)), (1, noise(1, 600))]);
    }
}
