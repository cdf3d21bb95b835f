use std::time::Duration;

use model::{AudienceName, Secret};

/// A webhook (`audiences.md` §8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Its name.
    pub name: String,
    /// Where changes are posted.
    pub url: String,
    /// `whsec_..` secrets; every listed one signs.
    pub secrets: Vec<Secret<String>>,
    /// Which audiences; empty for all.
    pub audiences: Vec<AudienceName>,
    /// Most changes in one request.
    pub batch_max: usize,
    /// How long a change waits for company.
    pub batch_linger: Duration,
}
