//! From a question to its answer: out of memory while nothing has changed, else worked out, once for
//! all that ask the same at the same time (CCH-2).

use std::sync::Arc;

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use datafusion::{
    common::DataFusionError, execution::SendableRecordBatchStream,
    physical_plan::stream::RecordBatchStreamAdapter,
};
use futures::{StreamExt, stream};
use model::Offset;

use crate::{
    Answer, CacheUse, Engine, Error, Provenance, QueryOptions, Request, explain,
    planning::{Executable, Planning},
    results::{Entry, Flight, Joined, Key, compact},
    run::{self, Deadline, Limits},
    semantic_layer,
    stop::Stop,
};

/// The policy of every principal, until there are policies (CCH-3).
pub(crate) const POLICY: u64 = 0;
/// A question waits for its equals at most so often: the second one began after it was asked.
const WAITS: usize = 2;

pub(crate) async fn answer(
    engine: &Engine,
    request: Request,
    options: &QueryOptions,
) -> Result<Answer, Error> {
    let since = engine.acknowledged();
    engine.fresh().await?;
    let (request, explain) = explain::split(request)?;
    let request = semantic_layer::lowered(request)?;
    if let Some(explain) = explain {
        return explain::answer(engine, request, options, explain).await;
    }
    let key = Key::new(engine.catalog().version, POLICY, options, &request);
    let deadline = engine.deadline();
    let mut flight = None;
    if options.read_cache {
        for _ in 0..WAITS {
            if let Some(answer) = from_memory(engine, &key, &request, None)? {
                return Ok(answer);
            }
            if engine.results().is_large(&key) {
                break;
            }
            match engine.results().join(&key) {
                Joined::Lead(lead) => {
                    flight = Some(lead);
                    break;
                }
                Joined::Wait(mut ends) => {
                    // It closes when the other one is done, also when that was cancelled.
                    _ = deadline.wait(ends.changed()).await?;
                    if let Some(answer) = from_memory(engine, &key, &request, Some(since))? {
                        return Ok(answer);
                    }
                }
            }
        }
    }
    work_out(engine, request, options, Work { key, flight, deadline }).await
}

/// The answer of an equal question, if it is right now, or if it has every event before `since`.
fn from_memory(
    engine: &Engine,
    key: &Key,
    request: &Request,
    since: Option<Offset>,
) -> Result<Option<Answer>, Error> {
    let Some(entry) = engine.results().last(key) else { return Ok(None) };
    let today = engine.today();
    // What is visible is looked at first: nothing has changed up to there if nothing has changed later.
    let visible = engine.visible();
    let as_of = if entry.reads.is_current(today) {
        visible
    } else if since.is_some_and(|since| entry.as_of >= since) && entry.reads.same_day(today) {
        entry.as_of
    } else {
        return Ok(None);
    };
    let metrics = match request {
        Request::Metrics(query) => query.metrics.as_slice(),
        Request::Sql { .. } => &[],
    };
    let (schema, batches) = entry.ordered(metrics).map_err(DataFusionError::from)?;
    let provenance = Provenance {
        query_id: engine.next_query_id(),
        as_of,
        catalog_version: engine.catalog().version,
        sql: entry.sql.clone(),
        truncated: false,
        cache: CacheUse::Hit,
        tables: entry.reads.names(),
        warnings: Vec::new(),
    };
    Ok(Some(Answer { stream: in_memory(&schema, batches), schema, provenance }))
}

/// What is needed to work a question out.
struct Work {
    key: Key,
    flight: Option<Flight>,
    deadline: Deadline,
}

async fn work_out(
    engine: &Engine,
    request: Request,
    options: &QueryOptions,
    work: Work,
) -> Result<Answer, Error> {
    let Work { key, flight, deadline } = work;
    let metrics = match &request {
        Request::Metrics(query) => query.metrics.clone(),
        Request::Sql { .. } => Vec::new(),
    };
    let limits = engine.limits(deadline, Stop::at(deadline));
    let (as_of, catalog_version, ready) = plan(engine, &key, request, options, &limits).await?;
    let provenance = Provenance {
        query_id: engine.next_query_id(),
        as_of,
        catalog_version,
        sql: ready.sql.clone(),
        truncated: false,
        cache: CacheUse::Miss,
        tables: ready.reads.names(),
        warnings: Vec::new(),
    };
    tracing::debug!(query = %provenance.query_id, "worked out");
    let Executable { plan, context, schema, sql, reads, .. } = ready;
    let mut rows: SendableRecordBatchStream =
        Box::pin(run::start(plan, context, &schema, limits, engine.runtime()));
    if !reads.can_repeat() || engine.results().is_large(&key) {
        drop(flight);
        return Ok(Answer { schema, stream: rows, provenance });
    }
    match gather(&mut rows, engine.results().most()).await? {
        Gathered::All(batches) => {
            let entry =
                Entry { schema: Arc::clone(&schema), batches: batches.clone(), reads, as_of, sql, metrics };
            engine.results().keep(key, entry);
            drop(flight);
            Ok(Answer { stream: in_memory(&schema, batches), schema, provenance })
        }
        Gathered::Part(first) => {
            engine.results().too_large(key);
            drop(flight);
            let all = stream::iter(first.into_iter().map(Ok)).chain(rows);
            let stream = Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&schema), all));
            Ok(Answer { schema, stream, provenance })
        }
    }
}

/// Plans on the queries' runtime, and keeps what can be used again.
pub(crate) async fn plan(
    engine: &Engine,
    key: &Key,
    request: Request,
    options: &QueryOptions,
    limits: &Limits,
) -> Result<(Offset, u64, Executable), Error> {
    let planning = Planning::new(engine, options, &limits.stop);
    let (as_of, version) = (planning.names.as_of(), planning.definitions.version);
    let kept = engine.plans().get(key).filter(|kept| kept.fits(engine.today()));
    let step = async move { planning.executable(request, kept).await };
    let guard = limits.stop.guard();
    let ready = limits.deadline.run(engine.runtime(), step).await?;
    guard.release();
    if let Some(kept) = &ready.kept {
        engine.plans().insert(key.clone(), Arc::clone(kept));
    }
    Ok((as_of, version, ready))
}

enum Gathered {
    All(Vec<RecordBatch>),
    /// The first batches of an answer that is too large to keep.
    Part(Vec<RecordBatch>),
}

async fn gather(rows: &mut SendableRecordBatchStream, most: usize) -> Result<Gathered, Error> {
    let mut batches = Vec::new();
    let mut bytes = 0;
    while let Some(batch) = rows.next().await {
        let batch = compact(&batch?).map_err(DataFusionError::from)?;
        bytes += batch.get_array_memory_size();
        batches.push(batch);
        if bytes > most {
            return Ok(Gathered::Part(batches));
        }
    }
    Ok(Gathered::All(batches))
}

pub(crate) fn in_memory(schema: &SchemaRef, batches: Vec<RecordBatch>) -> SendableRecordBatchStream {
    let rows = stream::iter(batches.into_iter().map(Ok));
    Box::pin(RecordBatchStreamAdapter::new(Arc::clone(schema), rows))
}
