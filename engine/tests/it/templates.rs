//! `{{ semantic_layer.. }}` in SQL.

use engine::Request;
use model::{ErrorKind, Principal};

use crate::{check, lines, refused, run, shop::Shop};

async fn shop() -> Shop {
    let shop = Shop::open().await;
    for (offset, (user, revenue)) in
        [("ann", "10.00"), ("bob", "5.50"), ("ann", "0.01")].into_iter().enumerate()
    {
        shop.order(offset as u64, user, revenue, 1);
    }
    shop
}

/// Names of the columns a statement answers with; `prepare` must announce the same.
async fn columns(shop: &Shop, sql: &str) -> Vec<String> {
    let batch = run(shop, Request::sql(sql)).await.unwrap();
    let prepared = shop.engine.prepare(&Principal::local_admin(), &Request::sql(sql)).await.unwrap();
    assert_eq!(prepared.schema, batch.schema(), "{sql}");
    batch.schema().fields().iter().map(|field| field.name().clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_answers_alone_and_as_a_table() {
    let shop = shop().await;
    let alone = "{{ semantic_layer.query(metrics=['revenue','orders'], group_by=['order__currency']) }}";
    check(&shop, alone, &["EUR | 15.51 | 3"]).await;
    assert_eq!(columns(&shop, alone).await, ["order__currency", "revenue", "orders"]);
    check(&shop, &format!("SELECT orders * 2 AS twice FROM {alone} q WHERE q.revenue > 1"), &["6"]).await;
    check(&shop, &format!("SELECT \"ORDERS\" FROM {alone} WHERE \"Order__Currency\" = 'EUR'"), &["3"]).await;
    let joined = format!("SELECT a.orders + b.orders FROM {alone} a JOIN {alone} b USING (order__currency)");
    check(&shop, &joined, &["6"]).await;
    check(&shop, &format!("WITH q AS (SELECT * FROM {alone}) SELECT count(*) FROM q"), &["1"]).await;
    check(&shop, &format!("SELECT '{{{{ x }}}}', count(*) FROM {alone} -- {{{{ y"), &["{{ x }} | 1"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_orders_and_limits_of_a_query_count() {
    let shop = shop().await;
    let by_time = "group_by=[TimeDimension('metric_time', 'SECOND')]";
    let query =
        |rest: &str| format!("{{{{ semantic_layer.query(metrics=['revenue'], {by_time}, {rest}) }}}}");
    let revenues = async |sql: String| {
        let rows = lines(&run(&shop, Request::sql(sql)).await.unwrap());
        rows.iter().map(|row| row.split(" | ").last().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(revenues(query("order_by=['-metric_time']")).await, ["0.01", "5.50", "10.00"]);
    let largest = "order_by=[Metric('revenue').descending(True)], limit=2";
    assert_eq!(revenues(query(largest)).await, ["10.00", "5.50"]);
    let filter = r#"where=["{{ TimeDimension('metric_time', 'second') }} > '2026-11-01 10:00:00'"], order_by=['revenue']"#;
    assert_eq!(revenues(query(filter)).await, ["0.01", "5.50"]);
    let table = format!("SELECT * FROM {}", query("order_by=['revenue'], limit=2"));
    assert_eq!(revenues(table).await, ["0.01", "5.50"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compiled_query_is_one_row_of_sql() {
    let shop = shop().await;
    for flag in ["compile", "explain"] {
        let sql = format!("{{{{ semantic_layer.query(metrics=['revenue'], {flag}=True) }}}}");
        assert_eq!(columns(&shop, &sql).await, ["SQL"]);
        let batch = run(&shop, Request::sql(sql)).await.unwrap();
        assert_eq!(batch.num_rows(), 1);
        assert!(lines(&batch)[0].contains("SELECT"), "{:?}", lines(&batch));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dimension_values_are_distinct_and_hold_null() {
    let shop = Shop::open().await;
    shop.order(0, "ann", "1.00", 1);
    shop.order(1, "bob", "2.00", 1);
    let values = |group_by: &str, metrics: &[&str]| {
        Request::dimension_values(&metrics.iter().map(|m| (*m).to_owned()).collect::<Vec<_>>(), group_by)
    };
    let of = async |request| lines(&run(&shop, request).await.unwrap());
    assert_eq!(of(values("order__currency", &["revenue"])).await, ["EUR"]);
    assert_eq!(of(values("order__currency", &[])).await, ["EUR"]);
    let days = of(values("metric_time__day", &["revenue"])).await;
    assert!(days.len() == 1 && days[0].starts_with("2026-11-01T00:00:00"), "{days:?}");
    let error = run(&shop, values("order__curency", &["revenu"])).await.unwrap_err();
    assert_eq!(error.to_string(), "unknown metric 'revenu', did you mean 'revenue'?");
    let error = run(&shop, values("order__curency", &["revenue"])).await.unwrap_err();
    assert!(error.to_string().contains("did you mean 'order__currency'?"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn listings_are_tables_with_columns_in_capitals() {
    let shop = shop().await;
    let metrics = "{{ semantic_layer.metrics() }}";
    assert_eq!(
        columns(&shop, metrics).await,
        [
            "NAME",
            "DESCRIPTION",
            "LABEL",
            "TYPE",
            "TYPE_PARAMS",
            "FILTER",
            "DIMENSIONS",
            "QUERYABLE_GRANULARITIES",
            "REQUIRES_METRIC_TIME"
        ]
    );
    let sql = format!(
        "SELECT name, \"TYPE\" AS kind, Label, count(*) over () FROM {metrics} m WHERE m.Name = 'revenue' ORDER BY name"
    );
    assert_eq!(columns(&shop, &sql).await, ["NAME", "kind", "LABEL", "count"]);
    let sql = format!("SELECT name FROM {metrics} WHERE name IN ('revenue', 'orders') ORDER BY name LIMIT 1");
    check(&shop, &sql, &["orders"]).await;
    check(&shop, "SELECT name FROM {{ semantic_layer.metrics(search='REVEN') }}", &["revenue"]).await;
    let page =
        |n| format!("SELECT count(*) FROM {{{{ semantic_layer.metrics(page_size=2, page_number={n}) }}}}");
    check(&shop, &page(1), &["2"]).await;
    check(&shop, &page(99), &["0"]).await;
    let of = "metrics=['revenue']";
    let sql = format!(
        "SELECT array_length(queryable_granularities), expr FROM {{{{ semantic_layer.dimensions({of}) }}}} WHERE qualified_name = 'order__ordered_at'"
    );
    check(&shop, &sql, &["8 | timestamp"]).await;
    check(
        &shop,
        &format!("SELECT name, type, expr FROM {{{{ semantic_layer.entities({of}) }}}}"),
        &["order | PRIMARY | order_id"],
    )
    .await;
    check(
        &shop,
        &format!("{{{{ semantic_layer.measures({of}) }}}}"),
        &["revenue | SUM | ordered_at | revenue"],
    )
    .await;
    check(
        &shop,
        &format!("SELECT count(*), min(name) FROM {{{{ semantic_layer.queryable_granularities({of}) }}}}"),
        &["8 | DAY"],
    )
    .await;
    let sql = "SELECT count(*) FROM {{ semantic_layer.metrics_for_dimensions(group_by=['order__currency']) }} WHERE name IN ('revenue', 'audience_size')";
    check(&shop, sql, &["1"]).await;
    assert_eq!(
        columns(&shop, "{{ semantic_layer.saved_queries() }}").await,
        ["NAME", "DESCRIPTION", "LABEL", "METRICS", "GROUP_BY", "WHERE_FILTER"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_are_invalid_and_all_are_said() {
    let shop = shop().await;
    refused(
        &shop,
        "{{ semantic_layer.query(metrics=['revenu'], group_by=['order__curency']) }}",
        "unknown metric 'revenu', did you mean 'revenue'?",
    )
    .await;
    refused(
        &shop,
        "SELECT * FROM {{ semantic_layer.query(metrics=['revenu']) }} a, {{ semantic_layer.dimensions(metrics=['ordrs']) }} b",
        "unknown metric 'revenu', did you mean 'revenue'?\nunknown metric 'ordrs', did you mean 'orders'?",
    )
    .await;
    refused(
        &shop,
        "SELECT nam FROM {{ semantic_layer.metrics() }}",
        "unknown column 'nam', did you mean 'name'?",
    )
    .await;
    for text in [
        "{{",
        "{{ semantic_layer.query( }}",
        "{{ semantic_layer.nothing() }}",
        "{{ semantic_layer.query() }}",
    ] {
        let error = run(&shop, Request::sql(text)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{text}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_of_a_template_never_become_sql() {
    let shop = shop().await;
    let attack = "x'); DROP TABLE orders; --";
    for request in [
        Request::sql(format!("{{{{ semantic_layer.query(metrics=[\"{attack}\"]) }}}}")),
        Request::dimension_values(&[attack.to_owned()], attack),
        Request::sql(format!(
            "SELECT * FROM {{{{ semantic_layer.metrics(search=\"{attack}\") }}}} WHERE name = 'nothing'"
        )),
    ] {
        match run(&shop, request).await {
            Ok(batch) => assert_eq!(batch.num_rows(), 0),
            Err(error) => assert!(error.to_string().starts_with("unknown metric"), "{error}"),
        }
    }
    check(&shop, "SELECT count(*) FROM events.order_completed", &["3"]).await;
}
