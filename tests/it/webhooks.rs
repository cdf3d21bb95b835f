//! Webhooks against a real receiver: signed, in order, retried, surviving a restart.

use std::{collections::HashMap, net::SocketAddr};

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, http::StatusCode, routing::post};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::mpsc};

use crate::{
    client::run_python,
    server::{DEADLINE, DEFINITIONS, Server},
};

const SECRET: &str = "whsec_ZXhhbXBsZS1zZWNyZXQtb25seS1mb3ItdGhlLWRlbW8=";

struct Delivery {
    headers: HashMap<String, String>,
    body: String,
}

impl Delivery {
    /// The changes, whether one or a batch.
    fn changes(&self) -> Vec<Value> {
        let body: Value = serde_json::from_str(&self.body).unwrap();
        match &body["data"] {
            Value::Array(changes) => changes.clone(),
            change => vec![change.clone()],
        }
    }
}

/// A receiver that answers what it is told to, and hands every delivery on.
async fn receiver(answers: Vec<u16>) -> (SocketAddr, mpsc::Receiver<Delivery>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    receive_on(listener, answers)
}

fn receive_on(listener: TcpListener, answers: Vec<u16>) -> (SocketAddr, mpsc::Receiver<Delivery>) {
    let address = listener.local_addr().unwrap();
    let (sender, deliveries) = mpsc::channel(1_000);
    let answers = std::sync::Arc::new(std::sync::Mutex::new(answers.into_iter()));
    let handler = async move |State(sender): State<mpsc::Sender<Delivery>>,
                              headers: HeaderMap,
                              body: Bytes| {
        let headers = headers.iter().map(|(k, v)| (k.to_string(), v.to_str().unwrap().to_owned())).collect();
        let status = answers.lock().unwrap().next().unwrap_or(200);
        sender.send(Delivery { headers, body: String::from_utf8(body.to_vec()).unwrap() }).await.unwrap();
        StatusCode::from_u16(status).unwrap()
    };
    let router = Router::new().route("/hooks", post(handler)).with_state(sender);
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (address, deliveries)
}

fn definitions(address: SocketAddr) -> String {
    format!(
        "{DEFINITIONS}subscriptions:\n  - {{name: crm, url: 'http://{address}/hooks', secret: {SECRET}}}\n"
    )
}

async fn next(deliveries: &mut mpsc::Receiver<Delivery>) -> Delivery {
    tokio::time::timeout(DEADLINE, deliveries.recv()).await.expect("a delivery within 30 s").unwrap()
}

fn view(id: &str, user: &str) -> Value {
    json!({"type": "track", "userId": user, "messageId": id, "event": "Product Viewed", "properties": {"product_id": "p"}})
}

#[tokio::test]
async fn a_member_enters_with_the_event_and_leaves_by_the_clock() {
    let (address, mut deliveries) = receiver(Vec::new()).await;
    let server = Server::with(&definitions(address), "").await;
    server.track(view("m1", "u1")).await;
    let entered = next(&mut deliveries).await.changes().remove(0);
    assert_eq!(
        (&entered["change"], &entered["reason"], &entered["cause"]["message_id"]),
        (&json!("entered"), &json!("event"), &json!("m1"))
    );
    // No further event: the clock alone makes the member leave.
    let exited = next(&mut deliveries).await.changes().remove(0);
    assert_eq!((&exited["change"], &exited["reason"]), (&json!("exited"), &json!("time")));
    assert_eq!(exited["at"], entered["leaves_at"], "at the instant that was announced");
    assert_eq!(exited["profile_seq"], 2);
}

#[tokio::test]
async fn the_standardwebhooks_package_verifies_a_delivery() {
    let (address, mut deliveries) = receiver(Vec::new()).await;
    let server = Server::with(&definitions(address), "").await;
    server.track(view("m1", "u1")).await;
    let delivery = next(&mut deliveries).await;
    let input = json!({"secret": SECRET, "headers": delivery.headers, "body": delivery.body}).to_string();
    assert_eq!(run_python("verify_webhook.py", &[], &input).await.trim(), "audience.entered");
}

#[tokio::test]
async fn a_failing_receiver_gets_the_same_bytes_again() {
    let (address, mut deliveries) = receiver(vec![500]).await;
    let server = Server::with(&definitions(address), "").await;
    server
        .track(json!({"type": "identify", "userId": "u1", "messageId": "m1", "traits": {"plan": "pro"}}))
        .await;
    let first = next(&mut deliveries).await;
    let second = next(&mut deliveries).await;
    assert_eq!(second.headers["webhook-id"], first.headers["webhook-id"]);
    assert_eq!(second.body, first.body);
}

#[tokio::test]
async fn changes_for_an_unreachable_receiver_survive_a_kill() {
    // The port is taken and given back: nobody listens there at first.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let server = Server::with(&definitions(address), "").await;
    for n in 0..5 {
        server
            .track(json!({"type": "identify", "userId": format!("u{n}"), "messageId": format!("m{n}"), "traits": {"plan": "pro"}}))
            .await;
    }
    let dir = server.kill().await;
    let (_, mut deliveries) = receive_on(TcpListener::bind(address).await.unwrap(), Vec::new());
    let _server = Server::in_folder(dir).await;
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < 5 {
        for change in next(&mut deliveries).await.changes() {
            seen.insert(change["id"].as_str().unwrap().to_owned());
        }
    }
}

#[tokio::test]
async fn changes_of_one_profile_arrive_in_order() {
    let (address, mut deliveries) = receiver(Vec::new()).await;
    let server = Server::with(&definitions(address), "").await;
    for n in 0..30 {
        let plan = if n % 2 == 0 { "pro" } else { "free" };
        let user = format!("u{}", n / 10);
        server
            .track(json!({"type": "identify", "userId": user, "messageId": format!("m{n}"), "traits": {"plan": plan}}))
            .await;
    }
    let mut last: HashMap<String, u64> = HashMap::new();
    for _ in 0..30 {
        if last.values().sum::<u64>() == 30 {
            break;
        }
        for change in next(&mut deliveries).await.changes() {
            let seq = change["profile_seq"].as_u64().unwrap();
            let before = last.insert(change["profile"]["id"].as_str().unwrap().to_owned(), seq).unwrap_or(0);
            assert_eq!(seq, before + 1);
        }
    }
    assert_eq!(last.len(), 3);
    assert!(last.values().all(|seq| *seq == 10), "{last:?}");
}
