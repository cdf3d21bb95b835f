//! Bad input from outside: refused with a text that helps, and its neighbours are stored.

use std::io::Write as _;

use serde_json::{Value, json};

use crate::server::{Server, number};

async fn answer(server: &Server, body: impl Into<reqwest::Body>) -> (u16, String, Option<String>) {
    let answer = server.post("/v1/batch", body).await;
    let result = answer.headers().get("etalon-result").map(|v| v.to_str().unwrap().to_owned());
    (answer.status().as_u16(), answer.text().await.unwrap(), result)
}

async fn check_refused(server: &Server, body: impl Into<reqwest::Body>, status: u16, code: &str) {
    let (got, text, _) = answer(server, body).await;
    let body: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((got, body["code"].as_str()), (status, Some(code)), "{text}");
    assert!(body["message"].is_string());
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn requests_that_hold_no_events_are_refused() {
    let server = Server::start().await;
    check_refused(&server, "{", 400, "invalid_json").await;
    check_refused(&server, "17", 400, "not_an_object").await;
    check_refused(&server, r#"{"batch":[]}"#, 400, "empty_batch").await;
    check_refused(&server, b"\x1f\x8bgarbage".to_vec(), 400, "bad_gzip").await;
    check_refused(&server, vec![b' '; 6 << 20], 413, "payload_too_large").await;
    check_refused(&server, gzip(&vec![b' '; 64 << 20]), 413, "payload_too_large").await;
    let unknown = server.client.post(format!("{}/v1/batch", server.http)).basic_auth("nope", Some(""));
    assert_eq!(unknown.body("{}").send().await.unwrap().status(), 401);
    assert_eq!(server.count("SELECT count(*) FROM events.all").await, 0);
}

#[tokio::test]
async fn one_bad_event_never_fails_its_neighbours() {
    let server = Server::start().await;
    let good = |n: u32| json!({"type": "track", "userId": "u", "messageId": format!("m{n}"), "event": "E"});
    let mut items: Vec<String> = (0..97).map(|n| good(n).to_string()).collect();
    items.insert(
        10,
        format!(
            r#"{{"type":"track","userId":"u","event":"E","deep":{}1{}}}"#,
            "[".repeat(70),
            "]".repeat(70)
        ),
    );
    items.insert(20, r#"{"type":"track","event":"E","messageId":"x"}"#.to_owned());
    items.insert(
        30,
        format!(r#"{{"type":"track","userId":"u","event":"E","pad":"{}"}}"#, "x".repeat(1 << 20)),
    );
    let (status, _, result) = answer(&server, format!(r#"{{"batch":[{}]}}"#, items.join(","))).await;
    assert_eq!(
        (status, result.as_deref()),
        (200, Some("accepted=97 duplicate=0 quarantined=3 suppressed=0"))
    );
    assert_eq!(server.count("SELECT count(*) FROM events.all").await, 97);
    let (_, letters) = server.api("/api/v1/dead-letters/list", json!({})).await;
    let letters = letters["dead_letters"].as_array().unwrap();
    let reasons: Vec<_> =
        letters.iter().map(|l| (number(&l["index"]), l["reason"].as_str().unwrap())).collect();
    assert_eq!(reasons, [(10, "too_deep"), (20, "missing_ids"), (30, "event_too_large")]);
}

#[tokio::test]
async fn a_mended_plan_lets_dead_letters_in_once() {
    let server = Server::start().await;
    let wrong = json!({"batch": [{"type": "track", "userId": "u", "messageId": "m1", "event": "Order Completed",
        "properties": {"order_id": "o1", "revenue": "a lot", "currency": "EUR"}}]});
    let (status, _, result) = answer(&server, wrong.to_string()).await;
    assert_eq!((status, result.as_deref()), (200, Some("accepted=0 duplicate=0 quarantined=1 suppressed=0")));
    let (_, replayed) = server.api("/api/v1/dead-letters/replay", json!({})).await;
    assert_eq!(
        (number(&replayed["accepted"]), number(&replayed["failed"])),
        (0, 1),
        "still refused by the same plan"
    );

    let dir = server.kill().await;
    let path = dir.path().join("metrics.yaml");
    let definitions = std::fs::read_to_string(&path).unwrap();
    let mended =
        definitions.replace(r#"revenue: {type: "decimal(12,2)", minimum: 0}"#, "revenue: {type: string}");
    let without_revenue_metric = mended
        .replace("      - {name: revenue, agg: sum}\n", "      - {name: revenue, agg: count, expr: \"1\"}\n");
    std::fs::write(&path, without_revenue_metric).unwrap();
    let server = Server::in_folder(dir).await;
    let (_, replayed) = server.api("/api/v1/dead-letters/replay", json!({})).await;
    assert_eq!((number(&replayed["accepted"]), number(&replayed["failed"])), (1, 0), "{replayed}");
    let (_, replayed) = server.api("/api/v1/dead-letters/replay", json!({})).await;
    assert_eq!(number(&replayed["accepted"]), 0, "replaying again changes nothing");
    assert_eq!(server.count("SELECT count(*) FROM events.order_completed").await, 1);
}

#[tokio::test]
async fn unknown_names_are_refused_with_the_nearest_one() {
    let server = Server::start().await;
    for (query, text) in [
        (json!({"metrics": ["revenu"]}), "revenue"),
        (json!({"metrics": ["revenue"], "group_by": ["order__curency"]}), "order__currency"),
        (json!({"metrics": ["revenue"], "group_by": ["metric_time__nanosecond"]}), "nanosecond"),
        (json!({"metrics": []}), "at least one"),
    ] {
        let (status, problem) = server.api("/api/v1/query", query.clone()).await;
        assert_eq!(status, 400, "{query}: {problem}");
        assert!(problem.to_string().contains(text), "{query}: {problem}");
    }
    for statement in
        ["SELECT nope FROM events.all", "SELECT 1; SELECT 2", "CREATE TABLE x (a int)", "SELEC 1"]
    {
        let (status, problem) = server.api("/api/v1/sql", json!({ "sql": statement })).await;
        assert!((400..500).contains(&status), "{statement}: {status} {problem}");
    }
}
