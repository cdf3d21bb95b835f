use model::{Offset, Timestamp};

use super::Engine;
use crate::timers::NEVER;

impl Engine {
    /// Fires every deadline before `clock`, in order of (deadline, profile), each judged at exactly
    /// that instant (EV-2). A deadline equal to `clock` is judged after the record (EV-3).
    ///
    /// The offset is that of the record whose clock this is; which deadlines fire does not depend on it.
    pub fn advance(&mut self, clock: Timestamp, _offset: Offset) {
        self.settle();
        self.clock = self.clock.max(clock.as_millis());
        let mut due = Vec::new();
        while let Some((at, _)) = self.timers.first().filter(|(at, _)| *at < self.clock) {
            due.clear();
            while let Some((_, profile)) = self.timers.first().filter(|(next, _)| *next == at) {
                self.timers.pop();
                if self.is_due(profile, at) {
                    due.push((self.population.profile(profile).id, profile));
                }
            }
            due.sort_unstable();
            for (_, profile) in &due {
                self.fire(*profile, at);
            }
        }
        self.tidy_timers();
    }

    /// The next instant at which something changes although nothing arrives.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| Timestamp::from_millis(at))
    }

    /// Whether an entry taken from the timers is the profile's deadline; an entry that the deadline
    /// has outrun is put back at its new place.
    fn is_due(&mut self, profile: u32, at: i64) -> bool {
        let person = self.population.profile_mut(profile);
        if person.timer != at {
            return false;
        }
        person.timer = NEVER;
        if person.deadline > at {
            let deadline = person.deadline;
            self.schedule(profile, deadline);
            return false;
        }
        true
    }

    /// Sets the deadline of a profile; an entry that comes up earlier is kept.
    pub(super) fn schedule(&mut self, profile: u32, deadline: i64) {
        let person = self.population.profile_mut(profile);
        person.deadline = deadline;
        if deadline < person.timer {
            person.timer = deadline;
            self.timers.add(deadline, profile);
        }
    }

    /// Makes the first entry one that counts.
    pub(super) fn tidy_timers(&mut self) {
        while let Some((at, profile)) = self.timers.first() {
            let person = self.population.profile(profile);
            if person.timer == at && person.deadline == at {
                return;
            }
            self.timers.pop();
            self.is_due(profile, at);
        }
    }
}
