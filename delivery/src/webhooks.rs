use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use model::Clock;
use parking_lot::Mutex;
use state::Store;
use tokio::{
    sync::{Notify, Semaphore, watch},
    task::JoinHandle,
};

use crate::{
    ChangeLog, Endpoint, EndpointState, EndpointStatus, Error, Network,
    client::{self, Client},
    worker::{Parts, Shared, Worker},
};

/// Requests in flight to one host, over all endpoints.
const PER_HOST: usize = 16;
/// How long a worker rests when the store fails it, before it takes up the stored state again.
const REST: Duration = Duration::from_secs(1);

/// How webhooks are delivered.
#[derive(Debug, Clone)]
pub struct Options {
    /// Networks that may be reached although they are not public; http and any port are allowed there.
    pub allow_networks: Vec<Network>,
    /// From the start of an attempt to the end of its answer.
    pub timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { allow_networks: Vec::new(), timeout: Duration::from_secs(15) }
    }
}

/// Posts membership changes to the configured endpoints until stopped.
///
/// At least once, in order per profile, with the same id and body on every attempt. Everything that
/// waits is in the store, so a restart changes nothing but the time of an attempt.
#[derive(Debug)]
pub struct Webhooks {
    workers: Vec<(Arc<Shared>, JoinHandle<()>)>,
    stop: watch::Sender<bool>,
}

impl Webhooks {
    /// Starts delivery; must be called within a tokio runtime. Fails on an endpoint that can never
    /// work: a bad URL or secret, an address that is not allowed, a name used twice.
    pub fn start(
        options: Options,
        endpoints: Vec<Endpoint>,
        changes: ChangeLog,
        store: Store,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let mut names = HashSet::new();
        let mut hosts: HashMap<String, Arc<Semaphore>> = HashMap::new();
        let mut opened = Vec::new();
        for endpoint in endpoints {
            if !names.insert(endpoint.name.clone()) {
                return Err(Error::endpoint(&endpoint.name, "its name is used twice"));
            }
            let host = client::parse_url(&endpoint)?.host_str().unwrap_or_default().to_owned();
            let host = hosts.entry(host).or_insert_with(|| Arc::new(Semaphore::new(PER_HOST)));
            let client = Client::new(&endpoint, &options, Arc::clone(host), Arc::clone(&clock))?;
            let parts = Parts {
                shared: Arc::new(Shared { status: Mutex::new(starting(&endpoint)), enable: Notify::new() }),
                endpoint,
                client: Arc::new(client),
                changes: changes.clone(),
                store: store.clone(),
                clock: Arc::clone(&clock),
            };
            opened.push((parts.clone(), Worker::open(parts)?));
        }
        let (stop, stopped) = watch::channel(false);
        let workers = opened.into_iter().map(|(parts, worker)| {
            let shared = Arc::clone(&parts.shared);
            (shared, tokio::spawn(keep_running(parts, worker, stopped.clone())))
        });
        Ok(Self { workers: workers.collect(), stop })
    }

    /// How each endpoint is doing.
    pub fn status(&self) -> Vec<EndpointStatus> {
        self.workers.iter().map(|(shared, _)| shared.status.lock().clone()).collect()
    }

    /// Resumes a disabled endpoint from its cursor; false if there is no such endpoint.
    pub fn enable(&self, name: &str) -> bool {
        let found = self.workers.iter().find(|(shared, _)| shared.status.lock().name == name);
        if let Some((shared, _)) = found {
            shared.enable.notify_one();
        }
        found.is_some()
    }

    /// Ends delivery; what is in flight is repeated after the next start.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        for (_, worker) in self.workers {
            // A worker that panicked has said so.
            let _ = worker.await;
        }
    }
}

/// Runs a worker, and another one from the stored state whenever the store fails it.
async fn keep_running(parts: Parts, worker: Worker, mut stop: watch::Receiver<bool>) {
    let mut worker = Ok(worker);
    loop {
        let ended = match worker {
            Ok(worker) => worker.run(stop.clone()).await,
            Err(error) => Err(error),
        };
        let Err(error) = ended else { return };
        tracing::error!(endpoint = parts.endpoint.name, ?error, "webhook delivery interrupted");
        tokio::select! {
            _ = stop.changed() => return,
            () = tokio::time::sleep(REST) => worker = Worker::open(parts.clone()),
        }
    }
}

fn starting(endpoint: &Endpoint) -> EndpointStatus {
    EndpointStatus {
        name: endpoint.name.clone(),
        state: EndpointState::Active,
        cursor: 0,
        behind: 0,
        waiting: 0,
        dead: 0,
        delivered_at: None,
        failure: None,
    }
}
