use std::collections::BTreeMap;

use hashbrown::HashMap;
use model::{AudienceName, ChangeReason, ProfileId};
use semantic::Audience;

use super::{
    At, Engine, Input,
    rules::{Condition, Install, Rule},
    stored::{Meta, StoredAudience},
};
use crate::{Error, leaf::Leaf, population, timers::NEVER};

/// A stored key and its value.
type Entry = (Vec<u8>, Vec<u8>);

impl Engine {
    /// An engine that has seen nothing: every audience is in effect at once.
    pub fn new(audiences: &[Audience]) -> Self {
        let mut engine = Self::assemble(audiences, &mut Meta::default());
        for rule in &mut engine.rules {
            rule.install = Install::Live;
            rule.version = 1;
        }
        engine.unsaved.building.clear();
        engine.unsaved.meta = true;
        engine
    }

    /// The engine as it was stored, from the keyspaces `audience_leaves`, `audience_members` and
    /// `audience_meta`; goes on exactly as the one that stored it.
    ///
    /// Where `audiences` are not those stored, what is new or changed waits ([`Engine::missing`]) for
    /// [`Engine::finish_backfill`]; everything else goes on.
    pub fn restore(
        audiences: &[Audience],
        leaves: impl IntoIterator<Item = Entry>,
        members: impl IntoIterator<Item = Entry>,
        meta: impl IntoIterator<Item = Entry>,
    ) -> Result<Self, Error> {
        let mut meta = Meta::read(meta)?;
        let mut engine = Self::assemble(audiences, &mut meta);
        engine.clock = meta.clock;
        engine.unsaved.clock = meta.clock;
        engine.read_members(&meta, members)?;
        engine.read_leaves(&meta, leaves)?;
        if engine.population.is_empty() && meta.audiences.is_empty() {
            return Ok(Self::new(audiences));
        }
        engine.rebuild_timers();
        Ok(engine)
    }

    /// Programs and rules, without anybody.
    fn assemble(audiences: &[Audience], meta: &mut Meta) -> Self {
        let mut engine = Self::default();
        let mut by_name: BTreeMap<&AudienceName, Option<&Audience>> =
            meta.audiences.keys().map(|name| (name, None)).collect();
        by_name.extend(audiences.iter().map(|audience| (&audience.name, Some(audience))));
        let mut next = meta.next_audience;
        for (name, audience) in by_name {
            let stored = meta.audiences.get(name).copied();
            let place = engine.rules.len() as u32;
            let condition = audience.map(|audience| Condition {
                expr: audience.condition.clone(),
                node: engine.program.add(audience, place),
            });
            let number = stored.map_or_else(|| take_next(&mut next), |s| s.number);
            engine.rules.push(Rule {
                name: name.clone(),
                number,
                version: stored.map_or(0, |stored| stored.version),
                hash: audience.map(|a| a.hash).or(stored.map(|s| s.hash)).unwrap_or(0),
                install: install(stored, audience),
                condition,
                members: Default::default(),
                size: 0,
            });
        }
        engine.unsaved.next_audience = next;
        engine.number_leaves(meta);
        engine
    }

    /// Gives each leaf its stored number, or a new one that waits for history.
    fn number_leaves(&mut self, meta: &Meta) {
        let mut next = meta.next_leaf;
        for (hash, leaf) in self.program.hashes().iter().zip(0_u32..) {
            let number = meta.leaves.get(hash).copied().unwrap_or_else(|| {
                self.unsaved.building.set(leaf, true);
                take_next(&mut next)
            });
            self.unsaved.leaf_numbers.push(number);
        }
        let used: HashMap<_, _> = self.program.hashes().iter().map(|hash| (*hash, ())).collect();
        self.unsaved.stale_leaves =
            meta.leaves.keys().filter(|hash| !used.contains_key(*hash)).copied().collect();
        self.unsaved.next_leaf = next;
    }

    /// Deadlines are not stored: each is the first one from the stored clock on.
    fn rebuild_timers(&mut self) {
        for profile in 0..self.population.len() as u32 {
            if self.population.profile(profile).hidden {
                continue;
            }
            self.judge(profile, self.clock - 1);
            let until = self.frame.until;
            if until != NEVER {
                self.schedule(profile, until);
            }
        }
        self.tidy_timers();
    }

    /// Whether a definition is new, changed or gone, so that [`Engine::finish_backfill`] is due.
    pub fn missing(&self) -> bool {
        self.rules.iter().any(|rule| !matches!(rule.install, Install::Live | Install::Gone))
    }

    /// Whether a leaf waits for calls of the past ([`Engine::backfill`]).
    pub fn missing_history(&self) -> bool {
        let mut building = self.unsaved.building.iter();
        building.any(|leaf| matches!(self.program.get(leaf), Leaf::Count(_)))
    }

    /// Whether a leaf waits for golden records ([`Engine::backfill_traits`]).
    pub fn missing_traits(&self) -> bool {
        self.unsaved.building.iter().any(|leaf| matches!(self.program.get(leaf), Leaf::Golden(_)))
    }

    /// A call of the past, in log order: counted by the leaves that wait for history alone. The
    /// profile is the present owner of its record. Calls that came in live since [`Engine::restore`] are
    /// history too: the backfill must reach up to the record at which [`Engine::finish_backfill`] is
    /// called.
    pub fn backfill(&mut self, input: Input<'_>) {
        let (profile, new) = self.population.enter(input.profile);
        if new {
            self.unsaved.profile(profile);
        }
        let record = self.population.record_of(population::key_of(input.record));
        if self.population.owner(record).is_none() {
            self.population.give(record, profile);
            self.unsaved.record(record);
        }
        let t = input.event.time().as_millis().min(input.at.millis());
        let building = std::mem::take(&mut self.unsaved.building);
        if self.count(input, record, t, |leaf| building.has(leaf)) {
            self.unsaved.record(record);
        }
        self.unsaved.building = building;
        self.pending.asked.clear();
    }

    /// The golden record of a profile, for the leaves that wait for it.
    pub fn backfill_traits(&mut self, profile: ProfileId, traits: &dyn Fn(&str) -> Option<String>) {
        let (profile, _) = self.population.enter(profile);
        self.unsaved.profile(profile);
        self.golden(profile, traits);
        self.pending.asked.clear();
    }

    /// All history is folded: the new definitions take effect at once, for every profile. Members
    /// that a changed or dropped audience no longer takes leave with reason definition.
    pub fn finish_backfill(&mut self, at: At) {
        self.advance(at.clock, at.offset);
        self.unsaved.building.clear();
        let mut reasons = Vec::new();
        for rule in &mut self.rules {
            let reason = match rule.install {
                Install::Live => Some(ChangeReason::Time),
                Install::New => Some(ChangeReason::Backfill),
                Install::Changed | Install::Dropped => Some(ChangeReason::Definition),
                Install::Gone => None,
            };
            reasons.push(reason);
            rule.version += u32::from(matches!(rule.install, Install::New | Install::Changed));
            rule.install = match rule.install {
                Install::Live | Install::New | Install::Changed => Install::Live,
                Install::Dropped | Install::Gone => Install::Dropped,
            };
        }
        for profile in self.population.ids_after(None).map(|(_, slot)| slot).collect::<Vec<_>>() {
            self.install_for(profile, &reasons);
        }
        for rule in &mut self.rules {
            if rule.install == Install::Dropped {
                rule.install = Install::Gone;
            }
        }
        // What is stored is encoded without the leaves that were waiting.
        self.unsaved.everybody(&self.population);
        self.unsaved.meta = true;
        self.tidy_timers();
    }
}

fn take_next(next: &mut u32) -> u32 {
    *next += 1;
    *next - 1
}

fn install(stored: Option<StoredAudience>, audience: Option<&Audience>) -> Install {
    match (stored, audience) {
        (Some(stored), None) if stored.dropped => Install::Gone,
        (Some(_), None) => Install::Dropped,
        (Some(stored), Some(_)) if stored.dropped => Install::New,
        (Some(stored), Some(audience)) if stored.hash == audience.hash => Install::Live,
        (Some(_), Some(_)) => Install::Changed,
        (None, _) => Install::New,
    }
}
