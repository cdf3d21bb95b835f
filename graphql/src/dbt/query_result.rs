use std::sync::Arc;

use arrow::{array::RecordBatch, error::ArrowError, ipc::writer::StreamWriter};
use async_graphql::{Enum, Object, Result, SimpleObject};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use engine::MetricQuery;

use super::{
    pandas::{self, PandasJsonOrient},
    queries::{Query, Rows, State},
    shown,
};
use crate::Error;

/// Rows per page.
const PAGE: usize = 1_024;

/// A query and one page of its rows.
#[derive(Debug)]
pub(super) struct QueryResult {
    query: Arc<Query>,
    state: State,
    page: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(super) enum QueryStatus {
    Pending,
    Running,
    Compiled,
    Successful,
    Failed,
    LogOnly,
}

/// What was asked.
#[derive(Debug, Clone, Default, SimpleObject)]
pub(super) struct QueryParams {
    saved_query: Option<String>,
    metrics: Vec<String>,
    group_by: Vec<String>,
    #[graphql(name = "where")]
    filters: Vec<String>,
    order_by: Vec<String>,
    limit: Option<i32>,
}

/// The definitions that answer are checked before they are served.
#[derive(Debug, SimpleObject)]
pub(super) struct ManifestValidationResult {
    is_valid: bool,
}

impl From<&MetricQuery> for QueryParams {
    fn from(query: &MetricQuery) -> Self {
        let order =
            |item: &engine::OrderBy| format!("{}{}", if item.descending { "-" } else { "" }, item.name);
        Self {
            saved_query: query.saved_query.clone(),
            metrics: query.metrics.iter().filter_map(|m| m.column().map(str::to_owned)).collect(),
            group_by: query.group_by.iter().map(|g| g.text().to_owned()).collect(),
            filters: query.filters.clone(),
            order_by: query.order_by.iter().map(order).collect(),
            limit: query.limit.map(|limit| i32::try_from(limit).unwrap_or(i32::MAX)),
        }
    }
}

impl QueryParams {
    /// The values of a group-by.
    pub(super) fn values(metrics: Vec<String>, group_by: String) -> Self {
        Self { metrics, group_by: vec![group_by], ..Self::default() }
    }
}

impl QueryResult {
    /// A page of a query; pages count from 1.
    pub(super) fn new(query: &Arc<Query>, state: State, page: i32) -> Result<Self, Error> {
        let pages = match &state {
            State::Done(rows) => pages(rows),
            _ => 1,
        };
        let number = usize::try_from(page).ok().filter(|page| (1..=pages).contains(page));
        // While a query runs nobody knows how many pages it will have.
        let number = if matches!(state, State::Done(_)) { number } else { number.or(Some(1)) };
        match number {
            Some(number) => Ok(Self { query: Arc::clone(query), state, page: number - 1 }),
            None => Err(Error::BadValue(format!("pageNum is {page}, the query has {pages} pages from 1 on"))),
        }
    }

    fn rows(&self) -> Option<&Rows> {
        match &self.state {
            State::Done(rows) => Some(rows),
            _ => None,
        }
    }

    /// The batches of this page, cut to its rows.
    fn batches(&self, rows: &Rows) -> Vec<RecordBatch> {
        let (mut skip, mut wanted) = (self.page * PAGE, PAGE);
        let mut found = Vec::new();
        for batch in &rows.batches {
            let skipped = skip.min(batch.num_rows());
            let taken = wanted.min(batch.num_rows() - skipped);
            if taken > 0 {
                found.push(batch.slice(skipped, taken));
            }
            skip -= skipped;
            wanted -= taken;
        }
        found
    }
}

/// At least one: an empty result has an empty page.
fn pages(rows: &Rows) -> usize {
    rows.count.div_ceil(PAGE).max(1)
}

#[Object]
impl QueryResult {
    async fn query_id(&self) -> &str {
        &self.query.id
    }

    async fn status(&self) -> QueryStatus {
        match &self.state {
            State::Running => QueryStatus::Running,
            State::Compiled(_) => QueryStatus::Compiled,
            State::Done(_) => QueryStatus::Successful,
            State::Failed(_) => QueryStatus::Failed,
        }
    }

    async fn sql(&self) -> Option<&str> {
        match &self.state {
            State::Compiled(sql) => Some(sql),
            State::Done(rows) => Some(&rows.sql),
            State::Running | State::Failed(_) => None,
        }
    }

    /// Everything that is wrong with the query, one line each.
    async fn error(&self) -> Option<&str> {
        if let State::Failed(failure) = &self.state { Some(&failure.text) } else { None }
    }

    async fn error_type(&self) -> Option<&str> {
        if let State::Failed(failure) = &self.state { Some(failure.code) } else { None }
    }

    async fn total_pages(&self) -> Option<i32> {
        self.rows().map(|rows| i32::try_from(pages(rows)).unwrap_or(i32::MAX))
    }

    /// The page as an Arrow IPC stream in base64. It carries the schema also without rows.
    async fn arrow_result(&self) -> Result<Option<String>> {
        let Some(rows) = self.rows() else { return Ok(None) };
        match stream(rows, &self.batches(rows)) {
            Ok(bytes) => Ok(Some(BASE64_STANDARD.encode(bytes))),
            Err(error) => {
                tracing::error!(%error, "a result could not be written");
                Err(shown(engine::Error::Internal))
            }
        }
    }

    /// The page as pandas writes it, in base64 unless `encoded` is false.
    async fn json_result(
        &self,
        #[graphql(default)] orient: PandasJsonOrient,
        #[graphql(default = true)] encoded: bool,
    ) -> Option<String> {
        let rows = self.rows()?;
        let text = pandas::write(&rows.schema, &self.batches(rows), orient);
        Some(if encoded { BASE64_STANDARD.encode(text) } else { text })
    }

    async fn params(&self) -> Option<&QueryParams> {
        Some(&self.query.params)
    }

    async fn manifest_validation_result(&self) -> Option<ManifestValidationResult> {
        Some(ManifestValidationResult { is_valid: true })
    }
}

fn stream(rows: &Rows, batches: &[RecordBatch]) -> std::result::Result<Vec<u8>, ArrowError> {
    let mut writer = StreamWriter::try_new(Vec::new(), &rows.schema)?;
    for batch in batches {
        writer.write(batch)?;
    }
    writer.finish()?;
    writer.into_inner()
}
