use std::time::Duration;

use model::{AudienceName, Secret, Timestamp};

/// A webhook (`audiences.md` §8).
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Its name: cursor, retries and dead letters are kept under it.
    pub name: String,
    /// Where changes are posted.
    pub url: String,
    /// `whsec_..` secrets; every listed one signs.
    pub secrets: Vec<Secret<String>>,
    /// Which audiences; empty for all.
    pub audiences: Vec<AudienceName>,
    /// Most changes in one request.
    pub batch_max: usize,
    /// How long a change waits for company under load.
    pub batch_linger: Duration,
}

/// Whether an endpoint gets deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointState {
    /// Changes are posted as they come.
    Active,
    /// Too many requests failed: the cursor waits and one request probes.
    Open,
    /// The receiver answered 410, or only failed for days. Stays so over restarts, until it is enabled.
    Disabled,
}

/// How an endpoint is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointStatus {
    /// Which endpoint.
    pub name: String,
    /// Whether it gets deliveries.
    pub state: EndpointState,
    /// Everything up to this `seq` was delivered or is stored for a retry.
    pub cursor: u64,
    /// Changes after the cursor.
    pub behind: u64,
    /// Changes that wait for a retry.
    pub waiting: u64,
    /// Changes whose schedule is used up.
    pub dead: u64,
    /// Last success.
    pub delivered_at: Option<Timestamp>,
    /// Last failure and its text.
    pub failure: Option<(Timestamp, String)>,
}
