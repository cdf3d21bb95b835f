//! Asking: queries to be fetched later, at once, or as SQL.

use std::sync::Arc;

use async_graphql::{Context, Object, Result};
use engine::{MetricQuery, Request, metadata};

use super::{
    engine,
    input::{Asked, GroupByInput, MetricInput, OrderByInput, WhereInput, names},
    outcome::{
        CancelQueryResult, CompileSqlResult, CreateDimensionValuesQueryResult, CreateQueryResult,
        InvalidateCacheResult,
    },
    principal,
    queries::{Failure, Query, State},
    query_result::{QueryParams, QueryResult},
    scalar::BigInt,
    shown,
};
use crate::Error;

#[derive(Debug)]
pub(crate) struct Mutation;

/// Starts a query. A question that is wrong is a query that failed: that is where clients look.
fn create(ctx: &Context<'_>, asked: Asked) -> Result<Arc<Query>> {
    let queries = super::queries(ctx);
    let created = match asked.query() {
        Ok(query) => queries.start(principal(ctx), QueryParams::from(&query), Request::Metrics(query)),
        Err(text) => {
            let failed = State::Failed(Arc::new(Failure { text, code: "BAD_REQUEST" }));
            queries.settled(principal(ctx), QueryParams::default(), failed)
        }
    };
    created.map_err(shown)
}

/// The SQL of a question; a wrong one is an error of the field, as there is no result to hold it.
async fn compile(ctx: &Context<'_>, params: QueryParams, query: MetricQuery) -> Result<CompileSqlResult> {
    let prepared = engine(ctx).prepare(principal(ctx), &Request::Metrics(query)).await.map_err(shown)?;
    let state = State::Compiled(prepared.sql.as_str().into());
    let kept = super::queries(ctx).settled(principal(ctx), params, state).map_err(shown)?;
    Ok(CompileSqlResult { query_id: kept.id.clone(), sql: prepared.sql })
}

/// The one group-by whose values are asked for.
fn only(group_by: &[GroupByInput]) -> Result<String> {
    match group_by {
        [one] => Ok(one.text()),
        many => Err(shown(Error::Invalid(format!("name exactly one groupBy, {} are given", many.len())))),
    }
}

#[Object]
impl Mutation {
    /// Starts a query; its rows are fetched with `query`.
    #[expect(clippy::too_many_arguments, reason = "the arguments are the contract's")]
    async fn create_query(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "environmentId")] _environment: BigInt,
        metrics: Option<Vec<MetricInput>>,
        group_by: Option<Vec<GroupByInput>>,
        #[graphql(name = "where")] filters: Option<Vec<WhereInput>>,
        order_by: Option<Vec<OrderByInput>>,
        limit: Option<i32>,
        #[graphql(name = "readCache")] _read_cache: Option<bool>,
        saved_query: Option<String>,
    ) -> Result<CreateQueryResult> {
        let query = create(ctx, Asked { metrics, group_by, filters, order_by, limit, saved_query })?;
        Ok(CreateQueryResult { query_id: query.id.clone() })
    }

    /// Runs a query to its end.
    #[expect(clippy::too_many_arguments, reason = "the arguments are the contract's")]
    async fn create_synchronous_query(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "environmentId")] _environment: BigInt,
        metrics: Option<Vec<MetricInput>>,
        group_by: Option<Vec<GroupByInput>>,
        #[graphql(name = "where")] filters: Option<Vec<WhereInput>>,
        order_by: Option<Vec<OrderByInput>>,
        limit: Option<i32>,
        #[graphql(name = "readCache")] _read_cache: Option<bool>,
        saved_query: Option<String>,
        #[graphql(default = 1)] page_num: i32,
    ) -> Result<QueryResult> {
        let query = create(ctx, Asked { metrics, group_by, filters, order_by, limit, saved_query })?;
        let state = query.finished().await;
        QueryResult::new(&query, state, page_num).map_err(shown)
    }

    /// The SQL of a query, without running it.
    #[expect(clippy::too_many_arguments, reason = "the arguments are the contract's")]
    async fn compile_sql(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "environmentId")] _environment: BigInt,
        metrics: Option<Vec<MetricInput>>,
        group_by: Option<Vec<GroupByInput>>,
        #[graphql(name = "where")] filters: Option<Vec<WhereInput>>,
        order_by: Option<Vec<OrderByInput>>,
        limit: Option<i32>,
        #[graphql(name = "readCache")] _read_cache: Option<bool>,
        saved_query: Option<String>,
    ) -> Result<CompileSqlResult> {
        let asked = Asked { metrics, group_by, filters, order_by, limit, saved_query };
        let query = asked.query().map_err(|text| shown(Error::Invalid(text)))?;
        compile(ctx, QueryParams::from(&query), query).await
    }

    /// Starts a query for the distinct values of a dimension or entity.
    async fn create_dimension_values_query(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "environmentId")] _environment: BigInt,
        group_by: Vec<GroupByInput>,
        metrics: Option<Vec<MetricInput>>,
    ) -> Result<CreateDimensionValuesQueryResult> {
        let (metrics, group_by) = (names(&metrics.unwrap_or_default()), only(&group_by)?);
        let request = Request::dimension_values(&metrics, &group_by);
        let params = QueryParams::values(metrics, group_by);
        let query = super::queries(ctx).start(principal(ctx), params, request).map_err(shown)?;
        Ok(CreateDimensionValuesQueryResult { query_id: query.id.clone() })
    }

    /// The SQL whose first column are the distinct values of a dimension or entity.
    async fn compile_dimension_values_sql(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "environmentId")] _environment: BigInt,
        group_by: Vec<GroupByInput>,
        metrics: Option<Vec<MetricInput>>,
    ) -> Result<CompileSqlResult> {
        let (metrics, group_by) = (names(&metrics.unwrap_or_default()), only(&group_by)?);
        let catalog = engine(ctx).catalog();
        let (check, values) = metadata::value_queries(&catalog, &metrics, &group_by).map_err(shown)?;
        if let Some(check) = check {
            engine(ctx).prepare(principal(ctx), &Request::Metrics(check)).await.map_err(shown)?;
        }
        compile(ctx, QueryParams::values(metrics, group_by), values).await
    }

    /// Stops a query.
    async fn cancel_query(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "environmentId")] _environment: BigInt,
        query_id: String,
    ) -> Result<CancelQueryResult> {
        let query = super::queries(ctx).find(&query_id, principal(ctx)).map_err(shown)?;
        query.cancel();
        Ok(CancelQueryResult { query_id })
    }

    /// Forgets what is cached. Answers are right without it: what is cached is found by the version of
    /// the data it was made from.
    async fn invalidate_cache(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "environmentId")] _environment: BigInt,
    ) -> InvalidateCacheResult {
        let forgotten = engine(ctx).invalidate_caches();
        InvalidateCacheResult {
            description: format!("{forgotten} cached entries were forgotten"),
            invalidation_count: i32::try_from(forgotten).unwrap_or(i32::MAX),
        }
    }
}
