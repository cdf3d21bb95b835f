//! Who asks: bearer keys against stored hashes.

use std::{fmt::Write as _, sync::Arc};

use model::Principal;
use sha2::{Digest as _, Sha256};

use crate::config::ApiKey;

/// Turns a bearer credential into a principal; `None` refuses the call.
pub(crate) type Auth = Arc<dyn Fn(Option<&str>) -> Option<Principal> + Send + Sync>;

/// Without any API key every caller is the local administrator (the configuration then allows
/// loopback only). The first key ends that.
pub(crate) fn authenticator(keys: &[ApiKey]) -> Auth {
    if keys.is_empty() {
        return Arc::new(|_| Some(Principal::local_admin()));
    }
    let keys: Vec<(String, Principal)> = keys
        .iter()
        .map(|key| {
            let roles = key.roles.iter().map(|role| role.as_str().into()).collect();
            (key.hash.to_ascii_lowercase(), Principal { name: key.name.as_str().into(), roles })
        })
        .collect();
    Arc::new(move |credential| {
        let hash = hash(credential?);
        let mut found = None;
        for (stored, principal) in &keys {
            if equal(stored.as_bytes(), hash.as_bytes()) {
                found = Some(principal.clone());
            }
        }
        found
    })
}

fn hash(key: &str) -> String {
    Sha256::digest(key.as_bytes()).iter().fold(String::with_capacity(64), |mut out, byte| {
        // Writing to a String cannot fail.
        _ = write!(out, "{byte:02x}");
        out
    })
}

/// Compares without leaving early, so that the time taken tells nothing about the key.
fn equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, key: &str) -> ApiKey {
        ApiKey { name: name.into(), hash: hash(key), roles: vec!["analyst".into()] }
    }

    #[test]
    fn without_keys_callers_are_local_administrators() {
        let auth = authenticator(&[]);
        assert_eq!(auth(None), Some(Principal::local_admin()));
    }

    #[test]
    fn the_first_key_ends_that() {
        let auth = authenticator(&[key("bi", "sk_1"), key("crm", "sk_2")]);
        assert_eq!(auth(None), None);
        assert_eq!(auth(Some("sk_3")), None);
        assert_eq!(auth(Some("sk_1x")), None);
        assert_eq!(&*auth(Some("sk_2")).unwrap().name, "crm");
    }
}
