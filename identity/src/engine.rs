mod attach;
mod explain;
mod face;
mod groups;
mod output;
mod records;
mod replay;
mod values;
mod view;

use hashbrown::HashMap;
use model::{CodecError, Decoder, Encoder, Offset, ProfileId, RecordId};
use semantic::{IdentityRules, ProfileRules};

pub use explain::{Explanation, Obstacle, Step};

use crate::{
    Current, Error, Observation, Outcome, RecordMove, TenantKey, fold::Folded, links::links_of,
    profile_id::IdMaker, rules::Rules, stored,
};
use groups::Groups;
use records::Records;
use values::Values;

/// No record, profile or component.
const NONE: u32 = u32::MAX;

/// The first byte of a stored entry: a record, or what is left of a removed one.
const RECORD: u8 = 1;
const REMOVED: u8 = 2;

/// The incremental engine: after each observation its profiles equal F over all records (IDR-7).
///
/// A component of records that fit into one profile is *clean* and grows by plain union; only in a
/// conflicted component is the ordered scan of F replayed, over that component alone (IDR-4).
#[derive(Debug)]
pub struct Identity {
    rules: Rules,
    ids: IdMaker,
    records: Records,
    values: Values,
    groups: Groups,
    /// Ids of removed records, with the record that followed as the oldest of the profile.
    removed: HashMap<ProfileId, Option<RecordId>>,
    /// Records whose stored form is to be written.
    dirty: Vec<u32>,
    dirty_removals: Vec<(RecordId, Vec<u8>)>,
    ignored_traits: u64,
}

/// New content of one record.
#[derive(Debug)]
struct Update {
    record: u32,
    stored: Vec<u8>,
    first_seen: i64,
    /// Its values, sorted; `None` when they stay.
    links: Option<Vec<u32>>,
    /// Traits whose value or time differs.
    traits: Vec<String>,
    /// The last sighting of a link moved.
    last_seen_of_links: bool,
}

impl Update {
    fn trait_names(&self) -> Vec<&str> {
        self.traits.iter().map(String::as_str).collect()
    }
}

/// What an update made of the profiles.
#[derive(Debug, Default)]
struct Difference {
    moved: Vec<RecordMove>,
    hidden: Vec<(ProfileId, Option<ProfileId>)>,
    shown: Vec<ProfileId>,
    traits_changed: Vec<ProfileId>,
}

impl Identity {
    /// A state without records.
    pub fn new(rules: IdentityRules, profile: ProfileRules, key: TenantKey) -> Self {
        let rules = Rules::new(&rules, &profile);
        Self {
            ids: IdMaker::new(&key),
            records: Records::default(),
            values: Values::default(),
            groups: Groups::new(rules.limits.len()),
            removed: HashMap::new(),
            dirty: Vec::new(),
            dirty_removals: Vec::new(),
            ignored_traits: 0,
            rules,
        }
    }

    /// The state of stored records under rules that may have changed since: profiles are derived
    /// again, so the result is F of the records and the present rules.
    pub fn restore(
        rules: IdentityRules,
        profile: ProfileRules,
        key: TenantKey,
        records: impl Iterator<Item = (RecordId, Vec<u8>)>,
    ) -> Result<Self, Error> {
        let mut identity = Self::new(rules, profile, key);
        for (rid, bytes) in records {
            let stored = identity.restore_one(&rid, &bytes);
            stored.map_err(|source| Error::stored(rid, source))?;
        }
        let all: Vec<u32> = identity.records.numbers().collect();
        identity.regroup(&all);
        Ok(identity)
    }

    fn restore_one(&mut self, rid: &RecordId, bytes: &[u8]) -> Result<(), CodecError> {
        let mut input = Decoder::new("identity entry", bytes);
        match input.u8()? {
            RECORD => {
                let version = input.u64()?;
                let bytes = input.bytes()?;
                let folded = stored::decode(bytes)?;
                let links = intern_links(&self.rules, &mut self.values, rid, &folded);
                let record = self.records.insert(rid.clone(), self.ids.make(rid.as_str()));
                for value in &links {
                    self.values.add_carrier(*value, record);
                }
                let slot = self.records.get_mut(record);
                slot.first_seen = folded.first_seen;
                slot.stored = bytes.into();
                slot.links = links.into();
                slot.version = version;
            }
            REMOVED => {
                let successor = input.option(|i| i.text().map(RecordId::from))?;
                self.removed.insert(self.ids.make(rid.as_str()), successor);
            }
            _ => return Err(input.error()),
        }
        Ok(())
    }

    /// Adds one observation; `version` is its log offset. Cheap when nothing visible changes, which
    /// is the common case: another event of a known record.
    pub fn observe(&mut self, observation: Observation, version: Offset) -> Outcome {
        let known = self.records.find(observation.rid.as_str());
        let update = match self.fold(known, &observation) {
            Some(update) => update,
            None => return self.quiet(known, observation.rid),
        };
        let record = update.record;
        self.touch(record, version);
        let difference = self.apply(update, known.is_none(), version);
        Outcome {
            record: observation.rid,
            profile: self.id_of(record),
            moved: difference.moved,
            hidden: difference.hidden,
            shown: difference.shown,
            traits_changed: difference.traits_changed,
        }
    }

    fn quiet(&self, known: Option<u32>, rid: RecordId) -> Outcome {
        let profile = known.map_or_else(|| self.ids.make(rid.as_str()), |record| self.id_of(record));
        Outcome::quiet(rid, profile)
    }

    /// Folds an observation into its record, which is made if it is new. `None`: nothing to store.
    fn fold(&mut self, known: Option<u32>, observation: &Observation) -> Option<Update> {
        // The bytes go back below: the profiles as they were are still asked about.
        let before = match known {
            Some(record) => std::mem::take(&mut self.records.get_mut(record).stored),
            None => Box::default(),
        };
        let mut folded = match known {
            Some(_) => stored::decode(&before).expect("stored bytes were checked when they came in"),
            None => Folded::new(observation),
        };
        let change = folded.add(observation, &self.rules);
        self.ignored_traits += u64::from(change.ignored);
        let changed = known.is_none() || change.any;
        let update = changed.then(|| {
            let links = (known.is_none() || change.links)
                .then(|| intern_links(&self.rules, &mut self.values, &observation.rid, &folded));
            Update {
                record: NONE,
                stored: stored::encode(&folded),
                first_seen: folded.first_seen,
                links,
                traits: change.traits.iter().map(|name| (*name).to_owned()).collect(),
                last_seen_of_links: change.last_seen_of_links,
            }
        });
        drop(folded);
        match known {
            Some(record) => {
                self.records.get_mut(record).stored = before;
                update.map(|update| Update { record, ..update })
            }
            None => {
                let rid = observation.rid.clone();
                let id = self.ids.make(rid.as_str());
                self.removed.remove(&id);
                update.map(|update| Update { record: self.records.insert(rid, id), ..update })
            }
        }
    }

    fn apply(&mut self, update: Update, is_new: bool, version: Offset) -> Difference {
        if let Some(difference) = self.attach(&update, is_new, version) {
            return difference;
        }
        self.replay(Some(update), None, version)
    }

    /// Forgets a record, as when its row is gone from its source. A later observation starts a new
    /// record with the same possible profile id. `None`: there is no such record.
    pub fn remove(&mut self, rid: &str, version: Offset) -> Option<Outcome> {
        let record = self.records.find(rid)?;
        let (rid, id) = (self.records.get(record).rid.clone(), self.records.get(record).id);
        let profile = self.id_of(record);
        let successor = self.oldest_other_member(record);
        let difference = self.replay(None, Some(record), version);
        let mut left = Encoder::default();
        left.u8(REMOVED).option(successor.as_ref(), |out, rid| {
            out.text(rid.as_str());
        });
        self.dirty_removals.push((rid.clone(), left.finish()));
        self.removed.insert(id, successor);
        Some(Outcome {
            record: rid,
            profile,
            moved: difference.moved,
            hidden: difference.hidden,
            shown: difference.shown,
            traits_changed: difference.traits_changed,
        })
    }

    fn oldest_other_member(&self, record: u32) -> Option<RecordId> {
        let others = self.members(self.records.get(record).group).into_iter().filter(|r| *r != record);
        let oldest = others.reduce(|best, next| if self.records.is_older(next, best) { next } else { best });
        oldest.map(|oldest| self.records.get(oldest).rid.clone())
    }

    /// What to write with the commit that consumes the observations so far: `None` deletes.
    pub fn take_dirty(&mut self) -> Vec<(RecordId, Option<Vec<u8>>)> {
        let removals = std::mem::take(&mut self.dirty_removals);
        let mut entries: Vec<(RecordId, Option<Vec<u8>>)> =
            removals.into_iter().map(|(rid, bytes)| (rid, Some(bytes))).collect();
        for record in std::mem::take(&mut self.dirty) {
            let slot = self.records.get_mut(record);
            // Removed since, or its slot is listed twice because it was used again.
            if !slot.dirty || slot.stored.is_empty() {
                continue;
            }
            slot.dirty = false;
            let mut entry = Encoder::with_capacity(slot.stored.len() + 16);
            entry.u8(RECORD).u64(slot.version).bytes(&slot.stored);
            entries.push((slot.rid.clone(), Some(entry.finish())));
        }
        entries
    }

    /// What a profile id stands for now.
    pub fn current(&self, id: ProfileId) -> Current {
        if let Some(record) = self.records.find_by_id(id) {
            let shown = self.id_of(record);
            return if shown == id { Current::Live(id) } else { Current::MovedTo(shown) };
        }
        let mut id = id;
        // A successor may have been removed as well; each step leads to another record.
        for _ in 0..=self.removed.len() {
            let Some(successor) = self.removed.get(&id) else { return Current::Unknown };
            let Some(successor) = successor else { return Current::Gone };
            if let Some(record) = self.records.find(successor.as_str()) {
                return Current::MovedTo(self.id_of(record));
            }
            id = self.ids.make(successor.as_str());
        }
        Current::Gone
    }

    /// Trait values so far that did not fit their type and were ignored.
    pub fn ignored_traits(&self) -> u64 {
        self.ignored_traits
    }

    fn id_of(&self, record: u32) -> ProfileId {
        self.group_id(self.records.get(record).group)
    }

    fn group_id(&self, group: u32) -> ProfileId {
        self.records.get(self.groups.get(group).anchor).id
    }

    /// Marks a record as changed in a version.
    fn touch(&mut self, record: u32, version: Offset) {
        let slot = self.records.get_mut(record);
        slot.version = version.0;
        if !slot.dirty {
            slot.dirty = true;
            self.dirty.push(record);
        }
    }

    /// Records of a profile, in no particular order.
    fn members(&self, group: u32) -> Vec<u32> {
        let group = self.groups.get(group);
        let mut members = Vec::with_capacity(group.size as usize);
        let mut at = group.anchor;
        for _ in 0..group.size {
            members.push(at);
            at = self.records.get(at).next;
        }
        debug_assert_eq!(at, group.anchor, "the members of a profile form a ring");
        members
    }

    fn is_active(&self, value: u32) -> bool {
        let node = self.values.node(value);
        node.carriers().len() <= self.rules.types[usize::from(node.kind)].max_fanout
    }

    /// Position of a value's type among the limited ones.
    fn slot(&self, value: u32) -> Option<usize> {
        let kind = self.values.node(value).kind;
        self.rules.types[usize::from(kind)].limit.map(|(slot, _)| slot)
    }
}

/// The numbers of a record's values, sorted (F1).
fn intern_links(rules: &Rules, values: &mut Values, rid: &RecordId, folded: &Folded<'_>) -> Vec<u32> {
    let links = links_of(rules, rid, folded);
    let mut numbers: Vec<u32> =
        links.iter().filter(|l| !l.blocked).map(|l| values.intern(l.kind, &l.value)).collect();
    numbers.sort_unstable();
    numbers
}
