use async_graphql::{Enum, SimpleObject};
use engine::{Catalog, metadata};

/// What answers. Etalon's own engine reads PostgreSQL's dialect.
#[derive(Debug, SimpleObject)]
pub(super) struct EnvironmentInfo {
    dialect: SqlEngine,
    sql_dialect: SqlDialect,
    has_metrics_defined: bool,
    dialect_supported_by_slg: bool,
}

impl From<&Catalog> for EnvironmentInfo {
    fn from(catalog: &Catalog) -> Self {
        Self {
            dialect: SqlEngine::Postgres,
            sql_dialect: SqlDialect::Postgres,
            has_metrics_defined: metadata::metrics(catalog, None).next().is_some(),
            dialect_supported_by_slg: true,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(super) enum SqlEngine {
    Bigquery,
    Databricks,
    Duckdb,
    Postgres,
    Redshift,
    Snowflake,
    Trino,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(super) enum SqlDialect {
    Bigquery,
    Databricks,
    Postgres,
    Redshift,
    Snowflake,
    Trino,
    Athena,
    ApacheSpark,
    DatabricksSpark,
    Fabric,
    Synapse,
    Teradata,
}
