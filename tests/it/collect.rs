//! Unmodified SDKs: what they send is stored once, readable by SQL, metrics and profiles.

use serde_json::{Value, json};

use crate::{
    client::{chromium, run_node, run_python},
    server::{Server, number},
};

/// Calls stored for a source, and how many of them are orders.
async fn stored(server: &Server, source: &str) -> (u64, u64) {
    let calls = format!("SELECT count(*) FROM events.all WHERE context_source_id = '{source}'");
    let orders = format!("SELECT count(*) FROM events.order_completed WHERE context_source_id = '{source}'");
    (server.count(&calls).await, server.count(&orders).await)
}

#[tokio::test]
async fn segment_analytics_node() {
    let server = Server::start().await;
    let sent = run_node("segment.mjs", &[&server.http, "WK"]).await;
    assert_eq!(stored(&server, "web").await, (sent.trim().parse().unwrap(), 1));
    let rows = server.sql("SELECT user_id, CAST(revenue AS VARCHAR) FROM events.order_completed").await;
    assert_eq!(rows, [json!(["sn", "9.99"])]);
    assert_eq!(server.get("/api/v1/profiles/by/user_id/sn").await["traits"]["email"], "sn@shop.example");
}

#[tokio::test]
async fn segment_analytics_python() {
    let server = Server::start().await;
    let sent = run_python("segment_sdk.py", &[&server.http, "WK"], "").await;
    assert_eq!(stored(&server, "web").await, (sent.trim().parse().unwrap(), 2));
}

#[tokio::test]
async fn rudder_sdk_node() {
    let server = Server::start().await;
    let sent = run_node("rudder.mjs", &[&server.http, "RK"]).await;
    assert_eq!(stored(&server, "ruddy").await, (sent.trim().parse().unwrap(), 1));
}

#[tokio::test]
async fn rudder_sdk_python() {
    let server = Server::start().await;
    let sent = run_python("rudder_sdk.py", &[&server.http, "RK"], "").await;
    assert_eq!(stored(&server, "ruddy").await, (sent.trim().parse().unwrap(), 1));
}

#[tokio::test]
async fn both_browser_sdks_in_chromium() {
    let server = Server::start().await;
    let sent = run_node("browser.mjs", &[&server.http, "WK", "RK", &chromium()]).await;
    let sent: Value = serde_json::from_str(&sent).unwrap();
    assert_eq!(stored(&server, "web").await, (number(&sent["segment"]), 1));
    assert_eq!(stored(&server, "ruddy").await, (number(&sent["rudder"]), 1));
}

#[tokio::test]
async fn an_acknowledged_event_counts_in_the_next_query() {
    let server = Server::start().await;
    for n in 1..=20 {
        server
            .track(json!({"type": "track", "userId": "u1", "messageId": format!("m{n}"), "event": "Order Completed",
                "properties": {"order_id": format!("o{n}"), "revenue": 1.25, "currency": "EUR"}}))
            .await;
        let rows =
            server.query(json!({"metrics": ["orders", "revenue"], "group_by": ["order__currency"]})).await;
        let revenue = format!("{:.2}", f64::from(n) * 1.25);
        assert_eq!(
            (&rows[0][0], number(&rows[0][1]), &rows[0][2]),
            (&json!("EUR"), n as u64, &json!(revenue))
        );
    }
}

#[tokio::test]
async fn anonymous_history_joins_the_known_person() {
    let server = Server::start().await;
    let view = |id: &str| json!({"type": "track", "anonymousId": "a1", "messageId": id, "event": "Product Viewed", "properties": {"product_id": "p1"}});
    server.track(view("m1")).await;
    let before = server.get("/api/v1/profiles/by/anonymous_id/a1").await["id"].clone();
    server
        .track(json!({"type": "identify", "anonymousId": "a1", "userId": "u1", "messageId": "m2", "traits": {"email": "A@Shop.example", "country": "DE"}}))
        .await;
    let profile = server.get("/api/v1/profiles/by/email/a@shop.example?include=audiences").await;
    assert_eq!(profile["id"], before, "the profile id survives the login");
    assert_eq!(profile["traits"]["country"], "DE");
    let rows = server.sql("SELECT count(DISTINCT profile_id), count(*) FROM events.all").await;
    assert_eq!((number(&rows[0][0]), number(&rows[0][1])), (1, 2));
}
