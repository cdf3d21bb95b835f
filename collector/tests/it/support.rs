use std::{collections::HashMap, sync::Arc, time::Duration};

use collector::{Collector, DedupOptions, Flavour, IpRule, Options, WriteKey};
use eventlog::{AppendError, Appended, Log, MemoryLog};
use model::{
    Clock, DeadLetter, DeadLetterState, ManualClock, NewRecord, Offset, RecordKind, Secret, StoredDeadLetter,
    Timestamp,
};
use semantic::{Catalog, SourceFile};
use state::Store;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tower::ServiceExt;

/// A log whose appends can be stopped, to look at what is in flight.
#[derive(Debug, Clone)]
pub(crate) struct GatedLog {
    pub(crate) memory: MemoryLog,
    pub(crate) open: watch::Sender<bool>,
}

impl Log for GatedLog {
    async fn append(&self, records: Vec<NewRecord>) -> Result<Appended, AppendError> {
        let mut open = self.open.subscribe();
        open.wait_for(|open| *open).await.map_err(|_| AppendError::Failed)?;
        self.memory.append(records).await
    }

    fn read(&self, from: Offset, max_bytes: usize) -> Result<eventlog::Batch, eventlog::Error> {
        self.memory.read(from, max_bytes)
    }

    fn start(&self) -> Offset {
        self.memory.start()
    }

    fn end(&self) -> Offset {
        self.memory.end()
    }

    fn watch_end(&self) -> watch::Receiver<Offset> {
        self.memory.watch_end()
    }

    fn release(&self, consumer: &str, upto: Offset) {
        self.memory.release(consumer, upto);
    }
}

/// What outlives a collector, and the collector.
pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) log: GatedLog,
    pub(crate) store: Store,
    pub(crate) plan: watch::Sender<Arc<Catalog>>,
    pub(crate) options: Options,
    pub(crate) collector: Collector<GatedLog>,
    server: Server,
    pub(crate) port: u16,
    folded: Offset,
}

pub(crate) fn key(key: &str, source: &str, flavour: Flavour) -> WriteKey {
    let (key, source) = (Secret::new(key.to_owned()), source.into());
    WriteKey { key, source, flavour, enabled: true, origins: Vec::new(), ip: IpRule::Keep }
}

pub(crate) fn catalog(plan: &str) -> Arc<Catalog> {
    let text = format!(
        "version: 1\ntracking_plan:\n  events:\n    - name: Order Completed\n      properties:\n        revenue: {{type: {plan}}}\n"
    );
    let loaded = semantic::load(&[SourceFile { name: "metrics.yaml".into(), text }], &|_| None);
    Arc::new(loaded.catalog.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics)))
}

fn keys(flavour: Flavour) -> Vec<WriteKey> {
    let mut off = key("OFF", "off", flavour);
    off.enabled = false;
    let mut closed = key("CLOSED", "closed", flavour);
    closed.origins = vec!["https://good.example".to_owned()];
    vec![key("WK", "web", flavour), key("APP", "app", Flavour::RudderStack), off, closed]
}

impl World {
    pub(crate) async fn new(flavour: Flavour) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::parse("2026-11-21T02:00:00Z").unwrap()));
        Self::start(flavour, clock).await
    }

    pub(crate) async fn start(flavour: Flavour, clock: Arc<ManualClock>) -> Self {
        let log = GatedLog { memory: MemoryLog::new(clock.clone()), open: watch::Sender::new(true) };
        let store = Store::memory();
        let plan = watch::Sender::new(catalog("int64"));
        let dedup = DedupOptions { hot_keys: 4, ..DedupOptions::default() };
        let options = Options { path_prefixes: vec!["/shop".into()], dedup, ..Options::default() };
        let collector = Collector::open(
            options.clone(),
            keys(flavour),
            plan.subscribe(),
            log.clone(),
            store.clone(),
            clock.clone(),
        )
        .unwrap();
        let server = serve(&collector).await;
        let port = server.port;
        Self { clock, log, store, plan, options, collector, server, port, folded: Offset(0) }
    }

    /// The process ends and another one starts on the same files. No connection may be open.
    pub(crate) async fn restart(self, flavour: Flavour) -> Self {
        let Self { clock, log, store, plan, options, collector, server, folded, .. } = self;
        server.stop.send(()).unwrap();
        server.task.await.unwrap();
        drop(collector);
        let collector = Collector::open(
            options.clone(),
            keys(flavour),
            plan.subscribe(),
            log.clone(),
            store.clone(),
            clock.clone(),
        )
        .unwrap();
        let server = serve(&collector).await;
        let port = server.port;
        Self { clock, log, store, plan, options, collector, server, port, folded }
    }

    /// A call of the router itself, for tests that stop the time: sockets and stopped time do not mix.
    pub(crate) async fn direct(&self, path: &str, body: &str) -> Answer {
        let request = axum::http::Request::post(path).header("authorization", "Basic V0s6");
        let request = request.body(axum::body::Body::from(body.to_owned())).unwrap();
        let response = self.collector.router().oneshot(request).await.unwrap();
        let text = |v: &axum::http::HeaderValue| v.to_str().unwrap().to_owned();
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().iter().map(|(n, v)| (n.to_string(), text(v))).collect(),
            body: axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec(),
        }
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let mut connection = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        request(&mut connection, method, path, headers, body).await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        self.send("POST", path, &[("authorization", "Basic V0s6")], body.as_bytes()).await
    }

    /// Every record of one kind.
    pub(crate) fn records(&self, kind: RecordKind) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        let mut at = self.log.start();
        loop {
            let batch = self.log.read(at, 1 << 20).unwrap();
            if batch.is_empty() {
                return found;
            }
            found.extend(batch.records().filter(|r| r.kind == kind).map(|r| r.payload.to_vec()));
            at = batch.next();
        }
    }

    pub(crate) fn message_ids(&self) -> Vec<String> {
        let id = |payload: &Vec<u8>| model::Event::decode(payload).unwrap().message_id.to_owned();
        self.records(RecordKind::Event).iter().map(id).collect()
    }

    pub(crate) fn letters(&self) -> Vec<DeadLetter> {
        self.records(RecordKind::DeadLetter).iter().map(|p| DeadLetter::decode(p).unwrap()).collect()
    }

    /// What the pipeline does with dead letters: folds them into the state.
    pub(crate) fn fold(&mut self) {
        let letters = self.store.keyspace("dead_letters").unwrap();
        while self.folded < self.log.end() {
            let batch = self.log.read(self.folded, 1 << 20).unwrap();
            for record in batch.records() {
                let mut changes = self.store.batch();
                if record.kind == RecordKind::DeadLetter {
                    changes.put(
                        &letters,
                        record.offset.0.to_be_bytes(),
                        StoredDeadLetter::open(record.payload),
                    );
                } else if record.kind == RecordKind::DeadLetterState {
                    let state = DeadLetterState::decode(record.payload).unwrap();
                    let (DeadLetterState::Replayed(id)
                    | DeadLetterState::Dropped(id)
                    | DeadLetterState::FailedAgain(id)) = state;
                    let mut stored = letters.get(&id.0.to_be_bytes()).unwrap().unwrap();
                    assert!(StoredDeadLetter::apply(&mut stored, state));
                    changes.put(&letters, id.0.to_be_bytes(), stored);
                }
                changes.commit().unwrap();
            }
            self.folded = batch.next();
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

struct Server {
    task: tokio::task::JoinHandle<()>,
    stop: tokio::sync::oneshot::Sender<()>,
    port: u16,
}

async fn serve(collector: &Collector<GatedLog>) -> Server {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let service = collector.router().into_make_service_with_connect_info::<std::net::SocketAddr>();
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let task = tokio::spawn(async move {
        let serving = axum::serve(listener, service);
        serving.with_graceful_shutdown(async { _ = stopped.await }).await.unwrap();
    });
    Server { task, stop, port }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// `200 accepted duplicate quarantined`, or status and code.
    pub(crate) fn short(&self) -> String {
        let counts: Vec<&str> =
            self.header("etalon-result").split([' ', '=']).skip(1).step_by(2).take(3).collect();
        if counts.is_empty() {
            let code = self.text().split('"').nth(3).unwrap_or_default();
            return format!("{} {code}", self.status);
        }
        format!("{} {}", self.status, counts.join(" "))
    }
}

/// One request with untouched bytes.
pub(crate) async fn request(
    connection: &mut TcpStream,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: collector.example\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(body);
    connection.write_all(&bytes).await.unwrap();
    tokio::time::timeout(Duration::from_secs(60), answer(connection))
        .await
        .expect("an answer within a minute")
}

async fn answer(connection: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break end;
        }
        assert!(connection.read_buf(&mut bytes).await.unwrap() > 0, "the connection was closed");
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: HashMap<String, String> =
        lines.filter_map(|l| l.split_once(": ")).map(|(n, v)| (n.to_lowercase(), v.to_owned())).collect();
    let length = headers.get("content-length").map_or(0, |l| l.parse().unwrap());
    let mut body = bytes.split_off(head_end + 4);
    while body.len() < length {
        assert!(connection.read_buf(&mut body).await.unwrap() > 0, "the connection was closed");
    }
    Answer { status, headers, body }
}
