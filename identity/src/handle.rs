use std::sync::Arc;

use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::Identity;

/// The live identity state, shared: the pipeline writes, queries read.
///
/// Guards are short-lived: never hold one across an await.
#[derive(Debug, Clone)]
pub struct Handle(Arc<RwLock<Identity>>);

impl Handle {
    /// Shares a state.
    pub fn new(identity: Identity) -> Self {
        Self(Arc::new(RwLock::new(identity)))
    }

    /// The state as of the last finished observation.
    pub fn read(&self) -> RwLockReadGuard<'_, Identity> {
        self.0.read()
    }

    /// Exclusive access, for the pipeline alone.
    pub fn write(&self) -> RwLockWriteGuard<'_, Identity> {
        self.0.write()
    }
}
