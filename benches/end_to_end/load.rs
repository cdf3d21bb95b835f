//! Closed-loop load: every connection sends its next request when the last one was answered.

use std::{
    fmt::{self, Write as _},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{http::Connection, process::Etalon};

#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) connections: usize,
    pub(crate) batch: usize,
    pub(crate) seconds: u64,
}

pub(crate) struct Load {
    pub(crate) requests: u64,
    pub(crate) events: u64,
    pub(crate) took: Duration,
    pub(crate) latencies: Vec<Duration>,
    pub(crate) refused: u64,
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.took.as_secs_f64();
        write!(
            f,
            "{:.0} events/s, {:.0} requests/s, p50 {:.1?}, p99 {:.1?}, {} not 200",
            self.events as f64 / seconds,
            self.requests as f64 / seconds,
            percentile(&self.latencies, 50),
            percentile(&self.latencies, 99),
            self.refused
        )
    }
}

pub(crate) fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted
        .get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1)))
        .copied()
        .unwrap_or_default()
}

/// One call of about 800 bytes; message ids are never repeated.
pub(crate) fn call(out: &mut String, id: u64, user: u64) {
    write!(
        out,
        r#"{{"type":"track","event":"Product Viewed","messageId":"bench-{id:016x}","userId":"u{user}","anonymousId":"a{user}","timestamp":"2026-01-01T00:00:00.000Z","context":{{"library":{{"name":"bench","version":"1.0.0"}},"page":{{"path":"/shop/shoes","referrer":"https://search.example/","search":"","title":"Shoes","url":"https://shop.example/shop/shoes"}},"userAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36","locale":"en-GB","timezone":"Europe/Berlin","campaign":{{"source":"newsletter","medium":"email","name":"spring"}}}},"properties":{{"product_id":"p-{}","category":"shoes","price":89.90,"position":{},"list":"recommended for you","experiment":"checkout-b"}}}}"#,
        id % 5_000,
        id % 40
    )
    .unwrap();
}

fn body(batch: usize, next: u64, users: u64) -> String {
    let mut body = String::with_capacity(batch * 850 + 64);
    if batch == 1 {
        call(&mut body, next, next % users);
        return body;
    }
    body.push_str(r#"{"batch":["#);
    for n in 0..batch as u64 {
        if n > 0 {
            body.push(',');
        }
        call(&mut body, next + n, (next + n).wrapping_mul(2_654_435_761) % users);
    }
    body.push_str("]}");
    body
}

pub(crate) async fn run(etalon: &Etalon, shape: Shape) -> Load {
    let ids = Arc::new(AtomicU64::new(1));
    let start = Instant::now();
    let end = start + Duration::from_secs(shape.seconds);
    let tasks: Vec<_> = (0..shape.connections)
        .map(|_| {
            let (address, ids) = (etalon.http.clone(), Arc::clone(&ids));
            tokio::spawn(async move {
                let mut connection = Connection::open(&address).await;
                let (mut latencies, mut refused) = (Vec::new(), 0);
                let path = if shape.batch == 1 { "/v1/track" } else { "/v1/batch" };
                while Instant::now() < end {
                    let first = ids.fetch_add(shape.batch as u64, Ordering::Relaxed);
                    let body = body(shape.batch, first, 100_000);
                    let sent = Instant::now();
                    let status = connection.post(path, body.as_bytes()).await;
                    latencies.push(sent.elapsed());
                    refused += u64::from(status != 200);
                }
                (latencies, refused)
            })
        })
        .collect();
    let (mut latencies, mut refused) = (Vec::new(), 0);
    for task in tasks {
        let (more, bad) = task.await.unwrap();
        latencies.extend(more);
        refused += bad;
    }
    latencies.sort();
    let requests = latencies.len() as u64;
    Load { requests, events: requests * shape.batch as u64, took: start.elapsed(), latencies, refused }
}

/// Sends `total` events of `users` people, as fast as they are acknowledged.
pub(crate) async fn send_exactly(etalon: &Etalon, total: u64, users: u64) -> Duration {
    let start = Instant::now();
    let next = Arc::new(AtomicU64::new(0));
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (address, next) = (etalon.http.clone(), Arc::clone(&next));
            tokio::spawn(async move {
                let mut connection = Connection::open(&address).await;
                loop {
                    let first = next.fetch_add(100, Ordering::Relaxed);
                    if first >= total {
                        break;
                    }
                    assert_eq!(connection.post("/v1/batch", body(100, first, users).as_bytes()).await, 200);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    start.elapsed()
}
