use model::{ChangeReason, ProfileId, RecordId};

use super::{At, Engine};
use crate::population;

impl Engine {
    /// Identity gave records to other profiles. `moved`: record, owner before, owner now; `hidden`:
    /// profiles that are no longer there, and what they are part of now; `shown`: profiles that are
    /// there again.
    ///
    /// A hidden profile leaves everything; the others get their net difference (EV-11). The golden
    /// records that changed with it follow through [`Engine::traits`].
    pub fn topology(
        &mut self,
        at: At,
        moved: &[(RecordId, Option<ProfileId>, ProfileId)],
        hidden: &[(ProfileId, Option<ProfileId>)],
        shown: &[ProfileId],
    ) {
        self.begin(at);
        let before = moved.iter().flat_map(|(_, from, to)| from.iter().chain([to]));
        let known = before.chain(hidden.iter().map(|(id, _)| id)).chain(shown);
        for profile in known.filter_map(|id| self.population.find(*id)).collect::<Vec<_>>() {
            self.touch(profile);
        }
        for id in shown {
            self.show(*id);
        }
        for (record, _, to) in moved {
            self.give(record, *to);
        }
        for (id, into) in hidden {
            self.hide(*id, *into);
        }
        self.pending.open_topology();
    }

    fn show(&mut self, id: ProfileId) {
        let profile = self.enter(id);
        let person = self.population.profile_mut(profile);
        if std::mem::take(&mut person.hidden) {
            self.pending.touch(profile).topology = Some(ChangeReason::Unmerge);
        }
        self.pending.touch(profile).all = true;
        self.unsaved.profile(profile);
    }

    fn give(&mut self, record: &RecordId, to: ProfileId) {
        let new = self.population.find(to).is_none();
        let to = self.enter(to);
        let record = self.population.record_of(population::key_of(record));
        let is_new = self.population.owner(record).is_none();
        let from = self.population.give(record, to);
        if is_new || from.is_some() {
            self.unsaved.record(record);
            self.pending.touch(to).all = true;
        }
        let Some(from) = from else { return };
        // Who gains is merged, who loses is split; a profile that begins this way is split off.
        let gain = if new { ChangeReason::Unmerge } else { ChangeReason::Merge };
        self.pending.touch(to).topology.get_or_insert(gain);
        let loser = self.pending.touch(from);
        loser.all = true;
        loser.topology.get_or_insert(ChangeReason::Unmerge);
    }

    fn hide(&mut self, id: ProfileId, into: Option<ProfileId>) {
        let profile = self.enter(id);
        let person = self.population.profile_mut(profile);
        person.hidden = true;
        person.golden = crate::states::States::default();
        let touched = self.pending.touch(profile);
        touched.topology = Some(ChangeReason::Merge);
        touched.hidden = Some(into);
        self.unsaved.profile(profile);
    }
}
