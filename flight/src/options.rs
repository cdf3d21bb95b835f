use std::{sync::Arc, time::Duration};

use model::{Clock, Secret};
use rand::{RngCore, SeedableRng, rngs::StdRng};

/// How the service signs and keeps what it hands out.
#[derive(Debug, Clone)]
pub struct Options {
    /// Tickets are signed with the first key; all keys are accepted, so that keys can be rotated and
    /// several servers can share them.
    pub signing_keys: Vec<Secret<[u8; 32]>>,
    /// How long a ticket can be used.
    pub ticket_lifetime: Duration,
    /// Prepared statements that are kept; the least recently used goes first.
    pub prepared_statements: u64,
    /// A prepared statement that is not used for this long is dropped.
    pub prepared_idle: Duration,
    /// Sessions whose settings are kept; the least recently used goes first.
    pub sessions: u64,
    /// A session that is not used for this long is forgotten.
    pub session_idle: Duration,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
}

impl Options {
    /// The defaults, with a key of this process alone: tickets end with it.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let mut key = [0; 32];
        StdRng::from_os_rng().fill_bytes(&mut key);
        Self {
            signing_keys: vec![Secret::new(key)],
            ticket_lifetime: Duration::from_secs(15 * 60),
            prepared_statements: 10_000,
            prepared_idle: Duration::from_secs(60 * 60),
            sessions: 10_000,
            session_idle: Duration::from_secs(60 * 60),
            clock,
        }
    }
}
