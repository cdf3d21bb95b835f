use std::fmt;

use hmac::{Hmac, Mac};
use model::ProfileId;
use sha2::Sha256;

/// Domain separation: another use of the tenant key can never give a profile id.
const DOMAIN: &[u8] = b"etalon/profile-id/1\0";

/// The tenant's secret behind every profile id: destroying it makes the ids unlinkable.
#[derive(Clone, PartialEq, Eq)]
pub struct TenantKey(pub [u8; 32]);

impl fmt::Debug for TenantKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TenantKey(***)")
    }
}

/// The possible id of a record (`identity.md` §5); a profile shows that of its anchor.
pub fn profile_id(key: &TenantKey, rid: &str) -> ProfileId {
    IdMaker::new(key).make(rid)
}

/// The keyed hash with its key schedule done, so that an id costs one short hash.
#[derive(Clone)]
pub(crate) struct IdMaker(Hmac<Sha256>);

impl fmt::Debug for IdMaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdMaker(***)")
    }
}

impl IdMaker {
    pub(crate) fn new(key: &TenantKey) -> Self {
        Self(Hmac::new_from_slice(&key.0).expect("an HMAC key may have any length"))
    }

    pub(crate) fn make(&self, rid: &str) -> ProfileId {
        let mut mac = self.0.clone();
        mac.update(DOMAIN);
        mac.update(rid.as_bytes());
        let digest = mac.finalize().into_bytes();
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        id[6] = id[6] & 0x0f | 0x80;
        id[8] = id[8] & 0x3f | 0x80;
        ProfileId(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rid: &str, expect: &str) {
        let key = TenantKey(std::array::from_fn(|i| i as u8));
        assert_eq!(profile_id(&key, rid).to_string(), expect, "{rid}");
    }

    #[test]
    fn the_published_vectors_hold() {
        check("crm:0031x", "2009e11b-eb9a-82d8-b2cb-4b34668a26c2");
        check("web:anon:Zoë/7", "f2e28727-6c79-8917-9f92-222b3f4d17d1");
        check("web:user:u1", "efb66e7e-e86f-85af-8acb-ee2aff13a9c7");
    }

    #[test]
    fn a_key_never_shows_in_debug_output() {
        assert_eq!(format!("{:?}", TenantKey([7; 32])), "TenantKey(***)");
    }
}
