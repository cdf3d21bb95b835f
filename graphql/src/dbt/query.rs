//! Reading: the definitions, and results of queries.

use std::sync::Arc;

use async_graphql::{Context, Object, Result};
use engine::{Catalog, metadata};

use super::{
    dimension::Dimension,
    engine,
    entity::Entity,
    environment::EnvironmentInfo,
    grain::{self, TimeGranularity},
    input::{GroupByInput, MetricInput, names},
    measure::Measure,
    metric::Metric,
    paginated::{DimensionResultPage, EntityResultPage, MetricResultPage},
    principal, queries,
    query_result::QueryResult,
    saved_query::SavedQuery,
    scalar::BigInt,
    shown,
};

#[derive(Debug)]
pub(crate) struct Query;

fn listed_metrics(catalog: &Arc<Catalog>, search: Option<&str>) -> Vec<Metric> {
    metadata::metrics(catalog, search).map(|metric| Metric::new(catalog, metric)).collect()
}

fn listed_dimensions(
    catalog: &Catalog,
    metrics: &[MetricInput],
    search: Option<&str>,
) -> Result<Vec<Dimension>> {
    let metrics = metadata::named(catalog, &names(metrics)).map_err(shown)?;
    Ok(metadata::dimensions(catalog, &metrics, search).into_iter().map(Dimension::from).collect())
}

fn listed_entities(catalog: &Catalog, metrics: &[MetricInput], search: Option<&str>) -> Result<Vec<Entity>> {
    let metrics = metadata::named(catalog, &names(metrics)).map_err(shown)?;
    Ok(metadata::entities(catalog, &metrics, search).into_iter().map(Entity::from).collect())
}

fn grains(catalog: &Catalog, metrics: &[MetricInput]) -> Result<Vec<semantic::TimeGrain>> {
    let metrics = metadata::named(catalog, &names(metrics)).map_err(shown)?;
    Ok(metadata::metric_time_grains(catalog, &metrics))
}

#[Object]
impl Query {
    /// All metrics; with `search`, those whose name, label or description hold it.
    async fn metrics(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "environmentId")] _environment: BigInt,
        search: Option<String>,
    ) -> Vec<Metric> {
        listed_metrics(&engine(ctx).catalog(), search.as_deref())
    }

    async fn metrics_paginated(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "environmentId")] _environment: BigInt,
        search: Option<String>,
    ) -> MetricResultPage {
        MetricResultPage { items: listed_metrics(&engine(ctx).catalog(), search.as_deref()) }
    }

    /// What all these metrics can be grouped and filtered by.
    async fn dimensions(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "environmentId")] _environment: BigInt,
        metrics: Vec<MetricInput>,
        search: Option<String>,
    ) -> Result<Vec<Dimension>> {
        listed_dimensions(&engine(ctx).catalog(), &metrics, search.as_deref())
    }

    async fn dimensions_paginated(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "environmentId")] _environment: BigInt,
        metrics: Vec<MetricInput>,
        search: Option<String>,
    ) -> Result<DimensionResultPage> {
        let items = listed_dimensions(&engine(ctx).catalog(), &metrics, search.as_deref())?;
        Ok(DimensionResultPage { items })
    }

    /// The entities all these metrics can be grouped by.
    async fn entities(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "environmentId")] _environment: BigInt,
        metrics: Vec<MetricInput>,
    ) -> Result<Vec<Entity>> {
        listed_entities(&engine(ctx).catalog(), &metrics, None)
    }

    async fn entities_paginated(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "environmentId")] _environment: BigInt,
        metrics: Vec<MetricInput>,
        search: Option<String>,
    ) -> Result<EntityResultPage> {
        Ok(EntityResultPage { items: listed_entities(&engine(ctx).catalog(), &metrics, search.as_deref())? })
    }

    /// What the simple metrics below these aggregate.
    async fn measures(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "environmentId")] _environment: BigInt,
        metrics: Vec<MetricInput>,
    ) -> Result<Vec<Measure>> {
        let catalog = engine(ctx).catalog();
        let metrics = metadata::named(&catalog, &names(&metrics)).map_err(shown)?;
        Ok(metadata::measures(&catalog, &metrics).into_iter().map(Measure::from).collect())
    }

    /// The metrics that can be grouped by all of these.
    async fn metrics_for_dimensions(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "environmentId")] _environment: BigInt,
        dimensions: Vec<GroupByInput>,
    ) -> Vec<Metric> {
        let catalog = engine(ctx).catalog();
        let names: Vec<String> = dimensions.iter().map(GroupByInput::text).collect();
        let found = metadata::metrics_for_dimensions(&catalog, &names);
        found.into_iter().map(|metric| Metric::new(&catalog, metric)).collect()
    }

    /// The standard grains `metric_time` can be asked at.
    async fn queryable_granularities(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "environmentId")] _environment: BigInt,
        metrics: Vec<MetricInput>,
    ) -> Result<Vec<TimeGranularity>> {
        Ok(TimeGranularity::standard(&grains(&engine(ctx).catalog(), &metrics)?))
    }

    /// All grains `metric_time` can be asked at, custom ones included.
    async fn queryable_time_granularities(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "environmentId")] _environment: BigInt,
        metrics: Vec<MetricInput>,
    ) -> Result<Vec<String>> {
        Ok(grain::names(&grains(&engine(ctx).catalog(), &metrics)?))
    }

    async fn saved_queries(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "environmentId")] _environment: BigInt,
    ) -> Vec<SavedQuery> {
        engine(ctx).catalog().saved_queries.iter().map(SavedQuery::from).collect()
    }

    async fn environment_info(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "environmentId")] _environment: BigInt,
    ) -> EnvironmentInfo {
        EnvironmentInfo::from(&*engine(ctx).catalog())
    }

    /// A query that was created, and one page of its rows. Waits a moment while it runs.
    async fn query(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "environmentId")] _environment: BigInt,
        query_id: String,
        #[graphql(default = 1)] page_num: i32,
    ) -> Result<QueryResult> {
        let query = queries(ctx).find(&query_id, principal(ctx)).map_err(shown)?;
        let state = query.hold().await;
        QueryResult::new(&query, state, page_num).map_err(shown)
    }
}
