//! A server that cannot start says why and ends; it does not panic.

use crate::server::{DEFINITIONS, command, configure};

#[tokio::test]
async fn a_warehouse_that_cannot_be_opened_is_named() {
    let dir = tempfile::tempdir().unwrap();
    configure(dir.path(), DEFINITIONS, "");
    std::fs::create_dir(dir.path().join("data")).unwrap();
    std::fs::write(dir.path().join("data/warehouse"), "not a folder").unwrap();
    let output = command(dir.path()).output().await.unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{log}");
    assert!(log.contains("warehouse"), "{log}");
    assert!(!log.contains("panicked"), "{log}");
}
