use std::sync::Arc;

use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::Engine;

/// The engine as one writer and many readers share it.
///
/// The writer holds the lock from the first call of a record to `take_changes`, so that readers see
/// whole records only.
#[derive(Debug, Clone)]
pub struct Handle(Arc<RwLock<Engine>>);

impl Handle {
    /// Shares an engine.
    pub fn new(engine: Engine) -> Self {
        Self(Arc::new(RwLock::new(engine)))
    }

    /// For questions.
    pub fn read(&self) -> RwLockReadGuard<'_, Engine> {
        self.0.read()
    }

    /// For records.
    pub fn write(&self) -> RwLockWriteGuard<'_, Engine> {
        self.0.write()
    }
}
