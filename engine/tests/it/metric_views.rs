//! SQL over metric views: what is answered, and what is refused with which words.

use engine::{QueryOptions, Request, TableKind};
use model::Principal;

use crate::{lines, run, sales, shop::Shop};

/// Rows, or the text of the refusal.
type Expect<'a> = Result<&'a [&'a str], &'a str>;

async fn check(shop: &Shop, cases: &[(&str, Expect<'_>)]) {
    let mut wrong = Vec::new();
    for (sql, expect) in cases {
        let outcome = run(shop, Request::sql(*sql)).await;
        let outcome = outcome.map(|batch| lines(&batch)).map_err(|error| error.to_string());
        let expect = expect.map(|rows| rows.iter().map(|row| (*row).to_owned()).collect::<Vec<_>>());
        if outcome != expect.map_err(str::to_owned) {
            wrong.push(format!("{sql}\n  {outcome:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_innermost_aggregate_decides_the_grain() {
    let shop = sales::open().await;
    check(
        &shop,
        &[
            ("SELECT MEASURE(revenue) FROM metrics.orders", Ok(&["36.00"])),
            (
                "SELECT order__currency, MEASURE(revenue), AGG(orders), ANY_VALUE(average_order_value) FROM metrics.orders GROUP BY 1 ORDER BY 1",
                Ok(&["EUR | 31.00 | 3 | 10.333333333333334", "USD | 5.00 | 1 | 5.0"]),
            ),
            (
                "SELECT profile__country, SUM(revenue) AS money FROM metrics.orders o WHERE o.order__currency = 'EUR' GROUP BY profile__country HAVING SUM(revenue) > 2",
                Ok(&["DE | 30.00"]),
            ),
            // The whole of a ratio is not the sum of its parts, so the outer query may not add them up
            // by itself; it gets the complete result of the inner one.
            (
                "SELECT max(v) FROM (SELECT order__currency, MEASURE(average_order_value) AS v FROM metrics.orders GROUP BY 1) q",
                Ok(&["10.333333333333334"]),
            ),
            (
                "SELECT SUM(revenue) FROM (SELECT s.order__currency AS c, s.revenue FROM (SELECT * FROM metrics.orders) s) q WHERE q.c = 'USD'",
                Ok(&["5.00"]),
            ),
            (
                "SELECT MEASURE(revenue) * 2 + 1 AS x FROM metrics.orders GROUP BY order__currency ORDER BY x",
                Ok(&["11.00", "63.00"]),
            ),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_natural_aggregate_stands_for_the_measure() {
    let shop = sales::open().await;
    check(
        &shop,
        &[
            (
                "SELECT SUM(revenue), SUM(orders), COUNT(orders), COUNT(DISTINCT buyers), AVG(typical), MAX(biggest), MEDIAN(middle) FROM metrics.orders",
                Ok(&["36.00 | 4 | 4 | 3 | 9.0 | 20.00 | 2.5"]),
            ),
            (
                "SELECT SUM(average_order_value) FROM metrics.orders",
                Err("SUM(average_order_value) would be wrong: it is a ratio; use MEASURE(average_order_value)"),
            ),
            (
                "SELECT AVG(revenue) FROM metrics.orders",
                Err("AVG(revenue) would be wrong: it is a sum; use MEASURE(revenue)"),
            ),
            (
                "SELECT SUM(DISTINCT revenue) FROM metrics.orders",
                Err("SUM(DISTINCT revenue) would be wrong: it is a sum; use MEASURE(revenue)"),
            ),
            (
                "SELECT COUNT(buyers) FROM metrics.orders",
                Err("COUNT(buyers) would be wrong: it is a count of distinct values; use MEASURE(buyers)"),
            ),
            (
                "SELECT MAX(revenue) FROM metrics.orders",
                Err("MAX(revenue) would be wrong: it is a sum; use MEASURE(revenue)"),
            ),
            (
                "SELECT SUM(revenue * 2) FROM metrics.orders",
                Err("SUM(revenue * 2) calculates with the measure 'revenue' before it is aggregated: use MEASURE(revenue) and calculate with that"),
            ),
            (
                "SELECT MEASURE(order__currency) FROM metrics.orders",
                Err("MEASURE(order__currency) needs a measure, and 'order__currency' is a dimension: group by it"),
            ),
        ],
    )
    .await;
    let options = QueryOptions { min_max_as_measure: true, ..QueryOptions::default() };
    let request = Request::sql("SELECT MAX(revenue), MIN(average_order_value) FROM metrics.orders");
    let answer = shop.engine.query_with(&Principal::local_admin(), request, &options).await.unwrap();
    let rows: Vec<_> = futures::TryStreamExt::try_collect(answer.stream).await.unwrap();
    assert_eq!(lines(&rows[0]), ["36.00 | 9.0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_are_on_dimensions() {
    let shop = sales::open().await;
    check(
        &shop,
        &[
            (
                "SELECT MEASURE(revenue) FROM metrics.orders WHERE order__currency IN ('EUR', 'it''s') AND order__points BETWEEN 1 AND 2",
                Ok(&["30.00"]),
            ),
            ("SELECT MEASURE(revenue) FROM metrics.orders WHERE profile__in_loyal", Ok(&["30.00"])),
            ("SELECT MEASURE(revenue) FROM metrics.orders WHERE NOT profile__in_loyal", Ok(&["6.00"])),
            ("SELECT MEASURE(loyal_revenue) FROM metrics.orders", Ok(&["30.00"])),
            (
                "SELECT profile__in_loyal, MEASURE(orders) FROM metrics.orders GROUP BY 1 ORDER BY 1",
                Ok(&["false | 2", "true | 2"]),
            ),
            ("SELECT MEASURE(revenue) FROM metrics.orders WHERE order__currency = '{{ x }}'", Ok(&[""])),
            ("SELECT MEASURE(revenue) FROM metrics.orders WHERE order__currency <> '}} '' {{'", Ok(&["36.00"])),
            (
                "SELECT MEASURE(revenue) FROM metrics.orders WHERE revenue > 5",
                Err("'revenue' is a measure: filter it in HAVING or in an outer query"),
            ),
            (
                "SELECT MEASURE(revenue) FROM metrics.orders WHERE revenue > 5 OR order__currency = 'EUR'",
                Err("a condition may not mix the measure 'revenue' and the dimension 'order__currency' under OR: aggregate first"),
            ),
            (
                "SELECT revenue > 5, COUNT(*) FROM metrics.orders GROUP BY 1",
                Err("'revenue' is a measure: to bucket it, aggregate in a subquery and group outside"),
            ),
            (
                "SELECT random(), MEASURE(revenue) FROM metrics.orders GROUP BY random()",
                Err("random() cannot be a group key of a metric query"),
            ),
            (
                "SELECT MEASURE(revenue) FROM metrics.orders WHERE random() > 0.5",
                Err("random() cannot filter a metric query"),
            ),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn time_has_its_forms() {
    let shop = sales::open().await;
    check(
        &shop,
        &[
            (
                "SELECT date_trunc('month', metric_time) AS m, MEASURE(orders) FROM metrics.orders GROUP BY 1 ORDER BY 1",
                Ok(&["2026-10-01T00:00:00 | 1", "2026-11-01T00:00:00 | 3"]),
            ),
            (
                "SELECT metric_time__month, MEASURE(orders) FROM metrics.orders GROUP BY 1 ORDER BY 1",
                Ok(&["2026-10-01T00:00:00 | 1", "2026-11-01T00:00:00 | 3"]),
            ),
            (
                "SELECT CAST(metric_time AS date) AS d, MEASURE(orders) FROM metrics.orders WHERE metric_time >= '2026-11-01' GROUP BY 1 ORDER BY 1",
                Ok(&["2026-11-01 | 1", "2026-11-02 | 2"]),
            ),
            (
                "SELECT MEASURE(orders) FROM metrics.orders WHERE metric_time > timestamp '2026-11-01 10:00:00' AND metric_time <= '2026-11-02 11:30:00'",
                Ok(&["1"]),
            ),
            (
                "SELECT MEASURE(orders) FROM metrics.orders WHERE metric_time BETWEEN date '2026-10-01' AND date '2026-10-31'",
                Ok(&["1"]),
            ),
            (
                "SELECT MEASURE(orders) FROM metrics.orders WHERE date_trunc('month', metric_time) = '2026-11-01'",
                Ok(&["3"]),
            ),
            (
                "SELECT MEASURE(orders) FROM metrics.orders WHERE order__ordered_at >= now() - interval '100 years'",
                Ok(&["4"]),
            ),
            (
                "SELECT MEASURE(orders) FROM metrics.orders WHERE metric_time < now() - interval '100 years'",
                Ok(&[""]),
            ),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tower_without_an_aggregate_is_grouped_by_what_it_selects() {
    let shop = sales::open().await;
    check(
        &shop,
        &[
            (
                "SELECT order__currency, revenue FROM metrics.orders ORDER BY revenue DESC",
                Ok(&["EUR | 31.00", "USD | 5.00"]),
            ),
            ("SELECT order__currency FROM metrics.orders ORDER BY revenue LIMIT 1", Ok(&["USD"])),
            (
                "SELECT order__currency, revenue / orders AS each FROM metrics.orders ORDER BY 1 LIMIT 1",
                Ok(&["EUR | 10.333333"]),
            ),
            ("SELECT revenue FROM metrics.orders", Ok(&["36.00"])),
            ("SELECT DISTINCT order__currency FROM metrics.orders ORDER BY 1", Ok(&["EUR", "USD"])),
            ("SELECT order__currency FROM metrics.orders GROUP BY 1 ORDER BY 1", Ok(&["EUR", "USD"])),
            ("SELECT count(*) FROM (SELECT DISTINCT order__currency FROM metrics.orders) q", Ok(&["2"])),
            (
                "SELECT * FROM metrics.orders",
                Err("SELECT * over metrics.orders needs a LIMIT, or name the columns"),
            ),
            ("SELECT count(*) FROM (SELECT * FROM metrics.orders LIMIT 10) q", Ok(&["4"])),
            ("SELECT * FROM metrics.orders LIMIT 0", Ok(&[])),
        ],
    )
    .await;
    let options = QueryOptions { bare_measures: false, ..QueryOptions::default() };
    let request = Request::sql("SELECT revenue FROM metrics.orders");
    let error = shop.engine.query_with(&Principal::local_admin(), request, &options).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "metrics.orders is read without an aggregate, which etalon.bare_measures = error forbids: use (SELECT .., MEASURE(..) FROM metrics.orders GROUP BY ..)"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn ordinary_sql_stands_around_it() {
    let shop = sales::open().await;
    check(
        &shop,
        &[
            (
                "WITH m AS (SELECT order__currency AS c, MEASURE(revenue) AS r FROM metrics.orders GROUP BY 1) \
                 SELECT m.c, m.r, x.n FROM m JOIN (VALUES ('EUR', 'euro')) x(c, n) ON x.c = m.c",
                Ok(&["EUR | 31.00 | euro"]),
            ),
            (
                "SELECT order__currency, rank() OVER (ORDER BY MEASURE(revenue) DESC) FROM metrics.orders GROUP BY 1 ORDER BY 1",
                Ok(&["EUR | 1", "USD | 2"]),
            ),
            (
                "SELECT order__currency, MEASURE(revenue) FROM metrics.orders GROUP BY 1 UNION ALL SELECT 'all', MEASURE(revenue) FROM metrics.orders ORDER BY 1",
                Ok(&["EUR | 31.00", "USD | 5.00", "all | 36.00"]),
            ),
            (
                "SELECT CASE WHEN MEASURE(revenue) > 10 THEN 'big' ELSE 'small' END AS size FROM metrics.orders GROUP BY order__currency ORDER BY size",
                Ok(&["big", "small"]),
            ),
            (
                "SELECT user_id FROM order_completed WHERE revenue > (SELECT MEASURE(average_order_value) FROM metrics.orders) ORDER BY 1",
                Ok(&["ann", "ann"]),
            ),
            (
                "SELECT count(*) FROM order_completed WHERE currency IN (SELECT order__currency FROM metrics.orders WHERE order__points > 2)",
                Ok(&["4"]),
            ),
            (
                "SELECT o.revenue FROM metrics.orders o JOIN (VALUES ('EUR')) x(c) ON x.c = o.order__currency",
                Err("metrics.orders must be aggregated first: use (SELECT .. FROM metrics.orders GROUP BY ..)"),
            ),
            (
                "SELECT order__currency FROM metrics.orders UNION SELECT 'x'",
                Err("metrics.orders must be aggregated first: use (SELECT .. FROM metrics.orders GROUP BY ..)"),
            ),
            (
                "SELECT order__currency, rank() OVER (ORDER BY revenue) FROM metrics.orders",
                Err("metrics.orders must be aggregated first: use (SELECT .. FROM metrics.orders GROUP BY ..)"),
            ),
            (
                "SELECT MEASURE(revenue) FROM metrics.orders GROUP BY ROLLUP(order__currency)",
                Err("ROLLUP, CUBE and GROUPING SETS are not offered over metrics.orders: ask each grouping by itself and put them together with UNION ALL"),
            ),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn subqueries_in_conditions_run_first() {
    let shop = sales::open().await;
    check(
        &shop,
        &[
            (
                "SELECT MEASURE(revenue) FROM metrics.orders WHERE order__currency IN (SELECT currency FROM order_completed WHERE user_id = 'bob')",
                Ok(&["5.00"]),
            ),
            (
                "SELECT MEASURE(revenue) FROM metrics.orders WHERE order__currency NOT IN (SELECT currency FROM order_completed WHERE user_id = 'nobody')",
                Ok(&["36.00"]),
            ),
            (
                "SELECT MEASURE(revenue) FROM metrics.orders WHERE order__currency = (SELECT max(currency) FROM order_completed)",
                Ok(&["5.00"]),
            ),
            (
                "SELECT MEASURE(revenue) FROM metrics.orders WHERE order__currency IN \
                 (SELECT order__currency FROM metrics.orders GROUP BY 1 HAVING MEASURE(revenue) > 10)",
                Ok(&["31.00"]),
            ),
            (
                "SELECT MEASURE(revenue) FROM metrics.orders WHERE EXISTS (SELECT 1 FROM order_completed WHERE user_id = 'zoe')",
                Ok(&[""]),
            ),
            (
                "SELECT MEASURE(revenue) FROM metrics.orders o WHERE order__currency IN (SELECT currency FROM order_completed c WHERE c.currency = o.order__currency)",
                Err("a subquery that refers to the query around it cannot filter metrics.orders: aggregate first, then filter"),
            ),
            (
                "SELECT MEASURE(revenue) FROM metrics.orders WHERE order__currency = (SELECT currency FROM order_completed)",
                Err("a subquery that stands for one value gave more than one row"),
            ),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_may_be_long() {
    let shop = sales::open().await;
    let values: Vec<String> = (2..20_000).map(|n| n.to_string()).collect();
    let sql =
        format!("SELECT MEASURE(orders) FROM metrics.orders WHERE order__points IN ({})", values.join(", "));
    check(
        &shop,
        &[
            (&sql, Ok(&["3"])),
            (
                "SELECT MEASURE(orders) FROM metrics.orders WHERE order__points IN (SELECT n FROM generate_series(2, 20000) s(n))",
                Ok(&["3"]),
            ),
            (
                "SELECT MEASURE(orders) FROM metrics.orders WHERE order__points IN (SELECT n FROM generate_series(1, 100000) s(n))",
                Err("a subquery that filters a metric view gives more than 50000 values (limits.ship_keys): filter by what the values have in common"),
            ),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_are_values_and_nothing_else() {
    let shop = sales::open().await;
    let sql = "SELECT order__currency, MEASURE(revenue) FROM metrics.orders WHERE order__currency = $1 AND order__points < $2 GROUP BY 1";
    let cases: [(&str, i64, &[&str]); 4] = [
        ("EUR", 2, &["EUR | 10.00"]),
        ("USD", 9, &["USD | 5.00"]),
        ("x' OR '1' = '1", 9, &[]),
        ("}} OR {{ Dimension('order__currency') }} = 'EUR", 9, &[]),
    ];
    for (currency, points, expect) in cases {
        let parameters = vec![currency.into(), points.into()];
        let request = Request::Sql { text: sql.to_owned(), parameters };
        let prepared = shop.engine.prepare(&Principal::local_admin(), &request).await.unwrap();
        let rows = run(&shop, request).await.unwrap();
        assert_eq!(lines(&rows), expect, "{currency}");
        assert_eq!(rows.schema(), prepared.schema);
    }
    let open = shop.engine.prepare(&Principal::local_admin(), &Request::sql(sql)).await.unwrap();
    let types: Vec<String> = open.parameters.fields().iter().map(|f| f.data_type().to_string()).collect();
    assert_eq!(types, ["Utf8", "Int64"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_semantic_view_is_a_relation() {
    let shop = sales::open().await;
    check(
        &shop,
        &[
            (
                "SELECT * FROM SEMANTIC_VIEW(metrics.orders DIMENSIONS order__currency METRICS revenue AS r, orders WHERE profile__country = 'DE') ORDER BY 1",
                Ok(&["EUR | 30.00 | 2"]),
            ),
            (
                "SELECT v.c, x.n FROM SEMANTIC_VIEW(orders DIMENSIONS orders.order__currency AS c METRICS orders.revenue) AS v JOIN (VALUES ('EUR', 1)) x(c, n) ON x.c = v.c",
                Ok(&["EUR | 1"]),
            ),
            ("SELECT * FROM SEMANTIC_VIEW(orders METRICS revenue)", Ok(&["36.00"])),
            (
                "SELECT * FROM SEMANTIC_VIEW(orders DIMENSIONS order__currency) ORDER BY 1",
                Ok(&["EUR", "USD"]),
            ),
            (
                "SELECT * FROM SEMANTIC_VIEW(orders FACTS points)",
                Err("FACTS is not offered in SEMANTIC_VIEW: use DIMENSIONS and METRICS"),
            ),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn views_are_listed_with_the_types_they_answer_with() {
    let shop = sales::open().await;
    let tables = shop.engine.tables(&Principal::local_admin()).await.unwrap();
    let orders = tables.iter().find(|t| t.schema == "metrics" && t.name == "orders").unwrap();
    assert_eq!(orders.kind, TableKind::View);
    let columns: Vec<String> =
        orders.columns.fields().iter().map(|f| format!("{} {}", f.name(), f.data_type())).collect();
    assert_eq!(
        columns,
        [
            "metric_time Timestamp(µs)",
            "order__currency Utf8",
            "order__ordered_at Timestamp(µs)",
            "order__points Int64",
            "profile__country Utf8",
            "profile__email Utf8",
            "profile__first_seen Timestamp(µs)",
            "profile__updated_at Timestamp(µs)",
            "profile__in_loyal Boolean",
            "orders Int64",
            "revenue Decimal128(38, 2)",
            "buyers Int64",
            "biggest Decimal128(12, 2)",
            "typical Float64",
            "middle Float64",
            "average_order_value Float64",
            "loyal_revenue Decimal128(38, 2)",
        ]
    );
    check(
        &shop,
        &[
            (
                "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = 'metrics' ORDER BY 1",
                Ok(&["all | VIEW", "audience_changes | VIEW", "orders | VIEW", "profiles | VIEW", "visits | VIEW"]),
            ),
            (
                "SELECT name, description, metrics FROM system.metric_views WHERE name = 'visits'",
                Ok(&["visits |  | visits"]),
            ),
            (
                "SELECT type, aggregation, model FROM system.metrics WHERE name IN ('revenue', 'average_order_value') ORDER BY 1",
                Ok(&["ratio |  | ", "simple | sum | orders"]),
            ),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_fold_to_lower_case() {
    let shop = sales::open().await;
    check(
        &shop,
        &[
            ("SELECT Measure(REVENUE) FROM Metrics.Orders", Ok(&["36.00"])),
            ("SELECT MEASURE(\"revenue\") FROM orders", Ok(&["36.00"])),
            (
                "SELECT MEASURE(revenu) FROM metrics.orders",
                Err("unknown column 'revenu', did you mean 'revenue'?"),
            ),
            (
                "SELECT MEASURE(revenue) FROM metrics.order",
                Err("unknown table 'metrics.order', did you mean 'metrics.orders'?"),
            ),
        ],
    )
    .await;
}

async fn text_of(shop: &Shop, sql: &str) -> String {
    let rows = run(shop, Request::sql(sql)).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    lines(&rows).join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_says_what_a_statement_asks_and_what_is_there_already() {
    let shop = sales::open().await;
    let sql = "SELECT date_trunc('month', metric_time) AS m, MEASURE(revenue) FROM metrics.orders \
               WHERE profile__country = 'DE' AND metric_time >= '2026-11-01' GROUP BY 1";
    let text = text_of(&shop, &format!("EXPLAIN {sql}")).await;
    for part in [
        "metrics=[revenue] group_by=[metric_time__month] where=[({{ Dimension('profile__country') }} = 'DE')] time=[2026-11-01T00:00:00.000Z ..",
        "events.order_completed -> profiles.identifiers -> profiles.profiles",
        "policy none",
        "fragment 1 warehouse",
        "cache plan miss; result miss (not asked before)",
        "as_of offset 10",
    ] {
        let squeezed = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(squeezed.contains(part), "{part}\n{squeezed}");
    }
    run(&shop, Request::sql(sql)).await.unwrap();
    assert!(text_of(&shop, &format!("EXPLAIN {sql}")).await.contains("plan hit; result hit"));
    sales::order(&shop, 10, "2026-11-05T00:00:00Z", "ann", "1.00", "EUR", 9);
    let text = text_of(&shop, &format!("EXPLAIN {sql}")).await;
    assert!(text.contains("plan hit; result miss (order_completed v4 -> v5)"), "{text}");
    let analyzed = text_of(&shop, &format!("EXPLAIN ANALYZE {sql}")).await;
    assert!(analyzed.contains("1 rows") && analyzed.contains("output_rows="), "{analyzed}");
    let json = text_of(&shop, &format!("EXPLAIN (ANALYZE, FORMAT JSON) {sql}")).await;
    assert!(json.starts_with("{\"query\":[\"metrics=[revenue]") && json.ends_with("\"as_of\":11}"), "{json}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_is_used_again_reads_what_is_there_now() {
    let shop = sales::open().await;
    let sql = "SELECT profile__country, MEASURE(orders) FROM metrics.orders GROUP BY 1 ORDER BY 1 NULLS LAST";
    check(&shop, &[(sql, Ok(&["DE | 2", "FR | 1", " | 1"]))]).await;
    sales::order(&shop, 10, "2026-11-05T00:00:00Z", "bob", "1.00", "EUR", 9);
    assert!(text_of(&shop, &format!("EXPLAIN {sql}")).await.contains("plan hit; result miss"));
    check(&shop, &[(sql, Ok(&["DE | 2", "FR | 2", " | 1"]))]).await;
    shop.profile(11, "p2", "bob", "DE");
    check(&shop, &[(sql, Ok(&["DE | 4", " | 1"]))]).await;
    shop.warehouse.flush().await.unwrap();
    check(&shop, &[(sql, Ok(&["DE | 4", " | 1"]))]).await;
}
