//! The dbt Semantic Layer's GraphQL API at `/api/graphql`: what `dbt-sl-sdk`, dbt-mcp and other clients
//! of dbt's service send, answered from Etalon's definitions and engine (`semantic-layer.md` §3).
//!
//! Type names, field names, enums and nullability are a contract: clients send fragments on them.

mod dimension;
mod entity;
mod environment;
mod grain;
mod http;
mod input;
mod measure;
mod metric;
mod metric_params;
mod mutation;
mod outcome;
mod paginated;
mod pandas;
mod queries;
mod query;
mod query_result;
mod saved_query;
mod scalar;

use async_graphql::{Context, EmptySubscription, Schema};
use engine::Engine;
use model::Principal;

pub(crate) use http::{Service, router};
pub(crate) use queries::{Limits, Queries};

pub(crate) type DbtSchema = Schema<query::Query, mutation::Mutation, EmptySubscription>;

/// The schema over an engine and the queries that were asked.
fn schema(engine: Engine, queries: Queries) -> DbtSchema {
    Schema::build(query::Query, mutation::Mutation, EmptySubscription).data(engine).data(queries).finish()
}

fn engine<'a>(ctx: &Context<'a>) -> &'a Engine {
    ctx.data_unchecked()
}

fn queries<'a>(ctx: &Context<'a>) -> &'a Queries {
    ctx.data_unchecked()
}

/// Set by [`http`] on every request.
fn principal<'a>(ctx: &Context<'a>) -> &'a Principal {
    ctx.data_unchecked()
}

/// An error of ours as that of a field.
fn shown(error: impl Into<crate::Error>) -> async_graphql::Error {
    error.into().shown()
}
