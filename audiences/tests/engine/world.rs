//! Identity as the pipeline would run it, in a few lines, in front of a real engine.

use std::collections::BTreeMap;

use audiences::{At, Dirty, Engine, Input, PendingChange};
use model::{Cause, Event, EventType, Offset, ProfileId, RecordId, Timestamp};
use semantic::Audience;

/// Store of one keyspace.
type Kept = BTreeMap<Vec<u8>, Vec<u8>>;

/// A call as it stands on the log.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) offset: u64,
    pub(crate) clock: i64,
    pub(crate) t: i64,
    pub(crate) record: String,
    pub(crate) event_type: EventType,
    pub(crate) name: String,
    pub(crate) body: String,
}

/// A trait as an identify call wrote it.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    pub(crate) t: i64,
    pub(crate) offset: u64,
    pub(crate) record: String,
    pub(crate) name: String,
    pub(crate) json: String,
}

pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) audiences: Vec<Audience>,
    pub(crate) offset: u64,
    pub(crate) clock: i64,
    /// Profile of each record, both by name; a record's first profile has its own name.
    pub(crate) owners: BTreeMap<String, String>,
    pub(crate) calls: Vec<Call>,
    pub(crate) written: Vec<Written>,
    pub(crate) store: [Kept; 3],
    /// Restores the engine from its store after every record.
    pub(crate) restless: bool,
    pub(crate) changes: Vec<PendingChange>,
    /// Everything that was to be stored, record by record.
    pub(crate) dirty: Vec<Dirty>,
}

/// The id that stands for a profile's name; ids sort as names do.
pub(crate) fn id(name: &str) -> ProfileId {
    let mut bytes = [0; 16];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    ProfileId(bytes)
}

pub(crate) fn name_of(id: ProfileId) -> String {
    String::from_utf8(id.0.iter().copied().take_while(|b| *b != 0).collect()).unwrap()
}

impl World {
    pub(crate) fn new(audiences: Vec<Audience>) -> Self {
        Self {
            engine: Engine::new(&audiences),
            audiences,
            offset: 0,
            clock: 0,
            owners: BTreeMap::new(),
            calls: Vec::new(),
            written: Vec::new(),
            store: Default::default(),
            restless: false,
            changes: Vec::new(),
            dirty: Vec::new(),
        }
    }

    /// Starts a record at `clock`: fires what is due.
    pub(crate) fn record(&mut self, clock: i64) -> At {
        self.clock = clock;
        self.offset += 1;
        let at = At { clock: Timestamp::from_millis(clock), offset: Offset(self.offset) };
        self.engine.advance(at.clock, at.offset);
        at
    }

    /// Ends a record: keeps its changes and its state.
    pub(crate) fn commit(&mut self) {
        self.changes.extend(self.engine.take_changes());
        let dirty = self.engine.take_dirty();
        for (kept, list) in self.store.iter_mut().zip([&dirty.leaves, &dirty.members, &dirty.meta]) {
            for (key, value) in list {
                match value {
                    Some(value) => kept.insert(key.clone(), value.clone()),
                    None => kept.remove(key),
                };
            }
        }
        self.dirty.push(dirty);
        if self.restless {
            self.engine = self.restored(&self.audiences);
        }
    }

    pub(crate) fn restored(&self, audiences: &[Audience]) -> Engine {
        let [leaves, members, meta] = self.store.clone();
        Engine::restore(audiences, leaves, members, meta).unwrap()
    }

    pub(crate) fn tick(&mut self, clock: i64) {
        self.record(clock);
        self.commit();
    }

    pub(crate) fn owner(&mut self, record: &str) -> String {
        self.owners.entry(record.to_owned()).or_insert_with(|| record.to_owned()).clone()
    }

    /// A call, without its record's start and end.
    pub(crate) fn call_in(
        &mut self,
        at: At,
        t: i64,
        record: &str,
        event_type: EventType,
        name: &str,
        body: &str,
    ) {
        let call = Call {
            offset: at.offset.0,
            clock: self.clock,
            t,
            record: record.to_owned(),
            event_type,
            name: name.to_owned(),
            body: body.to_owned(),
        };
        let profile = id(&self.owner(record));
        with_input(&call, profile, |input| self.engine.event(input));
        self.calls.push(call);
    }

    pub(crate) fn track(&mut self, clock: i64, t: i64, record: &str, name: &str, properties: &str) {
        let at = self.record(clock);
        self.call_in(at, t, record, EventType::Track, name, &format!(r#"{{"properties":{properties}}}"#));
        self.commit();
    }

    pub(crate) fn identify(&mut self, clock: i64, t: i64, record: &str, traits: &[(&str, &str)]) {
        let at = self.record(clock);
        let profile = self.owner(record);
        for (name, json) in traits {
            self.written.push(Written {
                t,
                offset: at.offset.0,
                record: record.to_owned(),
                name: (*name).to_owned(),
                json: (*json).to_owned(),
            });
        }
        let message_id = format!("m{}", at.offset).as_str().into();
        let cause = Cause { message_id, event: "identify".into(), t: Timestamp::from_millis(t) };
        self.traits_in(at, &profile, Some(cause));
        self.call_in(at, t, record, EventType::Identify, "", "{}");
        self.commit();
    }

    pub(crate) fn traits_in(&mut self, at: At, profile: &str, cause: Option<Cause>) {
        let golden = self.golden(profile);
        self.engine.traits(at, id(profile), &|name| golden.get(name).cloned(), cause);
    }

    /// Newest value of each trait over the profile's records.
    pub(crate) fn golden(&self, profile: &str) -> BTreeMap<String, String> {
        let mut mine: Vec<&Written> = self
            .written
            .iter()
            .filter(|w| self.owners.get(&w.record).is_some_and(|o| o == profile))
            .collect();
        mine.sort_by_key(|w| (w.t, w.offset));
        mine.into_iter().map(|w| (w.name.clone(), w.json.clone())).collect()
    }

    /// All records of `from` go to `into`, without the record's start and end.
    pub(crate) fn merge_in(&mut self, at: At, from: &str, into: &str) {
        let records: Vec<String> =
            self.owners.iter().filter(|(_, owner)| *owner == from).map(|(r, _)| r.clone()).collect();
        let moved: Vec<_> = records.iter().map(|r| (record_id(r), Some(id(from)), id(into))).collect();
        for record in records {
            self.owners.insert(record, into.to_owned());
        }
        self.engine.topology(at, &moved, &[(id(from), Some(id(into)))], &[]);
        self.traits_in(at, into, None);
    }

    pub(crate) fn merge(&mut self, clock: i64, from: &str, into: &str) {
        let at = self.record(clock);
        self.merge_in(at, from, into);
        self.commit();
    }

    /// The record `split` goes back to the profile of its own name.
    pub(crate) fn unmerge(&mut self, clock: i64, split: &str) {
        let at = self.record(clock);
        let from = self.owners.insert(split.to_owned(), split.to_owned()).unwrap();
        let moved = [(record_id(split), Some(id(&from)), id(split))];
        self.engine.topology(at, &moved, &[], &[id(split)]);
        self.traits_in(at, split, None);
        self.traits_in(at, &from, None);
        self.commit();
    }

    /// A restart with other definitions.
    pub(crate) fn define(&mut self, clock: i64, audiences: Vec<Audience>) {
        let at = self.record(clock);
        self.commit();
        self.engine = self.restored(&audiences);
        self.audiences = audiences;
        if self.engine.missing() {
            let profiles: Vec<String> = self.owners.values().cloned().collect();
            for profile in profiles {
                let golden = self.golden(&profile);
                self.engine.backfill_traits(id(&profile), &|name| golden.get(name).cloned());
            }
            for call in &self.calls {
                with_input(call, id(&self.owners[&call.record]), |input| self.engine.backfill(input));
            }
            self.engine.finish_backfill(at);
        }
        self.commit();
    }

    /// One line a change, for hand-written cases.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.changes
            .iter()
            .map(|c| {
                format!(
                    "{} {} {} {} {}{}",
                    c.at.as_millis(),
                    name_of(c.profile),
                    c.audience,
                    c.change.as_str(),
                    c.reason.as_str(),
                    c.cause.as_ref().map_or(String::new(), |cause| format!(" {}", cause.message_id)),
                )
            })
            .collect()
    }
}

pub(crate) fn record_id(record: &str) -> RecordId {
    RecordId::new(format!("web:user:{record}"))
}

pub(crate) fn with_input(call: &Call, profile: ProfileId, run: impl FnOnce(Input<'_>)) {
    let message_id = format!("m{}", call.offset);
    let event = Event {
        source: "web",
        message_id: &message_id,
        event_type: call.event_type,
        name: (!call.name.is_empty()).then_some(call.name.as_str()),
        user_id: Some(&call.record),
        anonymous_id: None,
        timestamp: Timestamp::from_millis(call.t),
        original_timestamp: None,
        sent_at: None,
        received_at: Timestamp::from_millis(call.clock),
        request_ip: None,
        body: &call.body,
    };
    let record = record_id(&call.record);
    let at = At { clock: Timestamp::from_millis(call.clock), offset: Offset(call.offset) };
    run(Input { at, profile, record: &record, event: &event, body: &event.json() });
}
