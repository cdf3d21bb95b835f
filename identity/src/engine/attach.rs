//! The fast path: an observation that only adds links between clean components whose union fits
//! (lemma of `identity.md` §7).

use std::collections::BTreeMap;

use model::{Offset, ProfileId};

use super::{Difference, Identity, NONE, Update, face::Face, groups::Group};
use crate::RecordMove;

/// A union that is known to be allowed.
#[derive(Debug)]
struct Union {
    /// Profiles that become one.
    groups: Vec<u32>,
    /// Values that the record brings and did not carry before.
    added: Vec<u32>,
    /// Of these, active ones that nobody carried: new nodes of the profile.
    fresh: Vec<u32>,
}

/// What a profile looked like before a union.
#[derive(Debug)]
enum Looks {
    /// It will look the same.
    Same,
    /// It will look different.
    Differ,
    /// The traits that may change.
    Traits(BTreeMap<String, String>),
    /// Everything, of each profile that takes part.
    Faces(Vec<(ProfileId, Face)>),
}

impl Identity {
    /// Takes the fast path if the lemma covers the update; otherwise changes nothing.
    pub(super) fn attach(&mut self, update: &Update, is_new: bool, version: Offset) -> Option<Difference> {
        let union = self.plan(update, is_new)?;
        let before = self.looks(update, &union, is_new);
        let mut difference = self.unite(update, &union, version);
        let group = self.records.get(update.record).group;
        let id = self.group_id(group);
        let changed = match before {
            _ if !difference.shown.is_empty() => self.has_content(group),
            Looks::Differ => true,
            Looks::Same => false,
            Looks::Traits(old) => old != self.trait_values(&self.members(group), Some(&update.trait_names())),
            Looks::Faces(old) => old.iter().all(|(old_id, face)| *old_id != id || *face != self.face(group)),
        };
        if changed {
            difference.traits_changed.push(id);
        }
        Some(difference)
    }

    /// What has to be compared after the union, at the least cost.
    fn looks(&self, update: &Update, union: &Union, is_new: bool) -> Looks {
        match union.groups[..] {
            // A new profile: `shown` decides.
            [] => Looks::Same,
            _ if !union.fresh.is_empty() => Looks::Differ,
            [_] if update.traits.is_empty() => Looks::Same,
            [only] => Looks::Traits(self.trait_values(&self.members(only), Some(&update.trait_names()))),
            // Every profile reached through a value brings that identifier. Only the record's own may
            // have none.
            _ => {
                let own = self.records.get(update.record).group;
                if is_new || !self.identifiers(own, &self.members(own)).is_empty() {
                    return Looks::Differ;
                }
                Looks::Faces(union.groups.iter().map(|g| (self.group_id(*g), self.face(*g))).collect())
            }
        }
    }

    fn plan(&self, update: &Update, is_new: bool) -> Option<Union> {
        let record = self.records.get(update.record);
        let mut union = Union { groups: Vec::new(), added: Vec::new(), fresh: Vec::new() };
        if is_new {
            if self.has_live_directive(update.record) {
                return None;
            }
        } else {
            union.groups.push(record.group);
            if self.needs_scan(update) {
                return None;
            }
        }
        if let Some(links) = &update.links {
            if record.links.iter().any(|old| links.binary_search(old).is_err()) {
                return None;
            }
            let is_added = |value: &u32| record.links.binary_search(value).is_err();
            union.added.extend(links.iter().copied().filter(is_added));
        }
        for value in &union.added {
            let node = self.values.node(*value);
            let fanout = self.rules.types[usize::from(node.kind)].max_fanout;
            match node.carriers() {
                // Crosses into suspension: every carrier is affected.
                carriers if carriers.len() == fanout => return None,
                // Suspended before and after.
                carriers if carriers.len() > fanout => {}
                [] => union.fresh.push(*value),
                [first, ..] => union.groups.push(self.records.get(*first).group),
            }
        }
        union.groups.sort_unstable();
        union.groups.dedup();
        self.fits(&union).then_some(union)
    }

    /// Whether a change inside one record can change the outcome of a scan.
    fn needs_scan(&self, update: &Update) -> bool {
        let record = self.records.get(update.record);
        if self.groups.get(record.group).conflict == NONE {
            return false;
        }
        let order_moved = update.first_seen < record.first_seen
            || (update.last_seen_of_links && self.rules.types.iter().any(|t| t.newest_first));
        let links_moved = update.links.as_ref().is_some_and(|links| links[..] != record.links[..]);
        order_moved || links_moved
    }

    fn has_live_directive(&self, record: u32) -> bool {
        let rid = &self.records.get(record).rid;
        let mut partners = self.rules.must.of(rid).iter().chain(self.rules.never.of(rid));
        partners.any(|partner| self.records.find(partner.as_str()).is_some_and(|r| r != record))
    }

    fn fits(&self, union: &Union) -> bool {
        if let [only] = union.groups[..]
            && union.fresh.is_empty()
        {
            // Nothing is united: also right inside a conflicted component.
            return union.added.is_empty() || self.groups.get(only).conflict == NONE;
        }
        if union.groups.iter().any(|group| self.groups.get(*group).conflict != NONE) {
            return false;
        }
        if union.groups.iter().filter(|group| self.groups.get(**group).guarded).count() > 1 {
            return false;
        }
        self.rules.limits.iter().enumerate().all(|(slot, limit)| {
            let held: u32 = union.groups.iter().map(|group| self.groups.counts(*group)[slot]).sum();
            let fresh = union.fresh.iter().filter(|value| self.slot(**value) == Some(slot)).count();
            held as usize + fresh <= *limit as usize
        })
    }

    fn unite(&mut self, update: &Update, union: &Union, version: Offset) -> Difference {
        let record = update.record;
        let anchors: Vec<u32> = union.groups.iter().map(|group| self.groups.get(*group).anchor).collect();
        let old_ids: Vec<ProfileId> = anchors.iter().map(|anchor| self.records.get(*anchor).id).collect();
        self.install(update);
        let is_new = self.records.get(record).group == NONE;
        let target = match union.groups.iter().copied().max_by_key(|group| self.groups.get(*group).size) {
            Some(largest) => largest,
            None => self.groups.insert(record, 0),
        };
        let oldest = |best: u32, next: u32| if self.records.is_older(next, best) { next } else { best };
        let anchor = anchors.iter().copied().fold(record, oldest);
        let id = self.records.get(anchor).id;
        let mut difference = Difference::default();
        for (group, old_id) in union.groups.iter().zip(&old_ids).filter(|(_, old_id)| **old_id != id) {
            difference.hidden.push((*old_id, Some(id)));
            for member in self.members(*group) {
                self.touch(member, version);
                let rid = self.records.get(member).rid.clone();
                difference.moved.push(RecordMove { rid, from: Some(*old_id), to: id });
            }
        }
        if is_new {
            let rid = self.records.get(record).rid.clone();
            difference.moved.push(RecordMove { rid, from: None, to: id });
            self.enter(record, target);
        }
        if !old_ids.contains(&id) {
            difference.shown.push(id);
        }
        for group in union.groups.iter().filter(|group| **group != target) {
            self.absorb(target, *group);
        }
        for value in &union.fresh {
            if let Some(slot) = self.slot(*value) {
                self.groups.counts_mut(target)[slot] += 1;
            }
        }
        self.groups.get_mut(target).anchor = anchor;
        difference
    }

    /// Puts the new content of a record in place, its carried values included.
    pub(super) fn install(&mut self, update: &Update) {
        let record = update.record;
        if let Some(links) = &update.links {
            let old = std::mem::replace(&mut self.records.get_mut(record).links, links.as_slice().into());
            for value in links.iter().filter(|value| old.binary_search(value).is_err()) {
                self.values.add_carrier(*value, record);
            }
            for value in old.iter().filter(|value| links.binary_search(value).is_err()) {
                self.values.remove_carrier(*value, record);
            }
        }
        let slot = self.records.get_mut(record);
        slot.first_seen = update.first_seen;
        if slot.stored.len() == update.stored.len() {
            slot.stored.copy_from_slice(&update.stored);
        } else {
            slot.stored = update.stored.as_slice().into();
        }
    }

    /// Adds a new record to the ring of a profile.
    fn enter(&mut self, record: u32, group: u32) {
        let Group { anchor, size, .. } = *self.groups.get(group);
        let next = if size == 0 { record } else { self.records.get(anchor).next };
        if size > 0 {
            self.records.get_mut(anchor).next = record;
        }
        let guarded = !self.rules.never.of(&self.records.get(record).rid).is_empty();
        let slot = self.records.get_mut(record);
        slot.next = next;
        slot.group = group;
        let it = self.groups.get_mut(group);
        it.size += 1;
        it.guarded |= guarded;
    }

    /// Makes the members of `gone` members of `target`.
    fn absorb(&mut self, target: u32, gone: u32) {
        for member in self.members(gone) {
            self.records.get_mut(member).group = target;
        }
        let (kept, lost) = (*self.groups.get(target), *self.groups.get(gone));
        let next = self.records.get(kept.anchor).next;
        self.records.get_mut(kept.anchor).next = self.records.get(lost.anchor).next;
        self.records.get_mut(lost.anchor).next = next;
        for slot in 0..self.rules.limits.len() {
            let count = self.groups.counts(gone)[slot];
            self.groups.counts_mut(target)[slot] += count;
        }
        let it = self.groups.get_mut(target);
        it.size += lost.size;
        it.guarded |= lost.guarded;
        self.groups.remove(gone);
    }
}
