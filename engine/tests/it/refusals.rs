use engine::Request;
use model::ErrorKind;
use semantic::MetricQuery;

use crate::{refused, run, shop::Shop};

#[tokio::test(flavor = "multi_thread")]
async fn a_metric_query_with_faults_names_them_all() {
    let shop = Shop::open().await;
    let query = MetricQuery {
        metrics: vec!["revenu".into()],
        group_by: vec!["order__currenc".into()],
        ..MetricQuery::default()
    };
    let error = run(&shop, Request::Metrics(query)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("revenu"), "{error}");
    assert!(error.to_string().contains("did you mean 'revenue'?"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_only_read() {
    let shop = Shop::open().await;
    refused(&shop, "INSERT INTO warehouse.tracks (id) VALUES ('x')", "INSERT is refused: queries only read")
        .await;
    refused(&shop, "DROP TABLE warehouse.tracks", "DROP is refused: queries only read").await;
    refused(&shop, "COPY (SELECT 1) TO '/tmp/x.csv'", "COPY is refused: queries only read").await;
    refused(
        &shop,
        "SET datafusion.execution.batch_size = 1",
        "settings are not kept between statements: SET and RESET are not offered",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_have_a_kind_and_a_plain_text() {
    let shop = Shop::open().await;
    shop.order(0, "ann", "1.00", 0);
    let kind = async |sql: &str| match run(&shop, Request::sql(sql)).await {
        Ok(_) => panic!("{sql} has an answer"),
        Err(error) => {
            assert!(!error.to_string().contains("DataFusion"), "{error}");
            error.kind()
        }
    };
    for sql in [
        "SELEC 1",
        "SELECT nonsense(1)",
        "SELECT sum('a')",
        "SELECT 1 / points FROM order_completed",
        "SELECT CAST('x' AS INT)",
        "SELECT CAST(user_id AS INT) FROM order_completed",
        "SELECT a.id FROM order_completed a, order_completed b WHERE id = 'x'",
    ] {
        assert_eq!(kind(sql).await, ErrorKind::Invalid, "{sql}");
    }
}
