//! Kill -9 while clients send: what was acknowledged is there exactly once, whatever else happens.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use serde_json::json;

use crate::server::{Server, number};

const CLIENTS: usize = 4;

/// Rounds of kill -9; `ETALON_KILL_ROUNDS` for the long run.
fn rounds() -> usize {
    std::env::var("ETALON_KILL_ROUNDS").ok().map_or(200, |text| text.parse().unwrap())
}

/// What the clients know about their messages.
#[derive(Default)]
struct Ledger {
    sent: AtomicU64,
    acknowledged: Mutex<Vec<String>>,
}

/// One client: batches of three, each sent until it was answered or the server is gone. An id that was
/// not answered is sent again in the next round, as the SDKs do.
async fn send_until_killed(
    http: String,
    client: reqwest::Client,
    ledger: Arc<Ledger>,
    killed: Arc<AtomicBool>,
    mut retry: Vec<String>,
) -> Vec<String> {
    while !killed.load(Ordering::SeqCst) {
        let ids: Vec<String> = if retry.is_empty() {
            let first = ledger.sent.fetch_add(3, Ordering::SeqCst);
            (first..first + 3).map(|n| format!("m{n}")).collect()
        } else {
            std::mem::take(&mut retry)
        };
        let calls: Vec<_> = ids
            .iter()
            .map(|id| {
                json!({"type": "track", "userId": format!("u{}", id.len()), "messageId": id, "event": "Order Completed",
                    "properties": {"order_id": id, "revenue": 1, "currency": "EUR"}})
            })
            .collect();
        let request = client.post(format!("{http}/v1/batch")).basic_auth("WK", Some(""));
        match request.body(json!({ "batch": calls }).to_string()).send().await {
            Ok(answer) if answer.status() == 200 => ledger.acknowledged.lock().unwrap().extend(ids),
            _ => {
                retry = ids;
                break;
            }
        }
    }
    retry
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_event_is_there_exactly_once_after_kills() {
    let mut server = Server::start().await;
    let ledger = Arc::new(Ledger::default());
    let mut retries = vec![Vec::new(); CLIENTS];
    for round in 0..rounds() {
        let killed = Arc::new(AtomicBool::new(false));
        let target = ledger.acknowledged.lock().unwrap().len() + 12 + round % 7;
        let clients: Vec<_> = std::mem::take(&mut retries)
            .into_iter()
            .map(|retry| {
                let client = reqwest::Client::builder().no_proxy().build().unwrap();
                tokio::spawn(send_until_killed(
                    server.http.clone(),
                    client,
                    Arc::clone(&ledger),
                    Arc::clone(&killed),
                    retry,
                ))
            })
            .collect();
        // The kill comes while requests are under way: after a few acknowledgements, never between.
        while ledger.acknowledged.lock().unwrap().len() < target {
            tokio::task::yield_now().await;
        }
        let dir = server.kill().await;
        killed.store(true, Ordering::SeqCst);
        for client in clients {
            retries.push(client.await.unwrap());
        }
        server = Server::in_folder(dir).await;
    }
    let rows = server.csv("SELECT id FROM events.order_completed").await;
    let stored: HashSet<&str> = rows.iter().map(String::as_str).collect();
    let doubled = rows.len() - stored.len();
    let acknowledged = std::mem::take(&mut *ledger.acknowledged.lock().unwrap());
    let lost = acknowledged.iter().filter(|id| !stored.contains(id.as_str())).count();
    println!(
        "{} kills: {} sent, {} acknowledged, {} stored, {lost} lost, {doubled} doubled",
        rounds(),
        ledger.sent.load(Ordering::SeqCst),
        acknowledged.len(),
        stored.len()
    );
    assert_eq!((lost, doubled), (0, 0));
    let all = server.count("SELECT count(*) FROM events.all").await;
    assert_eq!(all as usize, stored.len(), "both tables hold the same events");
    let orders = server.query(json!({"metrics": ["orders"]})).await;
    assert_eq!(number(&orders[0][0]) as usize, stored.len(), "and so does the metric");
}

#[tokio::test]
async fn state_and_tables_survive_a_kill() {
    let server = Server::start().await;
    let order = |id: &str| {
        json!({"type": "track", "userId": "u1", "messageId": id, "event": "Order Completed",
            "properties": {"order_id": id, "revenue": 2.5, "currency": "USD"}})
    };
    server.track(order("o1")).await;
    server
        .track(json!({"type": "identify", "userId": "u1", "messageId": "i1", "traits": {"plan": "pro"}}))
        .await;
    let before = server.get("/api/v1/profiles/by/user_id/u1?include=audiences").await;
    let server = server.restart_after_kill().await;
    server.track(order("o1")).await;
    assert_eq!(
        server.count("SELECT count(*) FROM events.order_completed").await,
        1,
        "a retry is stored once"
    );
    let after = server.get("/api/v1/profiles/by/user_id/u1?include=audiences").await;
    assert_eq!(after["id"], before["id"]);
    assert_eq!(after["audiences"], before["audiences"]);
    let members = server.sql("SELECT audience FROM audiences.members ORDER BY audience").await;
    assert_eq!(members, [json!(["active_customers"]), json!(["pro_plan"])]);
}

#[tokio::test]
async fn derived_state_is_rebuilt_from_the_log_with_the_same_changes() {
    let server = Server::start().await;
    for user in ["u1", "u2", "u3"] {
        server
            .track(json!({"type": "track", "userId": user, "messageId": format!("o-{user}"), "event": "Order Completed",
                "properties": {"order_id": user, "revenue": 2.5, "currency": "USD"}}))
            .await;
    }
    let changes = "SELECT id, audience, profile_id, change FROM audiences.changes ORDER BY seq";
    let before = server.sql(changes).await;
    assert_eq!(before.len(), 3);
    let (dir, code) = server.stop().await;
    assert_eq!(code, Some(0));
    std::fs::remove_dir_all(dir.path().join("data/state")).unwrap();
    let server = Server::in_folder(dir).await;
    assert_eq!(server.sql(changes).await, before);
    let again = server.get("/api/v1/audiences/changes?limit=100").await;
    let ids: Vec<_> = again["changes"].as_array().unwrap().iter().map(|c| c["id"].clone()).collect();
    let expect: Vec<_> = before.iter().map(|row| row[0].clone()).collect();
    assert_eq!(ids, expect, "PIPE-2: the same change ids");
}

#[tokio::test]
async fn the_warehouse_is_rebuilt_from_the_log() {
    let server = Server::start().await;
    for n in 0..10 {
        server
            .track(json!({"type": "track", "userId": format!("u{n}"), "messageId": format!("m{n}"), "event": "Product Viewed",
                "properties": {"product_id": "p"}}))
            .await;
    }
    let (dir, _) = server.stop().await;
    std::fs::remove_dir_all(dir.path().join("data/warehouse")).unwrap();
    let server = Server::in_folder(dir).await;
    assert_eq!(server.count("SELECT count(*) FROM events.product_viewed").await, 10);
    assert_eq!(server.count("SELECT count(DISTINCT profile_id) FROM events.all").await, 10);
    assert_eq!(server.count("SELECT count(*) FROM profiles.profiles").await, 10);
}

#[tokio::test]
async fn a_second_process_on_the_same_folder_is_refused() {
    let server = Server::start().await;
    let output = crate::server::command(server.dir.path()).output().await.unwrap();
    assert_ne!(output.status.code(), Some(0));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains(&server.pid().to_string()), "the message names the holder: {text}");
}

#[tokio::test]
async fn a_graceful_stop_flushes_everything() {
    let server = Server::start().await;
    server.track(json!({"type": "track", "userId": "u", "messageId": "m", "event": "Product Viewed", "properties": {"product_id": "p"}})).await;
    let (dir, code) = server.stop().await;
    assert_eq!(code, Some(0));
    let server = Server::in_folder(dir).await;
    assert_eq!(server.count("SELECT count(*) FROM events.all").await, 1);
}
