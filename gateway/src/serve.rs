//! The composition root: every part is built from its options and the parts below it.

use std::{fs, net::SocketAddr, sync::Arc};

use anyhow::{Context as _, bail};
use eventlog::{EmbeddedLog, FileStorage, Log as _};
use model::{Clock, Secret, SourceName, SystemClock};
use semantic::Catalog;
use state::Store;
use tokio::{net::TcpListener, sync::watch};
use warehouse::{Embedded, EventTablePlan};

use crate::{
    auth, cli,
    config::{self, Config},
    definitions,
    http::{self, Parts},
    keys, listener,
    threads::Threads,
    tls,
};

/// Memory for blocks of derived state read from disk.
const STATE_CACHE: u64 = 32 << 20;
/// Requests that wait for their commit.
const LOG_QUEUE: usize = 64 << 20;

/// `etalon serve`.
pub(crate) async fn command(options: cli::Serve) -> anyhow::Result<()> {
    let mut config = crate::load_config(options.config.as_ref())?;
    if let Some(data) = options.data {
        config.data.dir = data;
    }
    let catalog = definitions::catalog(definitions::load(&[options.definitions])?)?;
    let server = Server::start(config, catalog).await?;
    println!("etalon is ready: http {} flight {}", server.http, server.flight);
    server.run_until(stop_signal()).await
}

/// Resolves at SIGINT or SIGTERM.
pub(crate) async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

/// A running instance.
pub(crate) struct Server {
    /// Where HTTP listens.
    pub(crate) http: SocketAddr,
    /// Where Flight SQL listens.
    pub(crate) flight: SocketAddr,
    log: EmbeddedLog,
    warehouse: Embedded,
    store: Store,
    pipeline: pipeline::Pipeline,
    webhooks: Arc<delivery::Webhooks>,
    queries: Threads,
    storing: Threads,
    stop: watch::Sender<bool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Server {
    /// Binds the listeners, opens the data folder and starts every part.
    pub(crate) async fn start(config: Config, catalog: Catalog) -> anyhow::Result<Self> {
        let tls = tls::acceptor(&config.http.tls_cert, &config.http.tls_key)?;
        let http = bind(config.http.listen, "http.listen").await?;
        let flight = bind(config.flight.listen, "flight.listen").await?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let catalog = Arc::new(catalog);
        let (_, catalogs) = watch::channel(Arc::clone(&catalog));
        let (stop, stopped) = watch::channel(false);

        fs::create_dir_all(&config.data.dir).with_context(|| config.data.dir.display().to_string())?;
        let log = open_log(&config, &clock)?;
        let key = identity::TenantKey(keys::tenant_key(&config.data.dir)?);
        let storing = storing_runtime()?;
        let warehouse = open_warehouse(&config, &catalog, storing.handle(), &clock).await?;
        let (store, pipeline) = start_pipeline(&config, &log, &catalog, &warehouse, key, &clock).await?;
        let handle = pipeline.handle();
        let changes = delivery::ChangeLog::new(&store, handle.watch_changes())?;
        let webhooks = Arc::new(start_webhooks(&config, &catalog, &changes, &store, &clock)?);
        let collector = collector::Collector::open(
            collector_options(&config),
            config.write_keys.iter().map(write_key).collect(),
            catalogs.clone(),
            log.clone(),
            store.clone(),
            Arc::clone(&clock),
        )?;
        let queries = query_runtime()?;
        let engine = engine::Engine::new(
            warehouse.clone(),
            catalogs,
            log.watch_end(),
            engine_options(&config, &queries),
            Arc::clone(&clock),
        )?;

        let auth = auth::authenticator(&config.api_keys);
        let parts = Parts {
            collector,
            engine: engine.clone(),
            pipeline: handle,
            changes,
            webhooks: Arc::clone(&webhooks),
            log: log.clone(),
            warehouse: warehouse.clone(),
            auth: Arc::clone(&auth),
            clock: Arc::clone(&clock),
        };
        let (http_address, flight_address) = (http.local_addr()?, flight.local_addr()?);
        let service = flight::service(engine, auth, flight_options(&config, clock)?);
        let router = http::with_grpc(http::router(parts), service.clone());
        let tasks = vec![
            spawn("warehouse", run_warehouse(warehouse.clone(), stopped.clone())),
            spawn("http", listener::serve(http, router, tls, stopped.clone())),
            spawn("flight", flight::serve(service, flight, stopping(stopped))),
        ];
        Ok(Self {
            http: http_address,
            flight: flight_address,
            log,
            warehouse,
            store,
            pipeline,
            webhooks,
            queries,
            storing,
            stop,
            tasks,
        })
    }

    /// Serves until `stop` resolves or something breaks, then stops in order: no new requests, then
    /// what was accepted is processed and flushed.
    pub(crate) async fn run_until(self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let mut log_failed = self.log.failed();
        let mut warehouse_failed = self.warehouse.failed();
        let mut pipeline_failed = self.pipeline.handle().watch_failed();
        let failure = tokio::select! {
            () = stop => None,
            message = broken(&mut log_failed) => Some(message),
            message = broken(&mut pipeline_failed) => Some(message),
            message = broken(&mut warehouse_failed) => Some(message),
        };
        if let Some(message) = failure {
            // Nothing may be acknowledged any more: end at once, the next start recovers.
            bail!(
                "{message}; restart etalon once the cause is mended, nothing that was acknowledged is lost"
            );
        }
        tracing::info!("stopping");
        self.stop.send_replace(true);
        let mut tasks = self.tasks.into_iter();
        let warehouse = tasks.next();
        for task in tasks {
            _ = task.await;
        }
        self.log.close().await;
        self.pipeline.stop().await;
        if let Some(warehouse) = warehouse {
            _ = warehouse.await;
        }
        self.warehouse.flush().await?;
        drop(self.webhooks);
        drop((self.queries, self.storing));
        self.store.persist()?;
        Ok(())
    }
}

async fn broken(failed: &mut watch::Receiver<Option<String>>) -> String {
    match failed.wait_for(Option::is_some).await {
        Ok(message) => message.clone().unwrap_or_default(),
        // The sender is gone: its owner has stopped in order.
        Err(_) => std::future::pending().await,
    }
}

fn spawn<E: std::fmt::Display + Send>(
    name: &'static str,
    task: impl Future<Output = Result<(), E>> + Send + 'static,
) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        if let Err(error) = task.await {
            tracing::error!(%error, part = name, "stopped");
        }
    })
}

async fn run_warehouse(warehouse: Embedded, stop: watch::Receiver<bool>) -> Result<(), warehouse::Error> {
    warehouse.run(stop).await;
    Ok(())
}

async fn stopping(mut stop: watch::Receiver<bool>) {
    // A sender that is gone stops too.
    _ = stop.wait_for(|stop| *stop).await;
}

async fn bind(address: SocketAddr, setting: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address} (setting {setting})"))
}

fn open_log(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<EmbeddedLog> {
    let options = eventlog::Options {
        dir: config.data.dir.join("log"),
        segment_bytes: config.log.segment_bytes.0,
        retention: Some(config.log.retention.0),
        max_bytes: Some(config.log.max_bytes.0),
        queue_bytes: LOG_QUEUE,
        consumers: ["pipeline", "warehouse", "collector"].map(str::to_owned).to_vec(),
    };
    let (log, recovery) = EmbeddedLog::open(options, Arc::new(FileStorage), Arc::clone(clock))?;
    if let Some(torn) = &recovery.torn {
        tracing::warn!(?torn, "an unfinished write was cut off the log; nothing in it was acknowledged");
    }
    for damage in &recovery.damaged {
        tracing::error!(?damage, "the log is damaged");
    }
    tracing::info!(end = log.end().0, "log open");
    Ok(log)
}

async fn open_warehouse(
    config: &Config,
    catalog: &Catalog,
    background: &tokio::runtime::Handle,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Embedded> {
    let config::WarehouseType::Embedded = config.warehouse.kind;
    let plan = catalog.tracking_plan.events.iter().map(|event| EventTablePlan {
        event: event.name.clone(),
        table: event.table.clone(),
        columns: event.properties.iter().map(|p| (p.name.clone(), p.column.clone(), p.column_type)).collect(),
    });
    let options = warehouse::Options {
        flush_interval: config.warehouse.flush_interval.0,
        background: Some(background.clone()),
        ..warehouse::Options::new(config.data.dir.join("warehouse"))
    };
    let specs = pipeline::table_specs(&catalog.profile);
    Ok(Embedded::open(options, plan.collect(), specs, Arc::clone(clock)).await?)
}

/// Derived state that cannot be used is thrown away and rebuilt from the log, which is the truth.
async fn start_pipeline(
    config: &Config,
    log: &EmbeddedLog,
    catalog: &Arc<Catalog>,
    warehouse: &Embedded,
    key: identity::TenantKey,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<(Store, pipeline::Pipeline)> {
    let dir = config.data.dir.join("state");
    let deps = |store: &Store| pipeline::Deps {
        log: log.clone(),
        store: store.clone(),
        catalog: Arc::clone(catalog),
        warehouse: warehouse.clone(),
        tenant_key: key.clone(),
        clock: Arc::clone(clock),
    };
    let store = Store::open(&dir, STATE_CACHE)?;
    match pipeline::Pipeline::start(deps(&store)).await {
        Ok(pipeline) => Ok((store, pipeline)),
        Err(error) if error.rebuild_helps() => {
            tracing::warn!(%error, "derived state is rebuilt from the log");
            drop(store);
            fs::remove_dir_all(&dir)?;
            let store = Store::open(&dir, STATE_CACHE)?;
            let pipeline = pipeline::Pipeline::start(deps(&store)).await?;
            Ok((store, pipeline))
        }
        Err(error) => Err(error.into()),
    }
}

fn start_webhooks(
    config: &Config,
    catalog: &Catalog,
    changes: &delivery::ChangeLog,
    store: &Store,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<delivery::Webhooks> {
    let networks =
        config.delivery.allow_networks.iter().map(|text| network(text)).collect::<anyhow::Result<_>>()?;
    let endpoints = catalog.subscriptions.iter().map(|subscription| delivery::Endpoint {
        name: subscription.name.clone(),
        url: subscription.url.clone(),
        secrets: subscription.secrets.clone(),
        audiences: subscription.audiences.clone(),
        batch_max: subscription.batch_max,
        batch_linger: subscription.batch_linger,
    });
    let options = delivery::Options { allow_networks: networks, ..delivery::Options::default() };
    Ok(delivery::Webhooks::start(
        options,
        endpoints.collect(),
        changes.clone(),
        store.clone(),
        Arc::clone(clock),
    )?)
}

fn network(text: &str) -> anyhow::Result<delivery::Network> {
    let parsed = text.split_once('/').and_then(|(address, prefix)| {
        Some(delivery::Network { address: address.parse().ok()?, prefix: prefix.parse().ok()? })
    });
    parsed.with_context(|| format!("delivery.allow_networks: '{text}' is not a network such as 10.0.0.0/8"))
}

fn collector_options(config: &Config) -> collector::Options {
    collector::Options {
        max_request_bytes: bytes(config.limits.max_request_bytes),
        max_event_bytes: bytes(config.limits.max_event_bytes),
        path_prefixes: config.http.path_prefixes.clone(),
        dedup: collector::DedupOptions { window: config.limits.dedup_window.0, ..Default::default() },
        ..collector::Options::default()
    }
}

fn bytes(size: crate::units::ByteSize) -> usize {
    usize::try_from(size.0).unwrap_or(usize::MAX)
}

fn write_key(key: &config::WriteKey) -> collector::WriteKey {
    collector::WriteKey {
        key: Secret::new(key.key.clone()),
        source: SourceName::new(key.source.as_str()),
        flavour: match key.flavour {
            config::Flavour::Segment => collector::Flavour::Segment,
            config::Flavour::Rudderstack => collector::Flavour::RudderStack,
        },
        enabled: key.enabled,
        origins: key.origins.clone(),
        ip: match key.ip {
            config::IpRule::Keep => collector::IpRule::Keep,
            config::IpRule::Truncate => collector::IpRule::Truncate,
            config::IpRule::Drop => collector::IpRule::Drop,
        },
    }
}

/// What a thread in the background yields to all others, in Unix's niceness from 0 to 19.
const BACKGROUND_NICENESS: i32 = 10;

/// Writing Parquet computes for long stretches and nobody waits for it: threads of its own, behind those
/// that answer requests and make changes. That a system refuses a lower priority is no fault.
fn storing_runtime() -> anyhow::Result<Threads> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).thread_name("warehouse").enable_all();
    builder.on_thread_start(|| _ = rustix::process::setpriority_process(None, BACKGROUND_NICENESS));
    builder.build().map(Threads::new).context("the warehouse runtime could not be started")
}

/// Queries run on threads of their own: a heavy one must not delay acknowledgements.
fn query_runtime() -> anyhow::Result<Threads> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.thread_name("query").enable_all().build();
    runtime.map(Threads::new).context("the query runtime could not be started")
}

/// Tickets outlive a restart: their key is configured, or kept beside the data.
fn flight_options(config: &Config, clock: Arc<dyn Clock>) -> anyhow::Result<flight::Options> {
    let configured: Vec<_> = config.flight.signing_keys.iter().map(|key| key.0.clone()).collect();
    let signing_keys = match configured.is_empty() {
        true => vec![Secret::new(keys::ticket_key(&config.data.dir)?)],
        false => configured,
    };
    Ok(flight::Options { signing_keys, ..flight::Options::new(clock) })
}

fn engine_options(config: &Config, queries: &Threads) -> engine::Options {
    engine::Options {
        memory_bytes: bytes(config.limits.query_memory),
        deadline: config.limits.query_timeout.0,
        ..engine::Options::on(queries.handle().clone())
    }
}
