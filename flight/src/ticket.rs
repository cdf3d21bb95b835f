use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use hmac::{Hmac, Mac};
use model::{Clock, Principal, Secret, Timestamp};
use moka::sync::Cache;
use prost::Message;
use rand::{RngCore, SeedableRng, rngs::StdRng};
use sha2::{Digest, Sha256};
use tonic::Status;

const VERSION: u8 = 2;
const KEY_ID_LENGTH: usize = 4;
const MAC_LENGTH: usize = 32;
/// A larger payload stays here, and the ticket names it by its nonce (FLT-2).
const MOST_BYTES: usize = 64 * 1024;
/// Memory for payloads that stay here.
const STORE_BYTES: u64 = 64 << 20;

/// All that is needed to run a described query, so that no server keeps it (FLT-2).
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Ticket {
    /// The statement.
    #[prost(string, tag = "1")]
    pub(crate) sql: String,
    /// Rows of parameters as an Arrow IPC stream; empty for none.
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) parameters: Bytes,
    /// Fingerprint of who asked.
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) principal: Vec<u8>,
    /// Fingerprint of what they may see.
    #[prost(bytes = "vec", tag = "8")]
    pub(crate) policy: Vec<u8>,
    /// The definitions it was planned with.
    #[prost(fixed64, tag = "4")]
    pub(crate) catalog_version: u64,
    /// Fingerprint of the announced schema.
    #[prost(bytes = "vec", tag = "5")]
    pub(crate) schema: Vec<u8>,
    /// Names this description, for cancelling.
    #[prost(fixed64, tag = "6")]
    pub(crate) nonce: u64,
    /// Last instant of use, microseconds since the epoch.
    #[prost(int64, tag = "7")]
    pub(crate) expires: i64,
    /// When it was signed, microseconds since the epoch.
    #[prost(int64, tag = "9")]
    pub(crate) issued: i64,
    /// The settings of the session it was described in.
    #[prost(btree_map = "string, string", tag = "10")]
    pub(crate) settings: BTreeMap<String, String>,
    /// Statement and parameters stay with the server that signed it.
    #[prost(bool, tag = "11")]
    pub(crate) stays: bool,
}

impl Ticket {
    pub(crate) fn fresh_nonce() -> u64 {
        StdRng::from_os_rng().next_u64()
    }

    pub(crate) fn expires(&self) -> Timestamp {
        Timestamp::from_micros(self.expires)
    }
}

/// Fingerprint of a principal.
pub(crate) fn fingerprint(principal: &Principal) -> Vec<u8> {
    digest(principal.name.as_bytes())
}

/// Fingerprint of what a principal may see: its roles, in any order.
pub(crate) fn policy(principal: &Principal) -> Vec<u8> {
    let mut roles: Vec<&str> = principal.roles.iter().map(|role| &**role).collect();
    roles.sort_unstable();
    let mut hash = Sha256::new();
    for role in roles {
        hash.update((role.len() as u64).to_be_bytes());
        hash.update(role.as_bytes());
    }
    hash.finalize().to_vec()
}

/// Fingerprint of bytes, such as an encoded schema.
pub(crate) fn digest(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(bytes).to_vec()
}

/// Signs tickets, and reads those that are signed.
#[derive(Debug)]
pub(crate) struct Signer {
    keys: Vec<Secret<[u8; 32]>>,
    lifetime: Duration,
    /// Statement and parameters of large tickets, by nonce.
    store: Cache<u64, (String, Bytes)>,
}

impl Signer {
    pub(crate) fn new(keys: Vec<Secret<[u8; 32]>>, lifetime: Duration) -> Self {
        let weigh = |_: &u64, (sql, parameters): &(String, Bytes)| {
            u32::try_from(sql.len() + parameters.len()).unwrap_or(u32::MAX)
        };
        let store = Cache::builder().max_capacity(STORE_BYTES).weigher(weigh).time_to_live(lifetime).build();
        Self { keys, lifetime, store }
    }

    /// The same ticket, from now on until its lifetime is over.
    pub(crate) fn dated(&self, ticket: Ticket, clock: &dyn Clock) -> Ticket {
        let now = clock.now();
        Ticket { issued: now.as_micros(), expires: now.plus(self.lifetime).as_micros(), ..ticket }
    }

    /// `version, key id, mac, payload`.
    pub(crate) fn seal(&self, ticket: &Ticket) -> Bytes {
        let mut payload = ticket.encode_to_vec();
        if payload.len() > MOST_BYTES {
            let (sql, parameters) = (String::new(), Bytes::new());
            payload = Ticket { sql, parameters, stays: true, ..ticket.clone() }.encode_to_vec();
            self.store.insert(ticket.nonce, (ticket.sql.clone(), ticket.parameters.clone()));
        }
        let mut sealed = Vec::with_capacity(1 + KEY_ID_LENGTH + MAC_LENGTH + payload.len());
        sealed.push(VERSION);
        if let Some(key) = self.keys.first() {
            sealed.extend_from_slice(&id(key));
            sealed.extend_from_slice(&mac(key, &payload).finalize().into_bytes());
        }
        sealed.extend_from_slice(&payload);
        sealed.into()
    }

    /// The ticket, if we signed it for this principal and its time is not over. All refusals but the
    /// last have the same words (FLT-3).
    pub(crate) fn open(&self, sealed: &[u8], who: &Principal, clock: &dyn Clock) -> Result<Ticket, Status> {
        let ours = |ticket: &Ticket| ticket.principal == fingerprint(who) && ticket.policy == policy(who);
        let ticket = self.verified(sealed).filter(ours).ok_or_else(unknown)?;
        if ticket.expires() < clock.now() {
            return Err(expired());
        }
        if !ticket.stays {
            return Ok(ticket);
        }
        // Another server signed it, or this one has let go of it to make room.
        let (sql, parameters) = self.store.get(&ticket.nonce).ok_or_else(expired)?;
        Ok(Ticket { sql, parameters, stays: false, ..ticket })
    }

    fn verified(&self, sealed: &[u8]) -> Option<Ticket> {
        let (version, rest) = sealed.split_first()?;
        let (key_id, rest) = rest.split_at_checked(KEY_ID_LENGTH)?;
        let (signature, payload) = rest.split_at_checked(MAC_LENGTH)?;
        let key = self.keys.iter().find(|key| id(key) == key_id).filter(|_| *version == VERSION)?;
        mac(key, payload).verify_slice(signature).ok()?;
        Ticket::decode(payload).ok()
    }
}

/// Names a key and tells nothing about it.
fn id(key: &Secret<[u8; 32]>) -> [u8; KEY_ID_LENGTH] {
    let hash = Sha256::new().chain_update(b"ticket key").chain_update(key.expose()).finalize();
    std::array::from_fn(|n| hash[n])
}

fn mac(key: &Secret<[u8; 32]>, payload: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose()).expect("HMAC takes keys of any length");
    mac.update(&[VERSION]);
    mac.update(payload);
    mac
}

/// Unknown, foreign or forged: one text.
pub(crate) fn unknown() -> Status {
    Status::not_found("unknown ticket")
}

/// For tickets whose time is over, and for those that would now give other columns.
pub(crate) fn expired() -> Status {
    Status::failed_precondition("the ticket expired: ask with GetFlightInfo again")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::ManualClock;

    use super::*;

    fn ticket(clock: &dyn Clock, signer: &Signer) -> Ticket {
        let (sql, me) = ("SELECT 1".to_owned(), Principal::local_admin());
        let ticket = Ticket { sql, principal: fingerprint(&me), policy: policy(&me), ..Ticket::default() };
        signer.dated(ticket, clock)
    }

    fn signer(keys: &[u8]) -> Signer {
        Signer::new(keys.iter().map(|k| Secret::new([*k; 32])).collect(), Duration::from_secs(60))
    }

    #[test]
    fn a_ticket_serves_its_principal_until_it_expires() {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(0)));
        let signer = signer(&[1]);
        let sealed = signer.seal(&ticket(clock.as_ref(), &signer));
        let me = Principal::local_admin();
        assert_eq!(signer.open(&sealed, &me, clock.as_ref()).unwrap().sql, "SELECT 1");
        let other = Principal { name: "other".into(), roles: me.roles.clone() };
        assert_eq!(signer.open(&sealed, &other, clock.as_ref()).unwrap_err().message(), "unknown ticket");
        let demoted = Principal { name: me.name.clone(), roles: vec!["analyst".into()] };
        assert_eq!(signer.open(&sealed, &demoted, clock.as_ref()).unwrap_err().message(), "unknown ticket");
        clock.advance(Duration::from_secs(61));
        let error = signer.open(&sealed, &me, clock.as_ref()).unwrap_err();
        assert_eq!(error.code(), tonic::Code::FailedPrecondition);
    }

    #[test]
    fn one_flipped_bit_is_a_refusal() {
        let clock = ManualClock::at(Timestamp::from_millis(0));
        let signer = signer(&[1]);
        let sealed = signer.seal(&ticket(&clock, &signer));
        for byte in 0..sealed.len() {
            let mut forged = sealed.to_vec();
            forged[byte] ^= 1;
            let refusal = signer.open(&forged, &Principal::local_admin(), &clock).unwrap_err();
            assert_eq!(refusal.message(), "unknown ticket", "byte {byte}");
        }
        assert!(signer.open(&[], &Principal::local_admin(), &clock).is_err());
    }

    #[test]
    fn keys_rotate() {
        let clock = ManualClock::at(Timestamp::from_millis(0));
        let old = signer(&[1]);
        let sealed = old.seal(&ticket(&clock, &old));
        let me = Principal::local_admin();
        assert!(signer(&[2, 1]).open(&sealed, &me, &clock).is_ok());
        assert!(signer(&[2]).open(&sealed, &me, &clock).is_err());
    }

    #[test]
    fn a_large_payload_stays_with_its_server() {
        let clock = ManualClock::at(Timestamp::from_millis(0));
        let here = signer(&[1]);
        let me = Principal::local_admin();
        let large = Ticket { sql: "x".repeat(MOST_BYTES), nonce: 7, ..ticket(&clock, &here) };
        let sealed = here.seal(&large);
        assert!(sealed.len() < 1_000, "{}", sealed.len());
        assert_eq!(here.open(&sealed, &me, &clock).unwrap(), large);
        let elsewhere = signer(&[1]).open(&sealed, &me, &clock).unwrap_err();
        assert_eq!(elsewhere.code(), tonic::Code::FailedPrecondition);
    }
}
