//! Open-loop load at a fixed rate: acknowledged, then on the change log, then at the webhook's receiver.

use std::{
    collections::HashMap,
    fmt::Write as _,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{Router, body::Bytes, extract::State, routing::post};
use serde_json::Value;

use crate::{http::Connection, load, process::Etalon};

type Times = Arc<Mutex<HashMap<String, Instant>>>;

const CONNECTIONS: u64 = 8;
const SECRET: &str = "whsec_ZXhhbXBsZS1zZWNyZXQtb25seS1mb3ItdGhlLWRlbW8=";

/// Sends `rate` events a second; every tenth makes its profile enter an audience.
pub(crate) async fn run(rate: u64, duration: Duration) -> String {
    let received: Times = Times::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/hooks", post(receive)).with_state(Arc::clone(&received));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let subscription = format!(
        "subscriptions:\n  - {{name: bench, url: 'http://{address}/hooks', secret: {SECRET}, audiences: [now]}}\n"
    );
    let etalon = Etalon::with(&subscription).await;
    let recorded = Times::default();
    tokio::spawn(follow(etalon.http.clone(), Arc::clone(&recorded)));
    let acknowledged = send(&etalon.http, rate, duration).await;
    // The last changes are under way: wait until the receiver has all of them, or nothing new comes.
    let mut quiet = 0;
    while received.lock().unwrap().len() < acknowledged.len() && quiet < 50 {
        let before = received.lock().unwrap().len();
        tokio::time::sleep(Duration::from_millis(20)).await;
        quiet = if received.lock().unwrap().len() == before { quiet + 1 } else { 0 };
    }
    let mut report = format!("{rate} events/s for {duration:?}, every tenth makes a change:");
    line(&mut report, "acknowledged -> on the change log (pull API)", &acknowledged, &recorded);
    line(&mut report, "acknowledged -> at the webhook's receiver", &acknowledged, &received);
    report
}

fn line(report: &mut String, what: &str, acknowledged: &HashMap<String, Instant>, seen: &Times) {
    let seen = seen.lock().unwrap();
    let mut times: Vec<Duration> = acknowledged
        .iter()
        .filter_map(|(id, ack)| Some(seen.get(id)?.saturating_duration_since(*ack)))
        .collect();
    times.sort();
    write!(
        report,
        "\n  {what}: p50 {:.1?}, p99 {:.1?}, max {:.1?} ({} of {} seen)",
        load::percentile(&times, 50),
        load::percentile(&times, 99),
        times.last().copied().unwrap_or_default(),
        times.len(),
        acknowledged.len()
    )
    .unwrap();
}

async fn receive(State(received): State<Times>, body: Bytes) {
    let now = Instant::now();
    let body: Value = serde_json::from_slice(&body).unwrap();
    note(&received, now, &body["data"]);
}

/// Follows the change log by long polling.
async fn follow(http: String, recorded: Times) {
    let client = reqwest::Client::new();
    let mut after = String::new();
    loop {
        let url = format!("http://{http}/api/v1/audiences/now/changes?limit=10000{after}");
        let Ok(answer) = client.get(url).send().await else { return };
        let Ok(answer) = answer.json::<Value>().await else { return };
        note(&recorded, Instant::now(), &answer["changes"]);
        after = format!("&after={}", answer["next"].as_str().unwrap());
    }
}

fn note(times: &Times, now: Instant, changes: &Value) {
    let mut times = times.lock().unwrap();
    let changes = changes.as_array().map_or_else(|| vec![changes], |changes| changes.iter().collect());
    for change in changes.iter().filter(|c| c["change"] == "entered") {
        if let Some(id) = change["cause"]["message_id"].as_str() {
            times.entry(id.to_owned()).or_insert(now);
        }
    }
}

/// Times at which events that make a change were acknowledged.
async fn send(http: &str, rate: u64, duration: Duration) -> HashMap<String, Instant> {
    let start = Instant::now();
    let tasks: Vec<_> = (0..CONNECTIONS)
        .map(|n| {
            let http = http.to_owned();
            tokio::spawn(async move {
                let mut connection = Connection::open(&http).await;
                let mut acknowledged = HashMap::new();
                let per_tick = rate / 100 / CONNECTIONS;
                let mut ticks = tokio::time::interval(Duration::from_millis(10));
                let mut id = n << 40;
                while start.elapsed() < duration {
                    ticks.tick().await;
                    let mut body = r#"{"batch":["#.to_owned();
                    let mut marked = Vec::new();
                    for k in 0..per_tick {
                        id += 1;
                        if k > 0 {
                            body.push(',');
                        }
                        if id % 10 == 0 {
                            let message = format!("alert-{id}");
                            write!(body, r#"{{"type":"track","event":"Alerted","messageId":"{message}","userId":"fresh-{id}"}}"#).unwrap();
                            marked.push(message);
                        } else {
                            load::call(&mut body, id, id % 100_000);
                        }
                    }
                    body.push_str("]}");
                    assert_eq!(connection.post("/v1/batch", body.as_bytes()).await, 200);
                    let now = Instant::now();
                    acknowledged.extend(marked.into_iter().map(|m| (m, now)));
                }
                acknowledged
            })
        })
        .collect();
    let mut all = HashMap::new();
    for task in tasks {
        all.extend(task.await.unwrap());
    }
    all
}
