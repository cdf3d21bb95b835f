use axum::{
    body::Body,
    http::{Request, StatusCode, header},
    response::Response,
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::service;
use crate::fixture::Fixture;

async fn send(fixture: &Fixture, request: Request<Body>) -> Response {
    service(fixture).oneshot(request).await.unwrap()
}

async fn text(response: Response) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn post(body: &Value) -> Request<Body> {
    let request = Request::post("/graphql").header(header::CONTENT_TYPE, "application/json");
    request.body(Body::from(body.to_string())).unwrap()
}

async fn ask(fixture: &Fixture, query: &str) -> Value {
    let response = send(fixture, post(&json!({"query": query}))).await;
    serde_json::from_str(&text(response).await).unwrap()
}

/// Status and code of a refused request.
async fn refusal(fixture: &Fixture, request: Request<Body>) -> (StatusCode, String) {
    let response = send(fixture, request).await;
    let status = response.status();
    let body: Value = serde_json::from_str(&text(response).await).unwrap();
    assert!(body.get("data").is_none_or(Value::is_null), "{body}");
    (status, body["errors"][0]["extensions"]["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_audiences_and_profiles_answer() {
    let fixture = Fixture::start().await;
    let answer = ask(
        &fixture,
        r#"{
            metrics(search: "order", first: 1) { nodes { name kind dimensions { qualifiedName } } pageInfo { hasNextPage } }
            audience(name: "pro_plan") { size version isMember(profile: "00000000-0000-0000-0000-000000000000")
                members { nodes { profile { id traits } since } pageInfo { hasNextPage } } }
            profile(identifier: {type: "user_id", value: "u1"}) { id traits identifiers { type value } records
                audiences { audience { name } leavesAt } }
            nobody: profile(identifier: {type: "user_id", value: "u2"}) { id }
        }"#,
    )
    .await;
    assert_eq!(answer.get("errors"), None, "{answer}");
    let data = &answer["data"];
    let id = fixture.profile.to_string();
    assert_eq!(data["metrics"]["nodes"][0]["name"], "orders");
    assert_eq!(data["audience"]["size"], "1");
    assert_eq!(data["audience"]["isMember"], false);
    let member = &data["audience"]["members"]["nodes"][0];
    assert_eq!(member["profile"], json!({"id": id, "traits": {"plan": "pro"}}));
    assert_eq!(data["profile"]["identifiers"], json!([{"type": "user_id", "value": "u1"}]));
    assert_eq!(data["profile"]["audiences"][0]["audience"]["name"], "pro_plan");
    assert_eq!(data["nobody"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_metric_query_is_a_table() {
    let fixture = Fixture::start().await;
    let answer = ask(
        &fixture,
        r#"{ query(input: {metrics: ["orders"]}) { columns { name kind } rows meta { asOf sql } } }"#,
    )
    .await;
    assert_eq!(answer.get("errors"), None, "{answer}");
    let table = &answer["data"]["query"];
    assert_eq!(table["columns"], json!([{"name": "orders", "kind": "metric"}]));
    assert_eq!(table["meta"]["asOf"], "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_root_field_leaves_the_others_intact() {
    let fixture = Fixture::start().await;
    let answer =
        ask(&fixture, r#"{ query(input: {metrics: ["revenu"]}) { rows } audiences { name } }"#).await;
    assert_eq!(answer["data"]["query"], Value::Null);
    assert_eq!(answer["data"]["audiences"][0]["name"], "pro_plan");
    assert_eq!(answer["errors"][0]["path"], json!(["query"]));
    assert_eq!(answer["errors"][0]["extensions"]["code"], "UNKNOWN_NAME", "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_run_is_refused_as_a_whole() {
    let fixture = Fixture::start().await;
    let refused = async |request| refusal(&fixture, request).await;
    let bad = StatusCode::BAD_REQUEST;
    let large = StatusCode::PAYLOAD_TOO_LARGE;
    let deep = format!("{}a{}", "{a".repeat(20), "}".repeat(20));
    assert_eq!(refused(post(&json!([{"query": "{__typename}"}]))).await, (large, "LIMIT".into()));
    assert_eq!(refused(post(&json!({"query": deep}))).await, (large, "LIMIT".into()));
    assert_eq!(refused(post(&json!({"query": "{"}))).await, (bad, "BAD_REQUEST".into()));
    assert_eq!(refused(post(&json!({}))).await, (bad, "BAD_REQUEST".into()));
    let plain = Request::post("/graphql").body(Body::from(r#"{"query":"{__typename}"}"#)).unwrap();
    assert_eq!(refused(plain).await, (bad, "BAD_REQUEST".into()), "no content type");
    let mut stranger = post(&json!({"query": "{__typename}"}));
    stranger.headers_mut().insert(header::AUTHORIZATION, "Bearer stranger".parse().unwrap());
    assert_eq!(refused(stranger).await, (StatusCode::UNAUTHORIZED, "UNAUTHENTICATED".into()));
    let mut reader = post(&json!({"query": "{__schema{types{name}}}"}));
    reader.headers_mut().insert(header::AUTHORIZATION, "bearer reader".parse().unwrap());
    assert_eq!(refused(reader).await, (StatusCode::FORBIDDEN, "FORBIDDEN".into()));
}

/// What GraphiQL and every other tool sends first.
const INTROSPECTION: &str = "query IntrospectionQuery { __schema { queryType { name } mutationType { name } \
    subscriptionType { name } types { ...FullType } directives { name description locations args { ...InputValue } } } } \
    fragment FullType on __Type { kind name description fields(includeDeprecated: true) { name description \
    args { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason } inputFields { ...InputValue } \
    interfaces { ...TypeRef } enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason } \
    possibleTypes { ...TypeRef } } \
    fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue } \
    fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name \
    ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } } } }";

#[tokio::test(flavor = "multi_thread")]
async fn the_standard_introspection_query_fits_the_limits() {
    let fixture = Fixture::start().await;
    let answer = ask(&fixture, INTROSPECTION).await;
    assert_eq!(answer.get("errors"), None, "{answer}");
    assert_eq!(answer["data"]["__schema"]["subscriptionType"]["name"], "Subscription");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_gets_the_explorer_and_its_files() {
    let fixture = Fixture::start().await;
    let page = Request::get("/graphql").header(header::ACCEPT, "text/html,*/*;q=0.8");
    let page = send(&fixture, page.body(Body::empty()).unwrap()).await;
    let policy = page.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
    let page = text(page).await;
    for (name, kind) in [
        ("graphiql.min.js", "text/javascript"),
        ("graphiql.min.css", "text/css"),
        ("start.js", "text/javascript"),
    ] {
        let path = format!("/graphql/assets/{name}");
        assert!(page.contains(&path) || name == "page.css");
        let asset =
            Request::get(&path).header(header::ACCEPT_ENCODING, "gzip, br").body(Body::empty()).unwrap();
        let asset = send(&fixture, asset).await;
        assert_eq!(asset.status(), StatusCode::OK);
        assert!(asset.headers()[header::CONTENT_TYPE].to_str().unwrap().starts_with(kind), "{name}");
        let packed = asset.headers().get(header::CONTENT_ENCODING).is_some();
        assert_eq!(packed, name != "start.js", "{name}");
    }
    let other = Request::get("/graphql/assets/..%2Findex.html").body(Body::empty()).unwrap();
    assert_eq!(send(&fixture, other).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn server_sent_events_end_with_complete() {
    let fixture = Fixture::start().await;
    let mut request = post(&json!({"query": "{audiences{name}}"}));
    request.headers_mut().insert(header::ACCEPT, "text/event-stream".parse().unwrap());
    let events = text(send(&fixture, request).await).await;
    assert!(
        events.starts_with("event: next\ndata: {\"data\":{\"audiences\":[{\"name\":\"pro_plan\"}]}}\n\n"),
        "{events}"
    );
    assert!(events.contains("event: complete"), "{events}");
}
