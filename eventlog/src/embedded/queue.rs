use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

use crate::{AppendError, Appended, body::Body, embedded::OVERLOADED};

/// An append that waits for its commit.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) body: Body,
    pub(crate) reply: oneshot::Sender<Result<Appended, AppendError>>,
}

impl Pending {
    /// What it counts for in the queue: its bytes and what it takes beside them.
    fn weight(&self) -> usize {
        self.body.bytes.len() + size_of::<Self>()
    }
}

/// What the writer does next.
#[derive(Debug)]
pub(crate) enum Work {
    /// Commit these together.
    Group(Vec<Pending>),
    /// Look for segments to remove.
    Retention,
    /// End: nothing waits, and nothing more will come.
    Stop,
}

/// Appends on their way to the writer, bounded in bytes.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    limit: usize,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Pending>,
    bytes: usize,
    retention: bool,
    closed: bool,
}

impl Queue {
    pub(crate) fn new(limit: usize) -> Self {
        Self { state: Mutex::default(), changed: Condvar::new(), limit }
    }

    /// Adds an append, or refuses it at once. An empty queue takes one of any size.
    pub(crate) fn push(&self, pending: Pending) -> Result<(), AppendError> {
        let mut state = self.state();
        if state.closed {
            return Err(AppendError::Failed);
        }
        let weight = pending.weight();
        if !state.waiting.is_empty() && state.bytes + weight > self.limit {
            return Err(OVERLOADED);
        }
        state.bytes += weight;
        state.waiting.push_back(pending);
        self.changed.notify_one();
        Ok(())
    }

    /// Waits for something to do. A group has at least one append, and further ones up to `max_bytes`.
    pub(crate) fn take(&self, max_bytes: usize) -> Work {
        let mut state = self.state();
        loop {
            if !state.waiting.is_empty() {
                return Work::Group(state.group(max_bytes));
            }
            if state.closed {
                return Work::Stop;
            }
            if std::mem::take(&mut state.retention) {
                return Work::Retention;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Has the writer look for segments to remove.
    pub(crate) fn ask_retention(&self) {
        self.state().retention = true;
        self.changed.notify_one();
    }

    /// Takes no more appends. Those that wait are still committed.
    pub(crate) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_one();
    }

    /// Takes no more appends and returns those that wait, to be refused.
    pub(crate) fn fail(&self) -> Vec<Pending> {
        let mut state = self.state();
        state.closed = true;
        state.bytes = 0;
        state.waiting.drain(..).collect()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.state().bytes
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn group(&mut self, max_bytes: usize) -> Vec<Pending> {
        let mut group = Vec::new();
        let mut bytes = 0;
        while let Some(pending) = self.waiting.front() {
            let length = pending.body.bytes.len();
            if !group.is_empty() && bytes + length > max_bytes {
                break;
            }
            bytes += length;
            self.bytes -= pending.weight();
            group.extend(self.waiting.pop_front());
        }
        group
    }
}
