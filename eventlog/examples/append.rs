//! How fast appends become durable, with the syncs they cost.
//!
//! `cargo run --release -p eventlog --example append [TASKS] [SECONDS] [DIR]`
#![allow(clippy::unwrap_used, reason = "a benchmark ends at the first error")]

use std::{path::PathBuf, sync::Arc, time::Duration};

use eventlog::{EmbeddedLog, FileStorage, Log, Options};
use model::{Clock, NewRecord, RecordKind, SystemClock};

/// Different appends of each task.
const APPENDS_MADE: u64 = 16;

#[tokio::main]
async fn main() {
    let mut args = std::env::args().skip(1);
    let tasks = args.next().map_or(64, |text| text.parse().unwrap());
    let seconds = args.next().map_or(5, |text| text.parse().unwrap());
    let dir = args.next().map_or_else(std::env::temp_dir, PathBuf::from).join("eventlog-append");
    println!("{tasks} tasks, {seconds} s each, in {}", dir.display());
    for per_append in [100, 1] {
        measure(&dir, tasks, per_append, Duration::from_secs(seconds)).await;
        std::fs::remove_dir_all(&dir).unwrap();
    }
}

async fn measure(dir: &std::path::Path, tasks: u64, per_append: u64, length: Duration) {
    let clock = Arc::new(SystemClock::new());
    let options = Options { max_bytes: Some(1 << 30), ..Options::new(dir) };
    let (log, _) = EmbeddedLog::open(options, Arc::new(FileStorage), clock.clone()).unwrap();
    let start = clock.monotonic();
    let running = (0..tasks).map(|task| {
        let (log, clock) = (log.clone(), clock.clone());
        tokio::spawn(async move {
            // Made beforehand, so that the log is measured and not the making of events.
            let made: Vec<Vec<_>> = (0..APPENDS_MADE)
                .map(|n| (0..per_append).map(|i| event((task * APPENDS_MADE + n) * per_append + i)).collect())
                .collect();
            let mut times = Vec::new();
            for records in made.iter().cycle() {
                let before = clock.monotonic();
                if before > start + length {
                    break;
                }
                log.append(records.clone()).await.unwrap();
                times.push(clock.monotonic() - before);
            }
            times
        })
    });
    let mut times = Vec::new();
    for task in running.collect::<Vec<_>>() {
        times.extend(task.await.unwrap());
    }
    let elapsed = (clock.monotonic() - start).as_secs_f64();
    times.sort_unstable();
    let percentile = |p: usize| times[(times.len() - 1) * p / 100].as_secs_f64() * 1e3;
    let found = log.statistics();
    let rate = |count: u64| count as f64 / elapsed;
    println!(
        "{per_append:>3} events an append: {:.0} events/s, {:.0} syncs/s, {:.0} events a commit, {:.0} MB/s in, {:.0} MB/s written, ack p50 {:.1} ms, p99 {:.1} ms",
        rate(found.records),
        rate(found.syncs),
        found.records as f64 / found.commits as f64,
        rate(found.bytes) / 1e6,
        rate(found.bytes_written) / 1e6,
        percentile(50),
        percentile(99),
    );
    log.close().await;
}

/// About 800 bytes, as different from its neighbours as events are.
fn event(n: u64) -> NewRecord {
    let id = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let payload = format!(
        r#"{{"type":"track","event":"Order Completed","messageId":"{id:016x}-{:016x}","anonymousId":"{:032x}","userId":"user-{}","sentAt":"2026-01-01T00:00:{:02}.{:03}Z","properties":{{"order_id":"ord-{n}","revenue":{}.{:02},"currency":"EUR","coupon":"SPRING","products":[{{"sku":"sku-{}","name":"A thing to buy","price":{},"quantity":{}}},{{"sku":"sku-{}","name":"Another thing","price":{},"quantity":1}}]}},"context":{{"ip":"10.{}.{}.{}","library":{{"name":"analytics.js","version":"2.11.1"}},"page":{{"path":"/checkout/{}","referrer":"https://example.com/","title":"Checkout","url":"https://shop.example.com/checkout/{}"}},"userAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36","locale":"en-GB"}}}}"#,
        id.rotate_left(17) ^ n,
        u128::from(id) * 7,
        id % 100_000,
        n % 60,
        n % 1_000,
        id % 500,
        n % 100,
        id % 10_000,
        id % 300,
        n % 5,
        id % 7_000,
        id % 200,
        id % 256,
        n % 256,
        id % 251,
        n,
        n
    );
    NewRecord { kind: RecordKind::Event, payload: payload.into_bytes() }
}
