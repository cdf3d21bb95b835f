use std::time::Duration;

use model::{CodecError, Decoder, Encoder, MembershipChange, Timestamp};
use state::{Batch, Keyspace, Store};

use crate::{Error, client::Outcome, request::Request};

const FORMAT: u8 = 1;
/// Attempts are kept this long, and this many an endpoint.
const ATTEMPTS_KEPT: Duration = Duration::from_secs(30 * 24 * 3_600);
const MOST_ATTEMPTS: u64 = 100_000;

const ENDPOINT: u8 = b'e';
const REQUEST: u8 = b'r';
const WAITING: u8 = b'w';

/// What one endpoint has in the store: its cursor, every change read and not yet delivered, either
/// waiting or as part of a request, dead letters, and the log of attempts. Every step is one commit,
/// so a restart finds each change in exactly one place.
#[derive(Debug)]
pub(crate) struct Ledger {
    store: Store,
    deliveries: Keyspace,
    dead: Keyspace,
    attempts: Keyspace,
    prefix: Vec<u8>,
    kept: u64,
}

/// How an endpoint stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Standing {
    pub(crate) cursor: u64,
    pub(crate) disabled: bool,
    /// The first failure since the last success.
    pub(crate) failing_since: Option<Timestamp>,
}

impl Ledger {
    pub(crate) fn open(store: &Store, endpoint: &str) -> Result<Self, Error> {
        let prefix = [endpoint.as_bytes(), &[0]].concat();
        let attempts = store.keyspace("deliveries_attempts")?;
        let kept = attempts.prefix(&prefix).count() as u64;
        Ok(Self {
            deliveries: store.keyspace("deliveries")?,
            dead: store.keyspace("deliveries_dead")?,
            attempts,
            store: store.clone(),
            prefix,
            kept,
        })
    }

    pub(crate) fn standing(&self) -> Result<Option<Standing>, Error> {
        let Some(bytes) = self.deliveries.get(&self.key(ENDPOINT, None))? else { return Ok(None) };
        let mut input = open("webhook cursor", &bytes)?;
        Ok(Some(Standing {
            cursor: input.u64()?,
            disabled: input.u8()? == 1,
            failing_since: input.option(|i| i.i64().map(Timestamp::from_micros))?,
        }))
    }

    pub(crate) fn set_standing(&self, standing: Standing) -> Result<(), Error> {
        let mut batch = self.store.batch();
        self.put_standing(&mut batch, standing);
        Ok(batch.commit()?)
    }

    fn put_standing(&self, batch: &mut Batch, standing: Standing) {
        let mut out = Encoder::default();
        out.u8(FORMAT).u64(standing.cursor).u8(u8::from(standing.disabled));
        out.option(standing.failing_since, |out, at| {
            out.i64(at.as_micros());
        });
        batch.put(&self.deliveries, self.key(ENDPOINT, None), out.finish());
    }

    /// Changes were read up to the standing's cursor; these wait.
    pub(crate) fn wait(&self, standing: Standing, changes: &[MembershipChange]) -> Result<(), Error> {
        let mut batch = self.store.batch();
        for change in changes {
            batch.put(&self.deliveries, self.key(WAITING, Some(change.seq)), change.encode());
        }
        self.put_standing(&mut batch, standing);
        Ok(batch.commit()?)
    }

    /// Waiting changes became a request.
    pub(crate) fn form(&self, request: &Request, seqs: impl Iterator<Item = u64>) -> Result<(), Error> {
        let mut batch = self.store.batch();
        for seq in seqs {
            batch.delete(&self.deliveries, self.key(WAITING, Some(seq)));
        }
        batch.put(&self.deliveries, self.key(REQUEST, Some(request.seq)), request.encode());
        Ok(batch.commit()?)
    }

    /// A request is over.
    pub(crate) fn delivered(&mut self, request: &Request, outcome: &Outcome) -> Result<(), Error> {
        let mut batch = self.store.batch();
        batch.delete(&self.deliveries, self.key(REQUEST, Some(request.seq)));
        self.note(&mut batch, request, outcome)?;
        Ok(batch.commit()?)
    }

    /// A request waits for its next attempt.
    pub(crate) fn postpone(&mut self, request: &Request, outcome: &Outcome) -> Result<(), Error> {
        let mut batch = self.store.batch();
        batch.put(&self.deliveries, self.key(REQUEST, Some(request.seq)), request.encode());
        self.note(&mut batch, request, outcome)?;
        Ok(batch.commit()?)
    }

    /// The schedule of a request is used up.
    pub(crate) fn bury(&mut self, request: &Request, outcome: &Outcome) -> Result<(), Error> {
        let mut batch = self.store.batch();
        batch.delete(&self.deliveries, self.key(REQUEST, Some(request.seq)));
        let mut out = Encoder::default();
        out.u8(FORMAT).bytes(&request.encode());
        write_outcome(&mut out, request, outcome);
        batch.put(&self.dead, [&self.prefix[..], &request.seq.to_be_bytes()].concat(), out.finish());
        self.note(&mut batch, request, outcome)?;
        Ok(batch.commit()?)
    }

    pub(crate) fn requests(&self) -> Result<Vec<Request>, Error> {
        let rows = self.deliveries.prefix(&self.key(REQUEST, None));
        rows.map(|row| Ok(Request::decode(&row?.1)?)).collect()
    }

    pub(crate) fn waiting(&self) -> Result<Vec<MembershipChange>, Error> {
        let rows = self.deliveries.prefix(&self.key(WAITING, None));
        rows.map(|row| Ok(MembershipChange::decode(&row?.1)?)).collect()
    }

    /// Number of changes that were given up.
    pub(crate) fn dead(&self) -> Result<u64, Error> {
        let mut dead = 0;
        for row in self.dead.prefix(&self.prefix) {
            let (_, value) = row?;
            dead += Request::decode(open("webhook dead letter", &value)?.bytes()?)?.changes;
        }
        Ok(dead)
    }

    /// Adds to the log of attempts and drops its oldest entry where that is due.
    fn note(&mut self, batch: &mut Batch, request: &Request, outcome: &Outcome) -> Result<(), Error> {
        let mut out = Encoder::default();
        out.u8(FORMAT).text(&request.id).u64(u64::from(request.attempts));
        write_outcome(&mut out, request, outcome);
        let at = outcome.started.as_micros().to_be_bytes();
        batch.put(&self.attempts, [&self.prefix[..], &at, &request.seq.to_be_bytes()].concat(), out.finish());
        self.kept += 1;
        let oldest = outcome.started.minus(ATTEMPTS_KEPT).as_micros().to_be_bytes();
        let oldest = [&self.prefix[..], &oldest].concat();
        // Two a time, so that the log shrinks when it is too long.
        for row in self.attempts.prefix(&self.prefix).take(2) {
            let (key, _) = row?;
            if self.kept > MOST_ATTEMPTS || key < oldest {
                batch.delete(&self.attempts, key);
                self.kept -= 1;
            }
        }
        Ok(())
    }

    fn key(&self, kind: u8, seq: Option<u64>) -> Vec<u8> {
        let mut key = self.prefix.clone();
        key.push(kind);
        key.extend(seq.into_iter().flat_map(u64::to_be_bytes));
        key
    }
}

fn write_outcome(out: &mut Encoder, request: &Request, outcome: &Outcome) {
    out.i64(outcome.started.as_micros()).u64(outcome.latency.as_micros() as u64).u64(request.changes);
    out.option(outcome.status, |out, status| {
        out.u64(u64::from(status));
    });
    out.option(outcome.error.as_deref(), |out, error| {
        out.text(error);
    });
    out.bytes(&outcome.answer);
}

fn open<'a>(what: &'static str, bytes: &'a [u8]) -> Result<Decoder<'a>, CodecError> {
    let mut input = Decoder::new(what, bytes);
    match input.u8()? {
        FORMAT => Ok(input),
        _ => Err(input.error()),
    }
}
