use std::sync::Arc;

use arrow::temporal_conversions::timestamp_us_to_datetime;
use datafusion::{
    catalog::{CatalogProvider, CatalogProviderList},
    common::Result,
    execution::{
        SessionState, SessionStateBuilder,
        disk_manager::{DiskManagerBuilder, DiskManagerMode},
        memory_pool::FairSpillPool,
        runtime_env::RuntimeEnvBuilder,
    },
    prelude::SessionConfig,
};
use model::Clock;

use crate::{
    CATALOG, Error, Options, identity_join::DropUnusedIdentityJoin, metric_views::measure_functions,
    names::SEARCH_PATH, sum::exact_sum,
};

/// The one place where sessions are made. Functions, rules and the memory pool are built once; a
/// session is a copy with its own names and its own `now()`.
#[derive(Debug)]
pub(crate) struct Sessions {
    base: SessionState,
    clock: Arc<dyn Clock>,
}

impl Sessions {
    pub(crate) fn new(options: &Options, clock: Arc<dyn Clock>) -> Result<Self> {
        let disk = match &options.spill_dir {
            Some(dir) => DiskManagerMode::Directories(vec![dir.clone()]),
            None => DiskManagerMode::Disabled,
        };
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(options.memory_bytes)))
            .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(disk))
            .build_arc()?;
        let base = SessionStateBuilder::new()
            .with_config(config(options))
            .with_runtime_env(runtime)
            .with_default_features()
            .with_optimizer_rule(Arc::new(DropUnusedIdentityJoin))
            .with_aggregate_functions(exact_functions())
            .build();
        Ok(Self { base, clock })
    }

    pub(crate) fn session(&self, names: Arc<dyn CatalogProvider>) -> SessionState {
        let mut state = self.base.clone();
        state.register_catalog_list(Arc::new(OneCatalog(names)));
        let now = timestamp_us_to_datetime(self.clock.now().as_micros()).map(|t| t.and_utc());
        state.execution_props_mut().query_execution_start_time = now;
        state
    }
}

/// A session exactly as queries get it, over other tables than the warehouse's: only with the engine's
/// own settings, functions and limits do comparisons of answers or of speed say anything.
pub fn session_over(
    tables: Arc<dyn CatalogProvider>,
    options: &Options,
    clock: Arc<dyn Clock>,
) -> std::result::Result<SessionState, Error> {
    Ok(Sessions::new(options, clock)?.session(tables))
}

fn config(options: &Options) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_default_catalog_and_schema(CATALOG, SEARCH_PATH)
        .with_create_default_catalog_and_schema(false)
        .with_information_schema(true)
        .with_target_partitions(options.partitions.get())
        .with_batch_size(options.batch_rows.get());
    let settings = config.options_mut();
    settings.sql_parser.parse_float_as_decimal = true;
    settings.sql_parser.map_string_types_to_utf8view = false;
    settings.execution.time_zone = Some("UTC".to_owned());
    settings.execution.parquet.pushdown_filters = true;
    config
}

fn exact_functions() -> Vec<Arc<datafusion::logical_expr::AggregateUDF>> {
    let mut functions = datafusion::execution::SessionStateDefaults::default_aggregate_functions();
    functions.push(Arc::new(exact_sum()));
    functions.extend(measure_functions());
    functions
}

/// A list that holds the one catalog there is.
#[derive(Debug)]
struct OneCatalog(Arc<dyn CatalogProvider>);

impl CatalogProviderList for OneCatalog {
    fn register_catalog(&self, _: String, _: Arc<dyn CatalogProvider>) -> Option<Arc<dyn CatalogProvider>> {
        None
    }

    fn catalog_names(&self) -> Vec<String> {
        vec![CATALOG.to_owned()]
    }

    fn catalog(&self, name: &str) -> Option<Arc<dyn CatalogProvider>> {
        name.eq_ignore_ascii_case(CATALOG).then(|| Arc::clone(&self.0))
    }
}
