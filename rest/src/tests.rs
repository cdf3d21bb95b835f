//! The endpoints as clients see them.

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
    response::Response,
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::{fixture::Fixture, router};

async fn send(fixture: &Fixture, request: Request<Body>) -> Response {
    router(fixture.deps.clone()).oneshot(request).await.unwrap()
}

async fn text(response: Response) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

async fn get(fixture: &Fixture, path: &str) -> (StatusCode, Value) {
    let response = send(fixture, Request::get(path).body(Body::empty()).unwrap()).await;
    (response.status(), serde_json::from_str(&text(response).await).unwrap())
}

async fn post(fixture: &Fixture, path: &str, accept: &str, body: Value) -> Response {
    let request = Request::post(path).header(header::ACCEPT, accept);
    send(fixture, request.body(Body::from(body.to_string())).unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn profiles_are_found_by_id_and_by_identifier() {
    let fixture = Fixture::start().await;
    let (status, by_value) = get(&fixture, "/api/v1/profiles/by/user_id/u1?include=audiences").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(by_value["traits"], json!({"plan": "pro"}));
    assert_eq!(by_value["identifiers"], json!({"user_id": ["u1"]}));
    assert_eq!(by_value["audiences"][0]["name"], "pro_plan");
    let (_, by_id) = get(&fixture, &format!("/api/v1/profiles/{}", fixture.profile)).await;
    assert_eq!((&by_id["id"], by_id.get("audiences")), (&by_value["id"], None));
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_problems_with_a_code() {
    let fixture = Fixture::start().await;
    for (path, status, code) in [
        ("/api/v1/profiles/by/user_id/u2", 404, "NOT_FOUND"),
        ("/api/v1/profiles/nobody", 400, "BAD_REQUEST"),
        ("/api/v1/profiles/by/user_id/u1?include=orders", 400, "BAD_REQUEST"),
        ("/api/v1/audiences/nope", 404, "NOT_FOUND"),
        ("/api/v1/audiences/pro_plan/members?limit=0", 400, "BAD_REQUEST"),
        ("/api/v1/audiences/pro_plan/members?size=1", 400, "BAD_REQUEST"),
        ("/api/v1/audiences/pro_plan/members?after=x", 400, "BAD_REQUEST"),
        ("/api/v1/dimensions?metrics=nope", 404, "NOT_FOUND"),
    ] {
        let (got, body) = get(&fixture, path).await;
        assert_eq!((got.as_u16(), body["code"].as_str()), (status, Some(code)), "{path}");
    }
    let stranger = Request::get("/api/v1/metrics").header(header::AUTHORIZATION, "Bearer stranger");
    let response = send(&fixture, stranger.body(Body::empty()).unwrap()).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
}

#[tokio::test(flavor = "multi_thread")]
async fn audiences_list_their_members_and_say_why() {
    let fixture = Fixture::start().await;
    let (_, audience) = get(&fixture, "/api/v1/audiences/pro_plan").await;
    assert_eq!((&audience["size"], &audience["version"]), (&json!(1), &json!(1)));
    let (_, members) = get(&fixture, "/api/v1/audiences/pro_plan/members").await;
    assert_eq!(members["members"][0]["profile"], fixture.profile.to_string());
    assert_eq!(members["next"], Value::Null);
    let path = format!("/api/v1/audiences/pro_plan/explain?profile={}", fixture.profile);
    let (status, told) = get(&fixture, &path).await;
    assert_eq!((status, &told["explanation"]["holds"]), (StatusCode::OK, &json!(true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_pulled_from_a_cursor_and_waited_for() {
    let fixture = Fixture::start().await;
    let (_, none) = get(&fixture, "/api/v1/audiences/changes?wait=0").await;
    assert_eq!(none["changes"], json!([]));
    let path = format!("/api/v1/audiences/pro_plan/changes?after={}", none["next"].as_str().unwrap());
    let waiting = get(&fixture, &path);
    let entering = async { fixture.enter(1) };
    let ((_, some), ()) = futures::join!(waiting, entering);
    assert_eq!(some["changes"][0]["id"], "chg_0_1_0");
    let path = format!("/api/v1/audiences/changes?wait=0&after={}", some["next"].as_str().unwrap());
    assert_eq!(get(&fixture, &path).await.1["changes"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_query_answers_in_every_format() {
    let fixture = Fixture::start().await;
    let sql = || json!({"sql": "SELECT $1 AS a", "params": ["x"]});
    let page = post(&fixture, "/api/v1/sql", "application/json", sql()).await;
    assert_eq!(page.status(), StatusCode::OK);
    assert!(page.headers()["etalon-result"].to_str().unwrap().starts_with(r#"{"query_id":""#));
    let page: Value = serde_json::from_str(&text(page).await).unwrap();
    assert_eq!((&page["rows"], &page["truncated"]), (&json!([["x"]]), &json!(false)));
    let lines = text(post(&fixture, "/api/v1/sql", "application/x-ndjson", sql()).await).await;
    assert!(lines.starts_with("{\"a\":\"x\"}\n{\"$end\":{"), "{lines}");
    assert_eq!(text(post(&fixture, "/api/v1/sql", "text/csv", sql()).await).await, "a\r\nx\r\n");
    let arrow = post(&fixture, "/api/v1/sql", "application/vnd.apache.arrow.stream", sql()).await;
    let bytes = arrow.into_body().collect().await.unwrap().to_bytes();
    let batches = arrow::ipc::reader::StreamReader::try_new(bytes.as_ref(), None).unwrap();
    assert_eq!(batches.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 1);
    let none = post(&fixture, "/api/v1/sql", "image/png", sql()).await;
    assert_eq!(none.status(), StatusCode::NOT_ACCEPTABLE);
}

#[tokio::test(flavor = "multi_thread")]
async fn metric_queries_compile_and_run() {
    let fixture = Fixture::start().await;
    let query = || json!({"metrics": "orders", "order_by": ["-orders"], "limit": 5});
    let page = text(post(&fixture, "/api/v1/query", "*/*", query()).await).await;
    let page: Value = serde_json::from_str(&page).unwrap();
    assert_eq!(page["columns"], json!([{"name": "orders", "type": "int64"}]));
    let compiled = text(post(&fixture, "/api/v1/compile", "*/*", query()).await).await;
    let compiled: Value = serde_json::from_str(&compiled).unwrap();
    assert!(compiled["sql"].as_str().unwrap().contains("SELECT"), "{compiled}");
    let wrong = post(&fixture, "/api/v1/query", "*/*", json!({"metrics": ["order"]})).await;
    assert_eq!(wrong.status(), StatusCode::BAD_REQUEST);
    let wrong: Value = serde_json::from_str(&text(wrong).await).unwrap();
    assert_eq!((&wrong["code"], &wrong["suggestions"]), (&json!("UNKNOWN_NAME"), &json!(["orders"])));
}
