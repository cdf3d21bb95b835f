//! The unmodified `dbt-sl-sdk`, sync and async: on plain ports, and over TLS on one port.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    client::{run_python, run_python_with},
    server::Server,
};

const KEY: &str = "sk_dbt";

fn api_key() -> String {
    let hash: String = Sha256::digest(KEY.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("[[api_keys]]\nname = \"bi\"\nhash = \"{hash}\"\nroles = [\"analyst\"]\n")
}

fn order(id: &str, revenue: &str, currency: &str) -> String {
    format!(
        r#"{{"type":"track","userId":"u1","messageId":"{id}","event":"Order Completed","properties":{{"order_id":"{id}","revenue":{revenue},"currency":"{currency}"}}}}"#
    )
}

fn orders() -> String {
    let all = [order("o1", "10.25", "EUR"), order("o2", "20.25", "EUR"), order("o3", "7.25", "USD")];
    format!(r#"{{"batch":[{}]}}"#, all.join(","))
}

#[tokio::test]
async fn the_sdk_works_on_plain_ports() {
    let server = Server::with(crate::server::DEFINITIONS, &api_key()).await;
    assert_eq!(server.post("/v1/batch", orders()).await.status(), 200);
    let port = |url: &str| url.rsplit_once(':').unwrap().1.to_owned();
    let graphql = format!("http://{{server_host}}:{}/api/graphql", port(&server.http));
    let flight = format!("grpc+tcp://{{server_host}}:{}", port(&server.flight));
    let variables =
        [("DBT_SL_GRAPHQL_URL_FORMAT", graphql.as_str()), ("DBT_SL_ADBC_URL_FORMAT", flight.as_str())];
    assert_eq!(run_python_with("dbt_sdk.py", &["127.0.0.1", KEY], &variables).await.trim(), "ok");
}

#[tokio::test]
async fn the_sdk_works_over_tls_on_one_port() {
    let dir = tempfile::tempdir().unwrap();
    let certificate = Certificate::make(dir.path());
    let server = Server::with_tls(&certificate.cert, &certificate.key, &api_key()).await;
    let authority = reqwest::Certificate::from_pem(&std::fs::read(&certificate.authority).unwrap()).unwrap();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([authority]).build().unwrap();
    let port = server.http.rsplit_once(':').unwrap().1.to_owned();
    let request = client.post(format!("https://localhost:{port}/v1/batch")).basic_auth("WK", Some(""));
    assert_eq!(request.body(orders()).send().await.unwrap().status(), 200);
    let graphql = format!("https://{{server_host}}:{port}/api/graphql");
    let flight = format!("grpc+tls://{{server_host}}:{port}");
    let authority = certificate.authority.to_str().unwrap();
    let variables = [
        ("DBT_SL_GRAPHQL_URL_FORMAT", graphql.as_str()),
        ("DBT_SL_ADBC_URL_FORMAT", flight.as_str()),
        ("REQUESTS_CA_BUNDLE", authority),
        ("SSL_CERT_FILE", authority),
    ];
    assert_eq!(run_python_with("dbt_sdk.py", &["localhost", KEY], &variables).await.trim(), "ok");
}

/// A certificate for this machine, signed by an authority that nobody knows.
struct Certificate {
    authority: PathBuf,
    cert: PathBuf,
    key: PathBuf,
}

impl Certificate {
    fn make(dir: &Path) -> Self {
        let openssl = |arguments: &[&str]| {
            let output = Command::new("openssl").args(arguments).current_dir(dir).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        };
        let ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        let authority = [
            "req",
            "-x509",
            "-days",
            "2",
            "-subj",
            "/CN=Test Authority",
            "-keyout",
            "ca.key",
            "-out",
            "ca.pem",
        ];
        openssl(&[&authority[..], &ec].concat());
        let request = ["req", "-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr"];
        openssl(&[&request[..], &ec].concat());
        std::fs::write(dir.join("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n").unwrap();
        openssl(&[
            "x509",
            "-req",
            "-days",
            "2",
            "-in",
            "server.csr",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-extfile",
            "names",
            "-out",
            "server.pem",
        ]);
        let file = |name: &str| dir.join(name);
        Self { authority: file("ca.pem"), cert: file("server.pem"), key: file("server.key") }
    }
}

#[tokio::test]
async fn every_operation_of_the_sdk_is_valid_against_the_schema() {
    let server = Server::start().await;
    let api = format!("{}/api/graphql", server.http);
    let checked = run_python("dbt_protocol.py", &[&api], "").await;
    assert_eq!(checked.trim(), "20");
}

/// One request as dbt-mcp sends it: to the root, and the answer without an error.
async fn ask(server: &Server, query: &str, variables: Value) -> Value {
    let port = server.http.rsplit_once(':').unwrap().1;
    let request = server.client.post(&server.http).header("host", format!("localhost:{port}"));
    let body = json!({ "query": query, "variables": variables }).to_string();
    let answer = request.header("content-type", "application/json").body(body).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let answer: Value = answer.json().await.unwrap();
    assert!(answer["errors"].is_null(), "{answer}");
    answer["data"].clone()
}

#[tokio::test]
async fn requests_of_other_clients_are_answered() {
    let server = Server::start().await;
    assert_eq!(server.post("/v1/batch", orders()).await.status(), 200);
    let data = ask(
        &server,
        "query GetMetrics($environmentId: BigInt!, $search: String) { metricsPaginated(environmentId: $environmentId, search: $search) \
         { items { name label description type config { meta } dimensions { name } entities { name } } } }",
        json!({"environmentId": "42", "search": "REVEN"}),
    )
    .await;
    assert_eq!(data["metricsPaginated"]["items"][0]["name"], "revenue", "{data}");
    let data = ask(
        &server,
        "query ($environmentId: BigInt!, $metrics: [MetricInput!]!) { \
         dimensionsPaginated(environmentId: $environmentId, metrics: $metrics) { items { name type queryableGranularities queryableTimeGranularities } } \
         entitiesPaginated(environmentId: $environmentId, metrics: $metrics) { items { name type } } }",
        json!({"environmentId": 1, "metrics": [{"name": "revenue"}]}),
    )
    .await;
    assert!(
        data["dimensionsPaginated"]["items"]
            .as_array()
            .unwrap()
            .iter()
            .any(|d| d["name"] == "order__currency")
    );
    assert!(data["entitiesPaginated"]["items"].as_array().unwrap().iter().any(|e| e["name"] == "order"));
    let data = ask(
        &server,
        r#"mutation { createSynchronousQuery(environmentId: 1, metrics: [{name: "orders"}], groupBy: [{name: "order__currency"}],
            orderBy: [{metric: {name: "orders"}, descending: true}])
            { status totalPages jsonResult(orient: RECORDS, encoded: false) } }"#,
        json!({}),
    )
    .await;
    let result = &data["createSynchronousQuery"];
    assert_eq!((&result["status"], &result["totalPages"]), (&json!("SUCCESSFUL"), &json!(1)), "{result}");
    assert_eq!(
        result["jsonResult"],
        r#"[{"order__currency":"EUR","orders":2},{"order__currency":"USD","orders":1}]"#
    );
    let elsewhere = server.client.post(&server.http).body("{}").send().await.unwrap();
    assert_eq!(elsewhere.status(), 404, "the root answers hosts that start with localhost only");
}
