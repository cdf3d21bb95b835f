use std::{pin::pin, sync::Arc};

use eventlog::{
    AppendError, EmbeddedLog, Error, FileStorage, Log, Options,
    testing::{Faults, FaultyStorage},
};
use futures::future::join_all;

use crate::support::{append, clock, event, noise, open, open_with, options, poll_once, read_whole};

#[tokio::test]
async fn appends_that_wait_share_one_sync() {
    let storage = FaultyStorage::new(0);
    let (log, _) = open(&storage, 1 << 20);
    let gate = storage.gate_syncs();
    let mut first = pin!(log.append(vec![event("first")]));
    assert!(poll_once(first.as_mut()).is_pending());
    gate.wait_until_held();
    let before = storage.syncs();
    let mut rest: Vec<_> = (0..100).map(|n| Box::pin(log.append(vec![event(format!("{n}")); 2]))).collect();
    assert!(rest.iter_mut().all(|append| poll_once(append.as_mut()).is_pending()));
    assert_eq!(log.end().0, 0, "nothing is acknowledged before its sync (LOG-1)");
    assert!(log.read(log.end(), 1_000).unwrap().is_empty());
    drop(gate);
    assert_eq!(first.await.unwrap().first.0, 0);
    let appended = join_all(rest).await;
    for (n, appended) in appended.into_iter().enumerate() {
        assert_eq!(appended.unwrap().first.0, 1 + 2 * n as u64);
    }
    assert_eq!(storage.syncs() - before, 1, "one sync for a hundred appends");
    let statistics = log.statistics();
    assert_eq!((statistics.commits, statistics.appends, statistics.records), (2, 101, 201));
}

#[tokio::test]
async fn a_full_queue_refuses_at_once() {
    let storage = FaultyStorage::new(0);
    let (log, _) = open_with(&storage, eventlog::Options { queue_bytes: 1_000, ..options(1 << 20) }).unwrap();
    let gate = storage.gate_syncs();
    let mut first = pin!(log.append(vec![event("first")]));
    assert!(poll_once(first.as_mut()).is_pending());
    gate.wait_until_held();
    // An empty queue takes an append of any size.
    let mut large = pin!(log.append(vec![event(vec![0; 5_000])]));
    assert!(poll_once(large.as_mut()).is_pending());
    assert!(log.statistics().queue_bytes >= 5_000);
    let refused = append(&log, &[b"x".to_vec()]).await;
    assert!(matches!(refused, Err(AppendError::Overloaded { .. })));
    drop(gate);
    first.await.unwrap();
    large.await.unwrap();
    append(&log, &[b"x".to_vec()]).await.unwrap();
    assert_eq!(log.statistics().queue_bytes, 0);
}

#[tokio::test]
async fn an_append_nobody_waits_for_is_not_stored() {
    let storage = FaultyStorage::new(0);
    let (log, _) = open(&storage, 1 << 20);
    let gate = storage.gate_syncs();
    let mut first = pin!(log.append(vec![event("first")]));
    assert!(poll_once(first.as_mut()).is_pending());
    gate.wait_until_held();
    let mut left = Box::pin(log.append(vec![event("left")]));
    assert!(poll_once(left.as_mut()).is_pending());
    drop(left);
    drop(gate);
    first.await.unwrap();
    append(&log, &[b"second".to_vec()]).await.unwrap();
    assert_eq!(read_whole(&log), [(0, b"first".to_vec()), (1, b"second".to_vec())]);
}

#[tokio::test]
async fn short_writes_lose_nothing() {
    let storage = FaultyStorage::new(0);
    storage.set_faults(Faults { short_write_every: Some(2), ..Faults::default() });
    let (log, _) = open(&storage, 3_000);
    let payloads: Vec<_> = (0..50).map(|n| noise(n, 100 + n as usize * 7)).collect();
    for payload in &payloads {
        append(&log, std::slice::from_ref(payload)).await.unwrap();
    }
    drop(log);
    let (log, _) = open(&storage, 3_000);
    let expect: Vec<_> = (0..).zip(payloads).collect();
    assert_eq!(read_whole(&log), expect);
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_acknowledged_and_nothing_synced() {
    let storage = FaultyStorage::new(0);
    let (log, _) = open(&storage, 1 << 20);
    append(&log, &[b"kept".to_vec()]).await.unwrap();
    storage.set_faults(Faults { fail_sync_after: Some(1), ..Faults::default() });
    let failed = log.failed();
    assert_eq!(*failed.borrow(), None);
    assert_eq!(append(&log, &[b"lost".to_vec()]).await, Err(AppendError::Failed));
    let syncs = storage.syncs();
    for _ in 0..10 {
        assert_eq!(append(&log, &[b"more".to_vec()]).await, Err(AppendError::Failed));
    }
    let reason = failed.borrow().clone().unwrap();
    assert!(reason.contains("could not sync") && reason.contains("input/output error"), "{reason}");
    assert_eq!(read_whole(&log), [(0, b"kept".to_vec())], "what was acknowledged stays readable");
    drop(log);
    assert_eq!(storage.syncs(), syncs, "a failed sync is never repeated");
    storage.crash();
    let (log, recovery) = open(&storage, 1 << 20);
    assert!(!recovery.clean);
    assert_eq!(read_whole(&log)[0], (0, b"kept".to_vec()));
    append(&log, &[b"next".to_vec()]).await.unwrap();
}

#[tokio::test]
async fn appends_that_wait_when_a_sync_fails_are_all_refused() {
    let storage = FaultyStorage::new(0);
    let (log, _) = open(&storage, 1 << 20);
    storage.set_faults(Faults { fail_sync_after: Some(1), ..Faults::default() });
    let gate = storage.gate_syncs();
    let mut appends: Vec<_> = (0..10).map(|n| Box::pin(log.append(vec![event(format!("{n}"))]))).collect();
    assert!(poll_once(appends[0].as_mut()).is_pending());
    gate.wait_until_held();
    assert!(appends[1..].iter_mut().all(|append| poll_once(append.as_mut()).is_pending()));
    drop(gate);
    assert!(join_all(appends).await.into_iter().all(|answer| answer == Err(AppendError::Failed)));
    assert_eq!(log.end().0, 0);
}

#[tokio::test]
async fn a_closed_log_commits_what_waits_and_can_be_opened_again() {
    let storage = FaultyStorage::new(0);
    let (log, recovery) = open(&storage, 1 << 20);
    assert!(recovery.clean);
    let mut waiting = pin!(log.append(vec![event("waiting")]));
    assert!(poll_once(waiting.as_mut()).is_pending());
    log.close().await;
    assert_eq!(waiting.await.unwrap().first.0, 0);
    assert_eq!(append(&log, &[b"late".to_vec()]).await, Err(AppendError::Failed));
    assert_eq!(*log.failed().borrow(), None, "closing is no failure");
    let (again, recovery) = open(&storage, 1 << 20);
    assert!(recovery.clean && recovery.torn.is_none() && recovery.damaged.is_empty());
    assert_eq!(read_whole(&again), [(0, b"waiting".to_vec())]);
}

#[tokio::test]
async fn a_second_process_is_refused_and_told_who_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let open = || EmbeddedLog::open(Options::new(dir.path()), Arc::new(FileStorage), clock());
    let (log, _) = open().unwrap();
    let Err(Error::Locked { holder, .. }) = open() else { panic!("the second one is refused") };
    assert_eq!(holder, std::process::id().to_string());
    append(&log, &[b"x".to_vec()]).await.unwrap();
    drop(log);
    let (log, recovery) = open().unwrap();
    assert!(recovery.clean);
    assert_eq!(read_whole(&log), [(0, b"x".to_vec())]);
}
