use std::time::Duration;

use bytes::Bytes;
use hmac::{Hmac, Mac};
use model::{Clock, Principal, Secret, Timestamp};
use prost::Message;
use rand::{RngCore, SeedableRng, rngs::StdRng};
use sha2::{Digest, Sha256};
use tonic::Status;

const VERSION: u8 = 1;
const MAC_LENGTH: usize = 32;

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
}

impl Ticket {
    pub(crate) fn fresh_nonce() -> u64 {
        StdRng::from_os_rng().next_u64()
    }

    pub(crate) fn expires(&self) -> Timestamp {
        Timestamp::from_micros(self.expires)
    }
}

/// Fingerprint of a principal: name and roles.
pub(crate) fn fingerprint(principal: &Principal) -> Vec<u8> {
    let mut hash = Sha256::new();
    for part in std::iter::once(&principal.name).chain(&principal.roles) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
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
}

impl Signer {
    pub(crate) fn new(keys: Vec<Secret<[u8; 32]>>, lifetime: Duration) -> Self {
        Self { keys, lifetime }
    }

    /// When a ticket that is made now ends.
    pub(crate) fn expiry(&self, clock: &dyn Clock) -> Timestamp {
        clock.now().plus(self.lifetime)
    }

    /// `version, mac, payload`.
    pub(crate) fn seal(&self, ticket: &Ticket) -> Bytes {
        let payload = ticket.encode_to_vec();
        let mut sealed = Vec::with_capacity(1 + MAC_LENGTH + payload.len());
        sealed.push(VERSION);
        if let Some(key) = self.keys.first() {
            sealed.extend_from_slice(&mac(key, &payload).finalize().into_bytes());
        }
        sealed.extend_from_slice(&payload);
        sealed.into()
    }

    /// The ticket, if we signed it for this principal and its time is not over. All refusals but the
    /// last have the same words (FLT-3).
    pub(crate) fn open(&self, sealed: &[u8], who: &Principal, clock: &dyn Clock) -> Result<Ticket, Status> {
        let ticket = self.verified(sealed).filter(|ticket| ticket.principal == fingerprint(who));
        let ticket = ticket.ok_or_else(unknown)?;
        match ticket.expires() >= clock.now() {
            true => Ok(ticket),
            false => Err(expired()),
        }
    }

    fn verified(&self, sealed: &[u8]) -> Option<Ticket> {
        let (version, rest) = sealed.split_first()?;
        let (signature, payload) = rest.split_at_checked(MAC_LENGTH)?;
        let signed = |key: &Secret<[u8; 32]>| mac(key, payload).verify_slice(signature).is_ok();
        if *version != VERSION || !self.keys.iter().any(signed) {
            return None;
        }
        Ticket::decode(payload).ok()
    }
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
        Ticket {
            sql: "SELECT 1".to_owned(),
            principal: fingerprint(&Principal::local_admin()),
            expires: signer.expiry(clock).as_micros(),
            ..Ticket::default()
        }
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
}
