use std::time::Duration;

use arrow::datatypes::DataType;
use engine::{Error, Options, Request};
use model::{ErrorKind, Offset, Principal};
use semantic::MetricQuery;
use tokio::runtime::Handle;

use crate::{check, lines, run, shop::Shop};

const REVENUE: &str = "SELECT count(*), sum(revenue) FROM warehouse.order_completed";

fn metrics(names: &[&str], group_by: &[&str]) -> Request {
    Request::Metrics(MetricQuery {
        metrics: names.iter().map(|name| (*name).into()).collect(),
        group_by: group_by.iter().map(|name| (*name).into()).collect(),
        ..MetricQuery::default()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_count_before_after_and_across_a_flush() {
    let shop = Shop::open().await;
    check(&shop, REVENUE, &["0 | "]).await;
    shop.order(0, "ann", "10.50", 1);
    check(&shop, REVENUE, &["1 | 10.50"]).await;
    shop.warehouse.flush().await.unwrap();
    check(&shop, REVENUE, &["1 | 10.50"]).await;
    shop.order(1, "bob", "2.25", 1);
    check(&shop, REVENUE, &["2 | 12.75"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_waits_for_every_acknowledged_event() {
    let shop = Shop::open().await;
    shop.acknowledged.send_replace(Offset(1));
    let (answer, ()) = tokio::join!(run(&shop, Request::sql(REVENUE)), async {
        tokio::task::yield_now().await;
        shop.show(0, "ann", "1.00", 1);
    });
    assert_eq!(lines(&answer.unwrap()), ["1 | 1.00"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_never_become_readable_are_an_error() {
    let options = Options { freshness_wait: Duration::from_millis(5), ..Options::on(Handle::current()) };
    let shop = Shop::open_with(options).await;
    shop.acknowledged.send_replace(Offset(1));
    let error = run(&shop, Request::sql(REVENUE)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_metric_equals_its_sql() {
    let shop = Shop::open().await;
    for (offset, revenue) in ["10.00", "5.50", "0.01"].into_iter().enumerate() {
        shop.order(offset as u64, "ann", revenue, 1);
    }
    shop.warehouse.flush().await.unwrap();
    shop.order(3, "bob", "100.00", 1);
    let answer = run(&shop, metrics(&["revenue", "orders"], &["order__currency"])).await.unwrap();
    check(
        &shop,
        "SELECT currency, sum(revenue), count(*) FROM order_completed GROUP BY currency",
        &["EUR | 115.51 | 4"],
    )
    .await;
    assert_eq!(lines(&answer), ["EUR | 115.51 | 4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn integer_sums_do_not_wrap() {
    let shop = Shop::open().await;
    shop.order(0, "ann", "1.00", i64::MAX);
    shop.order(1, "ann", "1.00", 1);
    check(&shop, "SELECT sum(points) FROM order_completed", &["9223372036854775808"]).await;
    check(&shop, "SELECT sum(points) OVER () FROM order_completed LIMIT 1", &["9223372036854775808"]).await;
    check(
        &shop,
        "SELECT user_id, sum(points) FROM order_completed GROUP BY 1",
        &["ann | 9223372036854775808"],
    )
    .await;
    let answer = run(&shop, metrics(&["points"], &[])).await.unwrap();
    assert_eq!(lines(&answer), ["9223372036854775808"]);
    assert_eq!(answer.schema().field(0).data_type(), &DataType::Decimal128(38, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_with_a_point_are_exact() {
    let shop = Shop::open().await;
    check(&shop, "SELECT 0.1 + 0.2 = 0.3", &["true"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_prepared_is_what_comes_also_without_rows() {
    let shop = Shop::open().await;
    shop.order(0, "ann", "1.00", 1);
    shop.warehouse.flush().await.unwrap();
    let queries = [
        "SELECT * FROM events.all",
        "SELECT * FROM events.order_completed",
        "SELECT * FROM audiences.catalog",
        "SELECT * FROM profiles.profiles",
        "SELECT * FROM system.metrics",
        "SELECT count(*), sum(points), max(timestamp), count(DISTINCT user_id) FROM order_completed",
        "SELECT user_id, row_number() OVER (ORDER BY timestamp) FROM order_completed",
        "SELECT CASE WHEN points > 1 THEN 'many' END, NULL, 1, 'x', now(), arrow_cast(1, 'UInt64') FROM order_completed",
        "SELECT 1 UNION ALL SELECT 2.5",
        "SHOW TABLES",
        "EXPLAIN SELECT 1",
    ];
    for sql in queries {
        let prepared = shop.engine.prepare(&Principal::local_admin(), &Request::sql(sql)).await;
        let prepared = prepared.unwrap_or_else(|error| panic!("{sql}: {error}"));
        let answer = run(&shop, Request::sql(sql)).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert_eq!(answer.schema(), prepared.schema, "{sql}");
        if sql.starts_with("SELECT") {
            let none = format!("SELECT * FROM ({sql}) q WHERE false");
            let names = |schema: &arrow::datatypes::Schema| schema.fields().len();
            let answer = run(&shop, Request::sql(&none)).await;
            if let Ok(answer) = answer {
                assert_eq!(
                    (answer.num_rows(), names(&answer.schema())),
                    (0, names(&prepared.schema)),
                    "{none}"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn types_are_those_that_every_client_reads() {
    let shop = Shop::open().await;
    shop.order(0, "ann", "1.00", 1);
    let answer = run(&shop, Request::sql("SELECT * FROM events.order_completed")).await.unwrap();
    for field in answer.schema().fields() {
        let fine = matches!(
            field.data_type(),
            DataType::Utf8
                | DataType::Int64
                | DataType::Boolean
                | DataType::Decimal128(12, 2)
                | DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, _)
        );
        assert!(fine, "{field}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_queries_at_once_see_their_own_moment() {
    let shop = Shop::open().await;
    shop.order(0, "ann", "1.00", 1);
    let admin = Principal::local_admin();
    let first = shop.engine.query(&admin, Request::sql(REVENUE)).await.unwrap();
    shop.order(1, "ann", "1.00", 1);
    let second = shop.engine.query(&admin, Request::sql(REVENUE)).await.unwrap();
    assert_eq!((first.provenance.as_of, second.provenance.as_of), (Offset(1), Offset(2)));
    let collect = futures::TryStreamExt::try_collect::<Vec<_>>;
    let (first, second) = tokio::join!(collect(first.stream), collect(second.stream));
    assert_eq!(lines(&first.unwrap()[0]), ["1 | 1.00"]);
    assert_eq!(lines(&second.unwrap()[0]), ["2 | 2.00"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_over_its_time_fails_and_never_ends_cleanly() {
    let options = Options { deadline: Duration::from_millis(300), ..Options::on(Handle::current()) };
    let shop = Shop::open_with(options).await;
    let forever = "SELECT count(*) FROM generate_series(1, 10000000000) a(n) WHERE n % 7 = 3";
    let error = run(&shop, Request::sql(forever)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_over_its_memory_fails_alone() {
    let options = Options { memory_bytes: 1 << 20, ..Options::on(Handle::current()) };
    let shop = Shop::open_with(options).await;
    let hungry =
        "SELECT n, count(*) FROM generate_series(1, 3000000) a(n) GROUP BY n ORDER BY n DESC LIMIT 1";
    let error = run(&shop, Request::sql(hungry)).await.unwrap_err();
    assert!(matches!(error, Error::Exhausted(_)), "{error:?}");
    check(&shop, "SELECT 1", &["1"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn provenance_says_what_ran() {
    let shop = Shop::open().await;
    let answer = shop.engine.query(&Principal::local_admin(), metrics(&["orders"], &[])).await.unwrap();
    assert!(answer.provenance.sql.to_lowercase().contains("order_completed"));
    assert_eq!(answer.provenance.catalog_version, shop.engine.catalog().version);
    assert!(!answer.provenance.truncated);
}
