//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// One definition of every metric, profile and audience, for everyone who asks.
#[derive(Debug, Parser)]
#[command(name = "etalon", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "Examples:
  etalon demo                                       try it: sample events through the real collector
  etalon serve --definitions metrics.yaml           run it
  etalon check metrics.yaml                         every problem at once, as file:line:col
  etalon query --metrics revenue --group-by metric_time__day
  etalon sql \"SELECT event, count(*) FROM events.all GROUP BY event\"";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server.
    Serve(Serve),
    /// Serve the example definitions on a fresh data folder, with a realistic stream of events.
    Demo(Demo),
    /// Check definition files; prints every problem as file:line:col, exit code 1 if there is an error.
    Check {
        /// Files, or folders of .yaml files; dbt projects, semantic_manifest.json and Ossie files as well.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
    /// Write definitions in another format.
    #[command(subcommand)]
    Export(Export),
    /// Ask a running server for metrics.
    Query(Query),
    /// Ask a running server in SQL.
    Sql {
        /// One SELECT statement.
        statement: String,
        #[command(flatten)]
        output: Output,
        #[command(flatten)]
        server: Server,
    },
    /// Look at audiences.
    #[command(subcommand)]
    Audience(Audience),
    /// Look at profiles.
    #[command(subcommand)]
    Profile(Profile),
    /// Look at what was not accepted, and send it again.
    #[command(subcommand)]
    DeadLetters(DeadLetters),
    /// Look at webhook endpoints.
    #[command(subcommand)]
    Webhooks(Webhooks),
    /// Print the annotated default configuration.
    Config,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Export {
    /// As Apache Ossie, to standard output.
    Ossie {
        /// Files, or folders of .yaml files.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// Name of the semantic model.
        #[arg(long, default_value = "etalon")]
        name: String,
        /// How it is written.
        #[arg(long, value_enum, default_value_t = ExportFormat::Yaml)]
        format: ExportFormat,
    },
}

/// How an export is written.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ExportFormat {
    Yaml,
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Configuration file.
    #[arg(long)]
    pub(crate) config: Option<PathBuf>,
    /// Definitions: a file, or a folder of .yaml files.
    #[arg(long, default_value = "metrics.yaml")]
    pub(crate) definitions: PathBuf,
    /// Data folder.
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// How many events to send at first; then the stream goes on at --rate.
    #[arg(long, default_value_t = 20_000)]
    pub(crate) events: u64,
    /// Events a second after that; 0 sends nothing more.
    #[arg(long, default_value_t = 50)]
    pub(crate) rate: u64,
    /// The same seed gives the same events.
    #[arg(long, default_value_t = 42)]
    pub(crate) seed: u64,
    /// Data folder; default: a fresh one below the system's temporary folder.
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
    /// Configuration file.
    #[arg(long)]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Query {
    /// Metrics, separated by commas.
    #[arg(long, value_delimiter = ',')]
    pub(crate) metrics: Vec<String>,
    /// Dimensions, separated by commas: metric_time__day,profile__country.
    #[arg(long, value_delimiter = ',')]
    pub(crate) group_by: Vec<String>,
    /// Filter, such as "{{ Dimension('order__currency') }} = 'EUR'"; may be repeated (AND).
    #[arg(long = "where")]
    pub(crate) filters: Vec<String>,
    /// Order, separated by commas; a leading - turns it round.
    #[arg(long, value_delimiter = ',', allow_hyphen_values = true)]
    pub(crate) order_by: Vec<String>,
    /// At most this many rows.
    #[arg(long)]
    pub(crate) limit: Option<u64>,
    /// Print the SQL instead of running it.
    #[arg(long)]
    pub(crate) explain: bool,
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) server: Server,
}

#[derive(Debug, Args)]
pub(crate) struct Output {
    /// Form of the answer.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns.
    Table,
    /// One JSON object.
    Json,
    /// CSV with a header.
    Csv,
    /// Arrow IPC stream.
    Arrow,
}

#[derive(Debug, Args)]
pub(crate) struct Server {
    /// Address of the running server.
    #[arg(long, env = "ETALON_SERVER", default_value = "http://127.0.0.1:8080")]
    pub(crate) server: String,
    /// API key, where the server has any.
    #[arg(long, env = "ETALON_API_KEY", hide_env_values = true)]
    pub(crate) api_key: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Audience {
    /// All audiences with their sizes.
    List {
        #[command(flatten)]
        server: Server,
    },
    /// Members of one audience.
    Members {
        /// Name of the audience.
        name: String,
        /// At most this many.
        #[arg(long, default_value_t = 100)]
        limit: u64,
        #[command(flatten)]
        server: Server,
    },
    /// Why a profile is in or out, and until when.
    Explain {
        /// Name of the audience.
        name: String,
        /// Profile id.
        #[arg(long)]
        profile: String,
        #[command(flatten)]
        server: Server,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Profile {
    /// The golden record of one profile.
    Show {
        /// Profile id, or type:value such as user_id:u1.
        id: String,
        #[command(flatten)]
        server: Server,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeadLetters {
    /// What was not accepted, newest last.
    List {
        #[command(flatten)]
        filter: DeadLetterFilter,
        #[command(flatten)]
        server: Server,
    },
    /// Send items through today's rules again.
    Replay {
        #[command(flatten)]
        filter: DeadLetterFilter,
        /// Say what would happen, change nothing.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        server: Server,
    },
    /// Close items for good.
    Drop {
        #[command(flatten)]
        filter: DeadLetterFilter,
        #[command(flatten)]
        server: Server,
    },
}

#[derive(Debug, Args)]
pub(crate) struct DeadLetterFilter {
    /// Only of this source.
    #[arg(long)]
    pub(crate) source: Option<String>,
    /// Only with this reason, such as plan_violation.
    #[arg(long)]
    pub(crate) reason: Option<String>,
    /// Only of this event.
    #[arg(long)]
    pub(crate) event: Option<String>,
    /// Only received at or after this time (RFC 3339).
    #[arg(long)]
    pub(crate) since: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Webhooks {
    /// All endpoints: how far they are, and what waits.
    List {
        #[command(flatten)]
        server: Server,
    },
}
