//! The figures of docs/benchmarks.md, measured from outside on the real binary.
//!
//! `cargo bench -p gateway --bench end_to_end [-- NAME ..]`; without names all run. Names: ingest, single,
//! latency, million, start.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a benchmark, not the product"
)]

#[path = "end_to_end/http.rs"]
mod http;
#[path = "end_to_end/latency.rs"]
mod latency;
#[path = "end_to_end/load.rs"]
mod load;
#[path = "end_to_end/process.rs"]
mod process;

use std::time::Duration;

use process::Etalon;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let names: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let wanted = |name: &str| names.is_empty() || names.iter().any(|n| n == name);
    let cores = std::thread::available_parallelism().unwrap();
    println!("{cores} cores, client and server share them; sync of 4 KiB: p50 {:?}", process::sync_time());
    if wanted("ingest") {
        let etalon = Etalon::start().await;
        let result = load::run(&etalon, load::Shape { connections: 16, batch: 100, seconds: 10 }).await;
        println!("durable ingest, batches of 100 x ~800 B, 16 connections: {result}");
        println!("  server: {}", etalon.cost(&result));
    }
    if wanted("single") {
        let etalon = Etalon::start().await;
        let result = load::run(&etalon, load::Shape { connections: 64, batch: 1, seconds: 10 }).await;
        println!("single-event requests, 64 connections: {result}");
        println!("  server: {}", etalon.cost(&result));
    }
    if wanted("latency") {
        println!("{}", latency::run(5_000, Duration::from_secs(20)).await);
    }
    if wanted("million") {
        million().await;
    }
    if wanted("start") {
        let etalon = Etalon::start().await;
        println!(
            "start to /readyz on an empty folder: {:?}; memory idle: {} MB",
            etalon.started_in,
            etalon.resident_mb()
        );
    }
}

/// Memory after a million events of 100,000 profiles, and the start on that folder.
async fn million() {
    let etalon = Etalon::start().await;
    let total = 1_000_000;
    let took = load::send_exactly(&etalon, total, 100_000).await;
    println!("1,000,000 events of 100,000 profiles sent in {took:.1?}");
    let caught_up = etalon.wait_until_queried(total).await;
    println!("  all of them counted by a query {caught_up:.1?} later; memory {} MB", etalon.resident_mb());
    let etalon = etalon.restart().await;
    println!(
        "  start to /readyz on that folder: {:?}; memory {} MB",
        etalon.started_in,
        etalon.resident_mb()
    );
}
