use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn stored_and_waiting_rows_answer_as_one_table() {
    let bench = Bench::new();
    let warehouse = bench.open().await;
    check(&warehouse, "select count(*) from order_completed", &["0"]).await;
    warehouse.apply(orders(0, 10));
    check(&warehouse, "select count(*), sum(total) from order_completed", &["10|50.00"]).await;
    warehouse.flush().await.unwrap();
    check(&warehouse, "select count(*), sum(total) from order_completed", &["10|50.00"]).await;
    warehouse.apply(orders(10, 12));
    check(&warehouse, "select count(*), sum(total) from order_completed", &["12|72.00"]).await;
    check(
        &warehouse,
        "select order_id, coupon, context_page_path, context_ip, properties from order_completed where log_offset in (3, 11) order by log_offset",
        &[r#"o3|c|/p|10.0.0.1|{"coupon":"c"}"#, r#"o11|c|/p|10.0.0.1|{"coupon":"c"}"#],
    )
    .await;
    check(
        &warehouse,
        "select type, event, event_text, record_id, properties from events where id = 'm11'",
        &[r#"track|order_completed|Order Completed|web:user:u4|{"total":11.50,"order_id":"o11","coupon":"c"}"#],
    )
    .await;
    check(
        &warehouse,
        r#"select count(*) from events where "timestamp" < timestamp '1970-01-01T00:00:05Z'"#,
        &["5"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_are_added_and_never_retyped() {
    let bench = Bench::new();
    let warehouse = bench.open().await;
    warehouse.apply(events(vec![track(0, "Seen", r#"{"n":1}"#)]));
    warehouse.flush().await.unwrap();
    warehouse
        .apply(events(vec![track(1, "Seen", r#"{"n":1.5,"late":true}"#), track(2, "Seen", r#"{"n":"x"}"#)]));
    let sql =
        "select n, n__float, n__string, late from seen where late or n is null or n = 1 order by log_offset";
    let expect = ["1|-|-|-", "-|1.5|-|true", "-|-|x|-"];
    check(&warehouse, sql, &expect).await;
    warehouse.flush().await.unwrap();
    check(&warehouse, sql, &expect).await;
    check(
        &warehouse,
        "select column_name, column_value from etalon__conflicts order by log_offset",
        &["n|1.5", "n|x"],
    )
    .await;
    drop(warehouse);
    let warehouse = bench.open().await;
    warehouse.apply(events(vec![track(3, "Seen", r#"{"n":2.5}"#)]));
    check(&warehouse, "select n__float from seen where n__float is not null order by 1", &["1.5", "2.5"])
        .await;
    check(&warehouse, "select count(*) from etalon__conflicts", &["2"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_stays_as_it_was() {
    let bench = Bench::new();
    let warehouse = bench.open_with(|o| o.compact_files = 2).await;
    warehouse.apply(orders(0, 5));
    warehouse.flush().await.unwrap();
    warehouse.apply(orders(5, 8));
    let before = warehouse.snapshot();
    warehouse.flush().await.unwrap();
    warehouse.apply(orders(8, 20));
    warehouse.flush().await.unwrap();
    warehouse.maintain().await.unwrap();
    assert_eq!(before.next, Offset(8));
    let sql = "select (select count(*) from events) a, (select count(*) from order_completed) b";
    assert_eq!(ask(&before, sql).await, ["8|8"]);
    assert_eq!(ask(&warehouse.snapshot(), sql).await, ["20|20"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn keyed_tables_show_the_latest_row_per_key() {
    let bench = Bench::new();
    let warehouse = bench.open().await;
    let sql = "select profile_id, visits from profiles order by 1";
    warehouse.apply(upserts(
        3,
        vec![profile(0, "a", Some(1)), profile(1, "b", Some(1)), profile(2, "a", Some(2))],
    ));
    check(&warehouse, sql, &["a|2", "b|1"]).await;
    warehouse.flush().await.unwrap();
    warehouse
        .apply(upserts(6, vec![profile(3, "b", None), profile(4, "c", Some(1)), profile(5, "a", Some(3))]));
    check(&warehouse, sql, &["a|3", "c|1"]).await;
    warehouse.flush().await.unwrap();
    drop(warehouse);
    let warehouse = bench.open().await;
    check(&warehouse, sql, &["a|3", "c|1"]).await;
    // A replay changes nothing.
    warehouse.apply(upserts(4, vec![profile(0, "a", Some(1)), profile(3, "b", Some(9))]));
    check(&warehouse, sql, &["a|3", "c|1"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keyed_tables_replace_superseded_versions() {
    let bench = Bench::new();
    let warehouse = bench.open_with(|o| o.compact_files = 4).await;
    for round in 0..10_u64 {
        let rows = (0..50).map(|n| profile(round, &format!("p{n}"), Some(round.cast_signed()))).collect();
        warehouse.apply(upserts(round + 1, rows));
        warehouse.flush().await.unwrap();
    }
    check(&warehouse, "select count(*), min(visits), max(visits) from profiles", &["50|9|9"]).await;
    bench.later(Duration::from_secs(3_600));
    warehouse.maintain().await.unwrap();
    assert!(data_files(bench.path(), "profiles") <= 4);
    drop(warehouse);
    let warehouse = bench.open().await;
    check(&warehouse, "select count(*), min(visits), max(visits) from profiles", &["50|9|9"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_flushes_leave_few_files_and_a_short_log() {
    let bench = Bench::new();
    let warehouse = bench.open_with(|o| o.compact_files = 16).await;
    for offset in 0..300 {
        warehouse.apply(orders(offset, offset + 1));
        warehouse.flush().await.unwrap();
        if offset % 10 == 0 {
            bench.later(Duration::from_secs(700));
            warehouse.maintain().await.unwrap();
        }
    }
    for table in ["events", "order_completed"] {
        assert!(data_files(bench.path(), table) < 60, "{table}: {} files", data_files(bench.path(), table));
        let log = log_files(bench.path(), table);
        assert!(log.len() < 80, "{table}: {} log files", log.len());
        assert!(log.iter().any(|name| name.contains("checkpoint")));
    }
    check(&warehouse, "select count(*), count(distinct id) from order_completed", &["300|300"]).await;
    drop(warehouse);
    let warehouse = bench.open().await;
    check(&warehouse, "select count(*), count(distinct id) from events", &["300|300"]).await;
}
