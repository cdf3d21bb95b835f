use std::{
    collections::HashMap,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use arrow_flight::FlightData;
use futures::Stream;
use parking_lot::Mutex;
use tokio::sync::watch;
use tonic::Status;

use crate::rows::Messages;

/// Running answers by the nonce of their ticket, so that another connection can cancel them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Running {
    stops: Arc<Mutex<HashMap<u64, Stop>>>,
}

/// One ticket may run several times at once.
#[derive(Debug)]
struct Stop {
    signal: watch::Sender<bool>,
    runs: usize,
}

impl Running {
    /// Makes an answer cancellable while it runs.
    pub(crate) fn track(&self, nonce: u64, messages: Messages) -> Messages {
        let mut stops = self.stops.lock();
        let stop = stops.entry(nonce).or_insert_with(|| Stop { signal: watch::Sender::new(false), runs: 0 });
        stop.runs += 1;
        let mut signal = stop.signal.subscribe();
        drop(stops);
        let stopped = Box::pin(async move {
            // An error means that the sender is gone, and then nobody cancels any more.
            if signal.wait_for(|stop| *stop).await.is_err() {
                std::future::pending::<()>().await;
            }
        });
        let run = Run { nonce, running: self.clone() };
        Box::pin(Cancellable { messages: Some(messages), stopped, _run: run })
    }

    /// Stops all runs of a ticket; false if there are none.
    pub(crate) fn cancel(&self, nonce: u64) -> bool {
        match self.stops.lock().get(&nonce) {
            Some(stop) => stop.signal.send(true).is_ok(),
            None => false,
        }
    }
}

/// Takes itself off the list when it ends.
struct Run {
    nonce: u64,
    running: Running,
}

impl Drop for Run {
    fn drop(&mut self) {
        let mut stops = self.running.stops.lock();
        if let Some(stop) = stops.get_mut(&self.nonce) {
            stop.runs -= 1;
            if stop.runs == 0 {
                stops.remove(&self.nonce);
            }
        }
    }
}

struct Cancellable {
    messages: Option<Messages>,
    stopped: Pin<Box<dyn Future<Output = ()> + Send>>,
    _run: Run,
}

impl Stream for Cancellable {
    type Item = Result<FlightData, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { messages, stopped, .. } = &mut *self;
        let Some(running) = messages else { return Poll::Ready(None) };
        if stopped.as_mut().poll(context).is_ready() {
            *messages = None;
            return Poll::Ready(Some(Err(Status::cancelled("the query was cancelled"))));
        }
        running.as_mut().poll_next(context)
    }
}
