//! `etalon demo`: the whole product on sample data, through the real collector.

mod stream;

use std::{
    io::{IsTerminal as _, Write as _},
    net::SocketAddr,
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context as _, bail};
use base64::Engine as _;
use model::{Clock as _, SystemClock, Timestamp};
use semantic::SourceFile;

use crate::{
    cli, definitions,
    serve::{Server, stop_signal},
};
use stream::Stream;

const DEFINITIONS: &str = include_str!("../../examples/metrics.yaml");
const BATCH: u64 = 100;
/// The first events are spread over this time, so that there is something to see by day.
const HISTORY: Duration = Duration::from_secs(14 * 86_400);

/// `etalon demo`.
pub(crate) async fn command(options: cli::Demo) -> anyhow::Result<()> {
    let mut config = crate::load_config(options.config.as_ref())?;
    config.data.dir = match options.data {
        Some(dir) => dir,
        None => fresh_folder()?,
    };
    // The example's webhook points at this machine.
    config.delivery.allow_networks.push("127.0.0.0/8".to_owned());
    let key = config.write_keys.first().context("the demo needs a write key")?.key.clone();
    let file = SourceFile { name: "examples/metrics.yaml".into(), text: DEFINITIONS.to_owned() };
    let catalog = definitions::catalog(semantic::load(&[file], &|_| None))?;
    println!("etalon demo: data folder {}", config.data.dir.display());
    let server = Server::start(config, catalog).await?;
    let (http, flight) = (server.http, server.flight);
    let sending = tokio::spawn(async move {
        let sender = Sender::new(http, &key)?;
        let mut stream = Stream::new(options.seed, (options.events / 20).max(100));
        sender.history(&mut stream, options.events).await?;
        println!("{}", guide(http, flight, &key, options.rate));
        sender.live(&mut stream, options.rate).await
    });
    server
        .run_until(async {
            tokio::select! {
                () = stop_signal() => {}
                ended = sending => match ended {
                    Ok(Err(error)) => eprintln!("error: the stream of sample events stopped: {error:#}"),
                    // Nothing more to send: keep serving.
                    _ => stop_signal().await,
                },
            }
        })
        .await
}

fn fresh_folder() -> anyhow::Result<PathBuf> {
    let name = format!("etalon-demo-{}", SystemClock::new().now().as_millis());
    let dir = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
    Ok(dir)
}

struct Sender {
    http: reqwest::Client,
    url: String,
    authorization: String,
    clock: SystemClock,
}

impl Sender {
    fn new(address: SocketAddr, key: &str) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().no_proxy().build().context("the HTTP client")?;
        let credential = base64::engine::general_purpose::STANDARD.encode(format!("{key}:"));
        let url = format!("http://{address}/v1/batch");
        Ok(Self { http, url, authorization: format!("Basic {credential}"), clock: SystemClock::new() })
    }

    /// Sends `count` events spread over the last two weeks.
    async fn history(&self, stream: &mut Stream, count: u64) -> anyhow::Result<()> {
        let bar = Progress::new(count);
        let start = self.clock.now().minus(HISTORY);
        let mut sent = 0;
        while sent < count {
            let size = BATCH.min(count - sent);
            let at = |n: u64| start.plus(HISTORY.mul_f64((sent + n) as f64 / count as f64));
            let calls: Vec<String> = (0..size).map(|n| stream.next(at(n))).collect();
            self.send(&calls).await?;
            sent += size;
            bar.show(sent);
        }
        bar.end();
        Ok(())
    }

    /// Goes on at `rate` events a second.
    async fn live(&self, stream: &mut Stream, rate: u64) -> anyhow::Result<()> {
        if rate == 0 {
            return Ok(());
        }
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        let mut owed = 0;
        loop {
            ticks.tick().await;
            owed += rate;
            let size = owed / 10;
            owed %= 10;
            if size > 0 {
                let now = self.clock.now();
                let calls: Vec<String> = (0..size).map(|_| stream.next(now)).collect();
                self.send(&calls).await?;
            }
        }
    }

    async fn send(&self, calls: &[String]) -> anyhow::Result<()> {
        let sent_at: Timestamp = self.clock.now();
        let body = format!(r#"{{"sentAt":"{sent_at}","batch":[{}]}}"#, calls.join(","));
        let request = self.http.post(&self.url).header("authorization", &self.authorization).body(body);
        let answer = request.send().await.context("the collector does not answer")?;
        if answer.status() != reqwest::StatusCode::OK {
            bail!("the collector answered {}", answer.status());
        }
        Ok(())
    }
}

/// A bar on a terminal; a line at the end otherwise.
struct Progress {
    total: u64,
    terminal: bool,
}

impl Progress {
    const WIDTH: u64 = 40;

    fn new(total: u64) -> Self {
        Self { total, terminal: std::io::stdout().is_terminal() }
    }

    fn show(&self, done: u64) {
        if self.terminal {
            let filled = Self::WIDTH * done / self.total.max(1);
            let bar = "#".repeat(filled as usize) + &".".repeat((Self::WIDTH - filled) as usize);
            print!("\rsending sample events [{bar}] {done}/{}", self.total);
            // A terminal that is gone shows nothing; the work goes on.
            _ = std::io::stdout().flush();
        }
    }

    fn end(&self) {
        if self.terminal {
            println!();
        } else {
            println!("sent {} sample events", self.total);
        }
    }
}

/// What to try next; every command works as printed.
fn guide(http: SocketAddr, flight: SocketAddr, key: &str, rate: u64) -> String {
    let more = if rate > 0 { format!(" ({rate} more a second)") } else { String::new() };
    format!(
        r#"
etalon is ready{more}. Stop it with Ctrl-C.

  tracking API   http://{http}/v1/batch   (write key: {key})
  GraphQL        http://{http}/graphql    (open it in a browser)
  REST           http://{http}/api/v1/query
  Flight SQL     grpc://{flight}
  health         http://{http}/readyz     metrics: http://{http}/metrics

Send an event:
  curl -u {key}: http://{http}/v1/track -d '{{"userId":"u1","event":"Order Completed","properties":{{"order_id":"mine-1","revenue":19.90,"currency":"EUR"}}}}'

Ask for a metric, over GraphQL:
  curl http://{http}/graphql -H 'content-type: application/json' -d '{{"query":"{{ query(input: {{metrics: [\"revenue\", \"orders\"], groupBy: [\"order__currency\"]}}) {{ columns {{ name }} rows }} }}"}}'

... in SQL:
  curl http://{http}/api/v1/sql -H 'content-type: application/json' -d '{{"sql":"SELECT event, count(*) AS calls FROM events.all GROUP BY event ORDER BY calls DESC"}}'

... from Python (pip install adbc-driver-flightsql pyarrow):
  python3 -c "import adbc_driver_flightsql.dbapi as f; c = f.connect('grpc://{flight}'); k = c.cursor(); k.execute('SELECT country, count(*) AS profiles FROM profiles.profiles GROUP BY country'); print(k.fetch_arrow_table().to_pylist()); k.close(); c.close()"

... or with this binary:
  etalon query --server http://{http} --metrics revenue,orders --group-by metric_time__day --order-by -metric_time__day --limit 5
  etalon audience list --server http://{http}
"#
    )
}
