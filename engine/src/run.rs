//! Running a plan on the queries' own runtime.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use datafusion::{
    common::{DataFusionError, Result},
    execution::{RecordBatchStream, TaskContext},
    physical_plan::{ExecutionPlan, execute_stream},
};
use futures::{Stream, StreamExt};
use tokio::{
    runtime::Handle,
    sync::mpsc::{self, Receiver, Sender},
    task::AbortHandle,
    time::{Instant, timeout_at},
};

use crate::{
    Error, fit,
    stop::{Guard, Stop},
};

/// Batches that wait for a slow reader.
const READ_AHEAD: usize = 2;

/// When a query must be over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    at: Instant,
    after: std::time::Duration,
}

impl Deadline {
    pub(crate) fn after(after: std::time::Duration) -> Self {
        Self { at: Instant::now() + after, after }
    }

    /// Runs a step of a query on its runtime; the step stops when this future is dropped.
    pub(crate) async fn run<T: Send + 'static>(
        self,
        runtime: &Handle,
        step: impl Future<Output = std::result::Result<T, Error>> + Send + 'static,
    ) -> std::result::Result<T, Error> {
        let task = runtime.spawn(step);
        let _stop = StopOnDrop(task.abort_handle());
        match timeout_at(self.at, task).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(panic)) => Err(Error::internal(panic)),
            Err(_) => Err(self.passed()),
        }
    }

    /// Waits for something no longer than the query may take.
    pub(crate) async fn wait<T>(self, event: impl Future<Output = T>) -> std::result::Result<T, Error> {
        timeout_at(self.at, event).await.map_err(|_| self.passed())
    }

    pub(crate) fn is_over(self) -> bool {
        Instant::now() >= self.at
    }

    pub(crate) fn passed(self) -> Error {
        Error::Timeout(self.after)
    }
}

/// What a plan runs under.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub(crate) deadline: Deadline,
    /// What the plan's joins look at.
    pub(crate) stop: Stop,
    /// An answer with more rows is an error, never a shorter answer.
    pub(crate) result_rows: u64,
}

/// Starts a plan. The stream has exactly this schema, and stops the plan when it is dropped.
pub(crate) fn start(
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
    schema: &SchemaRef,
    limits: Limits,
    runtime: &Handle,
) -> Rows {
    let (sender, receiver) = mpsc::channel(READ_AHEAD);
    let announced = Arc::clone(schema);
    let Limits { deadline, stop, result_rows } = limits;
    let task = runtime.spawn(async move {
        let driven = drive(plan, context, &announced, result_rows, &sender);
        let last = match timeout_at(deadline.at, driven).await {
            Ok(Ok(())) => Item::End,
            Ok(Err(error)) => Item::Failed(error),
            Err(_) => Item::Failed(deadline.passed().into_stream_item()),
        };
        // The reader may be gone; then nobody waits for the last item.
        let _ = sender.send(last).await;
    });
    let ends = (stop.guard(), StopOnDrop(task.abort_handle()));
    Rows { schema: Arc::clone(schema), items: receiver, over: false, _ends: ends }
}

async fn drive(
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
    schema: &SchemaRef,
    most: u64,
    sender: &Sender<Item>,
) -> Result<()> {
    let mut batches = execute_stream(plan, context)?;
    let mut rows = 0;
    while let Some(batch) = batches.next().await {
        let batch = batch?;
        rows += batch.num_rows() as u64;
        if rows > most {
            return Err(Error::too_many_rows(most).into_stream_item());
        }
        if batch.num_rows() == 0 {
            continue;
        }
        if sender.send(Item::Rows(fit::batch(&batch, schema)?)).await.is_err() {
            break;
        }
    }
    Ok(())
}

#[derive(Debug)]
enum Item {
    Rows(RecordBatch),
    Failed(DataFusionError),
    End,
}

#[derive(Debug)]
struct StopOnDrop(AbortHandle);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The rows of a running query.
#[derive(Debug)]
pub(crate) struct Rows {
    schema: SchemaRef,
    items: Receiver<Item>,
    over: bool,
    _ends: (Guard, StopOnDrop),
}

impl Stream for Rows {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        let item = futures::ready!(self.items.poll_recv(context));
        self.over = !matches!(item, Some(Item::Rows(_)));
        Poll::Ready(match item {
            Some(Item::Rows(batch)) => Some(Ok(batch)),
            Some(Item::Failed(error)) => Some(Err(error)),
            Some(Item::End) => None,
            // The task went away without a word: never a clean end.
            None => Some(Err(Error::internal("the query's task ended early").into_stream_item())),
        })
    }
}

impl RecordBatchStream for Rows {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}
