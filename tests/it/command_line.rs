//! The commands as a person uses them.

use std::process::{Command, Output};

use serde_json::json;

use crate::server::{Server, root};

fn etalon(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_etalon")).args(arguments).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn check_accepts_the_shipped_example() {
    let example = root().join("examples/metrics.yaml");
    let output = etalon(&["check", example.to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).starts_with("ok: "), "{}", text(&output));
}

#[test]
fn check_reports_six_mistakes_at_once_with_their_places() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("metrics.yaml");
    let definitions = "\
version: 1
tracking_plan:
  events:
    - name: Order Completed
      properties:
        revenue: {type: decimall}
identity:
  identifiers:
    - {name: user_id, limit: many}
semantic_models:
  - name: orders
    model: warehouse.order_completed
    entities:
      - {name: order, type: primry, expr: id}
    dimensions:
      - {name: ordered_at, type: time, expr: timestamp}
metrics:
  - {name: orders, type: simple, type_params: {measure: order_cnt}}
audiences:
  - name: a
    where: {event: Order Completed, window: {within: soon}}
";
    std::fs::write(&file, definitions).unwrap();
    let output = etalon(&["check", file.to_str().unwrap()]);
    let lines = text(&output);
    assert_eq!(output.status.code(), Some(1), "{lines}");
    for line in [6, 9, 14, 16, 18, 21] {
        let place = format!("{}:{line}:", file.display());
        assert!(lines.lines().any(|l| l.starts_with(&place)), "no diagnostic at line {line}:\n{lines}");
    }
}

#[test]
fn help_shows_examples_and_config_prints_the_defaults() {
    assert!(text(&etalon(&["--help"])).contains("etalon demo"));
    let config = etalon(&["config"]);
    assert!(text(&config).contains("[http]"));
    assert!(!etalon(&["serve", "--config", "/nowhere.toml"]).status.success());
}

#[test]
fn a_client_command_without_a_server_says_how_to_start_one() {
    let output = etalon(&["query", "--server", "http://127.0.0.1:9", "--metrics", "orders"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("etalon serve"));
}

#[tokio::test]
async fn query_sql_and_audiences_answer_in_tables() {
    let server = Server::start().await;
    server
        .track(json!({"type": "track", "userId": "u1", "messageId": "m1", "event": "Order Completed",
            "properties": {"order_id": "o1", "revenue": 12.5, "currency": "EUR"}}))
        .await;
    let http = server.http.clone();
    let run = |arguments: Vec<String>| {
        tokio::task::spawn_blocking(move || {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let output = etalon(&arguments);
            assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
            text(&output)
        })
    };
    let command = |words: &[&str]| {
        let mut all: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
        all.extend(["--server".to_owned(), http.clone()]);
        all
    };
    let table = run(command(&["query", "--metrics", "revenue,orders", "--group-by", "order__currency"]))
        .await
        .unwrap();
    assert_eq!(
        table,
        "order__currency  revenue  orders\n---------------  -------  ------\nEUR                12.50       1\n(1 row)\n"
    );
    let csv = run(command(&["sql", "SELECT event_text FROM events.all", "--format", "csv"])).await.unwrap();
    assert_eq!(csv.replace('\r', ""), "event_text\nOrder Completed\n");
    let sql = run(command(&["query", "--metrics", "revenue", "--explain"])).await.unwrap();
    assert!(sql.to_lowercase().contains("sum("), "{sql}");
    let audiences = run(command(&["audience", "list"])).await.unwrap();
    assert!(audiences.lines().any(|l| l.starts_with("active_customers") && l.contains(" 1 ")), "{audiences}");
}
