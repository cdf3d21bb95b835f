//! Queries over a real warehouse.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail in any way")]
#![allow(unreachable_pub, reason = "an integration binary has no outside")]

mod answers;
mod caches;
mod conformance_metricflow;
mod corpus;
mod metric_views;
mod names;
mod parameters;
mod refusals;
mod sales;
mod shop;
mod templates;

use arrow::{array::RecordBatch, util::pretty::pretty_format_batches};
use engine::{Answer, Error, Request};
use futures::TryStreamExt;
use model::Principal;
use shop::Shop;

/// Runs a request to its end. Every batch has the announced schema (FLT-5).
async fn run(shop: &Shop, request: Request) -> Result<RecordBatch, Error> {
    let Answer { schema, stream, .. } = shop.engine.query(&Principal::local_admin(), request).await?;
    let batches: Vec<RecordBatch> = stream.try_collect().await?;
    for batch in &batches {
        assert_eq!(batch.schema(), schema);
    }
    Ok(arrow::compute::concat_batches(&schema, &batches).unwrap())
}

/// The rows as lines `a | b`, without the header.
fn lines(batch: &RecordBatch) -> Vec<String> {
    let table = pretty_format_batches(std::slice::from_ref(batch)).unwrap().to_string();
    let cells = |line: &str| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>().join(" | ");
    table.lines().filter(|line| line.starts_with('|')).skip(1).map(cells).collect()
}

async fn check(shop: &Shop, sql: &str, expect: &[&str]) {
    match run(shop, Request::sql(sql)).await {
        Ok(batch) => assert_eq!(lines(&batch), expect, "{sql}"),
        Err(error) => panic!("{sql}: {error}"),
    }
}

async fn refused(shop: &Shop, sql: &str, expect: &str) {
    let outcome = run(shop, Request::sql(sql)).await;
    assert_eq!(
        outcome.map(|batch| lines(&batch)).map_err(|e| e.to_string()),
        Err(expect.to_owned()),
        "{sql}"
    );
}
