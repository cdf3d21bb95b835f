use std::sync::Arc;

use arrow::{array::RecordBatch, util::pretty::pretty_format_batches};
use arrow_flight::{FlightInfo, Ticket, error::FlightError, sql::client::FlightSqlServiceClient};
use flight::{Authenticate, Options};
use futures::TryStreamExt;
use model::{ManualClock, Principal, Timestamp};
use tonic::{
    Code,
    transport::{Channel, Endpoint},
};

use crate::shop::Shop;

/// A server on a free port, stopped when it is dropped.
pub struct Server {
    pub shop: Shop,
    pub clock: Arc<ManualClock>,
    address: String,
    _stop: tokio::sync::oneshot::Sender<()>,
}

impl Server {
    /// Keys are `ann-key` and `bob-key`; without a key nobody gets in.
    pub async fn start() -> Self {
        Self::start_with(|options| options).await
    }

    /// Starts with other options.
    pub async fn start_with(change: impl FnOnce(Options) -> Options) -> Self {
        let shop = Shop::open().await;
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_000)));
        let authenticate: Authenticate = Arc::new(|key| {
            let name = match key? {
                "ann-key" => "ann",
                "bob-key" => "bob",
                _ => return None,
            };
            Some(Principal { name: name.into(), roles: vec!["admin".into()] })
        });
        let service = flight::service(shop.engine.clone(), authenticate, change(Options::new(clock.clone())));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        tokio::spawn(flight::serve(service, listener, async {
            // Dropping the sender stops the server too.
            let _ = stopped.await;
        }));
        Self { shop, clock, address, _stop: stop }
    }

    pub async fn channel(&self) -> Channel {
        Endpoint::new(self.address.clone()).unwrap().connect().await.unwrap()
    }

    pub async fn client(&self, key: &str) -> FlightSqlServiceClient<Channel> {
        let mut client = FlightSqlServiceClient::new(self.channel().await);
        client.set_token(key.to_owned());
        client
    }

    pub async fn ann(&self) -> FlightSqlServiceClient<Channel> {
        self.client("ann-key").await
    }
}

pub fn ticket(info: &FlightInfo) -> Ticket {
    info.endpoint[0].ticket.clone().unwrap()
}

/// Fetches what was described; the stream's schema is the described one (FLT-5).
pub async fn fetch(
    client: &mut FlightSqlServiceClient<Channel>,
    info: FlightInfo,
) -> Result<RecordBatch, FlightError> {
    let announced = Arc::new(info.clone().try_decode_schema().unwrap());
    let mut stream = client.do_get(ticket(&info)).await?;
    let batches: Vec<RecordBatch> = (&mut stream).try_collect().await?;
    assert_eq!(stream.schema(), Some(&announced));
    Ok(arrow::compute::concat_batches(&announced, &batches).unwrap())
}

/// The rows as lines `a | b`, without the header.
pub fn lines(batch: &RecordBatch) -> Vec<String> {
    let table = pretty_format_batches(std::slice::from_ref(batch)).unwrap().to_string();
    let cells = |line: &str| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>().join(" | ");
    table.lines().filter(|line| line.starts_with('|')).skip(1).map(cells).collect()
}

/// The gRPC code and text of a failed call.
pub fn failure(error: impl Into<FlightError>) -> (Code, String) {
    match error.into() {
        FlightError::Tonic(status) => (status.code(), status.message().to_owned()),
        other => panic!("{other}"),
    }
}
