//! Threads beside those that serve.

use tokio::runtime::{Handle, Runtime};

/// A runtime that ends without waiting, wherever it is dropped. Dropping a bare runtime waits for its
/// tasks, which tokio forbids in asynchronous code: there it panics, and hides why the process ends.
#[derive(Debug)]
pub(crate) struct Threads(Option<Runtime>);

impl Threads {
    pub(crate) fn new(runtime: Runtime) -> Self {
        Self(Some(runtime))
    }

    pub(crate) fn handle(&self) -> &Handle {
        self.0.as_ref().expect("the runtime is taken when it is dropped, and not before").handle()
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn asynchronous_code_may_drop_them_while_they_work() {
        let threads = Threads::new(Runtime::new().unwrap());
        let task = threads.handle().spawn(std::future::pending::<()>());
        drop(threads);
        assert!(task.await.unwrap_err().is_cancelled());
    }
}
