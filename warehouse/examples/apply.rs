//! Prints how fast events are applied, how long a flush takes and how much memory the process holds.
//!
//! `cargo run --release -p warehouse --example apply -- 200000`

#![allow(clippy::unwrap_used, clippy::allow_attributes, reason = "a measurement, not a service")]

use std::sync::Arc;

use bytes::Bytes;
use model::{Clock, Event, EventType, Offset, RecordId, SystemClock, Timestamp};
use warehouse::{Embedded, EventRow, Options, RowBatch};

const BATCH: u64 = 1_000;

fn order(offset: u64, now: Timestamp) -> EventRow {
    let user = format!("u{}", offset % 10_000);
    let body = format!(
        r#"{{"type":"track","event":"Order Completed","userId":"{user}","messageId":"m{offset}","properties":{{"total":{}.50,"order_id":"o{offset}","currency":"EUR","items":3,"coupon":"SPRING"}},"context":{{"ip":"10.0.0.1","library":{{"name":"analytics.js","version":"2.1.0"}},"page":{{"path":"/checkout","title":"Checkout","url":"https://shop.example/checkout"}},"userAgent":"Mozilla/5.0"}}}}"#,
        offset % 500
    );
    let message_id = format!("m{offset}");
    let event = Event {
        source: "web",
        message_id: &message_id,
        event_type: EventType::Track,
        name: Some("Order Completed"),
        user_id: Some(&user),
        anonymous_id: None,
        timestamp: now,
        original_timestamp: Some(now),
        sent_at: None,
        received_at: now,
        request_ip: None,
        body: &body,
    };
    EventRow {
        offset: Offset(offset),
        record_id: Some(RecordId::new(format!("web:user:{user}"))),
        payload: Bytes::from(event.encode()),
    }
}

fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
    line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1_024
}

#[tokio::main]
async fn main() {
    let count: u64 = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(100_000);
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(SystemClock::new());
    let warehouse =
        Embedded::open(Options::new(dir.path()), Vec::new(), Vec::new(), clock.clone()).await.unwrap();
    let batches: Vec<RowBatch> = (0..count / BATCH)
        .map(|n| RowBatch {
            next: Offset((n + 1) * BATCH),
            events: (n * BATCH..(n + 1) * BATCH).map(|offset| order(offset, clock.now())).collect(),
            upserts: Vec::new(),
        })
        .collect();
    println!("{} MiB before", resident_mib());
    let start = clock.monotonic();
    for batch in batches {
        warehouse.apply(batch);
    }
    let applied = clock.monotonic() - start;
    println!(
        "apply: {:.0} events/s, {:.2} us each, {} MiB",
        count as f64 / applied.as_secs_f64(),
        applied.as_secs_f64() * 1e6 / count as f64,
        resident_mib()
    );
    let start = clock.monotonic();
    drop(warehouse.snapshot());
    println!("snapshot: {:?}", clock.monotonic() - start);
    let start = clock.monotonic();
    warehouse.flush().await.unwrap();
    println!("flush: {:?}, {} MiB", clock.monotonic() - start, resident_mib());
}
