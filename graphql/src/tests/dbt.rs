//! `/api/graphql` as clients of dbt's service see it.

use std::{sync::Arc, time::Duration};

use arrow::ipc::reader::StreamReader;
use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::{
    dbt::{Limits, Queries, Service, router},
    fixture::Fixture,
};

fn service(fixture: &Fixture, limits: Limits) -> Router {
    let queries = Queries::new(fixture.deps.engine.clone(), Arc::clone(&fixture.deps.clock), limits);
    router(Service::new(fixture.deps.engine.clone(), queries, Arc::clone(&fixture.deps.auth)))
}

async fn send(service: &Router, query: &str, token: Option<&str>) -> (StatusCode, Value) {
    let mut request = Request::post("/api/graphql");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("bearer {token}"));
    }
    let request = request.body(Body::from(json!({ "query": query }).to_string())).unwrap();
    let response = service.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap())
}

async fn ask(service: &Router, query: &str) -> Value {
    let (_, answer) = send(service, query, None).await;
    assert_eq!(answer.get("errors"), None, "{answer}");
    answer["data"].clone()
}

async fn refused(service: &Router, query: &str, token: Option<&str>) -> String {
    let (_, answer) = send(service, query, token).await;
    answer["errors"][0]["message"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

async fn created(service: &Router, arguments: &str) -> String {
    let data =
        ask(service, &format!("mutation {{ createQuery(environmentId: 1, {arguments}) {{ queryId }} }}"))
            .await;
    data["createQuery"]["queryId"].as_str().unwrap().to_owned()
}

fn fetch(id: &str, page: i32) -> String {
    let fields = "queryId status sql error errorType totalPages arrowResult jsonResult(orient: SPLIT, encoded: false) params { metrics }";
    format!("{{ query(environmentId: 1, queryId: \"{id}\", pageNum: {page}) {{ {fields} }} }}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_created_and_fetched_and_an_empty_result_has_its_columns() {
    let fixture = Fixture::start().await;
    let service = service(&fixture, Limits::default());
    let by_currency = r#"metrics: [{name: "orders"}], groupBy: [{name: "metric_time", grain: MONTH}, {name: "metric_time", timeGranularity: "DAY"}], limit: 5, readCache: true, savedQuery: null"#;
    let id = created(&service, by_currency).await;
    let result = &ask(&service, &fetch(&id, 1)).await["query"];
    assert_eq!((&result["status"], &result["totalPages"]), (&json!("SUCCESSFUL"), &json!(1)), "{result}");
    assert!(result["sql"].as_str().unwrap().contains("LIMIT 5"), "{result}");
    assert_eq!(result["params"]["metrics"], json!(["orders"]));
    let bytes = BASE64_STANDARD.decode(result["arrowResult"].as_str().unwrap()).unwrap();
    let reader = StreamReader::try_new(bytes.as_slice(), None).unwrap();
    let names: Vec<String> = reader.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["metric_time__month", "metric_time__day", "orders"]);
    assert_eq!(
        result["jsonResult"],
        r#"{"columns":["metric_time__month","metric_time__day","orders"],"index":[],"data":[]}"#
    );
    for page in [0, 2, -1] {
        let text = refused(&service, &fetch(&id, page), None).await;
        assert_eq!(text, format!("pageNum is {page}, the query has 1 pages from 1 on"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_question_is_a_query_that_failed_with_all_faults() {
    let fixture = Fixture::start().await;
    let service = service(&fixture, Limits::default());
    let failed = async |arguments: &str| {
        let id = created(&service, arguments).await;
        let result = ask(&service, &fetch(&id, 1)).await["query"].clone();
        assert_eq!(result["status"], "FAILED", "{result}");
        result["error"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        failed(r#"metrics: [{name: "revenu"}]"#).await,
        "unknown metric 'revenu', did you mean 'revenue'?"
    );
    assert_eq!(failed("limit: 3").await, "name at least one metric or group_by");
    assert_eq!(
        failed(r#"savedQuery: "q", metrics: [{name: "orders"}], limit: -1, orderBy: [{descending: true}]"#)
            .await,
        "savedQuery brings its own metrics and groupBy: give either\n\
         limit is -1, must be at least 0\n\
         each item of orderBy names either a metric or a groupBy"
    );
    let text = refused(
        &service,
        r#"mutation { compileSql(environmentId: 1, metrics: [{name: "revenu"}]) { sql } }"#,
        None,
    )
    .await;
    assert_eq!(text, "unknown metric 'revenu', did you mean 'revenue'?");
    let text = refused(
        &service,
        r#"{ dimensions(environmentId: 1, metrics: [{name: "x"}, {name: "ordrs"}]) { name } }"#,
        None,
    )
    .await;
    assert_eq!(text, "unknown metric 'x'\nunknown metric 'ordrs', did you mean 'orders'?");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_unknown_is_told_so_in_dbts_words() {
    let fixture = Fixture::start().await;
    let service = service(&fixture, Limits::default());
    let (status, answer) = send(&service, "{ __typename }", Some("stranger")).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer["errors"][0]["message"], "User is not authorized");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_belongs_to_who_created_it_and_ends() {
    let fixture = Fixture::start().await;
    let limits = Limits { queries: 2, lifetime: Duration::ZERO, ..Limits::default() };
    let brief = service(&fixture, limits);
    let id = created(&brief, r#"metrics: [{name: "orders"}]"#).await;
    assert_eq!(refused(&brief, &fetch(&id, 1), None).await, format!("unknown query '{id}'"), "expired");

    let service = service(&fixture, Limits { queries: 2, ..Limits::default() });
    let mut ids = Vec::new();
    for _ in 0..3 {
        let id = created(&service, r#"metrics: [{name: "orders"}]"#).await;
        assert_eq!(ask(&service, &fetch(&id, 1)).await["query"]["status"], "SUCCESSFUL");
        ids.push(id);
    }
    assert_eq!(refused(&service, &fetch(&ids[0], 1), None).await, format!("unknown query '{}'", ids[0]));
    let last = &ids[2];
    assert_eq!(refused(&service, &fetch(last, 1), Some("reader")).await, format!("unknown query '{last}'"));
    let cancel = format!("mutation {{ cancelQuery(environmentId: 1, queryId: \"{last}\") {{ queryId }} }}");
    assert_eq!(ask(&service, &cancel).await["cancelQuery"]["queryId"], json!(last));
    assert_eq!(ask(&service, &fetch(last, 1)).await["query"]["status"], "SUCCESSFUL", "it was over");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_else_of_the_contract_answers() {
    let fixture = Fixture::start().await;
    let service = service(&fixture, Limits::default());
    let data = ask(
        &service,
        r#"{ metrics(environmentId: 7, search: "order") { name label type filter { whereSqlTemplate } requiresMetricTime
                typeParams { measure { name } inputMeasures { name } numerator { name } window { count granularity timeGranularity } }
                measures { name agg expr aggTimeDimension } entities { name role expr } }
            dimensions(environmentId: "9007199254740993", metrics: []) { name qualifiedName type typeParams { timeGranularity } isPartition expr }
            metricsForDimensions(environmentId: 1, dimensions: [{name: "metric_time", grain: DAY}]) { name }
            queryableGranularities(environmentId: 1, metrics: [{name: "orders"}])
            queryableTimeGranularities(environmentId: 1, metrics: [{name: "orders"}])
            savedQueries(environmentId: 1) { name queryParams { metrics { name } groupBy { name grain datePart } where { whereSqlTemplate } } exports { name config { exportAs } } }
            environmentInfo(environmentId: 1) { dialect sqlDialect hasMetricsDefined dialectSupportedBySlg }
            __type(name: "QueryStatus") { enumValues { name } } }"#,
    )
    .await;
    assert_eq!(data["metrics"][0]["name"], "orders");
    assert_eq!(data["metrics"][0]["typeParams"]["measure"]["name"], "order_count");
    assert_eq!(data["metrics"][0]["measures"][0]["aggTimeDimension"], "ordered_at");
    assert_eq!(data["metrics"][0]["entities"][0]["role"], "");
    let names =
        |value: &Value| value.as_array().unwrap().iter().map(|v| v["name"].clone()).collect::<Vec<_>>();
    assert!(names(&data["metricsForDimensions"]).contains(&json!("orders")), "{data}");
    assert!(data["queryableGranularities"].as_array().unwrap().contains(&json!("YEAR")));
    assert_eq!(data["queryableGranularities"], data["queryableTimeGranularities"]);
    assert_eq!(
        data["environmentInfo"],
        json!({"dialect": "POSTGRES", "sqlDialect": "POSTGRES", "hasMetricsDefined": true, "dialectSupportedBySlg": true})
    );
    let statuses = names(&data["__type"]["enumValues"]);
    assert_eq!(statuses, ["PENDING", "RUNNING", "COMPILED", "SUCCESSFUL", "FAILED", "LOG_ONLY"]);
    let data = ask(
        &service,
        r#"mutation {
            createDimensionValuesQuery(environmentId: 1, metrics: [{name: "orders"}], groupBy: [{name: "order__ordered_at"}]) { queryId }
            compileDimensionValuesSql(environmentId: 1, groupBy: [{name: "order__ordered_at"}]) { queryId sql }
            compileSql(environmentId: 1, metrics: [{name: "orders"}]) { queryId sql }
            invalidateCache(environmentId: 1) { description invalidationCount } }"#,
    )
    .await;
    assert!(data["compileSql"]["sql"].as_str().unwrap().contains("SELECT"), "{data}");
    let values = data["createDimensionValuesQuery"]["queryId"].as_str().unwrap();
    assert_eq!(ask(&service, &fetch(values, 1)).await["query"]["status"], "SUCCESSFUL");
    let compiled = data["compileSql"]["queryId"].as_str().unwrap();
    assert_eq!(ask(&service, &fetch(compiled, 1)).await["query"]["status"], "COMPILED");
}
