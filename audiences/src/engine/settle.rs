use model::{Cause, ChangeKind, ChangeReason, Event, ProfileId, Timestamp};

use super::{At, Engine, PendingChange};
use crate::{bits::Bits, timers::NEVER};

/// What a record has touched and nothing is published of yet.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) at: Option<At>,
    /// Kind of the record, as the reason of what it changes.
    pub(super) kind: Option<ChangeReason>,
    pub(super) cause: Message,
    touched: Vec<Touched>,
    /// Audiences that ask a leaf that changed.
    pub(super) asked: Bits,
    topology_open: bool,
}

/// The message behind a record, in buffers that are used again: most calls change no membership.
#[derive(Debug, Default)]
pub(super) struct Message {
    known: bool,
    id: String,
    event: String,
    t: i64,
}

impl Message {
    pub(super) fn set_call(&mut self, event: &Event<'_>, t: i64) {
        self.known = true;
        self.t = t;
        self.id.clear();
        self.id.push_str(event.message_id);
        self.event.clear();
        self.event.push_str(event.name.unwrap_or(event.event_type.as_str()));
    }

    pub(super) fn set(&mut self, cause: Option<Cause>) {
        if let Some(cause) = cause {
            self.known = true;
            self.t = cause.t.as_millis();
            cause.message_id.as_str().clone_into(&mut self.id);
            self.event = cause.event;
        }
    }

    fn get(&self) -> Option<Cause> {
        self.known.then(|| Cause {
            message_id: self.id.as_str().into(),
            event: self.event.clone(),
            t: Timestamp::from_millis(self.t),
        })
    }
}

/// A profile that must be judged.
#[derive(Debug, Default)]
pub(super) struct Touched {
    profile: u32,
    /// Every audience is asked, not only those of the leaves that changed.
    pub(super) all: bool,
    /// Audiences that the clock alone turns at this instant.
    by_time: Vec<u32>,
    /// Merge or unmerge, if the record moved records of this profile.
    pub(super) topology: Option<ChangeReason>,
    /// Audiences that the merge or split alone turns; `None` until the call itself is folded.
    by_topology: Option<Vec<u32>>,
    /// The profile is merged away, into this one if known.
    pub(super) hidden: Option<Option<ProfileId>>,
}

/// Truths of all leaves for one profile at one instant, and until when they stand.
#[derive(Debug, Default)]
pub(super) struct Frame {
    pub(super) truths: Bits,
    pub(super) until: i64,
}

/// Circumstances of the changes of one profile.
struct Circumstances {
    at: i64,
    computed_at: i64,
    merged_into: Option<ProfileId>,
}

impl Pending {
    /// The note about a profile, made if there is none.
    pub(super) fn touch(&mut self, profile: u32) -> &mut Touched {
        let place = self.touched.iter().position(|touched| touched.profile == profile);
        let place = place.unwrap_or_else(|| {
            self.touched.push(Touched { profile, ..Touched::default() });
            self.touched.len() - 1
        });
        &mut self.touched[place]
    }

    pub(super) fn open_topology(&mut self) {
        self.topology_open = true;
    }

    /// Everything noted so far is settled.
    fn clear(&mut self) -> Vec<Touched> {
        self.at = None;
        self.kind = None;
        self.asked.clear();
        self.topology_open = false;
        std::mem::take(&mut self.touched)
    }
}

impl Engine {
    /// Before a record changes a profile: notes what the clock alone turns at this very instant, which
    /// is not the record's doing (EV-3, EV-6).
    pub(super) fn touch(&mut self, profile: u32) {
        if self.population.profile(profile).deadline > self.clock {
            return;
        }
        let by_time = self.turned(profile);
        let touched = self.pending.touch(profile);
        touched.all = true;
        touched.by_time.extend(by_time);
        // Judged once an instant, before its first change.
        self.population.profile_mut(profile).deadline = NEVER;
    }

    /// Before the call of a record is folded: notes what its merge or split has turned.
    pub(super) fn close_topology(&mut self) {
        if !std::mem::take(&mut self.pending.topology_open) {
            return;
        }
        let moved = self.pending.touched.iter().filter(|t| t.topology.is_some() && t.hidden.is_none());
        for profile in moved.map(|touched| touched.profile).collect::<Vec<_>>() {
            let turned = self.turned(profile);
            self.pending.touch(profile).by_topology = Some(turned);
        }
    }

    /// Live audiences whose truth is not what is published.
    fn turned(&mut self, profile: u32) -> Vec<u32> {
        self.judge(profile, self.clock);
        let memberships = &self.population.profile(profile).memberships;
        let turned = self.rules.iter().zip(0_u32..).filter_map(|(rule, audience)| {
            let holds = rule.live()?.node.holds(&self.frame.truths);
            (holds != memberships.has(audience)).then_some(audience)
        });
        turned.collect()
    }

    /// Truths of all leaves for the profile at `now`, in `frame`.
    pub(super) fn judge(&mut self, profile: u32, now: i64) {
        let frame = &mut self.frame;
        frame.truths.copy_from(self.program.absent());
        frame.until = NEVER;
        self.population.for_each_state(&self.program, profile, |leaf, kind, state| {
            let moment = kind.at(state, now);
            frame.truths.set(leaf, moment.holds);
            frame.until = frame.until.min(moment.until);
        });
    }

    /// Judges and publishes everything touched: profiles that are merged away first, then by id.
    pub(super) fn settle(&mut self) {
        if self.pending.at.is_none() {
            return;
        }
        let kind = self.pending.kind.unwrap_or(ChangeReason::Trait);
        let asked = std::mem::take(&mut self.pending.asked);
        let mut touched = self.pending.clear();
        if touched.len() > 1 {
            touched.sort_by_key(|t| (t.hidden.is_none(), self.population.profile(t.profile).id));
        }
        for touched in touched {
            self.settle_one(touched, &asked, kind);
        }
        self.pending.asked = asked;
        self.pending.asked.clear();
        self.pending.cause.known = false;
        self.tidy_timers();
    }

    fn settle_one(&mut self, touched: Touched, asked: &Bits, kind: ChangeReason) {
        let Touched { profile, all, by_time, topology, by_topology, hidden } = touched;
        let clock = self.clock;
        let circumstances = Circumstances { at: clock, computed_at: clock, merged_into: hidden.flatten() };
        let reason_of = |audience: u32| {
            if by_time.contains(&audience) {
                return ChangeReason::Time;
            }
            match (topology, &by_topology) {
                (Some(reason), None) => reason,
                (Some(reason), Some(turned)) if turned.contains(&audience) => reason,
                _ => kind,
            }
        };
        if hidden.is_some() {
            let left: Vec<u32> = self.population.profile(profile).memberships.iter().map(|m| m.0).collect();
            for audience in left {
                self.publish(profile, audience, false, reason_of(audience), &circumstances);
            }
            self.schedule(profile, NEVER);
            return;
        }
        self.judge(profile, clock);
        let until = self.frame.until;
        if all {
            for audience in 0..self.rules.len() as u32 {
                self.settle_audience(profile, audience, &reason_of, &circumstances);
            }
        } else {
            for audience in asked.iter() {
                self.settle_audience(profile, audience, &reason_of, &circumstances);
            }
        }
        self.schedule(profile, until);
    }

    fn settle_audience(
        &mut self,
        profile: u32,
        audience: u32,
        reason_of: &impl Fn(u32) -> ChangeReason,
        circumstances: &Circumstances,
    ) {
        let Some(condition) = self.rules[audience as usize].live() else { return };
        let holds = condition.node.holds(&self.frame.truths);
        if holds != self.population.profile(profile).memberships.has(audience) {
            self.publish(profile, audience, holds, reason_of(audience), circumstances);
        }
    }

    /// A deadline of a profile: judged at exactly `at`.
    pub(super) fn fire(&mut self, profile: u32, at: i64) {
        self.judge(profile, at);
        let until = self.frame.until;
        let circumstances = Circumstances { at, computed_at: self.clock, merged_into: None };
        for audience in 0..self.rules.len() as u32 {
            self.settle_audience(profile, audience, &|_| ChangeReason::Time, &circumstances);
        }
        self.schedule(profile, until);
    }

    /// New definitions take effect for a profile; `reasons` are those of the audiences, `None` for one
    /// that is gone.
    pub(super) fn install_for(&mut self, profile: u32, reasons: &[Option<ChangeReason>]) {
        if self.population.profile(profile).hidden {
            return;
        }
        let circumstances = Circumstances { at: self.clock, computed_at: self.clock, merged_into: None };
        self.judge(profile, self.clock);
        let until = self.frame.until;
        for (reason, audience) in reasons.iter().zip(0_u32..) {
            let Some(reason) = *reason else { continue };
            let live = self.rules[audience as usize].live();
            let holds = live.is_some_and(|condition| condition.node.holds(&self.frame.truths));
            if holds != self.population.profile(profile).memberships.has(audience) {
                self.publish(profile, audience, holds, reason, &circumstances);
            }
        }
        self.schedule(profile, until);
    }

    fn publish(
        &mut self,
        profile: u32,
        audience: u32,
        member: bool,
        reason: ChangeReason,
        circumstances: &Circumstances,
    ) {
        let Circumstances { at, computed_at, merged_into } = *circumstances;
        let leaves_at = if member { self.leaves_at(profile, audience, at) } else { None };
        let rule = &mut self.rules[audience as usize];
        rule.count(profile, member);
        let person = self.population.profile_mut(profile);
        person.seq += 1;
        if member {
            person.memberships.enter(audience, at);
        } else {
            person.memberships.leave(audience);
        }
        self.unsaved.profile(profile);
        self.changes.push(PendingChange {
            audience: rule.name.clone(),
            audience_version: rule.version,
            profile: person.id,
            change: if member { ChangeKind::Entered } else { ChangeKind::Exited },
            reason,
            cause: self.pending.cause.get().filter(|_| is_caused(reason)),
            at: Timestamp::from_millis(at),
            computed_at: Timestamp::from_millis(computed_at),
            profile_seq: u64::from(person.seq),
            leaves_at,
            merged_into: merged_into.filter(|_| reason == ChangeReason::Merge),
        });
    }
}

/// Whether a message can be behind a change of this reason.
fn is_caused(reason: ChangeReason) -> bool {
    !matches!(reason, ChangeReason::Time | ChangeReason::Definition | ChangeReason::Backfill)
}
