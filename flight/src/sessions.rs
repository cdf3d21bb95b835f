//! What a client's session keeps: its settings, by the cookie that the client brings back.

use std::{collections::BTreeMap, sync::Arc};

use engine::QueryOptions;
use model::Principal;
use moka::{policy::EvictionPolicy, sync::Cache};
use tonic::metadata::{MetadataMap, MetadataValue};

use crate::{
    Options,
    session_messages::{OptionValue, SetErrorKind},
    statements::Settings,
    ticket::{Ticket, fingerprint},
};

const COOKIE: &str = "arrow_flight_session_id";

/// Settings by session; bounded in number and in idle time.
#[derive(Debug)]
pub(crate) struct Sessions {
    settings: Cache<Session, Arc<Settings>>,
}

/// A session: of a principal, so that nobody else's cookie opens it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Session {
    owner: Vec<u8>,
    /// What the client's cookie says. A client without cookies has no session of its own.
    cookie: Option<String>,
}

impl Session {
    pub(crate) fn of(who: &Principal, headers: &MetadataMap) -> Self {
        Self { owner: fingerprint(who), cookie: cookie(headers) }
    }

    /// The cookie that a client without one is offered. It costs nothing until the client brings it back
    /// and sets something.
    pub(crate) fn offer(&self) -> Option<MetadataValue<tonic::metadata::Ascii>> {
        let id = [Ticket::fresh_nonce(), Ticket::fresh_nonce()].map(|part| format!("{part:016x}")).concat();
        let offer = self.cookie.is_none().then(|| format!("{COOKIE}={id}; Path=/; HttpOnly"));
        offer.and_then(|text| text.parse().ok())
    }

    /// Tells a client to forget its cookie.
    pub(crate) fn forget(&self) -> Option<MetadataValue<tonic::metadata::Ascii>> {
        self.cookie.as_ref().and_then(|_| format!("{COOKIE}=closed; Path=/; Max-Age=0").parse().ok())
    }
}

fn cookie(headers: &MetadataMap) -> Option<String> {
    let texts = headers.get_all("cookie").into_iter().filter_map(|header| header.to_str().ok());
    let mut pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let id = pairs.find(|(name, _)| *name == COOKIE)?.1.trim_matches('"');
    let ours = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    ours.then(|| id.to_owned())
}

impl Sessions {
    pub(crate) fn new(options: &Options) -> Self {
        let settings = Cache::builder()
            .max_capacity(options.sessions)
            .eviction_policy(EvictionPolicy::lru())
            .time_to_idle(options.session_idle)
            .build();
        Self { settings }
    }

    /// What the session has set.
    pub(crate) fn settings(&self, session: &Session) -> Settings {
        self.settings.get(session).map(|settings| (*settings).clone()).unwrap_or_default()
    }

    /// Every option of the session with its value.
    pub(crate) fn all(&self, session: &Session) -> BTreeMap<String, String> {
        let mut all = defaults();
        all.extend(self.settings(session));
        all
    }

    /// Sets options; none that is wrong keeps the others from being set.
    pub(crate) fn set(
        &self,
        session: &Session,
        wanted: impl IntoIterator<Item = (String, Option<OptionValue>)>,
    ) -> BTreeMap<String, SetErrorKind> {
        let mut settings = self.settings(session);
        let before = settings.clone();
        let mut faults = BTreeMap::new();
        for (name, value) in wanted {
            if let Err(fault) = set(&mut settings, &name, value, session.cookie.is_some()) {
                faults.insert(name, fault);
            }
        }
        if settings != before {
            self.settings.insert(session.clone(), Arc::new(settings));
        }
        faults
    }

    pub(crate) fn close(&self, session: &Session) {
        self.settings.invalidate(session);
    }
}

/// The options there are, with the values of a session that has set nothing.
fn defaults() -> BTreeMap<String, String> {
    let fixed =
        [("catalog", engine::CATALOG), ("timezone", "UTC")].map(|(n, v)| (n.to_owned(), v.to_owned()));
    let settings =
        QueryOptions::default().settings().map(|(name, value)| (name.to_owned(), value.to_owned()));
    fixed.into_iter().chain(settings).collect()
}

/// Sets one option. Without cookies there is no place for a value that differs from the default.
fn set(
    settings: &mut Settings,
    name: &str,
    value: Option<OptionValue>,
    keeps: bool,
) -> Result<(), SetErrorKind> {
    let defaults = defaults();
    let default = defaults.get(name).ok_or(SetErrorKind::InvalidName)?;
    let value = match value {
        None => default.clone(),
        Some(OptionValue::Text(text)) => text,
        Some(OptionValue::Boolean(on)) => if on { "on" } else { "off" }.to_owned(),
        Some(_) => return Err(SetErrorKind::InvalidValue),
    };
    let value = match name {
        "catalog" | "timezone" if value.eq_ignore_ascii_case(default) => default.clone(),
        "catalog" | "timezone" => return Err(SetErrorKind::InvalidValue),
        _ => {
            let mut options = QueryOptions::default();
            options.set(name, &value).map_err(|_| SetErrorKind::InvalidValue)?;
            let known = options.settings().into_iter().find(|(known, _)| *known == name);
            known.map(|(_, value)| value.to_owned()).ok_or(SetErrorKind::InvalidName)?
        }
    };
    if value == *default {
        settings.remove(name);
        return Ok(());
    }
    if !keeps {
        return Err(SetErrorKind::Error);
    }
    settings.insert(name.to_owned(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: &str, expect: Option<&str>) {
        let mut headers = MetadataMap::new();
        headers.insert("cookie", header.parse().unwrap());
        assert_eq!(cookie(&headers).as_deref(), expect, "{header}");
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let id = "0123456789abcdef0123456789abcdef";
        check(&format!("arrow_flight_session_id={id}"), Some(id));
        check(&format!("a=b; arrow_flight_session_id=\"{id}\"; c=d"), Some(id));
        check("arrow_flight_session_id=short", None);
        check("other=1", None);
    }
}
