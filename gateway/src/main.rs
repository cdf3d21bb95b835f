//! The `etalon` binary: configuration, wiring, listeners, authentication and the command line.
//!
//! Must hold no domain logic: it puts the parts together.
#![forbid(unsafe_code)]

/// The pipeline makes many small values per event, and the system's allocator is slow at giving them back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod auth;
mod cli;
mod command;
mod config;
mod definitions;
mod demo;
mod http;
mod keys;
mod listener;
mod serve;
mod threads;
mod tls;
mod units;

use std::{
    io::{IsTerminal as _, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Context as _;
use clap::Parser as _;
use model::Severity;
use tracing_subscriber::EnvFilter;

use cli::{Cli, Command, Export, ExportFormat};
use config::Config;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let log = match cli.command {
        Command::Serve(_) => "info",
        // The example's webhook has no receiver unless somebody starts one.
        Command::Demo(_) => "warn,delivery=error",
        _ => "warn",
    };
    start_tracing(log);
    match run(cli.command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Log lines go to standard error; `ETALON_LOG_LEVEL` takes the usual filter syntax.
fn start_tracing(default: &str) {
    #[expect(clippy::disallowed_methods, reason = "the composition root may read the environment")]
    let level = std::env::var("ETALON_LOG_LEVEL");
    // Readers of Delta files warn about features that are never used here.
    let quiet = "fjall=warn,lsm_tree=warn,datafusion=warn,deltalake=error,delta_kernel=error,buoyant_kernel=error,object_store=warn";
    let filter = EnvFilter::try_new(level.unwrap_or_else(|_| format!("{default},{quiet}")))
        .unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Config => {
            std::io::stdout().write_all(config::DEFAULTS.as_bytes()).context("standard output")?;
            return Ok(ExitCode::SUCCESS);
        }
        Command::Check { paths } => return check(&paths),
        Command::Export(Export::Ossie { paths, name, format }) => return export_ossie(&paths, &name, format),
        _ => {}
    }
    let runtime = tokio::runtime::Runtime::new().context("the runtime could not be started")?;
    runtime.block_on(async {
        match command {
            Command::Serve(options) => serve::command(options).await?,
            Command::Demo(options) => demo::command(options).await?,
            Command::Query(query) => command::query(query).await?,
            Command::Sql { statement, output, server } => command::sql(&statement, &output, &server).await?,
            Command::Audience(audience) => command::audience(audience).await?,
            Command::Profile(profile) => command::profile(profile).await?,
            Command::DeadLetters(letters) => command::dead_letters(letters).await?,
            Command::Webhooks(webhooks) => command::webhooks(webhooks).await?,
            Command::Config | Command::Check { .. } | Command::Export(_) => {}
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// `etalon check`: every problem, then one line that sums up. Exit code 1 if there is an error.
fn check(paths: &[PathBuf]) -> anyhow::Result<ExitCode> {
    let loaded = definitions::load(paths)?;
    for diagnostic in &loaded.diagnostics {
        println!("{diagnostic}");
    }
    let errors = loaded.diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
    match &loaded.catalog {
        Some(catalog) => println!(
            "ok: {} models, {} metrics, {} saved queries, {} metric views, {} audiences, {} planned events",
            catalog.semantic_models.iter().filter(|m| !m.automatic).count(),
            catalog.metrics.iter().filter(|m| !m.private).count(),
            catalog.saved_queries.len(),
            catalog.metric_views.len(),
            catalog.audiences.len(),
            catalog.tracking_plan.events.len()
        ),
        None => println!("{errors} {}", if errors == 1 { "error" } else { "errors" }),
    }
    Ok(if errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `etalon export ossie`: the definitions to standard output, their problems to standard error.
fn export_ossie(paths: &[PathBuf], name: &str, format: ExportFormat) -> anyhow::Result<ExitCode> {
    let loaded = definitions::load(paths)?;
    for diagnostic in &loaded.diagnostics {
        eprintln!("{diagnostic}");
    }
    let Some(catalog) = &loaded.catalog else { return Ok(ExitCode::FAILURE) };
    let format = match format {
        ExportFormat::Yaml => semantic::OssieFormat::Yaml,
        ExportFormat::Json => semantic::OssieFormat::Json,
    };
    let text = semantic::export_ossie(catalog, name, format);
    std::io::stdout().write_all(text.as_bytes()).context("standard output")?;
    Ok(ExitCode::SUCCESS)
}

/// Reads the configuration file and the environment.
fn load_config(path: Option<&PathBuf>) -> anyhow::Result<Config> {
    let file = match path {
        Some(path) => {
            let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
            Some((path.display().to_string(), text))
        }
        None => None,
    };
    #[expect(clippy::disallowed_methods, reason = "the composition root may read the environment")]
    let variables = std::env::vars();
    Config::load(file.as_ref().map(|(name, text)| (name.as_str(), text.as_str())), variables)
}
