//! Drives a collector over keep-alive HTTP/1.1 and prints what it answered.
//!
//! `cargo run --release -p collector --example load -- --url http://127.0.0.1:8080 --write-key WK
//! --connections 64 --batch 100 --event-bytes 800 --seconds 10 [--rate requests/s]`
//!
//! Light on purpose, because it shares the machine with what it measures: each connection owns one
//! request in memory and overwrites the counters inside its message ids in place. A rate is kept by a
//! schedule, and latency is taken from the time a request was due, so that a slow server cannot hide.

use std::{process::ExitCode, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep_until},
};

#[derive(Debug, Clone)]
struct Load {
    address: String,
    key: String,
    connections: usize,
    batch: usize,
    event_bytes: usize,
    seconds: f64,
    /// Requests a second over all connections; 0 = as fast as answered.
    rate: f64,
}

/// What one connection saw.
#[derive(Debug, Default)]
struct Seen {
    micros: Vec<u32>,
    refused: u64,
    broken: u64,
}

/// Digits of the counter in a message id.
const DIGITS: usize = 12;

fn main() -> ExitCode {
    let load = match Load::read(std::env::args().skip(1)) {
        Ok(load) => load,
        Err(text) => {
            eprintln!("{text}");
            return ExitCode::FAILURE;
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime starts").block_on(run(load));
    ExitCode::SUCCESS
}

impl Load {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut load = Self {
            address: "127.0.0.1:8080".to_owned(),
            key: "WK".to_owned(),
            connections: 64,
            batch: 100,
            event_bytes: 800,
            seconds: 10.0,
            rate: 0.0,
        };
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
            let number = || value.parse::<f64>().map_err(|_| format!("{name} needs a number"));
            match name.as_str() {
                "--url" => {
                    load.address = value.trim_start_matches("http://").trim_end_matches('/').to_owned()
                }
                "--write-key" => load.key = value,
                "--connections" => load.connections = number()?.max(1.0) as usize,
                "--batch" => load.batch = number()? as usize,
                "--event-bytes" => load.event_bytes = number()? as usize,
                "--seconds" => load.seconds = number()?,
                "--rate" => load.rate = number()?,
                _ => return Err(format!("unknown option {name}")),
            }
        }
        Ok(load)
    }

    /// The request of one connection, and where its counters stand. A batch of 0 is the single form.
    fn request(&self, connection: usize) -> (Vec<u8>, Vec<usize>) {
        let start = std::process::id();
        let event = |i: usize| {
            let head = format!(
                r#"{{"type":"track","event":"Order Completed","userId":"u{connection}-{i}","messageId":"{start}-{connection}-{:0DIGITS$}","timestamp":"2026-01-01T00:00:00.000Z","sentAt":"2026-01-01T00:00:00.000Z","context":{{"library":{{"name":"load","version":"1"}}}},"properties":{{"order_id":"o{i}","revenue":12.5,"currency":"EUR","note":""#,
                0
            );
            let fill = self.event_bytes.saturating_sub(head.len() + 3);
            let text = "the quick brown fox jumps over the lazy dog ".chars().cycle().take(fill);
            format!("{head}{}\"}}}}", text.collect::<String>())
        };
        let events: Vec<String> = (0..self.batch.max(1)).map(event).collect();
        let (path, body) = match self.batch {
            0 => ("/v1/track", events[0].clone()),
            _ => (
                "/v1/batch",
                format!(r#"{{"batch":[{}],"sentAt":"2026-01-01T00:00:00.000Z"}}"#, events.join(",")),
            ),
        };
        let request = format!(
            "POST {path}?writeKey={} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.key,
            self.address,
            body.len()
        );
        let mark = format!("\"messageId\":\"{start}-{connection}-");
        let places = request.match_indices(&mark).map(|(at, _)| at + mark.len()).collect();
        (request.into_bytes(), places)
    }
}

async fn run(load: Load) {
    let start = Instant::now();
    let end = start + Duration::from_secs_f64(load.seconds);
    let tasks: Vec<_> =
        (0..load.connections).map(|i| tokio::spawn(drive(load.clone(), i, start, end))).collect();
    let mut all = Seen::default();
    for task in tasks {
        let seen = task.await.expect("a connection does not panic");
        all.micros.extend(seen.micros);
        all.refused += seen.refused;
        all.broken += seen.broken;
    }
    let took = start.elapsed().as_secs_f64();
    all.micros.sort_unstable();
    let quantile = |q: f64| {
        let at = ((all.micros.len() as f64 * q) as usize).min(all.micros.len().saturating_sub(1));
        all.micros.get(at).map_or(0.0, |micros| f64::from(*micros) / 1_000.0)
    };
    let answered = all.micros.len() as f64 / took;
    println!("requests/s   {answered:.0}");
    println!("events/s     {:.0}", answered * load.batch.max(1) as f64);
    println!(
        "latency ms   p50 {:.2}  p99 {:.2}  p99.9 {:.2}",
        quantile(0.5),
        quantile(0.99),
        quantile(0.999)
    );
    println!("non-200      {}", all.refused);
    println!("disconnects  {}", all.broken);
}

async fn drive(load: Load, index: usize, start: Instant, end: Instant) -> Seen {
    let (mut request, places) = load.request(index);
    let every = (load.rate > 0.0).then(|| Duration::from_secs_f64(load.connections as f64 / load.rate));
    let mut due = start + every.unwrap_or_default().mul_f64(index as f64 / load.connections as f64);
    let mut seen = Seen::default();
    let mut count = 0_u64;
    let mut connection = None;
    let mut answer = Vec::with_capacity(4_096);
    loop {
        if every.is_some() {
            sleep_until(due).await;
        } else {
            due = Instant::now();
        }
        if due >= end || Instant::now() >= end {
            return seen;
        }
        for place in &places {
            write_digits(&mut request[*place..*place + DIGITS], count);
            count += 1;
        }
        match exchange(&mut connection, &load.address, &request, &mut answer).await {
            Ok(status) => {
                seen.micros.push(u32::try_from(due.elapsed().as_micros()).unwrap_or(u32::MAX));
                seen.refused += u64::from(status != 200);
            }
            Err(_) => {
                seen.broken += 1;
                connection = None;
                // Not a busy loop while nobody listens.
                sleep_until(Instant::now() + Duration::from_millis(50)).await;
            }
        }
        due += every.unwrap_or_default();
    }
}

fn write_digits(place: &mut [u8], mut number: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// One request and its answer; gives the status.
async fn exchange(
    connection: &mut Option<TcpStream>,
    address: &str,
    request: &[u8],
    answer: &mut Vec<u8>,
) -> std::io::Result<u16> {
    let broken = || std::io::Error::from(std::io::ErrorKind::InvalidData);
    let stream = match connection {
        Some(stream) => stream,
        None => {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            connection.insert(stream)
        }
    };
    stream.write_all(request).await?;
    answer.clear();
    loop {
        if stream.read_buf(answer).await? == 0 {
            return Err(broken());
        }
        let Some(end) = answer.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let head = std::str::from_utf8(&answer[..end]).map_err(|_| broken())?;
        let status = head.get(9..12).and_then(|s| s.parse().ok()).ok_or_else(broken)?;
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
        });
        let whole = end + 4 + length.unwrap_or(0);
        while answer.len() < whole {
            if stream.read_buf(answer).await? == 0 {
                return Err(broken());
            }
        }
        return Ok(status);
    }
}
