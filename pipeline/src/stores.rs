//! The keyspaces of derived state and their small codecs.

use std::collections::BTreeMap;

use model::{CodecError, Decoder, Encoder, Offset, ProfileId};
use state::{Keyspace, Store};

use crate::{Error, outbox::Outbox, rows::Alias};

/// Identifier values of a profile by type.
pub(crate) type Identifiers = BTreeMap<String, Vec<String>>;

/// Every keyspace the pipeline writes.
#[derive(Debug, Clone)]
pub(crate) struct Stores {
    pub(crate) store: Store,
    pub(crate) position: Keyspace,
    pub(crate) records: Keyspace,
    pub(crate) mappings: Keyspace,
    pub(crate) identifiers: Keyspace,
    pub(crate) aliases: Keyspace,
    pub(crate) leaves: Keyspace,
    pub(crate) members: Keyspace,
    pub(crate) audience_meta: Keyspace,
    pub(crate) changes: Keyspace,
    pub(crate) dead_letters: Keyspace,
    pub(crate) outbox: Outbox,
}

const INPUT: &[u8] = b"input";
const DEFINITIONS: &[u8] = b"definitions";

impl Stores {
    pub(crate) fn open(store: Store) -> Result<Self, Error> {
        Ok(Self {
            position: store.keyspace("position")?,
            records: store.keyspace("identity_records")?,
            mappings: store.keyspace("identity_map")?,
            identifiers: store.keyspace("profile_identifiers")?,
            aliases: store.keyspace("profile_aliases")?,
            leaves: store.keyspace("audience_leaves")?,
            members: store.keyspace("audience_members")?,
            audience_meta: store.keyspace("audience_meta")?,
            changes: store.keyspace("changes")?,
            dead_letters: store.keyspace("dead_letters")?,
            outbox: Outbox::new(store.keyspace("warehouse_outbox")?),
            store,
        })
    }

    /// Next offset to read (PIPE-1: committed with everything the records before it made).
    pub(crate) fn input(&self) -> Result<Offset, Error> {
        Ok(Offset(self.number(INPUT)?.unwrap_or(0)))
    }

    pub(crate) fn put_input(&self, batch: &mut state::Batch, next: Offset) {
        batch.put(&self.position, INPUT, next.0.to_be_bytes());
    }

    /// Version of the definitions that took effect last.
    pub(crate) fn definitions(&self) -> Result<Option<u64>, Error> {
        self.number(DEFINITIONS)
    }

    pub(crate) fn put_definitions(&self, batch: &mut state::Batch, version: u64) {
        batch.put(&self.position, DEFINITIONS, version.to_be_bytes());
    }

    fn number(&self, key: &[u8]) -> Result<Option<u64>, Error> {
        let Some(bytes) = self.position.get(key)? else { return Ok(None) };
        let bytes = <[u8; 8]>::try_from(bytes).map_err(|_| CodecError { what: "position", at: 0 })?;
        Ok(Some(u64::from_be_bytes(bytes)))
    }

    /// Number of the newest membership change.
    pub(crate) fn last_change(&self) -> Result<u64, Error> {
        let last = self.changes.last()?;
        Ok(last.and_then(|(key, _)| key.try_into().ok()).map_or(0, u64::from_be_bytes))
    }

    pub(crate) fn mapping(&self, rid: &str) -> Result<Option<(ProfileId, Offset)>, Error> {
        let Some(bytes) = self.mappings.get(rid.as_bytes())? else { return Ok(None) };
        let mut input = Decoder::new("identity mapping", &bytes);
        let id = read_profile(&mut input)?;
        Ok(Some((id, Offset(input.u64()?))))
    }

    pub(crate) fn alias(&self, old: ProfileId) -> Result<Option<Alias>, Error> {
        let Some(bytes) = self.aliases.get(&old.0)? else { return Ok(None) };
        let mut input = Decoder::new("profile alias", &bytes);
        Ok(Some(Alias {
            new: input.option(read_profile)?,
            reason: input.text()?.to_owned(),
            from: Offset(input.u64()?),
        }))
    }

    pub(crate) fn identifiers(&self, id: ProfileId) -> Result<Identifiers, Error> {
        let Some(bytes) = self.identifiers.get(&id.0)? else { return Ok(Identifiers::new()) };
        let mut input = Decoder::new("profile identifiers", &bytes);
        let mut identifiers = Identifiers::new();
        for _ in 0..input.u64()? {
            let name = input.text()?.to_owned();
            let count = input.u64()?;
            let values = (0..count).map(|_| input.text().map(str::to_owned)).collect::<Result<_, _>>()?;
            identifiers.insert(name, values);
        }
        Ok(identifiers)
    }
}

pub(crate) fn encode_mapping(id: ProfileId, from: Offset) -> Vec<u8> {
    let mut out = Encoder::default();
    out.bytes(&id.0).u64(from.0);
    out.finish()
}

pub(crate) fn encode_alias(alias: &Alias) -> Vec<u8> {
    let mut out = Encoder::default();
    out.option(alias.new, |out, id| {
        out.bytes(&id.0);
    });
    out.text(&alias.reason).u64(alias.from.0);
    out.finish()
}

pub(crate) fn encode_identifiers(identifiers: &Identifiers) -> Vec<u8> {
    let mut out = Encoder::default();
    out.u64(identifiers.len() as u64);
    for (name, values) in identifiers {
        out.text(name).u64(values.len() as u64);
        for value in values {
            out.text(value);
        }
    }
    out.finish()
}

fn read_profile(input: &mut Decoder<'_>) -> Result<ProfileId, CodecError> {
    <[u8; 16]>::try_from(input.bytes()?).map(ProfileId).map_err(|_| input.error())
}
