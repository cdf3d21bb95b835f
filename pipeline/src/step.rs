//! What one run of records does to identity, audiences and the tables, gathered for one commit.

use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet, HashMap},
};

use audiences::{At, Engine as Audiences, Input};
use bytes::Bytes;
use identity::{Identity, Outcome, Profile};
use model::{
    Cause, ChangeId, DeadLetterState, Event, MembershipChange, MessageId, Offset, ProfileId, Record,
    RecordId, RecordKind, StoredDeadLetter, json::Json,
};
use semantic::Catalog;
use warehouse::{EventRow, RowBatch, Upsert};

use crate::{
    Error,
    rows::{self, Alias, VersionCounts},
    stores::{Stores, encode_alias, encode_identifiers, encode_mapping},
};

/// The embedded log is one partition.
const PARTITION: u32 = 0;

/// Gathers what a run of records changes. Nothing is stored before [`Step::finish`].
pub(crate) struct Step<'a> {
    stores: &'a Stores,
    catalog: &'a Catalog,
    identity: &'a mut Identity,
    audiences: &'a mut Audiences,
    last_change: u64,
    last: Offset,
    /// Changes made by the present record: tells their ids apart.
    ordinal: u32,
    events: Vec<EventRow>,
    /// Rows that must survive a crash before the warehouse has them.
    kept: Vec<Upsert>,
    records: BTreeSet<RecordId>,
    profiles: BTreeSet<ProfileId>,
    identified: BTreeSet<ProfileId>,
    mappings: HashMap<RecordId, (ProfileId, Offset)>,
    aliases: HashMap<ProfileId, Option<Alias>>,
    dead_letters: BTreeMap<Offset, Vec<u8>>,
    changes: Vec<MembershipChange>,
    counts: VersionCounts,
}

/// What a run of records changed.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) commit: state::Batch,
    pub(crate) rows: RowBatch,
    pub(crate) last_change: u64,
    pub(crate) counts: VersionCounts,
}

impl<'a> Step<'a> {
    pub(crate) fn new(
        stores: &'a Stores,
        catalog: &'a Catalog,
        identity: &'a mut Identity,
        audiences: &'a mut Audiences,
        last_change: u64,
    ) -> Self {
        Self {
            stores,
            catalog,
            identity,
            audiences,
            last_change,
            last: Offset(0),
            ordinal: 0,
            events: Vec::new(),
            kept: Vec::new(),
            records: BTreeSet::new(),
            profiles: BTreeSet::new(),
            identified: BTreeSet::new(),
            mappings: HashMap::new(),
            aliases: HashMap::new(),
            dead_letters: BTreeMap::new(),
            changes: Vec::new(),
            counts: VersionCounts::default(),
        }
    }

    /// Applies one record. Deadlines before its clock fire first (EV-3).
    pub(crate) fn record(&mut self, record: &Record<'_>) -> Result<(), Error> {
        self.last = record.offset;
        self.ordinal = 0;
        let at = At { clock: record.at, offset: record.offset };
        self.audiences.advance(record.at, record.offset);
        let damaged = |source| Error::Record { offset: record.offset, source };
        match record.kind {
            RecordKind::Event => {
                let event = Event::decode(record.payload).map_err(damaged)?;
                self.event(at, &event, record.payload)?;
            }
            RecordKind::DeadLetter => {
                self.dead_letters.insert(record.offset, StoredDeadLetter::open(record.payload));
            }
            RecordKind::DeadLetterState => {
                let state = DeadLetterState::decode(record.payload).map_err(damaged)?;
                self.dead_letter_state(state)?;
            }
            RecordKind::Tick | RecordKind::Definitions | RecordKind::Probe => {}
        }
        self.take_changes(at);
        Ok(())
    }

    /// The two engines, for a backfill.
    pub(crate) fn engines(&mut self) -> (&Identity, &mut Audiences) {
        (self.identity, self.audiences)
    }

    fn event(&mut self, at: At, event: &Event<'_>, payload: &[u8]) -> Result<(), Error> {
        let observation = identity::observe_event(&self.catalog.identity, event);
        let record_id = observation.as_ref().map(|o| o.rid.clone());
        let payload = Bytes::copy_from_slice(payload);
        self.events.push(EventRow { offset: at.offset, record_id, payload });
        let Some(observation) = observation else { return Ok(()) };
        let outcome = self.identity.observe(observation, at.offset);
        self.topology(at, &outcome)?;
        self.traits(at, event, &outcome);
        let body: Json<'_> = event.json();
        self.audiences.event(Input {
            at,
            profile: outcome.profile,
            record: &outcome.record,
            event,
            body: &body,
        });
        self.profiles.insert(outcome.profile);
        self.records.insert(outcome.record);
        Ok(())
    }

    /// Records that moved, ids that went and came: rows, aliases, and audience state.
    fn topology(&mut self, at: At, outcome: &Outcome) -> Result<(), Error> {
        if outcome.moved.is_empty() && outcome.hidden.is_empty() && outcome.shown.is_empty() {
            return Ok(());
        }
        for moved in &outcome.moved {
            self.remap(at.offset, &moved.rid, moved.to)?;
        }
        for (old, new) in &outcome.hidden {
            let merged = new.is_some_and(|new| !outcome.shown.contains(&new));
            let reason = match new {
                None => "gone",
                Some(_) if merged => "merged",
                Some(_) => "anchor_moved",
            };
            self.counts.merges += u64::from(merged);
            let alias = Alias { new: *new, reason: reason.to_owned(), from: at.offset };
            self.kept.push(rows::alias(*old, &alias, None, at.offset));
            self.kept.push(rows::no_profile(*old, at.offset));
            self.aliases.insert(*old, Some(alias));
            self.identified.insert(*old);
            self.profiles.remove(old);
        }
        for shown in &outcome.shown {
            if let Some(alias) = self.open_alias(*shown)? {
                self.kept.push(rows::alias(*shown, &alias, Some(at.offset), at.offset));
                self.aliases.insert(*shown, None);
                self.counts.splits += 1;
            }
            self.identified.insert(*shown);
            self.profiles.insert(*shown);
        }
        let moved: Vec<_> = outcome.moved.iter().map(|m| (m.rid.clone(), m.from, m.to)).collect();
        self.audiences.topology(at, &moved, &outcome.hidden, &outcome.shown);
        self.records.extend(outcome.moved.iter().map(|m| m.rid.clone()));
        Ok(())
    }

    fn remap(&mut self, offset: Offset, rid: &RecordId, to: ProfileId) -> Result<(), Error> {
        let before = match self.mappings.get(rid) {
            Some(mapping) => Some(*mapping),
            None => self.stores.mapping(rid.as_str())?,
        };
        if let Some((profile, from)) = before {
            self.kept.push(rows::mapping(rid.as_str(), profile, from, Some(offset), offset));
        }
        self.kept.push(rows::mapping(rid.as_str(), to, offset, None, offset));
        self.mappings.insert(rid.clone(), (to, offset));
        Ok(())
    }

    fn open_alias(&self, id: ProfileId) -> Result<Option<Alias>, Error> {
        match self.aliases.get(&id) {
            Some(alias) => Ok(alias.clone()),
            None => self.stores.alias(id),
        }
    }

    /// Golden records that changed, and profiles that are new: trait conditions are judged again.
    fn traits(&mut self, at: At, event: &Event<'_>, outcome: &Outcome) {
        let changed: BTreeSet<ProfileId> =
            outcome.traits_changed.iter().chain(&outcome.shown).copied().collect();
        for id in changed {
            let profile: OnceCell<Option<Profile>> = OnceCell::new();
            let identity = &*self.identity;
            let value = |path: &str| trait_at(profile.get_or_init(|| identity.profile(id)).as_ref()?, path);
            self.audiences.traits(at, id, &value, Some(cause(event)));
            self.identified.insert(id);
            self.profiles.insert(id);
        }
    }

    fn dead_letter_state(&mut self, state: DeadLetterState) -> Result<(), Error> {
        let (DeadLetterState::Replayed(offset)
        | DeadLetterState::Dropped(offset)
        | DeadLetterState::FailedAgain(offset)) = state;
        let stored = match self.dead_letters.remove(&offset) {
            Some(stored) => Some(stored),
            None => self.stores.dead_letters.get(&offset.0.to_be_bytes())?,
        };
        if let Some(mut stored) = stored {
            StoredDeadLetter::apply(&mut stored, state);
            self.dead_letters.insert(offset, stored);
        }
        Ok(())
    }

    /// Numbers the changes the present record made.
    pub(crate) fn take_changes(&mut self, at: At) {
        for pending in self.audiences.take_changes() {
            self.last_change += 1;
            let identifiers =
                self.identity.profile(pending.profile).map(|p| p.identifiers).unwrap_or_default();
            let change = MembershipChange {
                id: ChangeId::at(PARTITION, at.offset, self.ordinal),
                seq: self.last_change,
                audience: pending.audience,
                audience_version: pending.audience_version,
                profile: pending.profile,
                identifiers,
                change: pending.change,
                reason: pending.reason,
                cause: pending.cause,
                at: pending.at,
                computed_at: pending.computed_at,
                profile_seq: pending.profile_seq,
                leaves_at: pending.leaves_at,
                merged_into: pending.merged_into,
            };
            self.ordinal += 1;
            rows::change(&change, at.offset, &mut self.kept);
            self.changes.push(change);
        }
    }

    /// Everything the records changed, as one commit and one batch of rows.
    pub(crate) fn finish(mut self, next: Offset) -> Result<Output, Error> {
        let mut commit = self.stores.store.batch();
        self.identifier_rows(&mut commit)?;
        for (n, row) in self.kept.iter().enumerate() {
            self.stores.outbox.put(&mut commit, u32::try_from(n).unwrap_or(u32::MAX), row);
        }
        for (rid, (profile, from)) in &self.mappings {
            commit.put(&self.stores.mappings, rid.as_str(), encode_mapping(*profile, *from));
        }
        for (id, alias) in &self.aliases {
            match alias {
                Some(alias) => commit.put(&self.stores.aliases, id.0, encode_alias(alias)),
                None => commit.delete(&self.stores.aliases, id.0),
            }
        }
        for change in &self.changes {
            commit.put(&self.stores.changes, change.seq.to_be_bytes(), change.encode());
        }
        for (offset, letter) in std::mem::take(&mut self.dead_letters) {
            commit.put(&self.stores.dead_letters, offset.0.to_be_bytes(), letter);
        }
        self.dirty(&mut commit);
        self.stores.put_input(&mut commit, next);
        let mut upserts = std::mem::take(&mut self.kept);
        upserts.extend(self.current_rows());
        let rows = RowBatch { next, events: self.events, upserts };
        Ok(Output { commit, rows, last_change: self.last_change, counts: self.counts })
    }

    /// Rows of the records and profiles that were touched, as they are now.
    fn current_rows(&self) -> Vec<Upsert> {
        let mut upserts = Vec::with_capacity(self.records.len() * 3 + self.profiles.len());
        for rid in &self.records {
            if let Some(view) = self.identity.record(rid.as_str()) {
                rows::record(&view, self.last, &mut upserts);
            }
        }
        for id in &self.profiles {
            if let Some(profile) = self.identity.profile(*id) {
                upserts.push(rows::profile(&profile, &self.catalog.profile, self.last));
            }
        }
        upserts
    }

    /// The difference between the identifiers a profile showed and those it shows now.
    fn identifier_rows(&mut self, commit: &mut state::Batch) -> Result<(), Error> {
        for id in &self.identified {
            let before = self.stores.identifiers(*id)?;
            let now = self.identity.profile(*id).map(|p| p.identifiers).unwrap_or_default();
            if before == now {
                continue;
            }
            let has = |of: &BTreeMap<String, Vec<String>>, kind: &String, value: &String| {
                of.get(kind).is_some_and(|values| values.contains(value))
            };
            let pairs = |of: &BTreeMap<String, Vec<String>>| -> Vec<(String, String)> {
                of.iter()
                    .flat_map(|(kind, values)| values.iter().map(|v| (kind.clone(), v.clone())))
                    .collect()
            };
            for (kind, value) in pairs(&before).iter().filter(|(kind, value)| !has(&now, kind, value)) {
                self.kept.push(rows::identifier(*id, kind, value, false, self.last));
            }
            for (kind, value) in pairs(&now).iter().filter(|(kind, value)| !has(&before, kind, value)) {
                self.kept.push(rows::identifier(*id, kind, value, true, self.last));
            }
            if now.is_empty() {
                commit.delete(&self.stores.identifiers, id.0);
            } else {
                commit.put(&self.stores.identifiers, id.0, encode_identifiers(&now));
            }
        }
        Ok(())
    }

    fn dirty(&mut self, commit: &mut state::Batch) {
        let mut write = |keyspace: &state::Keyspace, entries: Vec<(Vec<u8>, Option<Vec<u8>>)>| {
            for (key, value) in entries {
                match value {
                    Some(value) => commit.put(keyspace, key, value),
                    None => commit.delete(keyspace, key),
                }
            }
        };
        let records = self.identity.take_dirty();
        let records =
            records.into_iter().map(|(rid, value)| (rid.as_str().as_bytes().to_vec(), value)).collect();
        write(&self.stores.records, records);
        let dirty = self.audiences.take_dirty();
        write(&self.stores.leaves, dirty.leaves);
        write(&self.stores.members, dirty.members);
        write(&self.stores.audience_meta, dirty.meta);
    }
}

/// The golden value at a dotted path, as JSON text; an exact trait name wins over a nested one.
pub(crate) fn trait_at(profile: &Profile, path: &str) -> Option<String> {
    if let Some(value) = profile.traits.get(path) {
        return Some(value.json.clone());
    }
    let (head, rest) = path.split_once('.')?;
    let parsed = Json::parse(profile.traits.get(head)?.json.as_bytes()).ok()?;
    parsed.value.path(rest).map(Json::to_text)
}

fn cause(event: &Event<'_>) -> Cause {
    Cause {
        message_id: MessageId::new(event.message_id),
        event: event.name.unwrap_or_else(|| event.event_type.as_str()).to_owned(),
        t: event.time(),
    }
}
