//! What `events`, `profiles` and `audiences` show: plans over the warehouse's tables. A plan is made
//! when a query names the view, and joins the query's own plan, so filters reach the files.

use std::sync::Arc;

use datafusion::{
    catalog::{TableProvider, default_table_source::provider_as_source},
    common::{Column, JoinType, Result, TableReference},
    functions_aggregate::expr_fn::count,
    logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, lit},
    prelude::{coalesce, ident},
};
use model::{AudienceName, Offset};

use crate::{CATALOG, identity_join::CURRENT_IDENTITY};

/// A table of the warehouse with its name there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stored<'a> {
    pub(crate) name: &'a str,
    pub(crate) provider: &'a Arc<dyn TableProvider>,
}

impl Stored<'_> {
    fn reference(&self) -> TableReference {
        TableReference::full(CATALOG, "warehouse", self.name)
    }

    fn scan(&self) -> Result<LogicalPlanBuilder> {
        LogicalPlanBuilder::scan(self.reference(), provider_as_source(Arc::clone(self.provider)), None)
    }
}

/// All columns as they are stored.
pub(crate) fn plain(table: Stored<'_>) -> Result<LogicalPlan> {
    let columns: Vec<Expr> = table.provider.schema().fields().iter().map(|f| ident(f.name())).collect();
    table.scan()?.project(columns)?.build()
}

/// An event table with the profile each event belongs to now: events keep their record for ever, and
/// merges and splits only change `identity_map`.
pub(crate) fn with_profile(events: Stored<'_>, identity_map: Stored<'_>) -> Result<LogicalPlan> {
    let current = identity_map
        .scan()?
        .filter(ident("to_version").is_null())?
        .project([ident("record_id"), ident("profile_id")])?
        .alias(CURRENT_IDENTITY)?
        .build()?;
    let source = events.reference();
    let schema = events.provider.schema();
    let mut columns: Vec<Expr> = schema
        .fields()
        .iter()
        .filter(|field| field.name() != "profile_id")
        .map(|field| Expr::Column(Column::new(Some(source.clone()), field.name())))
        .collect();
    columns.push(Expr::Column(Column::new(Some(CURRENT_IDENTITY), "profile_id")));
    let on = (
        vec![Column::new(Some(source), "record_id")],
        vec![Column::new(Some(CURRENT_IDENTITY), "record_id")],
    );
    events.scan()?.join(current, JoinType::Left, on, None)?.project(columns)?.build()
}

/// The members of one audience.
pub(crate) fn audience(members: Stored<'_>, name: &AudienceName) -> Result<LogicalPlan> {
    members
        .scan()?
        .filter(ident("audience").eq(lit(name.as_str())))?
        .project(["profile_id", "entered_at", "leaves_at"].map(ident))?
        .build()
}

/// The declared audiences with their sizes.
pub(crate) fn audience_catalog(
    declared: Arc<dyn TableProvider>,
    members: Stored<'_>,
    as_of: Offset,
) -> Result<LogicalPlan> {
    let sizes = members
        .scan()?
        .aggregate([ident("audience")], [count(lit(1_i64)).alias("members")])?
        .alias("sizes")?
        .build()?;
    let on = (vec![Column::new(Some("declared"), "name")], vec![Column::new(Some("sizes"), "audience")]);
    let as_of = i64::try_from(as_of.0).unwrap_or(i64::MAX);
    LogicalPlanBuilder::scan("declared", provider_as_source(declared), None)?
        .join(sizes, JoinType::Left, on, None)?
        .project([
            ident("name"),
            ident("label"),
            ident("description"),
            coalesce(vec![ident("members"), lit(0_i64)]).alias("size"),
            ident("version"),
            lit(as_of).alias("as_of"),
        ])?
        .build()
}
