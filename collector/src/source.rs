use std::{collections::HashMap, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use model::{Secret, SourceName};
use sha2::{Digest, Sha256};

use crate::{Error, Flavour, IpRule, WriteKey, statistics::SourceCounters};

/// A source as requests meet it.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) name: SourceName,
    pub(crate) flavour: Flavour,
    pub(crate) enabled: bool,
    pub(crate) ip: IpRule,
    key: Secret<String>,
    origins: Vec<String>,
    pub(crate) counters: Arc<SourceCounters>,
}

impl Source {
    /// Whether a page of `origin` may read answers.
    pub(crate) fn allows(&self, origin: &str) -> bool {
        self.origins.is_empty() || self.origins.iter().any(|o| o == "*" || o == origin)
    }

    /// The key, for the configuration an SDK fetches with it.
    pub(crate) fn key(&self) -> &str {
        self.key.expose()
    }
}

/// All write keys. Looked up by digest, so the time a lookup takes says nothing about a key.
#[derive(Debug)]
pub(crate) struct Sources {
    by_key: HashMap<[u8; 32], Arc<Source>>,
    all: Vec<Arc<Source>>,
}

impl Sources {
    pub(crate) fn new(keys: Vec<WriteKey>) -> Result<Self, Error> {
        let mut counters: HashMap<SourceName, Arc<SourceCounters>> = HashMap::new();
        let mut sources = Self { by_key: HashMap::new(), all: Vec::new() };
        for key in keys {
            let digest = digest(key.key.expose());
            let source = Arc::new(Source {
                counters: Arc::clone(counters.entry(key.source.clone()).or_default()),
                name: key.source,
                flavour: key.flavour,
                enabled: key.enabled,
                ip: key.ip,
                key: key.key,
                origins: key.origins,
            });
            if sources.by_key.insert(digest, Arc::clone(&source)).is_some() {
                return Err(Error::RepeatedKey { source_name: source.name.to_string() });
            }
            sources.all.push(source);
        }
        Ok(sources)
    }

    /// The source of a write key.
    pub(crate) fn find(&self, key: &str) -> Option<&Arc<Source>> {
        self.by_key.get(&digest(key))
    }

    /// A source by its name, for replaying its dead letters: the first enabled key of it.
    pub(crate) fn named(&self, name: &str) -> Option<&Arc<Source>> {
        let of_name = || self.all.iter().filter(|s| s.name.as_str() == name);
        of_name().find(|s| s.enabled).or_else(|| of_name().next())
    }

    /// Counters of each source, once.
    pub(crate) fn counters(&self) -> impl Iterator<Item = (&SourceName, &SourceCounters)> {
        let first = |i: usize| !self.all[..i].iter().any(|s| s.name == self.all[i].name);
        self.all.iter().enumerate().filter(move |(i, _)| first(*i)).map(|(_, s)| (&s.name, &*s.counters))
    }
}

fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

/// The write key of an `Authorization: Basic` header: the user name, with or without a colon after it.
/// Any other scheme is skipped, so that the next place is tried.
pub(crate) fn basic_key(header: &str) -> Option<String> {
    let (scheme, credentials) = header.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(credentials.trim()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let key = text.split(':').next().unwrap_or_default();
    (!key.is_empty()).then(|| key.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(key: &str, source: &str) -> WriteKey {
        WriteKey {
            key: Secret::new(key.to_owned()),
            source: source.into(),
            flavour: Flavour::Segment,
            enabled: true,
            origins: Vec::new(),
            ip: IpRule::Keep,
        }
    }

    #[test]
    fn a_basic_header_gives_its_user_name() {
        let check =
            |header: &str, expect: Option<&str>| assert_eq!(basic_key(header).as_deref(), expect, "{header}");
        check("Basic V0s6", Some("WK"));
        check("basic V0s=", Some("WK"));
        check("Basic V0s6c2VjcmV0", Some("WK"));
        check("Bearer V0s6", None);
        check("Basic !!", None);
        check("Basic Og==", None);
        check("Basic", None);
    }

    #[test]
    fn a_key_finds_its_source_and_counters_are_shared_by_name() {
        let sources = Sources::new(vec![key("a", "web"), key("b", "web"), key("c", "app")]).unwrap();
        assert_eq!(sources.find("c").unwrap().name.as_str(), "app");
        assert!(sources.find("d").is_none());
        assert_eq!(sources.counters().count(), 2);
        assert!(Sources::new(vec![key("a", "web"), key("a", "app")]).is_err());
    }
}
