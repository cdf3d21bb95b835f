//! What mutations answer with, besides results.

use async_graphql::SimpleObject;

#[derive(Debug, SimpleObject)]
pub(super) struct CreateQueryResult {
    pub(super) query_id: String,
}

#[derive(Debug, SimpleObject)]
pub(super) struct CreateDimensionValuesQueryResult {
    pub(super) query_id: String,
}

#[derive(Debug, SimpleObject)]
pub(super) struct CompileSqlResult {
    pub(super) query_id: String,
    pub(super) sql: String,
}

#[derive(Debug, SimpleObject)]
pub(super) struct CancelQueryResult {
    pub(super) query_id: String,
}

#[derive(Debug, SimpleObject)]
pub(super) struct InvalidateCacheResult {
    pub(super) description: String,
    pub(super) invalidation_count: i32,
}
