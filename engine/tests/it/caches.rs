//! Answers are kept while their tables stand still, and no longer.

use std::time::Duration;

use engine::{Answer, CacheUse, Engine, MetricQuery, Options, QueryOptions, Request};
use futures::TryStreamExt;
use model::{Offset, Principal};
use proptest::prelude::*;
use tokio::runtime::{Builder, Handle};

use crate::{
    lines, sales,
    shop::{DEFINITIONS, Shop, definitions},
};

const SUM: &str = "SELECT sum(revenue) FROM order_completed";

async fn ask(engine: &Engine, request: Request, options: &QueryOptions) -> (Vec<String>, CacheUse) {
    let answer = engine.query_with(&Principal::local_admin(), request, options).await.unwrap();
    let Answer { schema, stream, provenance } = answer;
    let batches: Vec<_> = stream.try_collect().await.unwrap();
    (lines(&arrow::compute::concat_batches(&schema, &batches).unwrap()), provenance.cache)
}

async fn check(shop: &Shop, sql: &str, rows: &[&str], cache: CacheUse) {
    let answer = ask(&shop.engine, Request::sql(sql), &QueryOptions::default()).await;
    assert_eq!(
        (answer.0.iter().map(String::as_str).collect::<Vec<_>>().as_slice(), answer.1),
        (rows, cache),
        "{sql}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_kept_until_one_of_its_tables_changes() {
    let shop = Shop::open().await;
    shop.order(0, "ann", "1.00", 1);
    check(&shop, SUM, &["1.00"], CacheUse::Miss).await;
    check(&shop, SUM, &["1.00"], CacheUse::Hit).await;
    // Another table.
    shop.member(1, "buyers", "p1");
    check(&shop, SUM, &["1.00"], CacheUse::Hit).await;
    // The same rows, stored.
    shop.warehouse.flush().await.unwrap();
    check(&shop, SUM, &["1.00"], CacheUse::Hit).await;
    shop.order(2, "ann", "2.00", 1);
    check(&shop, SUM, &["3.00"], CacheUse::Miss).await;
    check(&shop, SUM, &["3.00"], CacheUse::Hit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_ends_with_the_definitions_it_was_given_under() {
    let shop = Shop::open().await;
    shop.order(0, "ann", "1.00", 3);
    let revenue = "SELECT MEASURE(revenue) FROM metrics.orders";
    check(&shop, revenue, &["1.00"], CacheUse::Miss).await;
    check(&shop, revenue, &["1.00"], CacheUse::Hit).await;
    let in_points =
        DEFINITIONS.replace("{name: revenue, agg: sum}", "{name: revenue, agg: sum, expr: points}");
    shop.definitions.send_replace(definitions(&in_points));
    check(&shop, revenue, &["3"], CacheUse::Miss).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_not_needed_for_the_answer_does_not_count() {
    let shop = Shop::open().await;
    shop.order(0, "ann", "1.00", 1);
    // The view joins `identity_map`, the query does not ask for what it gives.
    check(&shop, "SELECT count(*) FROM events.order_completed", &["1"], CacheUse::Miss).await;
    shop.belongs(1, "ann", "p1", 1, None);
    check(&shop, "SELECT count(*) FROM events.order_completed", &["1"], CacheUse::Hit).await;
    let profiles = "SELECT profile_id FROM events.order_completed";
    check(&shop, profiles, &["p1"], CacheUse::Miss).await;
    shop.belongs(2, "ann", "p1", 1, Some(2));
    shop.belongs(3, "ann", "p2", 2, None);
    check(&shop, profiles, &["p2"], CacheUse::Miss).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_depends_on_the_moment_is_never_kept() {
    let shop = Shop::open().await;
    for sql in [
        "SELECT now() IS NULL",
        "SELECT random() > 2",
        "SELECT count(*) FROM order_completed WHERE timestamp > now()",
        "SELECT count(*) FROM audiences.catalog",
        "SELECT count(*) > 0 FROM information_schema.tables",
    ] {
        for _ in 0..2 {
            let (_, cache) = ask(&shop.engine, Request::sql(sql), &QueryOptions::default()).await;
            assert_eq!(cache, CacheUse::Miss, "{sql}");
        }
    }
    check(
        &shop,
        "SELECT count(*) FROM order_completed WHERE timestamp::date > current_date",
        &["0"],
        CacheUse::Miss,
    )
    .await;
    check(
        &shop,
        "SELECT count(*) FROM order_completed WHERE timestamp::date > current_date",
        &["0"],
        CacheUse::Hit,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_cache_the_answer_is_worked_out_and_kept_for_others() {
    let shop = Shop::open().await;
    let fresh = QueryOptions { read_cache: false, ..QueryOptions::default() };
    for _ in 0..2 {
        let (_, cache) = ask(&shop.engine, Request::sql(SUM), &fresh).await;
        assert_eq!(cache, CacheUse::Miss);
    }
    check(&shop, SUM, &[""], CacheUse::Hit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_questions_differ_in_the_order_of_filters_and_metrics() {
    let shop = sales::open().await;
    let query = |metrics: [&str; 2], filters: [&str; 2]| {
        Request::Metrics(MetricQuery {
            metrics: metrics.map(Into::into).to_vec(),
            group_by: vec!["order__currency".into()],
            filters: filters.map(str::to_owned).to_vec(),
            order_by: vec![engine::OrderBy { name: "order__currency".to_owned(), descending: false }],
            ..MetricQuery::default()
        })
    };
    let (a, b) = ("{{ Dimension('order__currency') }} <> 'x'", "{{ Dimension('order__points') }} > 0");
    let options = QueryOptions::default();
    let first = ask(&shop.engine, query(["revenue", "orders"], [a, b]), &options).await;
    assert_eq!(first, (vec!["EUR | 31.00 | 3".to_owned(), "USD | 5.00 | 1".to_owned()], CacheUse::Miss));
    let second = ask(&shop.engine, query(["orders", "revenue"], [b, a]), &options).await;
    assert_eq!(second, (vec!["EUR | 3 | 31.00".to_owned(), "USD | 1 | 5.00".to_owned()], CacheUse::Hit));
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_and_large_answers_are_not_kept() {
    let options = Options { result_cache_bytes: 1 << 20, ..Options::on(Handle::current()) };
    let shop = Shop::open_with(options).await;
    shop.order(0, "ann", "1.00", 0);
    for _ in 0..2 {
        let request = Request::sql("SELECT 1 / points FROM order_completed");
        let error = shop.engine.query(&Principal::local_admin(), request).await.unwrap_err();
        assert_eq!(error.to_string(), "division by zero");
    }
    // A million integers: eight times the memory there is.
    let large = "SELECT o.points + n FROM order_completed o CROSS JOIN (VALUES (1), (2)) t(n)";
    check(&shop, large, &["1", "2"], CacheUse::Miss).await;
    check(&shop, large, &["1", "2"], CacheUse::Hit).await;
    for n in 1..2_000 {
        shop.show(n, "ann", "1.00", i64::try_from(n).unwrap());
    }
    shop.acknowledged.send_replace(Offset(2_000));
    let large = "SELECT a.points * b.points FROM order_completed a, order_completed b WHERE b.points < 50";
    for _ in 0..2 {
        let (rows, cache) = ask(&shop.engine, Request::sql(large), &QueryOptions::default()).await;
        assert_eq!((rows.len(), cache), (100_000, CacheUse::Miss));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_questions_at_once_share_one_run() {
    let shop = sales::open().await;
    let admin = Principal::local_admin();
    // `fresh` holds all of them until the event is visible, so all ask at the same moment.
    shop.acknowledged.send_replace(Offset(11));
    let asked: Vec<_> = (0..16)
        .map(|_| {
            let (engine, admin) = (shop.engine.clone(), admin.clone());
            tokio::spawn(async move {
                let answer = engine.query(&admin, Request::sql(SUM)).await.unwrap();
                let cache = answer.provenance.cache;
                let rows: Vec<_> = answer.stream.try_collect().await.unwrap();
                (lines(&rows[0]), cache)
            })
        })
        .collect();
    tokio::task::yield_now().await;
    shop.show(10, "dora", "4.00", 1);
    let mut misses = 0;
    for one in asked {
        let (rows, cache) = one.await.unwrap();
        assert_eq!(rows, ["40.00"]);
        misses += usize::from(cache == CacheUse::Miss);
    }
    assert_eq!(misses, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_does_not_take_the_answer_from_those_who_wait() {
    let shop = sales::open().await;
    let admin = Principal::local_admin();
    let slow =
        "SELECT count(*) FROM order_completed a CROSS JOIN generate_series(1, 3000000) b(n) WHERE n % 7 = 3";
    // Not kept, because of the function; so a question that can be is asked around it.
    let first = tokio::spawn({
        let (engine, admin) = (shop.engine.clone(), admin.clone());
        async move { engine.query(&admin, Request::sql(SUM)).await.map(drop) }
    });
    let second = tokio::spawn({
        let (engine, admin) = (shop.engine.clone(), admin.clone());
        async move {
            let answer = engine.query(&admin, Request::sql(SUM)).await.unwrap();
            lines(&answer.stream.try_collect::<Vec<_>>().await.unwrap()[0])
        }
    });
    first.abort();
    assert_eq!(second.await.unwrap(), ["36.00"]);
    drop(shop.engine.query(&admin, Request::sql(slow)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_rows_are_an_error_and_never_fewer_rows() {
    let options = Options { result_rows: 3, ..Options::on(Handle::current()) };
    let shop = sales::open_with(options).await;
    check(
        &shop,
        "SELECT points FROM order_completed WHERE points < 4 ORDER BY 1",
        &["1", "2", "3"],
        CacheUse::Miss,
    )
    .await;
    let request = Request::sql("SELECT points FROM order_completed");
    let error = shop.engine.query(&Principal::local_admin(), request).await.unwrap_err();
    assert_eq!(error.to_string(), "result exceeds 3 rows (limits.result_rows)");
}

#[test]
fn a_dropped_query_stops_within_200_ms_also_inside_a_join() {
    let queries = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let test = Builder::new_current_thread().enable_all().build().unwrap();
    let handle = queries.handle().clone();
    test.block_on(async {
        let shop = Shop::open_with(Options::on(handle.clone())).await;
        let endless = "SELECT count(*) FROM generate_series(1, 1000000) a(n) \
                       JOIN generate_series(1, 1000000) b(m) ON (n * m) % 1000003 = 7";
        let engine = shop.engine.clone();
        let asked = tokio::spawn(async move {
            let answer = engine.query(&Principal::local_admin(), Request::sql(endless)).await?;
            answer.stream.try_collect::<Vec<_>>().await.map_err(engine::Error::from)
        });
        wait(Duration::from_secs(20), "the join to run", || handle.metrics().num_alive_tasks() > 1).await;
        asked.abort();
        wait(Duration::from_millis(200), "its tasks to end", || handle.metrics().num_alive_tasks() == 0)
            .await;
    });
}

async fn wait(most: Duration, what: &str, done: impl Fn() -> bool) {
    let poll = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    assert!(tokio::time::timeout(most, poll).await.is_ok(), "waited {most:?} for {what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_sort_and_a_large_join_stay_within_their_memory() {
    let spill = tempfile::tempdir().unwrap();
    let options = Options {
        memory_bytes: 24 << 20,
        spill_dir: Some(spill.path().to_owned()),
        ..Options::on(Handle::current())
    };
    let shop = Shop::open_with(options).await;
    // 3 million rows of two integers and a text are far more than 24 MiB: the sort spills.
    let sorted = "SELECT n FROM (SELECT n, md5(CAST(n AS VARCHAR)) AS h FROM generate_series(1, 300000) a(n) ORDER BY h) q \
                  WHERE n % 100000 = 0 ORDER BY n";
    check(&shop, sorted, &["100000", "200000", "300000"], CacheUse::Miss).await;
    let joined = "SELECT count(*) FROM (SELECT n, repeat('x', 100) AS t FROM generate_series(1, 2000000) a(n)) a \
                  JOIN (SELECT n, repeat('y', 100) AS u FROM generate_series(1, 2000000) b(n)) b ON a.n = b.n AND a.t <> b.u";
    let outcome = shop.engine.query(&Principal::local_admin(), Request::sql(joined)).await;
    let error = match outcome {
        Ok(answer) => answer.stream.try_collect::<Vec<_>>().await.map_err(engine::Error::from).err(),
        Err(error) => Some(error),
    };
    assert!(matches!(error, Some(engine::Error::Exhausted(_)) | None), "{error:?}");
    check(&shop, "SELECT 1", &["1"], CacheUse::Miss).await;
}

#[derive(Debug, Clone)]
enum Step {
    Order(u8),
    Belongs(u8),
    Flush,
    Ask(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..4_u8).prop_map(Step::Order),
        (0..4_u8).prop_map(Step::Belongs),
        Just(Step::Flush),
        (0..5_u8).prop_map(Step::Ask),
        (0..5_u8).prop_map(Step::Ask),
    ];
    proptest::collection::vec(step, 1..40)
}

const QUESTIONS: [&str; 5] = [
    "SELECT count(*), sum(revenue) FROM order_completed",
    "SELECT user_id, sum(points) FROM order_completed GROUP BY 1 ORDER BY 1",
    "SELECT profile_id, count(*) FROM order_completed GROUP BY 1 ORDER BY 1",
    "SELECT count(*) FROM profiles.identity_map",
    "SELECT MEASURE(revenue) FROM metrics.orders",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn kept_answers_equal_fresh_ones(steps in steps()) {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let shop = Shop::open().await;
            let fresh = QueryOptions { read_cache: false, ..QueryOptions::default() };
            let mut offset = 0;
            for step in steps {
                match step {
                    Step::Order(user) => shop.order(offset, &format!("u{user}"), "1.50", offset.cast_signed()),
                    Step::Belongs(user) => {
                        shop.belongs(offset, &format!("u{user}"), &format!("p{offset}"), offset, None);
                    }
                    Step::Flush => {
                        shop.warehouse.flush().await.unwrap();
                        continue;
                    }
                    Step::Ask(question) => {
                        let request = Request::sql(QUESTIONS[usize::from(question)]);
                        let kept = ask(&shop.engine, request.clone(), &QueryOptions::default()).await;
                        let worked_out = ask(&shop.engine, request, &fresh).await;
                        assert_eq!(kept.0, worked_out.0, "question {question}");
                        continue;
                    }
                }
                offset += 1;
            }
        });
    }
}
