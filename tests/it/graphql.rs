//! GraphQL: metrics, profiles, audiences, live changes, and GraphiQL without a CDN.

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::{
    client::{chromium, run_node, spawn_node},
    server::{DEADLINE, Server},
};

async fn ask(server: &Server, query: &str) -> Value {
    let (status, answer) = server.api("/graphql", json!({ "query": query })).await;
    assert_eq!(status, 200, "{answer}");
    assert!(answer["errors"].is_null(), "{answer}");
    answer["data"].clone()
}

fn order(id: &str, user: &str) -> Value {
    json!({"type": "track", "userId": user, "messageId": id, "event": "Order Completed",
        "properties": {"order_id": id, "revenue": 12.5, "currency": "EUR"}})
}

#[tokio::test]
async fn metrics_profiles_and_audiences_answer() {
    let server = Server::start().await;
    server.track(order("o1", "u1")).await;
    server.track(order("o2", "u2")).await;
    server.track(json!({"type": "identify", "userId": "u1", "traits": {"plan": "pro"}})).await;

    let table = ask(
        &server,
        r#"{ query(input: {metrics: ["revenue"], groupBy: ["order__currency"]}) { columns { name } rows } }"#,
    )
    .await;
    assert_eq!(table["query"]["columns"], json!([{"name": "order__currency"}, {"name": "revenue"}]));
    assert_eq!(table["query"]["rows"], json!([["EUR", "25.00"]]));

    let profile = ask(&server, r#"{ profile(identifier: {type: "user_id", value: "u1"}) { id traits audiences { audience { name } since leavesAt } } }"#).await;
    assert_eq!(profile["profile"]["traits"]["plan"], "pro");
    let names: Vec<&str> = profile["profile"]["audiences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| a["audience"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["active_customers", "pro_plan"]);

    let audience = ask(
        &server,
        r#"{ audience(name: "active_customers") { size members(first: 10) { nodes { profile { id } } } } }"#,
    )
    .await;
    assert_eq!(audience["audience"]["size"], "2");
    assert_eq!(audience["audience"]["members"]["nodes"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn audience_changes_arrive_over_graphql_ws() {
    let server = Server::start().await;
    let url = format!("{}/graphql", server.http.replace("http://", "ws://"));
    let mut subscriber = spawn_node("subscribe.mjs", &[&url, "active_customers"]);
    let mut lines = BufReader::new(subscriber.stdout.take().unwrap()).lines();
    let mut line = async || {
        tokio::time::timeout(DEADLINE, lines.next_line()).await.expect("a line within 30 s").unwrap()
    };
    assert_eq!(line().await.as_deref(), Some("connected"));
    // The operation is sent right after the acknowledgement: orders go on until one is seen.
    let mut number = 0;
    let change = loop {
        number += 1;
        server.track(order(&format!("o{number}"), &format!("u{number}"))).await;
        tokio::select! {
            seen = line() => break seen.expect("a change"),
            () = tokio::task::yield_now() => {}
        }
    };
    let change: Value = serde_json::from_str(&change).unwrap();
    assert_eq!(
        (&change["change"], &change["audience"]["name"]),
        (&json!("entered"), &json!("active_customers"))
    );
}

#[tokio::test]
async fn graphiql_runs_a_query_and_asks_no_other_host() {
    let server = Server::start().await;
    let url = format!("{}/graphql", server.http);
    assert_eq!(run_node("graphiql.mjs", &[&url, &chromium()]).await.trim(), "ok");
}
