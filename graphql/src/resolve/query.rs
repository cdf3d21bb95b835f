use arrow::{array::RecordBatch, datatypes::Schema};
use async_graphql::{Value, dynamic::ResolverContext};
use engine::{Answer, MetricRequest, Request, json};
use futures::{FutureExt, StreamExt, future::BoxFuture};

use super::{deps, principal};
use crate::{
    Error,
    input::{self, Page},
    value::{cell, list, object, page_info, text},
};

const MOST: usize = 10_000;

pub(super) fn query<'a>(ctx: ResolverContext<'a>) -> BoxFuture<'a, Result<Value, Error>> {
    async move {
        let query = input::metric_query(&ctx.args)?;
        let first = input::first(&ctx.args, MOST)?;
        let page = Page::new(query, first, input::text(&ctx.args, "after")?)?;
        let request = Request::Metrics(page.query.clone());
        let answer = deps(&ctx).engine.query(principal(&ctx), request).await?;
        table(answer, &page).await
    }
    .boxed()
}

async fn table(mut answer: Answer, page: &Page) -> Result<Value, Error> {
    let mut rows = Vec::new();
    let mut skip = usize::try_from(page.skip).unwrap_or(usize::MAX);
    // One row more than the page: it tells that there is a next one.
    while rows.len() <= page.first
        && let Some(batch) = answer.stream.next().await
    {
        let batch = batch.map_err(engine::Error::from)?;
        let skipped = skip.min(batch.num_rows());
        skip -= skipped;
        let wanted = page.first + 1 - rows.len();
        rows.extend((skipped..batch.num_rows()).take(wanted).map(|index| row(&batch, index)));
    }
    let more = rows.len() > page.first;
    rows.truncate(page.first);
    let provenance = &answer.provenance;
    let meta = object([
        ("queryId", provenance.query_id.as_str().into()),
        ("asOf", text(provenance.as_of)),
        ("sql", provenance.sql.as_str().into()),
        ("rows", rows.len().into()),
        ("truncated", provenance.truncated.into()),
        ("warnings", provenance.warnings.clone().into()),
    ]);
    Ok(object([
        ("columns", columns(&answer.schema, &page.query.metrics)),
        ("rows", Value::List(rows)),
        ("pageInfo", page_info(more, more.then(|| page.end()))),
        ("meta", meta),
    ]))
}

fn row(batch: &RecordBatch, index: usize) -> Value {
    list(json::row(batch, index).map(cell))
}

fn columns(schema: &Schema, metrics: &[MetricRequest]) -> Value {
    list(schema.fields().iter().map(|field| {
        let asked = metrics.iter().any(|metric| metric.column() == Some(field.name()));
        let kind = if asked { "metric" } else { "dimension" };
        object([
            ("name", field.name().into()),
            ("type", json::type_name(field.data_type()).into()),
            ("kind", kind.into()),
        ])
    }))
}

pub(super) fn explain<'a>(ctx: ResolverContext<'a>) -> BoxFuture<'a, Result<Value, Error>> {
    async move {
        let query = input::metric_query(&ctx.args)?;
        let metrics = query.metrics.clone();
        let request = Request::Metrics(query);
        let prepared = deps(&ctx).engine.prepare(principal(&ctx), &request).await?;
        Ok(object([("sql", prepared.sql.into()), ("columns", columns(&prepared.schema, &metrics))]))
    }
    .boxed()
}
