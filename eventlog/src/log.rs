use std::future::Future;

use model::{NewRecord, Offset, Timestamp};
use tokio::sync::watch;

use crate::{AppendError, Batch, Error};

/// A durable, totally ordered sequence of records. [`crate::testing::conformance`] says in tests what
/// every implementation promises.
pub trait Log: Clone + Send + Sync + 'static {
    /// Resolves after the records are durable (LOG-1). All records of one call are one all-or-nothing
    /// unit with dense offsets.
    ///
    /// A future dropped before it resolves leaves open whether its records are stored: all or none.
    fn append(&self, records: Vec<NewRecord>) -> impl Future<Output = Result<Appended, AppendError>> + Send;

    /// Blocking. Records from `from` up to about `max_bytes` and at least one, never past the durable
    /// end; empty when `from == end()`. A hole is named once, by [`Error::Damaged`]: read on at its `next`.
    fn read(&self, from: Offset, max_bytes: usize) -> Result<Batch, Error>;

    /// The oldest retained record.
    fn start(&self) -> Offset;

    /// The next offset after the last durable record.
    fn end(&self) -> Offset;

    /// Follows [`Log::end`].
    fn watch_end(&self) -> watch::Receiver<Offset>;

    /// A consumer has consumed everything before `upto`: retention may pass it.
    fn release(&self, consumer: &str, upto: Offset);
}

/// Where records went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Offset of the first record.
    pub first: Offset,
    /// Offset after the last record.
    pub next: Offset,
    /// The log's clock, the `at` of every one of them.
    pub at: Timestamp,
}
