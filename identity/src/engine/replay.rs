//! The slow path: components that an update touches are taken apart and clustered again from their
//! links, and only they (IDR-4).

use hashbrown::{HashMap, HashSet};
use model::{Offset, ProfileId, RecordId};

use super::{Difference, Identity, NONE, Update, face::Face, groups::Conflict, groups::renumber};
use crate::{
    LinkStatus, RecordMove,
    links::links_of,
    scan::{Solution, Task, TaskLink, scan},
};

/// Marks a record that is in the component being collected, and in no profile yet.
const COLLECTED: u32 = NONE - 1;

/// So many carriers are cheaper to list again than to remember.
const FEW: usize = 8;

/// The touched components as they were.
#[derive(Debug, Default)]
struct Before {
    groups: Vec<(u32, ProfileId, Face)>,
    records: Vec<RecordBefore>,
}

/// A record as it was.
#[derive(Debug)]
struct RecordBefore {
    record: u32,
    /// `None` for a new one.
    profile: Option<ProfileId>,
    links: Vec<(u32, LinkStatus)>,
}

impl Identity {
    /// Applies an update or a removal, and clusters what it touches again.
    pub(super) fn replay(
        &mut self,
        update: Option<Update>,
        removed: Option<u32>,
        version: Offset,
    ) -> Difference {
        let before = self.before(update.as_ref(), removed);
        let old_links = match (&update, removed) {
            (Some(update), _) => self.records.get(update.record).links.to_vec(),
            (None, Some(record)) => self.records.get(record).links.to_vec(),
            (None, None) => Vec::new(),
        };
        self.dissolve(&before);
        if let Some(update) = &update {
            self.install(update);
        }
        if let Some(record) = removed {
            for value in &old_links {
                self.values.remove_carrier(*value, record);
            }
            self.records.remove(record);
        }
        let all = before.records.iter().map(|r| r.record);
        let live: Vec<u32> = all.filter(|r| Some(*r) != removed).collect();
        self.regroup(&live);
        let difference = self.difference(&before, removed, version);
        for value in old_links {
            self.values.release(value);
        }
        difference
    }

    fn before(&self, update: Option<&Update>, removed: Option<u32>) -> Before {
        let mut touched: Vec<u32> = Vec::new();
        let record = update.map(|u| u.record).or(removed);
        let mut touch = |record: u32| {
            let group = self.records.get(record).group;
            if group != NONE {
                touched.push(group);
            }
        };
        let mut before = Before::default();
        if let Some(record) = record {
            touch(record);
            let slot = self.records.get(record);
            if slot.group == NONE {
                before.records.push(RecordBefore { record, profile: None, links: Vec::new() });
                let partners = self.rules.must.of(&slot.rid).iter();
                partners.filter_map(|p| self.records.find(p.as_str())).for_each(&mut touch);
            }
            let new_links = match (update, removed) {
                (Some(update), _) => update.links.as_deref().unwrap_or(&slot.links),
                (None, _) => &[],
            };
            for value in self.relinked(&slot.links, new_links) {
                self.values.node(value).carriers().iter().for_each(|r| touch(*r));
            }
        }
        for group in self.whole_components(touched) {
            let id = self.group_id(group);
            before.groups.push((group, id, self.face(group)));
            before.records.extend(self.members(group).into_iter().map(|record| RecordBefore {
                record,
                profile: Some(id),
                links: self.statuses(record),
            }));
        }
        before
    }

    /// Values gained or lost that are active before or after.
    fn relinked(&self, old: &[u32], new: &[u32]) -> Vec<u32> {
        let fanout = |value: u32| self.rules.types[usize::from(self.values.node(value).kind)].max_fanout;
        let carriers = |value: u32| self.values.node(value).carriers().len();
        let gained = new.iter().filter(|v| old.binary_search(v).is_err() && carriers(**v) <= fanout(**v));
        let lost = old.iter().filter(|v| new.binary_search(v).is_err() && carriers(**v) - 1 <= fanout(**v));
        gained.chain(lost).copied().collect()
    }

    fn whole_components(&self, groups: Vec<u32>) -> Vec<u32> {
        let whole = |group: u32| match self.groups.get(group).conflict {
            NONE => vec![group],
            conflict => self.groups.conflict(conflict).groups.clone(),
        };
        let distinct: HashSet<u32> = groups.into_iter().collect();
        let mut all: Vec<u32> = distinct.into_iter().flat_map(whole).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    fn dissolve(&mut self, before: &Before) {
        for (group, ..) in &before.groups {
            let conflict = self.groups.get(*group).conflict;
            if conflict != NONE && !self.groups.conflict(conflict).groups.is_empty() {
                self.groups.remove_conflict(conflict);
            }
            self.groups.remove(*group);
        }
        for was in &before.records {
            self.records.get_mut(was.record).group = NONE;
        }
    }

    /// Clusters a closed set of records that are in no profile.
    pub(super) fn regroup(&mut self, records: &[u32]) {
        let mut expanded: HashSet<u32> = HashSet::new();
        let mut component = Vec::new();
        let mut found = Vec::new();
        let mut clustered = 0;
        for start in records {
            if self.records.get(*start).group != NONE {
                continue;
            }
            component.clear();
            self.collect(*start, &mut component);
            let mut next = 0;
            while let Some(record) = component.get(next).copied() {
                next += 1;
                self.neighbours(record, &mut expanded, &mut found);
                found.drain(..).for_each(|record| self.collect(record, &mut component));
            }
            clustered += component.len();
            self.cluster(&mut component);
        }
        debug_assert_eq!(clustered, records.len(), "the touched components are a closed set");
    }

    /// Adds a record to the component that is being collected, once.
    fn collect(&mut self, record: u32, component: &mut Vec<u32>) {
        let slot = self.records.get_mut(record);
        if slot.group == NONE {
            slot.group = COLLECTED;
            component.push(record);
        }
    }

    /// Records that share an active value or a must pair with this one.
    fn neighbours(&self, record: u32, expanded: &mut HashSet<u32>, found: &mut Vec<u32>) {
        let slot = self.records.get(record);
        for value in slot.links.iter().filter(|value| self.is_active(**value)) {
            let carriers = self.values.node(*value).carriers();
            // The carriers of a popular value are listed once, not once for each of them.
            if carriers.len() <= FEW || expanded.insert(*value) {
                found.extend(carriers.iter().filter(|carrier| **carrier != record));
            }
        }
        let partners = self.rules.must.of(&slot.rid).iter();
        found.extend(partners.filter_map(|partner| self.records.find(partner.as_str())));
    }

    fn cluster(&mut self, component: &mut [u32]) {
        let mut values: Vec<u32> = component
            .iter()
            .flat_map(|record| self.records.get(*record).links.iter().copied())
            .filter(|value| self.is_active(*value))
            .collect();
        values.sort_unstable();
        values.dedup();
        let mut counts = vec![0; self.rules.limits.len()];
        for slot in values.iter().filter_map(|value| self.slot(*value)) {
            counts[slot] += 1;
        }
        let never = self.pairs_within(&self.rules.never.list, component);
        let fits = counts.iter().zip(&self.rules.limits).all(|(count, limit)| count <= limit);
        if fits && never.is_empty() {
            let group = self.make_group(component);
            self.groups.counts_mut(group).copy_from_slice(&counts);
            return;
        }
        self.solve(component, values);
    }

    /// Makes a profile of records; its ring starts at the oldest.
    fn make_group(&mut self, members: &[u32]) -> u32 {
        let oldest = |best: u32, next: u32| if self.records.is_older(next, best) { next } else { best };
        let anchor = members.iter().copied().reduce(oldest).expect("a profile has a record");
        let group = self.groups.insert(anchor, members.len() as u32);
        let mut guarded = false;
        for (i, record) in members.iter().enumerate() {
            let next = members[(i + 1) % members.len()];
            guarded |= !self.rules.never.of(&self.records.get(*record).rid).is_empty();
            let slot = self.records.get_mut(*record);
            slot.group = group;
            slot.next = next;
        }
        self.groups.get_mut(group).guarded = guarded;
        group
    }

    /// A conflicted component: the ordered scan decides.
    fn solve(&mut self, component: &mut [u32], mut values: Vec<u32>) {
        let solution = self.scan_of(component, &mut values);
        let mut clusters: HashMap<u32, Vec<u32>> = HashMap::new();
        let mut order: Vec<u32> = Vec::new();
        for (record, cluster) in component.iter().zip(&solution.records) {
            let members = clusters.entry(*cluster).or_insert_with(|| {
                order.push(*cluster);
                Vec::new()
            });
            members.push(*record);
        }
        let groups: HashMap<u32, u32> =
            order.iter().map(|cluster| (*cluster, self.make_group(&clusters[cluster]))).collect();
        let held = values.iter().zip(&solution.values);
        let conflict = Conflict {
            held: held.filter_map(|(value, cluster)| Some((*value, *groups.get(cluster)?))).collect(),
            groups: order.iter().map(|cluster| groups[cluster]).collect(),
            refused: solution.refused.iter().map(|r| renumber(r, component, &values)).collect(),
        };
        self.groups.insert_conflict(conflict);
    }

    /// The scan of a component, with the unions it makes; `component` and `values` are put in order.
    pub(super) fn scan_of(&self, component: &mut [u32], values: &mut [u32]) -> Solution {
        scan(&self.task(component, values), &self.rules.types)
    }

    fn task(&self, component: &mut [u32], values: &mut [u32]) -> Task {
        component.sort_unstable_by(|a, b| {
            let (a, b) = (self.records.get(*a), self.records.get(*b));
            (a.first_seen, &a.rid).cmp(&(b.first_seen, &b.rid))
        });
        values.sort_unstable_by(|a, b| {
            let (a, b) = (self.values.node(*a), self.values.node(*b));
            (a.kind, &a.text).cmp(&(b.kind, &b.text))
        });
        let places: HashMap<u32, u32> = values.iter().enumerate().map(|(i, v)| (*v, i as u32)).collect();
        let mut links = Vec::new();
        for (place, record) in component.iter().enumerate() {
            let last_seen = self.last_seen_of_links(*record);
            for value in &self.records.get(*record).links {
                if let Some(local) = places.get(value) {
                    let last_seen = last_seen.get(value).copied().unwrap_or(0);
                    links.push(TaskLink { record: place as u32, value: *local, last_seen });
                }
            }
        }
        Task {
            records: component.len() as u32,
            values: values.iter().map(|value| self.values.node(*value).kind).collect(),
            links,
            must: self.pairs_within(&self.rules.must.list, component),
            never: self.pairs_within(&self.rules.never.list, component),
        }
    }

    /// When each value of a record was last seen; looked up only where an order needs it.
    fn last_seen_of_links(&self, record: u32) -> HashMap<u32, i64> {
        if !self.rules.types.iter().any(|rule| rule.newest_first) {
            return HashMap::new();
        }
        let links = links_of(&self.rules, &self.records.get(record).rid, &self.folded_of(record));
        links.iter().filter_map(|l| Some((self.values.find(l.kind, &l.value)?, l.last))).collect()
    }

    /// Directives whose records are both in the component, by position, in directive order.
    fn pairs_within(&self, pairs: &[(RecordId, RecordId)], component: &[u32]) -> Vec<(u32, u32)> {
        if pairs.is_empty() || component.len() < 2 {
            return Vec::new();
        }
        let places: HashMap<u32, u32> = component.iter().enumerate().map(|(i, r)| (*r, i as u32)).collect();
        let place = |rid: &RecordId| places.get(&self.records.find(rid.as_str())?).copied();
        pairs.iter().filter_map(|(a, b)| Some((place(a)?, place(b)?))).collect()
    }

    fn difference(&mut self, before: &Before, removed: Option<u32>, version: Offset) -> Difference {
        let mut difference = Difference::default();
        let mut after: HashMap<ProfileId, u32> = HashMap::new();
        for was in before.records.iter().filter(|was| Some(was.record) != removed) {
            let group = self.records.get(was.record).group;
            let to = self.group_id(group);
            after.insert(to, group);
            if was.profile != Some(to) {
                let rid = self.records.get(was.record).rid.clone();
                difference.moved.push(RecordMove { rid, from: was.profile, to });
            }
            if was.profile != Some(to) || was.links != self.statuses(was.record) {
                self.touch(was.record, version);
            }
        }
        for (_, id, _) in before.groups.iter().filter(|(_, id, _)| !after.contains_key(id)) {
            let now = self.records.find_by_id(*id).map(|record| self.id_of(record));
            difference.hidden.push((*id, now.or_else(|| self.heir(before, *id, removed))));
        }
        let old: HashMap<ProfileId, &Face> = before.groups.iter().map(|(_, id, face)| (*id, face)).collect();
        let mut after: Vec<(ProfileId, u32)> = after.into_iter().collect();
        after.sort_unstable();
        for (id, group) in after {
            let face = self.face(group);
            match old.get(&id) {
                None => {
                    difference.shown.push(id);
                    difference.traits_changed.extend((!face.is_empty()).then_some(id));
                }
                Some(old) => difference.traits_changed.extend((**old != face).then_some(id)),
            }
        }
        difference
    }

    /// Where the profile of a removed anchor lives on: with the oldest of its other members.
    fn heir(&self, before: &Before, id: ProfileId, removed: Option<u32>) -> Option<ProfileId> {
        let were = before.records.iter().filter(|was| was.profile == Some(id));
        let members = were.map(|was| was.record).filter(|record| Some(*record) != removed);
        let older = |best: u32, next: u32| if self.records.is_older(next, best) { next } else { best };
        members.reduce(older).map(|oldest| self.id_of(oldest))
    }
}
