use engine::{Request, TableKind};
use model::Principal;

use crate::{check, lines, refused, run, shop::Shop};

#[tokio::test(flavor = "multi_thread")]
async fn bare_names_are_found_on_the_search_path() {
    let shop = Shop::open().await;
    shop.order(0, "ann", "1.00", 1);
    check(&shop, "SELECT count(*) FROM order_completed", &["1"]).await;
    check(&shop, "SELECT count(*) FROM profiles", &["0"]).await;
    check(&shop, "SELECT count(*) FROM buyers", &["0"]).await;
    check(&shop, "SELECT count(*) FROM etalon.events.order_completed", &["1"]).await;
    check(&shop, r#"SELECT count(*) FROM "Order_Completed""#, &["1"]).await;
    check(&shop, "WITH buyers AS (SELECT 7 AS n) SELECT n FROM buyers", &["7"]).await;
    refused(
        &shop,
        "SELECT * FROM aliases",
        "'aliases' is ambiguous: it may be 'audiences.aliases' or 'profiles.aliases'",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_names_say_what_was_meant() {
    let shop = Shop::open().await;
    refused(
        &shop,
        "SELECT * FROM order_complete",
        "unknown table 'order_complete', did you mean 'order_completed'?",
    )
    .await;
    refused(&shop, "SELECT * FROM event.order_completed", "unknown schema 'event', did you mean 'events'?")
        .await;
    refused(
        &shop,
        "SELECT * FROM identifies",
        "unknown table 'identifies', did you mean 'warehouse.identifies'?",
    )
    .await;
    refused(&shop, "SELECT * FROM other.events.all", "unknown catalog 'other.events.all'").await;
    refused(&shop, "SELECT revenu FROM order_completed", "unknown column 'revenu', did you mean 'revenue'?")
        .await;
    refused(&shop, "SELECT * FROM '/etc/passwd'", "unknown table '/etc/passwd'").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_belongs_to_the_profile_its_record_belongs_to_now() {
    let shop = Shop::open().await;
    shop.order(0, "ann", "1.00", 1);
    shop.order(1, "bob", "2.00", 1);
    let profiles = "SELECT user_id, profile_id FROM order_completed ORDER BY 1";
    check(&shop, profiles, &["ann | ", "bob | "]).await;
    shop.belongs(2, "ann", "p1", 2, None);
    shop.belongs(3, "bob", "p2", 3, None);
    check(&shop, profiles, &["ann | p1", "bob | p2"]).await;
    shop.belongs(4, "bob", "p2", 3, Some(4));
    shop.belongs(5, "bob", "p1", 4, None);
    check(&shop, profiles, &["ann | p1", "bob | p1"]).await;
    shop.warehouse.flush().await.unwrap();
    check(&shop, "SELECT profile_id, sum(revenue) FROM events.all a JOIN order_completed USING (id, profile_id) GROUP BY 1", &["p1 | 3.00"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_identity_map_is_read_only_when_it_is_asked_for() {
    let shop = Shop::open().await;
    shop.order(0, "ann", "1.00", 1);
    let plan = async |sql: &str| {
        let answer = run(&shop, Request::sql(format!("EXPLAIN FORMAT INDENT {sql}"))).await.unwrap();
        lines(&answer).join("\n")
    };
    for without in [
        "SELECT count(*) FROM order_completed",
        "SELECT user_id, sum(revenue) FROM order_completed WHERE points > 0 GROUP BY 1",
    ] {
        assert!(!plan(without).await.contains("Join"), "{without}");
    }
    for with in [
        "SELECT profile_id FROM order_completed",
        "SELECT count(DISTINCT profile_id) FROM order_completed",
        "SELECT count(*) FROM order_completed WHERE profile_id = 'p1'",
    ] {
        assert!(plan(with).await.contains("Join"), "{with}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn audiences_have_members_and_sizes() {
    let shop = Shop::open().await;
    shop.member(0, "buyers", "p1");
    shop.member(1, "buyers", "p2");
    check(&shop, "SELECT profile_id FROM audiences.buyers ORDER BY 1", &["p1", "p2"]).await;
    check(&shop, "SELECT audience, profile_id FROM members ORDER BY 2 LIMIT 1", &["buyers | p1"]).await;
    check(
        &shop,
        "SELECT name, description, size, as_of FROM audiences.catalog ORDER BY name",
        &["aliases |  | 0 | 2", "buyers | Ordered once. | 2 | 2"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_listed() {
    let shop = Shop::open().await;
    let tables = shop.engine.tables(&Principal::local_admin()).await.unwrap();
    let find = |schema: &str, name: &str| tables.iter().find(|t| t.schema == schema && t.name == name);
    assert_eq!(find("warehouse", "order_completed").unwrap().kind, TableKind::Table);
    let view = find("events", "order_completed").unwrap();
    assert_eq!(view.kind, TableKind::View);
    assert_eq!(view.columns.fields().last().unwrap().name(), "profile_id");
    for (schema, name) in
        [("events", "all"), ("audiences", "buyers"), ("audiences", "changes"), ("profiles", "identity_map")]
    {
        assert!(find(schema, name).is_some(), "{schema}.{name}");
    }
    check(
        &shop,
        "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema = 'system' ORDER BY 2",
        &["system | dimensions", "system | metric_views", "system | metrics"],
    )
    .await;
    check(&shop, "SELECT name, type FROM system.metrics WHERE name = 'revenue'", &["revenue | simple"]).await;
}
