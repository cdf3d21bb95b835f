//! SINK-1: a log record appears exactly once, whatever fails.

use super::*;

const COUNTS: &str = "select (select count(*) from events) a, (select count(distinct id) from events) b, (select count(*) from order_completed) c, (select count(*) from audience_changes) d";

fn change(offset: u64) -> Upsert {
    let seq = Value::Int64(offset.cast_signed());
    Upsert { table: "audience_changes", key: vec![seq.clone()], row: Some(vec![seq]), offset: Offset(offset) }
}

fn mixed(from: u64, to: u64) -> RowBatch {
    RowBatch { upserts: (from..to).map(change).collect(), ..orders(from, to) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_of_stored_rows_adds_nothing() {
    let bench = Bench::new();
    let warehouse = bench.open().await;
    warehouse.apply(mixed(0, 10));
    assert_eq!(warehouse.flush().await.unwrap(), Offset(10));
    warehouse.apply(mixed(10, 15));
    drop(warehouse);
    let warehouse = bench.open().await;
    assert_eq!(warehouse.durable(), Offset(10));
    check(&warehouse, COUNTS, &["10|10|10|10"]).await;
    warehouse.apply(mixed(4, 12));
    check(&warehouse, COUNTS, &["12|12|12|12"]).await;
    warehouse.flush().await.unwrap();
    check(&warehouse, COUNTS, &["12|12|12|12"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_progress_file_is_only_a_hint() {
    let bench = Bench::new();
    let warehouse = bench.open().await;
    warehouse.apply(mixed(0, 10));
    warehouse.flush().await.unwrap();
    drop(warehouse);
    std::fs::remove_file(bench.path().join("progress")).unwrap();
    let warehouse = bench.open().await;
    assert_eq!(warehouse.durable(), Offset(10));
    warehouse.apply(mixed(0, 20));
    warehouse.flush().await.unwrap();
    check(&warehouse, COUNTS, &["20|20|20|20"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_the_commits_of_two_tables_is_healed_by_replay() {
    for lost in ["events", "order_completed", "audience_changes"] {
        let bench = Bench::new();
        let warehouse = bench.open().await;
        warehouse.apply(mixed(0, 10));
        warehouse.flush().await.unwrap();
        warehouse.apply(mixed(10, 20));
        warehouse.flush().await.unwrap();
        drop(warehouse);
        // The state on disk as if the last commit of this table had not been reached.
        let log = bench.path().join(lost).join("_delta_log");
        let last = log_files(bench.path(), lost).into_iter().filter(|n| n.ends_with(".json")).max().unwrap();
        std::fs::remove_file(log.join(last)).unwrap();
        std::fs::write(bench.path().join("progress"), "1 10\n").unwrap();
        let warehouse = bench.open().await;
        warehouse.apply(mixed(10, 25));
        warehouse.flush().await.unwrap();
        check(&warehouse, COUNTS, &["25|25|25|25"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_commit_is_set_aside() {
    let bench = Bench::new();
    let warehouse = bench.open().await;
    warehouse.apply(mixed(0, 10));
    warehouse.flush().await.unwrap();
    warehouse.apply(mixed(10, 20));
    warehouse.flush().await.unwrap();
    drop(warehouse);
    let log = bench.path().join("events").join("_delta_log");
    let last = log_files(bench.path(), "events").into_iter().filter(|n| n.ends_with(".json")).max().unwrap();
    let text = std::fs::read_to_string(log.join(&last)).unwrap();
    std::fs::write(log.join(&last), &text[..text.len() / 2]).unwrap();
    std::fs::remove_file(bench.path().join("progress")).unwrap();
    let warehouse = bench.open().await;
    assert_eq!(warehouse.durable(), Offset(10));
    warehouse.apply(mixed(10, 20));
    check(&warehouse, COUNTS, &["20|20|20|20"]).await;
}
