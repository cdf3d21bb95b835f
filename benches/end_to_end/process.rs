//! The binary under measurement.

use std::{
    fs,
    io::Write as _,
    process::Stdio,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use crate::load::Load;

const DEFINITIONS: &str = r#"
version: 1
tracking_plan:
  events:
    - {name: Product Viewed, properties: {product_id: {type: string, required: true}, category: {type: string}, price: {type: "decimal(12,2)"}}}
identity:
  identifiers: [{name: user_id, limit: 1}, {name: email, limit: 3}, {name: anonymous_id, max_fanout: 50}]
audiences:
  - {name: recent_viewers, where: {event: Product Viewed, window: {within: 30d}, count: {gte: 1}}}
  - {name: often, where: {event: Product Viewed, window: {within: 7d}, count: {gte: 5}}}
  - {name: now, where: {event: Alerted, window: {within: 1s}, count: {gte: 1}}}
"#;

pub(crate) struct Etalon {
    child: Child,
    pub(crate) http: String,
    pub(crate) started_in: Duration,
    dir: TempDir,
}

impl Etalon {
    pub(crate) async fn start() -> Self {
        Self::with("").await
    }

    /// Starts with further definitions.
    pub(crate) async fn with(definitions: &str) -> Self {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        fs::write(dir.path().join("metrics.yaml"), format!("{DEFINITIONS}{definitions}")).unwrap();
        let config = "[http]\nlisten = \"127.0.0.1:0\"\n[flight]\nlisten = \"127.0.0.1:0\"\n[delivery]\nallow_networks = [\"127.0.0.0/8\"]\n[[write_keys]]\nkey = \"WK\"\nsource = \"web\"\nflavour = \"segment\"\n";
        fs::write(dir.path().join("etalon.toml"), config).unwrap();
        Self::in_folder(dir).await
    }

    async fn in_folder(dir: TempDir) -> Self {
        let start = Instant::now();
        let path = |name: &str| dir.path().join(name);
        let mut child = Command::new(env!("CARGO_BIN_EXE_etalon"))
            .args(["serve", "--config"])
            .arg(path("etalon.toml"))
            .arg("--definitions")
            .arg(path("metrics.yaml"))
            .arg("--data")
            .arg(path("data"))
            .stdout(Stdio::piped())
            .stderr(fs::File::create(path("stderr.log")).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next_line().await.unwrap().expect("the server starts");
        let addresses = line.strip_prefix("etalon is ready: http ").unwrap();
        let http = addresses.split_once(' ').unwrap().0.to_owned();
        let ready = reqwest::get(format!("http://{http}/readyz")).await.unwrap();
        assert_eq!(ready.status(), 200);
        Self { child, http, started_in: start.elapsed(), dir }
    }

    /// Kills it and starts again on the same folder.
    pub(crate) async fn restart(mut self) -> Self {
        self.child.kill().await.unwrap();
        Self::in_folder(self.dir).await
    }

    pub(crate) fn resident_mb(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id().unwrap())).unwrap();
        let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    }

    /// What the load cost the server, from its own counters.
    pub(crate) fn cost(&self, load: &Load) -> String {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id().unwrap())).unwrap();
        let ticks: Vec<u64> = stat
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(|t| t.parse().unwrap())
            .collect();
        let micros = (ticks[0] + ticks[1]) as f64 * 10_000.0 / load.events as f64;
        format!("{micros:.1} us of processor time an event, {} MB resident", self.resident_mb())
    }

    /// Asks until a query counts all events; how long that took. While it cannot, it is refused with 503:
    /// an answer that comes counts every acknowledged event.
    pub(crate) async fn wait_until_queried(&self, total: u64) -> Duration {
        let start = Instant::now();
        let client = reqwest::Client::new();
        let url = format!("http://{}/api/v1/sql", self.http);
        let body = r#"{"sql":"SELECT count(*) FROM events.all"}"#;
        let answer = loop {
            let request = client.post(&url).header("content-type", "application/json").body(body);
            let answer = request.send().await.unwrap();
            if answer.status() != reqwest::StatusCode::SERVICE_UNAVAILABLE {
                break answer;
            }
        };
        let answer: serde_json::Value = answer.json().await.unwrap();
        let count = &answer["rows"][0][0];
        let count = count.as_u64().unwrap_or_else(|| count.as_str().unwrap().parse().unwrap());
        assert_eq!(count, total, "every acknowledged event is counted by the next query");
        start.elapsed()
    }
}

/// Median time of an append of 4 KiB with its sync on this disk.
pub(crate) fn sync_time() -> Duration {
    let mut file = tempfile::tempfile_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut times: Vec<Duration> = (0..100)
        .map(|_| {
            let start = Instant::now();
            file.write_all(&[0; 4096]).unwrap();
            file.sync_data().unwrap();
            start.elapsed()
        })
        .collect();
    times.sort();
    times[50]
}
