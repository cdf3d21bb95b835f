use model::{
    AudienceName, Cause, ChangeKind, ChangeReason, Event, EventType, Offset, ProfileId, RecordId, Timestamp,
    json::Json,
};

use crate::{
    leaf::Leaf,
    population::{self, Population},
    program::Program,
    timers::Timers,
};

mod clock;
mod explain;
mod install;
mod read;
mod rules;
mod settle;
mod stored;
mod topology;

pub use explain::Explanation;
pub use read::Member;
pub use stored::Dirty;

use rules::{Install, Rule};
use settle::{Frame, Pending};
use stored::Unsaved;

/// When a record was written and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At {
    /// The log's clock at the record; never goes back. Audiences see whole milliseconds of it.
    pub clock: Timestamp,
    /// Its position.
    pub offset: Offset,
}

impl At {
    fn millis(self) -> i64 {
        self.clock.as_millis()
    }
}

/// A stored call.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The log record that carries it.
    pub at: At,
    /// The profile that its identity record belongs to now.
    pub profile: ProfileId,
    /// Its identity record.
    pub record: &'a RecordId,
    /// The call.
    pub event: &'a Event<'a>,
    /// [`Event::json`], parsed once for all readers.
    pub body: &'a Json<'a>,
}

/// A change of membership that the pipeline has yet to number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingChange {
    /// Which audience.
    pub audience: AudienceName,
    /// Which version of its definition.
    pub audience_version: u32,
    /// Which profile.
    pub profile: ProfileId,
    /// Entry or exit.
    pub change: ChangeKind,
    /// Why.
    pub reason: ChangeReason,
    /// Which message, where one did.
    pub cause: Option<Cause>,
    /// When it took effect.
    pub at: Timestamp,
    /// The clock of the record that made it.
    pub computed_at: Timestamp,
    /// 1, 2, 3.. per profile over all audiences.
    pub profile_seq: u64,
    /// When the membership ends with no further call, if known.
    pub leaves_at: Option<Timestamp>,
    /// The surviving profile, for reason `merge`.
    pub merged_into: Option<ProfileId>,
}

/// Decides who is in which audience, record by record.
///
/// For each record: [`Engine::advance`] to its clock, then [`Engine::topology`], [`Engine::traits`]
/// and [`Engine::event`] as far as they apply, then [`Engine::take_changes`]. Nothing is published
/// before that last call, because all of one record happens in one instant (EV-7).
#[derive(Debug, Default)]
pub struct Engine {
    program: Program,
    /// By name; a number never changes while the engine lives.
    rules: Vec<Rule>,
    population: Population,
    timers: Timers,
    /// The latest clock seen.
    clock: i64,
    pending: Pending,
    changes: Vec<PendingChange>,
    unsaved: Unsaved,
    frame: Frame,
    scratch: Scratch,
}

/// Room that is used again for every call.
#[derive(Debug, Default)]
struct Scratch {
    counted: Vec<u32>,
    filters: Vec<Option<bool>>,
    state: Vec<u64>,
}

impl Engine {
    /// A call of a profile: counted by the leaves that select it.
    pub fn event(&mut self, input: Input<'_>) {
        self.begin(input.at);
        self.pending.kind = Some(match input.event.event_type {
            EventType::Identify => ChangeReason::Trait,
            _ => ChangeReason::Event,
        });
        self.close_topology();
        let record = self.population.record_of(population::key_of(input.record));
        // Nearly always the owner is known, and finding it by id is the dearer way.
        let owner = self.population.owner(record);
        let owner = owner.filter(|owner| self.population.profile(*owner).id == input.profile);
        let profile = owner.unwrap_or_else(|| self.enter(input.profile));
        self.touch(profile);
        if owner.is_none() {
            self.population.give(record, profile);
            self.unsaved.record(record);
            self.pending.touch(profile).all = true;
        }
        let t = input.event.time().as_millis().min(self.clock);
        // Leaves that wait for history get this call from the backfill, which reads up to its own place.
        let building = std::mem::take(&mut self.unsaved.building);
        if self.count(input, record, t, |leaf| !building.has(leaf)) {
            self.unsaved.record(record);
            self.pending.touch(profile);
        }
        self.unsaved.building = building;
        self.pending.cause.set_call(input.event, t);
    }

    /// The golden record of a profile is new or changed; `traits` gives the JSON text of a trait.
    /// Needed for every profile that a merge or split changed or showed, too.
    pub fn traits(
        &mut self,
        at: At,
        profile: ProfileId,
        traits: &dyn Fn(&str) -> Option<String>,
        cause: Option<Cause>,
    ) {
        self.begin(at);
        self.pending.kind.get_or_insert(ChangeReason::Trait);
        self.pending.cause.set(cause);
        let profile = self.enter(profile);
        self.touch(profile);
        if self.golden(profile, traits) {
            self.unsaved.profile(profile);
            self.pending.touch(profile);
        }
    }

    /// Everything that changed since the last call, in order.
    pub fn take_changes(&mut self) -> Vec<PendingChange> {
        self.settle();
        std::mem::take(&mut self.changes)
    }

    /// Starts an instant, or goes on in the same one.
    fn begin(&mut self, at: At) {
        if self.pending.at != Some(at) {
            self.settle();
            self.clock = self.clock.max(at.millis());
            self.pending.at = Some(at);
        }
    }

    /// The profile of an id. A new one is asked about every audience: some are true without any call.
    fn enter(&mut self, id: ProfileId) -> u32 {
        let (profile, new) = self.population.enter(id);
        if new {
            self.unsaved.profile(profile);
            self.pending.touch(profile).all = true;
        }
        profile
    }

    /// Counts a call in the leaves that `wanted` picks; says whether that changed any state.
    fn count(&mut self, input: Input<'_>, record: u32, t: i64, wanted: impl Fn(u32) -> bool) -> bool {
        let Scratch { counted, filters, state } = &mut self.scratch;
        self.program.counted_by(input.event, input.body, filters, counted);
        let mut changed = false;
        for leaf in counted.iter().copied().filter(|leaf| wanted(*leaf)) {
            let Leaf::Count(count) = self.program.get(leaf) else { continue };
            let states = &mut self.population.record_mut(record).states;
            if count.update(states.get(leaf), t, self.clock, state) && states.put(leaf, state) {
                changed = true;
                self.pending.asked.union(self.program.askers(leaf));
            }
        }
        changed
    }

    /// Reads the leaves over the golden record; says whether that changed any state.
    fn golden(&mut self, profile: u32, traits: &dyn Fn(&str) -> Option<String>) -> bool {
        let mut changed = false;
        for leaf in self.program.golden().iter().copied() {
            let Leaf::Golden(golden) = self.program.get(leaf) else { continue };
            golden.read(traits, &mut self.scratch.state);
            if self.population.profile_mut(profile).golden.put(leaf, &self.scratch.state) {
                changed = true;
                self.pending.asked.union(self.program.askers(leaf));
            }
        }
        changed
    }

    /// Bytes held for profiles, records, memberships and timers.
    pub fn bytes(&self) -> usize {
        self.population.bytes() + self.timers.bytes()
    }

    /// Profiles known, hidden ones included.
    pub fn profiles(&self) -> usize {
        self.population.len()
    }
}
