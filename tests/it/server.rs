//! A running `etalon` on free ports and a data folder of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

/// Longest wait for anything the server should do at once.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// Where the checkout is.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Definitions the tests start with.
pub(crate) const DEFINITIONS: &str = r#"
version: 1
tracking_plan:
  events:
    - name: Order Completed
      properties:
        order_id: {type: string, required: true}
        revenue: {type: "decimal(12,2)", minimum: 0}
        currency: {type: string, enum: [EUR, USD, GBP]}
    - name: Product Viewed
      properties:
        product_id: {type: string, required: true}
identity:
  identifiers:
    - {name: user_id, limit: 1}
    - {name: email, normalize: email, limit: 3, max_fanout: 100}
    - {name: anonymous_id, max_fanout: 50}
profile:
  traits:
    email: {type: string}
    country: {type: string}
    plan: {type: string}
semantic_models:
  - name: orders
    model: warehouse.order_completed
    defaults: {agg_time_dimension: ordered_at}
    entities:
      - {name: order, type: primary, expr: order_id}
      - {name: profile, type: foreign}
    dimensions:
      - {name: ordered_at, type: time, expr: timestamp, type_params: {time_granularity: second}}
      - {name: currency, type: categorical}
    measures:
      - {name: order_count, agg: count, expr: "1"}
      - {name: revenue, agg: sum}
metrics:
  - {name: orders, type: simple, type_params: {measure: order_count}}
  - {name: revenue, type: simple, type_params: {measure: revenue}}
  - {name: average_order_value, type: ratio, type_params: {numerator: revenue, denominator: orders}}
audiences:
  - name: active_customers
    where: {event: Order Completed, window: {within: 30d}, count: {gte: 1}}
  - name: just_viewed
    where: {event: Product Viewed, window: {within: 2s}, count: {gte: 1}}
  - name: pro_plan
    where: {trait: plan, eq: pro}
"#;

/// One process of the real binary.
pub(crate) struct Server {
    child: Child,
    /// Base URL of the HTTP port.
    pub(crate) http: String,
    /// Base URL of the Flight SQL port.
    pub(crate) flight: String,
    /// The data folder's parent; kept over restarts.
    pub(crate) dir: TempDir,
    pub(crate) client: reqwest::Client,
}

impl Server {
    /// Starts on a fresh data folder.
    pub(crate) async fn start() -> Self {
        Self::with(DEFINITIONS, "").await
    }

    /// Starts with its log in a folder elsewhere.
    pub(crate) async fn with_log_in(log: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("data")).unwrap();
        std::os::unix::fs::symlink(log, dir.path().join("data/log")).unwrap();
        configure(dir.path(), DEFINITIONS, "");
        Self::in_folder(dir).await
    }

    /// Starts with other definitions and further configuration.
    pub(crate) async fn with(definitions: &str, config: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        configure(dir.path(), definitions, config);
        Self::in_folder(dir).await
    }

    /// Starts with TLS on the HTTP port.
    pub(crate) async fn with_tls(cert: &Path, key: &Path, config: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        configure(dir.path(), DEFINITIONS, config);
        let file = dir.path().join("etalon.toml");
        let listen = "[http]\n";
        let secure = format!("{listen}tls_cert = {cert:?}\ntls_key = {key:?}\n");
        fs::write(&file, fs::read_to_string(&file).unwrap().replacen(listen, &secure, 1)).unwrap();
        Self::in_folder(dir).await
    }

    /// Starts on a folder that an earlier process left.
    pub(crate) async fn in_folder(dir: TempDir) -> Self {
        let mut child = command(dir.path()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if let Some(addresses) = line.strip_prefix("etalon is ready: http ") {
                    let (http, flight) = addresses.split_once(" flight ").unwrap();
                    return Some((http.to_owned(), flight.to_owned()));
                }
            }
            None
        };
        let ready = tokio::time::timeout(DEADLINE, ready).await.expect("the server is ready within 30 s");
        let Some((http, flight)) = ready else {
            let status = child.wait().await.unwrap();
            let log = fs::read_to_string(dir.path().join("stderr.log")).unwrap_or_default();
            panic!("the server ended with {status} before it was ready:\n{log}");
        };
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { child, http: format!("http://{http}"), flight: format!("grpc://{flight}"), dir, client }
    }

    /// SIGKILL, now. What is left is the data folder.
    pub(crate) async fn kill(mut self) -> TempDir {
        self.child.kill().await.unwrap();
        self.dir
    }

    /// Kills and starts again on the same folder.
    pub(crate) async fn restart_after_kill(self) -> Self {
        Self::in_folder(self.kill().await).await
    }

    /// SIGTERM, and the exit code.
    pub(crate) async fn stop(mut self) -> (TempDir, Option<i32>) {
        let pid = self.child.id().unwrap().to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let status =
            tokio::time::timeout(DEADLINE, self.child.wait()).await.expect("the server stops").unwrap();
        (self.dir, status.code())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> reqwest::Response {
        let request = self.client.post(format!("{}{path}", self.http)).basic_auth("WK", Some(""));
        request.body(body).send().await.unwrap()
    }

    /// Sends one call as source `web`.
    pub(crate) async fn track(&self, call: Value) {
        let answer = self.post("/v1/batch", json!({"batch": [call]}).to_string()).await;
        assert_eq!(answer.status(), 200);
        let result = answer.headers()["etalon-result"].to_str().unwrap().to_owned();
        assert!(result.contains("quarantined=0"), "{result}");
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let answer = self.client.get(format!("{}{path}", self.http)).send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    pub(crate) async fn api(&self, path: &str, body: Value) -> (u16, Value) {
        let request = self.client.post(format!("{}{path}", self.http));
        let answer =
            request.header("content-type", "application/json").body(body.to_string()).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    /// Rows of a SQL statement.
    pub(crate) async fn sql(&self, statement: &str) -> Vec<Value> {
        let (status, answer) = self.api("/api/v1/sql", json!({ "sql": statement })).await;
        assert_eq!((status, &answer["truncated"]), (200, &json!(false)), "{statement}");
        answer["rows"].as_array().unwrap().clone()
    }

    /// All lines of a SQL statement's answer, however many, as CSV without its header.
    pub(crate) async fn csv(&self, statement: &str) -> Vec<String> {
        let request = self.client.post(format!("{}/api/v1/sql", self.http)).header("accept", "text/csv");
        let answer = request.body(json!({ "sql": statement }).to_string()).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{statement}");
        answer.text().await.unwrap().lines().skip(1).map(str::to_owned).collect()
    }

    /// Rows of a metric query.
    pub(crate) async fn query(&self, query: Value) -> Vec<Value> {
        let (status, answer) = self.api("/api/v1/query", query).await;
        assert_eq!(status, 200, "{answer}");
        answer["rows"].as_array().unwrap().clone()
    }

    /// The first row's first number.
    pub(crate) async fn count(&self, statement: &str) -> u64 {
        let rows = self.sql(statement).await;
        number(&rows[0][0])
    }
}

/// Writes definitions and configuration: free ports, two sources, webhooks to this machine allowed.
pub(crate) fn configure(dir: &Path, definitions: &str, config: &str) {
    const BASE: &str = r#"
[http]
listen = "127.0.0.1:0"
[flight]
listen = "127.0.0.1:0"
[delivery]
allow_networks = ["127.0.0.0/8"]
[[write_keys]]
key = "WK"
source = "web"
flavour = "segment"
[[write_keys]]
key = "RK"
source = "ruddy"
flavour = "rudderstack"
"#;
    fs::write(dir.join("metrics.yaml"), definitions).unwrap();
    fs::write(dir.join("etalon.toml"), format!("{BASE}{config}")).unwrap();
}

/// A number that may have come as text, because it is exact.
pub(crate) fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| value.as_str().unwrap().parse().unwrap())
}

/// The binary with the folder's configuration and definitions.
pub(crate) fn command(dir: &Path) -> Command {
    let log = fs::OpenOptions::new().create(true).append(true).open(dir.join("stderr.log")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_etalon"));
    command
        .arg("serve")
        .arg("--config")
        .arg(dir.join("etalon.toml"))
        .arg("--definitions")
        .arg(dir.join("metrics.yaml"))
        .arg("--data")
        .arg(dir.join("data"))
        .stdout(Stdio::piped())
        .stderr(log)
        .kill_on_drop(true);
    command
}
