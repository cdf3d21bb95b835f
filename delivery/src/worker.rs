use std::{sync::Arc, time::Duration};

use model::Clock;
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
};

use crate::{
    ChangeLog, Endpoint, EndpointState, EndpointStatus, Error,
    breaker::Breaker,
    client::{Client, Outcome},
    lanes::{Batching, Lanes},
    ledger::{Ledger, Standing},
    request::Request,
    schedule,
};

/// Changes read at once.
const READ: usize = 1_000;
/// Changes read ahead of their delivery; beyond, the cursor waits.
const AHEAD: usize = 100_000;
const FIRST_LIMIT: usize = 4;
const LARGEST_LIMIT: usize = 64;
/// Failing for this long without a success disables an endpoint.
const PATIENCE: Duration = Duration::from_secs(5 * 24 * 3_600);
/// The clock is asked again at least this often while something is due by it: it may jump, and in
/// tests it is moved by hand.
const GLANCE: Duration = Duration::from_millis(100);
const FOREVER: Duration = Duration::from_secs(3_600);
const GONE: u16 = 410;

/// What a worker shares with the handle.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) status: Mutex<EndpointStatus>,
    pub(crate) enable: Notify,
}

/// Everything a worker is given.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    pub(crate) endpoint: Endpoint,
    pub(crate) client: Arc<Client>,
    pub(crate) changes: ChangeLog,
    pub(crate) store: state::Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) shared: Arc<Shared>,
}

/// Delivers to one endpoint.
#[derive(Debug)]
pub(crate) struct Worker {
    parts: Parts,
    ledger: Ledger,
    standing: Standing,
    lanes: Lanes,
    flights: JoinSet<(Request, Outcome)>,
    breaker: Breaker,
    limit: usize,
    /// Successes since the limit last grew.
    successes: usize,
    dead: u64,
}

impl Worker {
    /// Takes up what the store holds; a new endpoint starts at the head of the change log.
    pub(crate) fn open(parts: Parts) -> Result<Self, Error> {
        let ledger = Ledger::open(&parts.store, &parts.endpoint.name)?;
        let standing = match ledger.standing()? {
            Some(standing) => standing,
            None => {
                let standing = Standing { cursor: parts.changes.head(), ..Standing::default() };
                ledger.set_standing(standing)?;
                standing
            }
        };
        let mut lanes = Lanes::default();
        for request in ledger.requests()? {
            lanes.park(request);
        }
        let now = parts.clock.monotonic();
        for change in ledger.waiting()? {
            lanes.push(change, now);
        }
        let dead = ledger.dead()?;
        let worker = Self {
            parts,
            ledger,
            standing,
            lanes,
            flights: JoinSet::new(),
            breaker: Breaker::default(),
            limit: FIRST_LIMIT,
            successes: 0,
            dead,
        };
        worker.report(None);
        Ok(worker)
    }

    /// Works until `stop` turns true or its sender is gone.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) -> Result<(), Error> {
        let mut head = self.parts.changes.watch();
        let shared = Arc::clone(&self.parts.shared);
        let mut head_lives = true;
        loop {
            head.borrow_and_update();
            let more = self.read()?;
            self.dispatch()?;
            self.report(None);
            let pause = if more { Duration::ZERO } else { self.pause() };
            tokio::select! {
                biased;
                stopped = stop.changed() => {
                    if stopped.is_err() || *stop.borrow() {
                        return Ok(());
                    }
                }
                Some(done) = self.flights.join_next(), if !self.flights.is_empty() => {
                    // A flight can only be cancelled by dropping the worker.
                    if let Ok((request, outcome)) = done {
                        self.complete(request, &outcome)?;
                    }
                }
                () = shared.enable.notified() => self.enable()?,
                changed = head.changed(), if head_lives => head_lives = changed.is_ok(),
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Reads changes that follow; says whether there may be more at once.
    fn read(&mut self) -> Result<bool, Error> {
        if self.standing.disabled || self.breaker.is_open() || self.lanes.queued() >= AHEAD {
            return Ok(false);
        }
        let read = match self.parts.changes.read(self.standing.cursor, READ) {
            Err(Error::CursorExpired { oldest }) => {
                let endpoint = &self.parts.endpoint.name;
                tracing::error!(
                    endpoint,
                    cursor = self.standing.cursor,
                    oldest,
                    "changes expired before delivery"
                );
                self.standing.cursor = oldest;
                self.ledger.set_standing(self.standing)?;
                return Ok(true);
            }
            read => read?,
        };
        let Some(last) = read.last() else { return Ok(false) };
        self.standing.cursor = last.seq;
        let more = read.len() == READ;
        let wanted = &self.parts.endpoint.audiences;
        let mine: Vec<_> =
            read.into_iter().filter(|c| wanted.is_empty() || wanted.contains(&c.audience)).collect();
        self.ledger.wait(self.standing, &mine)?;
        let now = self.parts.clock.monotonic();
        for change in mine {
            self.lanes.push(change, now);
        }
        Ok(more)
    }

    /// Starts as many requests as may be in flight: those that are due again before fresh ones.
    fn dispatch(&mut self) -> Result<(), Error> {
        if self.standing.disabled {
            return Ok(());
        }
        let (now, monotonic) = (self.parts.clock.now(), self.parts.clock.monotonic());
        while self.flights.len() < self.breaker.limit(monotonic, self.limit) {
            if let Some(request) = self.lanes.next_retry(now) {
                self.fly(request);
                continue;
            }
            let idle = self.flights.is_empty();
            let Some((request, changes)) = self.lanes.next_fresh(self.batching(), idle, monotonic) else {
                return Ok(());
            };
            // Stored before it is sent: what was attempted once keeps its id and body.
            self.ledger.form(&request, changes.iter().map(|change| change.seq))?;
            self.fly(request);
        }
        Ok(())
    }

    fn fly(&mut self, request: Request) {
        let client = Arc::clone(&self.parts.client);
        self.flights.spawn(async move {
            let outcome = client.post(&request).await;
            (request, outcome)
        });
    }

    fn complete(&mut self, mut request: Request, outcome: &Outcome) -> Result<(), Error> {
        self.lanes.release(&request);
        self.breaker.note(self.parts.clock.monotonic(), outcome.is_success());
        request.attempts += 1;
        if outcome.is_success() {
            self.ledger.delivered(&request, outcome)?;
            self.lanes.unpark(&request);
            self.succeed()?;
        } else {
            self.limit = (self.limit / 2).max(1);
            self.fail(request, outcome)?;
        }
        self.report(Some(outcome));
        Ok(())
    }

    fn succeed(&mut self) -> Result<(), Error> {
        self.successes += 1;
        if self.successes >= self.limit {
            self.successes = 0;
            self.limit = (self.limit + 1).min(LARGEST_LIMIT);
        }
        if self.standing.failing_since.take().is_some() {
            self.ledger.set_standing(self.standing)?;
        }
        Ok(())
    }

    fn fail(&mut self, mut request: Request, outcome: &Outcome) -> Result<(), Error> {
        let now = self.parts.clock.now();
        let endpoint = &self.parts.endpoint.name;
        let error = outcome.error.as_deref().unwrap_or_default();
        tracing::warn!(endpoint, id = request.id, attempt = request.attempts, error, "webhook failed");
        match schedule::pause(request.attempts, outcome.wish) {
            Some(pause) => {
                request.due = now.plus(pause);
                self.ledger.postpone(&request, outcome)?;
                self.lanes.park(request);
            }
            None => {
                self.ledger.bury(&request, outcome)?;
                self.dead += request.changes;
                self.lanes.unpark(&request);
            }
        }
        let before = self.standing;
        let since = *self.standing.failing_since.get_or_insert(now);
        self.standing.disabled |= outcome.status == Some(GONE) || now.since(since) >= PATIENCE;
        if self.standing != before {
            self.ledger.set_standing(self.standing)?;
        }
        if self.standing.disabled {
            tracing::error!(endpoint = self.parts.endpoint.name, "webhook disabled");
        }
        Ok(())
    }

    fn enable(&mut self) -> Result<(), Error> {
        self.standing.disabled = false;
        self.standing.failing_since = None;
        self.breaker = Breaker::default();
        self.ledger.set_standing(self.standing)
    }

    fn pause(&self) -> Duration {
        let (now, monotonic) = (self.parts.clock.now(), self.parts.clock.monotonic());
        let probe =
            self.breaker.probe_at().map(|at| at.saturating_sub(monotonic)).filter(|wait| !wait.is_zero());
        let lanes = self.lanes.wait(self.batching(), now, monotonic);
        match probe.into_iter().chain(lanes).min() {
            Some(wait) if !self.standing.disabled => wait.min(GLANCE),
            _ => FOREVER,
        }
    }

    fn batching(&self) -> Batching {
        Batching { max: self.parts.endpoint.batch_max.max(1), linger: self.parts.endpoint.batch_linger }
    }

    /// Brings the public status up to date.
    fn report(&self, outcome: Option<&Outcome>) {
        let mut status = self.parts.shared.status.lock();
        status.state = match (self.standing.disabled, self.breaker.is_open()) {
            (true, _) => EndpointState::Disabled,
            (false, true) => EndpointState::Open,
            (false, false) => EndpointState::Active,
        };
        status.cursor = self.standing.cursor;
        status.behind = self.parts.changes.head().saturating_sub(self.standing.cursor);
        status.waiting = self.lanes.waiting();
        status.dead = self.dead;
        if let Some(outcome) = outcome {
            match &outcome.error {
                None => status.delivered_at = Some(outcome.started),
                Some(error) => status.failure = Some((outcome.started, error.clone())),
            }
        }
    }
}
