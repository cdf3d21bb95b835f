//! Answers about names and abilities: one batch each, made when it is fetched.

use arrow::{array::RecordBatch, datatypes::SchemaRef, error::ArrowError};
use arrow_flight::{
    error::FlightError,
    sql::{
        CommandGetCatalogs, CommandGetDbSchemas, CommandGetSqlInfo, CommandGetTableTypes, CommandGetTables,
        CommandGetXdbcTypeInfo,
    },
};
use engine::{Engine, TableKind};
use model::Principal;
use tonic::Status;

use crate::{keys, sql_info, status, type_info};

/// A metadata command.
#[derive(Debug, Clone)]
pub(crate) enum Metadata {
    Catalogs(CommandGetCatalogs),
    Schemas(CommandGetDbSchemas),
    Tables(CommandGetTables),
    TableTypes(CommandGetTableTypes),
    SqlInfo(CommandGetSqlInfo),
    TypeInfo(CommandGetXdbcTypeInfo),
    PrimaryKeys,
    ForeignKeys,
}

impl Metadata {
    /// Columns of the answer.
    pub(crate) fn schema(&self) -> SchemaRef {
        match self.clone() {
            Self::Catalogs(command) => command.into_builder().schema(),
            Self::Schemas(command) => command.into_builder().schema(),
            Self::Tables(command) => command.into_builder().schema(),
            Self::TableTypes(command) => command.into_builder().schema(),
            Self::SqlInfo(command) => command.into_builder(sql_info::all()).schema(),
            Self::TypeInfo(command) => command.into_builder(type_info::all()).schema(),
            Self::PrimaryKeys => keys::primary_keys(),
            Self::ForeignKeys => keys::foreign_keys(),
        }
    }

    /// The rows.
    pub(crate) async fn rows(self, engine: &Engine, principal: &Principal) -> Result<RecordBatch, Status> {
        let rows = match self {
            Self::Catalogs(command) => {
                let mut rows = command.into_builder();
                rows.append(engine::CATALOG);
                rows.build()
            }
            Self::Schemas(command) => {
                let mut rows = command.into_builder();
                for schema in engine.schemas() {
                    rows.append(engine::CATALOG, schema);
                }
                rows.build()
            }
            Self::Tables(command) => return tables(command, engine, principal).await,
            Self::TableTypes(command) => {
                let mut rows = command.into_builder();
                rows.append(table_type(TableKind::Table));
                rows.append(table_type(TableKind::View));
                rows.build()
            }
            Self::SqlInfo(command) => command.into_builder(sql_info::all()).build(),
            Self::TypeInfo(command) => command.into_builder(type_info::all()).build(),
            Self::PrimaryKeys => Ok(RecordBatch::new_empty(keys::primary_keys())),
            Self::ForeignKeys => Ok(RecordBatch::new_empty(keys::foreign_keys())),
        };
        rows.map_err(failed)
    }
}

async fn tables(
    command: CommandGetTables,
    engine: &Engine,
    principal: &Principal,
) -> Result<RecordBatch, Status> {
    let mut rows = command.into_builder();
    for table in engine.tables(principal).await.map_err(|error| status::of(&error))? {
        let kind = table_type(table.kind);
        rows.append(engine::CATALOG, table.schema, table.name, kind, &table.columns).map_err(failed)?;
    }
    rows.build().map_err(failed)
}

fn table_type(kind: TableKind) -> &'static str {
    match kind {
        TableKind::Table => "TABLE",
        TableKind::View => "VIEW",
    }
}

fn failed(error: FlightError) -> Status {
    match error {
        FlightError::Arrow(cause) => status::internal(cause),
        other => status::internal(ArrowError::from_external_error(Box::new(other))),
    }
}
