use std::sync::Arc;

use eventlog::{
    EmbeddedLog, FileStorage, MemoryLog, Options,
    testing::{FaultyStorage, conformance},
};

use crate::support::options;

#[tokio::test]
async fn the_memory_log_conforms() {
    conformance(async |clock| MemoryLog::new(clock)).await;
}

#[tokio::test]
async fn the_embedded_log_conforms_on_a_disk_in_memory() {
    for segment_bytes in [1, 1_000, 1 << 20] {
        conformance(async |clock| {
            let storage = Arc::new(FaultyStorage::new(1));
            EmbeddedLog::open(options(segment_bytes), storage, clock).unwrap().0
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_log_conforms_on_the_file_system() {
    let dirs = tempfile::tempdir().unwrap();
    let count = std::cell::Cell::new(0);
    conformance(async |clock| {
        count.set(count.get() + 1);
        let dir = dirs.path().join(count.get().to_string());
        let options = Options { segment_bytes: 4_000, ..Options::new(dir) };
        EmbeddedLog::open(options, Arc::new(FileStorage), clock).unwrap().0
    })
    .await;
}
