use std::collections::BTreeMap;

use hashbrown::HashMap;
use model::{AudienceName, CodecError, Decoder, Encoder, ProfileId};

use super::{Engine, Install};
use crate::{
    Error,
    bits::Bits,
    leaf::LeafHash,
    population::{Population, RecordKey},
    states::States,
};

/// Version of each of the stored forms below.
const FORMAT: u8 = 1;
const CLOCK: &[u8] = b"clock";
const NUMBERS: &[u8] = b"numbers";
const AUDIENCE: &[u8] = b"audience:";
const LEAF: &[u8] = b"leaf:";

/// A stored key and its value.
type Entry = (Vec<u8>, Vec<u8>);

/// What changed since the last commit, by keyspace; `None` deletes. Each list is ordered by key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dirty {
    /// For `audience_leaves`: what was counted, per identity record.
    pub leaves: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// For `audience_members`: memberships, per profile.
    pub members: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// For `audience_meta`: versions and hashes of definitions, and the clock.
    pub meta: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// What the next commit must write, and how numbers in memory and in the store go together.
#[derive(Debug, Default)]
pub(super) struct Unsaved {
    records: Vec<u32>,
    profiles: Vec<u32>,
    pub(super) meta: bool,
    pub(super) clock: i64,
    /// Stored number of each leaf.
    pub(super) leaf_numbers: Vec<u32>,
    /// Leaves that wait for history: not stored before they have it.
    pub(super) building: Bits,
    /// Stored leaves that nobody asks any more.
    pub(super) stale_leaves: Vec<LeafHash>,
    pub(super) next_audience: u32,
    pub(super) next_leaf: u32,
}

impl Unsaved {
    pub(super) fn record(&mut self, record: u32) {
        self.records.push(record);
    }

    pub(super) fn profile(&mut self, profile: u32) {
        self.profiles.push(profile);
    }

    pub(super) fn everybody(&mut self, population: &Population) {
        self.records = (0..population.records() as u32).collect();
        self.profiles = (0..population.len() as u32).collect();
    }
}

/// `audience_meta`, read.
#[derive(Debug, Default)]
pub(super) struct Meta {
    pub(super) clock: i64,
    pub(super) next_audience: u32,
    pub(super) next_leaf: u32,
    pub(super) audiences: BTreeMap<AudienceName, StoredAudience>,
    pub(super) leaves: HashMap<LeafHash, u32>,
}

/// An audience as stored.
#[derive(Debug, Clone, Copy)]
pub(super) struct StoredAudience {
    pub(super) number: u32,
    pub(super) version: u32,
    pub(super) hash: u64,
    /// Kept so that a definition that comes back gets the next version.
    pub(super) dropped: bool,
}

impl Meta {
    pub(super) fn read(entries: impl IntoIterator<Item = Entry>) -> Result<Self, Error> {
        let mut meta = Self::default();
        for (key, value) in entries {
            let mut input = open("audience definition state", &value)?;
            if key == CLOCK {
                meta.clock = input.i64()?;
            } else if key == NUMBERS {
                meta.next_audience = read_u32(&mut input)?;
                meta.next_leaf = read_u32(&mut input)?;
            } else if let Some(name) = key.strip_prefix(AUDIENCE) {
                let name = std::str::from_utf8(name).map_err(|_| input.error())?;
                meta.audiences.insert(name.into(), read_audience(&mut input)?);
            } else if let Some(hash) = key.strip_prefix(LEAF) {
                let hash = LeafHash::try_from(hash).map_err(|_| input.error())?;
                meta.leaves.insert(hash, read_u32(&mut input)?);
            }
        }
        Ok(meta)
    }
}

impl Engine {
    /// What the commit of the present record must write.
    pub fn take_dirty(&mut self) -> Dirty {
        self.settle();
        let (records, profiles) = (distinct(&mut self.unsaved.records), distinct(&mut self.unsaved.profiles));
        let leaves = records
            .map(|record| (self.population.record(record).key.to_vec(), Some(self.encode_record(record))));
        let members = profiles.map(|profile| {
            (self.population.profile(profile).id.0.to_vec(), Some(self.encode_profile(profile)))
        });
        let mut dirty = Dirty { leaves: leaves.collect(), members: members.collect(), meta: Vec::new() };
        self.encode_meta(&mut dirty.meta);
        for list in [&mut dirty.leaves, &mut dirty.members, &mut dirty.meta] {
            list.sort_unstable();
        }
        dirty
    }

    fn encode_record(&self, record: u32) -> Vec<u8> {
        let slot = self.population.record(record);
        let owner = self.population.owner(record).expect("a record is given to a profile when it is made");
        let mut out = Encoder::with_capacity(64);
        out.u8(FORMAT).bytes(&self.population.profile(owner).id.0);
        self.encode_states(&slot.states, &mut out);
        out.finish()
    }

    fn encode_profile(&self, profile: u32) -> Vec<u8> {
        let slot = self.population.profile(profile);
        let mut out = Encoder::with_capacity(64);
        out.u8(FORMAT).u8(u8::from(slot.hidden)).u64(u64::from(slot.seq));
        out.u64(slot.memberships.iter().count() as u64);
        for (audience, entered_at) in slot.memberships.iter() {
            out.u64(u64::from(self.rules[audience as usize].number)).i64(entered_at);
        }
        self.encode_states(&slot.golden, &mut out);
        out.finish()
    }

    /// By stored number, so that the bytes do not depend on the order in which calls came first.
    fn encode_states(&self, states: &States, out: &mut Encoder) {
        let number = |leaf: u32| self.unsaved.leaf_numbers[leaf as usize];
        let mut complete: Vec<_> =
            states.iter().filter(|(leaf, _)| !self.unsaved.building.has(*leaf)).collect();
        complete.sort_unstable_by_key(|(leaf, _)| number(*leaf));
        out.u64(complete.len() as u64);
        for (leaf, words) in complete {
            out.u64(u64::from(number(leaf))).u64(words.len() as u64);
            for word in words {
                out.u64(*word);
            }
        }
    }

    fn encode_meta(&mut self, meta: &mut Vec<(Vec<u8>, Option<Vec<u8>>)>) {
        if self.clock != self.unsaved.clock {
            self.unsaved.clock = self.clock;
            meta.push((CLOCK.to_vec(), Some(form(|out| _ = out.i64(self.clock)))));
        }
        if !std::mem::take(&mut self.unsaved.meta) {
            return;
        }
        for rule in &self.rules {
            let value = form(|out| {
                out.u64(u64::from(rule.number)).u64(u64::from(rule.version)).bytes(&rule.hash.to_be_bytes());
                out.u8(u8::from(rule.install == Install::Gone));
            });
            meta.push(([AUDIENCE, rule.name.as_str().as_bytes()].concat(), Some(value)));
        }
        for (hash, number) in self.program.hashes().iter().zip(&self.unsaved.leaf_numbers) {
            let value = form(|out| _ = out.u64(u64::from(*number)));
            meta.push(([LEAF, hash].concat(), Some(value)));
        }
        meta.extend(self.unsaved.stale_leaves.drain(..).map(|hash| ([LEAF, &hash].concat(), None)));
        let Unsaved { next_audience, next_leaf, .. } = self.unsaved;
        let numbers = form(|out| _ = out.u64(u64::from(next_audience)).u64(u64::from(next_leaf)));
        meta.push((NUMBERS.to_vec(), Some(numbers)));
    }

    pub(super) fn read_members(
        &mut self,
        meta: &Meta,
        entries: impl IntoIterator<Item = Entry>,
    ) -> Result<(), Error> {
        let audiences: HashMap<u32, u32> = self.rules.iter().map(|r| r.number).zip(0..).collect();
        let leaves = self.leaves_by_number(meta);
        for (key, value) in entries {
            let mut input = open("audience memberships", &value)?;
            let id = RecordKey::try_from(key.as_slice()).map_err(|_| input.error())?;
            let (profile, _) = self.population.enter(ProfileId(id));
            let slot = self.population.profile_mut(profile);
            slot.hidden = input.u8()? == 1;
            slot.seq = read_u32(&mut input)?;
            for _ in 0..input.u64()? {
                let number = read_u32(&mut input)?;
                let entered_at = input.i64()?;
                let audience =
                    *audiences.get(&number).ok_or(Error::Incomplete("an audience has no definition"))?;
                slot.memberships.enter(audience, entered_at);
                self.rules[audience as usize].count(profile, true);
            }
            read_states(&mut input, &leaves, &mut slot.golden)?;
        }
        Ok(())
    }

    pub(super) fn read_leaves(
        &mut self,
        meta: &Meta,
        entries: impl IntoIterator<Item = Entry>,
    ) -> Result<(), Error> {
        let leaves = self.leaves_by_number(meta);
        for (key, value) in entries {
            let mut input = open("audience leaf states", &value)?;
            let key = RecordKey::try_from(key.as_slice()).map_err(|_| input.error())?;
            let id = <[u8; 16]>::try_from(input.bytes()?).map_err(|_| input.error())?;
            let (profile, _) = self.population.enter(ProfileId(id));
            let record = self.population.record_of(key);
            self.population.give(record, profile);
            read_states(&mut input, &leaves, &mut self.population.record_mut(record).states)?;
        }
        Ok(())
    }

    /// Leaves in memory by their stored number; those that nobody asks any more are not there.
    fn leaves_by_number(&self, meta: &Meta) -> HashMap<u32, u32> {
        let numbers = self.program.hashes().iter().zip(0_u32..);
        numbers.filter_map(|(hash, leaf)| Some((*meta.leaves.get(hash)?, leaf))).collect()
    }
}

fn distinct(slots: &mut Vec<u32>) -> impl Iterator<Item = u32> + use<> {
    let mut slots = std::mem::take(slots);
    slots.sort_unstable();
    slots.dedup();
    slots.into_iter()
}

fn form(write: impl FnOnce(&mut Encoder)) -> Vec<u8> {
    let mut out = Encoder::default();
    out.u8(FORMAT);
    write(&mut out);
    out.finish()
}

fn open<'a>(what: &'static str, value: &'a [u8]) -> Result<Decoder<'a>, CodecError> {
    let mut input = Decoder::new(what, value);
    match input.u8()? {
        FORMAT => Ok(input),
        _ => Err(input.error()),
    }
}

fn read_u32(input: &mut Decoder<'_>) -> Result<u32, CodecError> {
    u32::try_from(input.u64()?).map_err(|_| input.error())
}

fn read_audience(input: &mut Decoder<'_>) -> Result<StoredAudience, CodecError> {
    Ok(StoredAudience {
        number: read_u32(input)?,
        version: read_u32(input)?,
        hash: input.bytes()?.try_into().map(u64::from_be_bytes).map_err(|_| input.error())?,
        dropped: input.u8()? == 1,
    })
}

fn read_states(
    input: &mut Decoder<'_>,
    leaves: &HashMap<u32, u32>,
    states: &mut States,
) -> Result<(), CodecError> {
    let mut words = Vec::new();
    for _ in 0..input.u64()? {
        let number = read_u32(input)?;
        words.clear();
        for _ in 0..input.u64()? {
            words.push(input.u64()?);
        }
        if let Some(leaf) = leaves.get(&number) {
            states.put(*leaf, &words);
        }
    }
    Ok(())
}
