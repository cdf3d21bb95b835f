use std::collections::BTreeMap;

use model::{Offset, ProfileId, RecordId, Timestamp, json::write_quoted};

use super::Identity;
use crate::{LinkStatus, LinkView, Profile, RecordView, TraitValue, fold::Folded, links::links_of};

impl Identity {
    /// The profile that holds a record.
    pub fn profile_of(&self, rid: &str) -> Option<ProfileId> {
        self.records.find(rid).map(|record| self.id_of(record))
    }

    /// The records of a live profile, by bytes; empty for any other id.
    pub fn records_of(&self, id: ProfileId) -> Vec<RecordId> {
        let Some(group) = self.live_group(id) else { return Vec::new() };
        let members = self.members(group).into_iter();
        let mut rids: Vec<RecordId> = members.map(|record| self.records.get(record).rid.clone()).collect();
        rids.sort_unstable();
        rids
    }

    /// A live profile.
    pub fn profile(&self, id: ProfileId) -> Option<Profile> {
        let group = self.live_group(id)?;
        let members = self.members(group);
        let folded = self.folded(&members);
        let anchor = self.records.get(self.groups.get(group).anchor);
        let traits = self.rules.golden.of(&folded, None).into_iter().map(|(name, golden)| {
            let at = Timestamp::from_micros(golden.at);
            (name.to_owned(), TraitValue { json: golden.json, record: golden.rid.into(), at })
        });
        let newest = folded.iter().map(|(_, folded)| folded.last_seen).max().unwrap_or_default();
        let version = members.iter().map(|record| self.records.get(*record).version).max();
        Some(Profile {
            id,
            anchor: anchor.rid.clone(),
            records: members.len() as u32,
            identifiers: self.identifier_texts(group, &members),
            traits: traits.collect(),
            first_seen: Timestamp::from_micros(anchor.first_seen),
            updated_at: Timestamp::from_micros(newest),
            version: Offset(version.unwrap_or_default()),
        })
    }

    /// The profile that has a value as an identifier. The value is normalised as the type says.
    pub fn find(&self, identifier: &str, value: &str) -> Option<ProfileId> {
        let kind = self.rules.type_of(identifier)?;
        let rule = &self.rules.types[usize::from(kind)];
        // A composite is looked up by its joined form, whose parts are normalised one by one.
        let value = if rule.from.is_empty() { rule.normalize(value)? } else { value.into() };
        let value = self.values.find(kind, &value)?;
        let carriers = self.values.node(value).carriers();
        let mut groups = carriers.iter().map(|record| self.records.get(*record).group);
        groups.find(|group| self.is_held(value, *group)).map(|group| self.group_id(group))
    }

    /// Ids of all live profiles, in no particular order.
    pub fn profiles(&self) -> impl Iterator<Item = ProfileId> {
        self.groups.iter().map(|group| self.records.get(group.anchor).id)
    }

    /// How many profiles there are.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Whether there is no profile.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One record with its values and its profile.
    pub fn record(&self, rid: &str) -> Option<RecordView> {
        self.records.find(rid).map(|record| self.record_view(record))
    }

    /// Ids of all live records, in no particular order.
    pub fn records(&self) -> impl Iterator<Item = RecordId> {
        self.records.numbers().map(|record| self.records.get(record).rid.clone())
    }

    /// Records whose row, links or profile changed at `version` or later, in no particular order:
    /// what a sink that is durable up to there still lacks.
    pub fn records_since(&self, version: Offset) -> impl Iterator<Item = RecordView> {
        let changed = self.records.numbers().filter(move |r| self.records.get(*r).version >= version.0);
        changed.map(|record| self.record_view(record))
    }

    fn live_group(&self, id: ProfileId) -> Option<u32> {
        let record = self.records.find_by_id(id)?;
        let group = self.records.get(record).group;
        (self.groups.get(group).anchor == record).then_some(group)
    }

    pub(super) fn identifier_texts(&self, group: u32, members: &[u32]) -> BTreeMap<String, Vec<String>> {
        let mut identifiers: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for value in self.identifiers(group, members) {
            let node = self.values.node(value);
            let name = &self.rules.types[usize::from(node.kind)].name;
            identifiers.entry(name.clone()).or_default().push(node.text.to_string());
        }
        for values in identifiers.values_mut() {
            values.sort_unstable();
        }
        identifiers
    }

    fn record_view(&self, record: u32) -> RecordView {
        let slot = self.records.get(record);
        let folded = self.folded_of(record);
        let rid = slot.rid.as_str();
        let (source, key) = rid.split_once(':').unwrap_or((rid, ""));
        let links = links_of(&self.rules, &slot.rid, &folded).into_iter().map(|link| LinkView {
            identifier: self.rules.types[usize::from(link.kind)].name.clone(),
            status: match self.values.find(link.kind, &link.value) {
                Some(value) if !link.blocked => self.status(record, value),
                _ => LinkStatus::Blocked,
            },
            value: link.value.into_owned(),
            first_seen: Timestamp::from_micros(link.first),
            last_seen: Timestamp::from_micros(link.last),
        });
        RecordView {
            rid: slot.rid.clone(),
            source: source.to_owned(),
            key: key.to_owned(),
            kind: folded.kind,
            first_seen: Timestamp::from_micros(folded.first_seen),
            last_seen: Timestamp::from_micros(folded.last_seen),
            traits: traits_json(&folded),
            profile: self.id_of(record),
            version: Offset(slot.version),
            links: links.collect(),
        }
    }

    /// What became of an unblocked link.
    pub(super) fn status(&self, record: u32, value: u32) -> LinkStatus {
        if !self.is_active(value) {
            LinkStatus::Suspended
        } else if self.is_held(value, self.records.get(record).group) {
            LinkStatus::Accepted
        } else {
            LinkStatus::Rejected
        }
    }

    pub(super) fn statuses(&self, record: u32) -> Vec<(u32, LinkStatus)> {
        let links = self.records.get(record).links.iter();
        links.map(|value| (*value, self.status(record, *value))).collect()
    }
}

fn traits_json(folded: &Folded<'_>) -> String {
    let mut out = String::from("{");
    for (name, json) in folded.traits.iter().filter_map(|t| Some((t.name, t.json?))) {
        if out.len() > 1 {
            out.push(',');
        }
        write_quoted(name, &mut out);
        out.push(':');
        out.push_str(json);
    }
    out.push('}');
    out
}
