//! Queries that were created and are asked for later: bounded in number and bytes, kept for a while,
//! known to the principal who created them and to nobody else.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use engine::{Engine, Request};
use futures::StreamExt;
use model::{Clock, Principal, Timestamp};
use tokio::{sync::watch, task::AbortHandle, time::timeout};

use super::query_result::QueryParams;
use crate::Error;

/// What the store may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Queries that are kept.
    pub(crate) queries: usize,
    /// Bytes of all results together.
    pub(crate) bytes: usize,
    /// Bytes of one result.
    pub(crate) result_bytes: usize,
    /// How long a query is kept after it was created.
    pub(crate) lifetime: Duration,
    /// How long the first page is waited for.
    pub(crate) hold: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            queries: 1_000,
            bytes: 256 << 20,
            result_bytes: 64 << 20,
            lifetime: Duration::from_secs(60 * 60),
            hold: Duration::from_secs(2),
        }
    }
}

/// The queries that were created. Cloning is cheap; clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct Queries {
    engine: Engine,
    clock: Arc<dyn Clock>,
    limits: Limits,
    /// From old to new.
    kept: Arc<Mutex<VecDeque<Arc<Query>>>>,
}

/// One query.
#[derive(Debug)]
pub(crate) struct Query {
    pub(super) id: String,
    pub(super) params: QueryParams,
    owner: Principal,
    created: Timestamp,
    state: watch::Sender<State>,
    task: Option<AbortHandle>,
    hold: Duration,
}

/// How far a query is.
#[derive(Debug, Clone)]
pub(super) enum State {
    Running,
    /// Asked for its SQL alone.
    Compiled(Arc<str>),
    Done(Arc<Rows>),
    Failed(Arc<Failure>),
}

/// A whole result.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) sql: String,
    pub(super) schema: SchemaRef,
    pub(super) batches: Vec<RecordBatch>,
    pub(super) count: usize,
    bytes: usize,
}

/// Why a query has no result.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) text: String,
    pub(super) code: &'static str,
}

impl Drop for Query {
    /// A query nobody can ask for any more need not run on.
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl Queries {
    pub(crate) fn new(engine: Engine, clock: Arc<dyn Clock>, limits: Limits) -> Self {
        Self { engine, clock, limits, kept: Arc::default() }
    }

    /// Starts a query.
    pub(super) fn start(
        &self,
        owner: &Principal,
        params: QueryParams,
        request: Request,
    ) -> Result<Arc<Query>, Error> {
        let (state, _) = watch::channel(State::Running);
        let (engine, principal, most) = (self.engine.clone(), owner.clone(), self.limits.result_bytes);
        let outcome = state.clone();
        let task = tokio::spawn(async move {
            let done = match collect(&engine, &principal, request, most).await {
                Ok(rows) => State::Done(Arc::new(rows)),
                Err(error) => State::Failed(Arc::new(Failure::of(&error))),
            };
            settle(&outcome, done);
        });
        self.keep(owner, params, state, Some(task.abort_handle()))
    }

    /// Keeps a query that is over already.
    pub(super) fn settled(
        &self,
        owner: &Principal,
        params: QueryParams,
        state: State,
    ) -> Result<Arc<Query>, Error> {
        self.keep(owner, params, watch::channel(state).0, None)
    }

    fn keep(
        &self,
        owner: &Principal,
        params: QueryParams,
        state: watch::Sender<State>,
        task: Option<AbortHandle>,
    ) -> Result<Arc<Query>, Error> {
        let query = Arc::new(Query {
            id: uuid::Uuid::new_v4().to_string(),
            params,
            owner: owner.clone(),
            created: self.clock.now(),
            state,
            task,
            hold: self.limits.hold,
        });
        let mut kept = self.kept();
        self.make_room(&mut kept);
        if kept.len() >= self.limits.queries {
            return Err(Error::Limit(format!("{} queries are running already", self.limits.queries)));
        }
        kept.push_back(Arc::clone(&query));
        Ok(query)
    }

    /// Forgets what is too old, then the oldest results until there is room.
    fn make_room(&self, kept: &mut VecDeque<Arc<Query>>) {
        let now = self.clock.now();
        kept.retain(|query| query.created.plus(self.limits.lifetime) > now);
        let mut bytes: usize = kept.iter().map(|query| query.bytes()).sum();
        while kept.len() >= self.limits.queries || bytes > self.limits.bytes {
            let Some(oldest) = kept.iter().position(|query| query.is_over()) else { break };
            bytes -= kept.remove(oldest).map_or(0, |query| query.bytes());
        }
    }

    /// The query of this id. Another principal's is as unknown as one that never was.
    pub(super) fn find(&self, id: &str, principal: &Principal) -> Result<Arc<Query>, Error> {
        let now = self.clock.now();
        let lives = |query: &&Arc<Query>| query.created.plus(self.limits.lifetime) > now;
        let kept = self.kept();
        let found = kept.iter().filter(lives).find(|query| query.id == id && query.owner == *principal);
        found.cloned().ok_or_else(|| Error::NotFound { what: "query", name: id.to_owned() })
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<Arc<Query>>> {
        // A panic elsewhere leaves the queue whole: every change to it is one call.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Query {
    /// Its state; while it runs, after a moment, so that most clients need to ask once only.
    pub(super) async fn hold(&self) -> State {
        let mut state = self.state.subscribe();
        // When the moment is over, the query is still running: that is the answer then.
        _ = timeout(self.hold, state.wait_for(|state| !matches!(state, State::Running))).await;
        state.borrow().clone()
    }

    /// Its state when it is over.
    pub(super) async fn finished(&self) -> State {
        let mut state = self.state.subscribe();
        match state.wait_for(|state| !matches!(state, State::Running)).await {
            Ok(state) => state.clone(),
            // The sender lives in this query.
            Err(_) => State::Running,
        }
    }

    /// Stops it. One that is over stays as it is.
    pub(super) fn cancel(&self) {
        if let Some(task) = &self.task {
            task.abort();
        }
        let text = "the query was cancelled".to_owned();
        settle(&self.state, State::Failed(Arc::new(Failure { text, code: "CANCELLED" })));
    }

    fn is_over(&self) -> bool {
        !matches!(*self.state.borrow(), State::Running)
    }

    fn bytes(&self) -> usize {
        match &*self.state.borrow() {
            State::Done(rows) => rows.bytes,
            _ => 0,
        }
    }
}

/// The first outcome of a query is its outcome.
fn settle(state: &watch::Sender<State>, outcome: State) {
    state.send_if_modified(|state| match state {
        State::Running => {
            *state = outcome;
            true
        }
        _ => false,
    });
}

impl Failure {
    pub(super) fn of(error: &Error) -> Self {
        Self { text: error.to_string(), code: error.code() }
    }
}

async fn collect(
    engine: &Engine,
    principal: &Principal,
    request: Request,
    most: usize,
) -> Result<Rows, Error> {
    let mut answer = engine.query(principal, request).await?;
    let (mut batches, mut count, mut bytes) = (Vec::new(), 0, 0);
    while let Some(batch) = answer.stream.next().await {
        let batch: RecordBatch = batch.map_err(engine::Error::from)?;
        count += batch.num_rows();
        bytes += batch.get_array_memory_size();
        if bytes > most {
            let text = format!(
                "the result is larger than {} MiB: add a filter or a limit, or ask over Arrow Flight SQL",
                most >> 20
            );
            return Err(Error::Limit(text));
        }
        batches.push(batch);
    }
    Ok(Rows { sql: answer.provenance.sql, schema: answer.schema, batches, count, bytes })
}
