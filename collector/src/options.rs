use std::{net::IpAddr, str::FromStr, time::Duration};

use model::{Secret, SourceName};

/// Limits and waits of the collector.
#[derive(Debug, Clone)]
pub struct Options {
    /// Bytes of one request, inflated; above it 413. Also the most that inflating may cost.
    pub max_request_bytes: usize,
    /// Bytes of one event; above it that event alone is quarantined.
    pub max_event_bytes: usize,
    /// Properties of one event; above it that event alone is quarantined.
    pub max_properties: usize,
    /// Paths below which every endpoint also answers, such as `/analytics` (ad blockers know `/v1/t`).
    pub path_prefixes: Vec<String>,
    /// How long a request is held while the log cannot take it, before it is answered 429 (C-9).
    pub hold: Duration,
    /// How long a client may take to send its body (C-28).
    pub body_timeout: Duration,
    /// Bytes of requests waiting for their commit; above it requests are answered 429 at once.
    pub max_waiting_bytes: usize,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// How repeated messages are recognised.
    pub dedup: DedupOptions,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_request_bytes: 5 << 20,
            max_event_bytes: 1 << 20,
            max_properties: 10_000,
            path_prefixes: Vec::new(),
            hold: Duration::from_secs(8),
            body_timeout: Duration::from_secs(30),
            max_waiting_bytes: 256 << 20,
            trusted_proxies: Vec::new(),
            dedup: DedupOptions::default(),
        }
    }
}

/// How repeated messages are recognised.
///
/// Memory: 24 bytes and table slack (25 to 50 in all) for each of at most about `3 * hot_keys` hot
/// keys, and 2 bytes of filter for each older key; so 20 to 80 MB hot with the defaults, and 140 MB of
/// filters for 70 million older keys. Disk: 24 bytes a key.
#[derive(Debug, Clone)]
pub struct DedupOptions {
    /// How long a message id is remembered; zero turns deduplication off.
    pub window: Duration,
    /// Keys held in memory before they are written out as one sorted run.
    pub hot_keys: usize,
    /// Keys remembered at all; beyond it the oldest run is forgotten before its window ends (counted;
    /// the warehouse still merges on (source, id)).
    pub max_keys: u64,
}

impl Default for DedupOptions {
    fn default() -> Self {
        Self { window: Duration::from_secs(7 * 86_400), hot_keys: 1 << 19, max_keys: 200_000_000 }
    }
}

/// Which vendor's contract a write key follows: success body, timestamp rule and IP rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// Segment.
    Segment,
    /// RudderStack.
    RudderStack,
}

/// What is kept of the sender's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IpRule {
    /// All of it.
    #[default]
    Keep,
    /// The /24 (IPv4) or /48 (IPv6) network.
    Truncate,
    /// Nothing.
    Drop,
}

/// A write key and the source it stands for.
#[derive(Debug, Clone)]
pub struct WriteKey {
    /// What SDKs send.
    pub key: Secret<String>,
    /// The source its events belong to. Several keys may share one.
    pub source: SourceName,
    /// The vendor's contract it follows.
    pub flavour: Flavour,
    /// A disabled key is answered 404 `source_disabled`.
    pub enabled: bool,
    /// Browser origins that may read answers; empty = any.
    pub origins: Vec<String>,
    /// What is kept of the sender's address.
    pub ip: IpRule,
}

/// A range of addresses, `10.0.0.0/8` or a single address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// A text that is no range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a network is an address, or an address and a prefix length such as 10.0.0.0/8")]
pub struct ParseNetworkError;

impl Network {
    /// Whether `ip` lies in the range.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let shared = match (self.address.to_canonical(), ip.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            _ => return false,
        };
        shared >= u32::from(self.prefix)
    }
}

impl FromStr for Network {
    type Err = ParseNetworkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.trim().parse().map_err(|_| ParseNetworkError)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(most), |p| p.trim().parse()).map_err(|_| ParseNetworkError)?;
        if prefix > most {
            return Err(ParseNetworkError);
        }
        Ok(Self { address, prefix })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_the_addresses_that_share_its_prefix() {
        let inside =
            |network: &str, ip: &str| network.parse::<Network>().unwrap().contains(ip.parse().unwrap());
        assert!(inside("10.0.0.0/8", "10.200.1.1"));
        assert!(inside("10.0.0.0/8", "::ffff:10.1.1.1"));
        assert!(!inside("10.0.0.0/8", "11.0.0.1"));
        assert!(inside("::1", "::1"));
        assert!(inside("0.0.0.0/0", "1.2.3.4"));
        for text in ["", "10.0.0.0/33", "ten", "10.0.0.0/x"] {
            assert_eq!(text.parse::<Network>(), Err(ParseNetworkError), "{text}");
        }
    }
}
