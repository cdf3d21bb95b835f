//! F written down as slowly as the definition reads: sets of sets, limits counted again at each
//! link, observations kept raw. Shares no code with the crate.

use std::collections::{BTreeMap, BTreeSet};

use identity::{Observation, Reason, Refused, RefusedEdge, Resolution, ResolvedProfile};
use model::RecordId;
use semantic::{BlockTarget, IdentifierType, IdentityRules, Keep, LinkOrder, Normalizer, OnConflict};

/// Folded observations of one record.
pub(crate) struct Folded {
    pub(crate) first_seen: i64,
    /// (type, raw) to the stamps of the counting observations.
    links: BTreeMap<(String, String), BTreeSet<(i64, String)>>,
    /// Newest counting statement of each trait.
    pub(crate) traits: BTreeMap<String, (i64, String, String)>,
}

pub(crate) fn fold(observations: &[&Observation]) -> Folded {
    let stamp = |o: &Observation| (o.at.as_micros(), o.msg.clone());
    let row = observations.iter().filter(|o| o.replace).map(|o| stamp(o)).max();
    let counts = |o: &Observation| match &row {
        None => true,
        Some(row) => stamp(o) > *row || (o.replace && stamp(o) == *row),
    };
    let first_seen = observations.iter().map(|o| o.at.as_micros()).min().unwrap();
    let mut folded = Folded { first_seen, links: BTreeMap::new(), traits: BTreeMap::new() };
    for o in observations.iter().filter(|o| counts(o)) {
        for (name, raw) in &o.ids {
            let key = (name.clone(), raw.trim().to_owned());
            folded.links.entry(key).or_default().insert(stamp(o));
        }
        for (name, json) in &o.traits {
            let stated = (o.at.as_micros(), o.msg.clone(), json.clone());
            let held = folded.traits.entry(name.clone()).or_insert(stated.clone());
            if stated > *held {
                *held = stated;
            }
        }
    }
    folded.traits.retain(|_, (_, _, json)| json != "null");
    folded
}

fn normalized(rule: &IdentifierType, raw: &str) -> Option<String> {
    let lower = rule.normalize.contains(&Normalizer::Lowercase);
    let value = if lower { raw.trim().to_lowercase() } else { raw.trim().to_owned() };
    (!value.is_empty()).then_some(value)
}

fn is_blocked(rules: &IdentityRules, rule: &IdentifierType, rid: &RecordId, value: &str) -> bool {
    let default = rules.default_blocks && ["null", "none"].contains(&value.to_lowercase().as_str());
    default
        || rules.block.iter().any(|block| {
            let concerns = block.identifier.as_ref().is_none_or(|name| *name == rule.name);
            match &block.target {
                BlockTarget::Record(blocked) => blocked == rid,
                BlockTarget::Value(raw) => concerns && normalized(rule, raw).as_deref() == Some(value),
                BlockTarget::Pattern(_) => panic!("the oracle knows no patterns"),
            }
        })
}

/// F1: value to last sighting.
fn links(
    rules: &IdentityRules,
    rule: &IdentifierType,
    rid: &RecordId,
    folded: &Folded,
) -> BTreeMap<String, i64> {
    let mut found: BTreeMap<String, i64> = BTreeMap::new();
    if rule.from.is_empty() {
        let of_type: Vec<_> = folded.links.iter().filter(|((name, _), _)| *name == rule.name).collect();
        let newest = of_type.iter().filter_map(|(_, stamps)| stamps.last()).max().cloned();
        for ((_, raw), stamps) in of_type {
            if rule.keep == Keep::Latest && stamps.last() != newest.as_ref() {
                continue;
            }
            if let Some(value) = normalized(rule, raw) {
                let last = stamps.last().unwrap().0;
                let held = found.entry(value).or_insert(last);
                *held = last.max(*held);
            }
        }
    } else {
        let parts: Option<Vec<(String, i64)>> = rule
            .from
            .iter()
            .map(|name| {
                let (at, _, json) = folded.traits.get(name)?;
                Some((normalized(rule, json.trim_matches('"'))?, *at))
            })
            .collect();
        if let Some(parts) = parts {
            let texts: Vec<&str> = parts.iter().map(|p| p.0.as_str()).collect();
            found.insert(texts.join("\u{1f}"), parts.iter().map(|p| p.1).max().unwrap());
        }
    }
    found.retain(|value, _| !is_blocked(rules, rule, rid, value));
    found
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Node {
    Record(RecordId),
    Value(usize, String),
}

type Cluster = BTreeSet<Node>;

struct World<'a> {
    rules: &'a IdentityRules,
    never: Vec<(RecordId, RecordId)>,
    clusters: Vec<Cluster>,
    refused: Vec<Refused>,
}

impl World<'_> {
    fn cluster(&self, node: &Node) -> Cluster {
        self.clusters.iter().find(|c| c.contains(node)).unwrap().clone()
    }

    fn values(clusters: &[&Cluster], kind: usize) -> Vec<String> {
        let mut values = Vec::new();
        for node in clusters.iter().flat_map(|c| c.iter()) {
            if let Node::Value(of, value) = node
                && *of == kind
            {
                values.push(value.clone());
            }
        }
        values.sort();
        values
    }

    fn broken_limit(&self, clusters: &[&Cluster]) -> Option<usize> {
        (0..self.rules.identifiers.len()).find(|kind| {
            let limit = self.rules.identifiers[*kind].limit;
            limit.is_some_and(|k| Self::values(clusters, *kind).len() > k.get() as usize)
        })
    }

    fn unite(&mut self, a: &Node, b: &Node, edge: RefusedEdge) {
        let (x, y) = (self.cluster(a), self.cluster(b));
        if x == y {
            return;
        }
        let has = |c: &Cluster, rid: &RecordId| c.contains(&Node::Record(rid.clone()));
        for (l, r) in &self.never {
            let (left, right) = match () {
                () if has(&x, l) && has(&y, r) => (l.clone(), r.clone()),
                () if has(&x, r) && has(&y, l) => (r.clone(), l.clone()),
                () => continue,
            };
            self.refused.push(Refused { edge, reason: Reason::Never { left, right } });
            return;
        }
        if let Some(kind) = self.broken_limit(&[&x, &y]) {
            let identifier = self.rules.identifiers[kind].name.clone();
            let (left, right) = (Self::values(&[&x], kind), Self::values(&[&y], kind));
            self.refused.push(Refused { edge, reason: Reason::Limit { identifier, left, right } });
            return;
        }
        self.clusters.retain(|c| *c != x && *c != y);
        self.clusters.push(x.union(&y).cloned().collect());
    }

    fn isolation(&self, value: &Node, carriers: &[RecordId]) -> Option<Reason> {
        let mut met: BTreeSet<Cluster> =
            carriers.iter().map(|rid| self.cluster(&Node::Record(rid.clone()))).collect();
        if met.len() < 2 {
            return None;
        }
        met.insert(self.cluster(value));
        let has = |rid: &RecordId| met.iter().any(|c| c.contains(&Node::Record(rid.clone())));
        if let Some((left, right)) = self.never.iter().find(|(l, r)| has(l) && has(r)) {
            return Some(Reason::IsolatedByNever { left: left.clone(), right: right.clone() });
        }
        let met: Vec<&Cluster> = met.iter().collect();
        let kind = self.broken_limit(&met)?;
        let identifier = self.rules.identifiers[kind].name.clone();
        Some(Reason::IsolatedByLimit { identifier, values: Self::values(&met, kind) })
    }
}

pub(crate) type Set<'a> = BTreeMap<RecordId, Vec<&'a Observation>>;

pub(crate) fn group<'a>(observations: impl IntoIterator<Item = &'a Observation>) -> Set<'a> {
    let mut set = Set::new();
    for o in observations {
        let of_record = set.entry(o.rid.clone()).or_default();
        if !of_record.contains(&o) {
            of_record.push(o);
        }
    }
    set
}

/// F(S, R).
pub(crate) fn resolve(rules: &IdentityRules, set: &Set<'_>) -> Resolution {
    let folded: BTreeMap<&RecordId, Folded> = set.iter().map(|(rid, list)| (rid, fold(list))).collect();
    let ordered = |pairs: &[(RecordId, RecordId)]| {
        let pairs: BTreeSet<(RecordId, RecordId)> = pairs
            .iter()
            .filter(|(a, b)| a != b && set.contains_key(a) && set.contains_key(b))
            .map(|(a, b)| (a.min(b).clone(), a.max(b).clone()))
            .collect();
        pairs.into_iter().collect::<Vec<_>>()
    };
    let clusters = set.keys().map(|rid| Cluster::from([Node::Record(rid.clone())])).collect();
    let mut world = World { rules, never: ordered(&rules.never), clusters, refused: Vec::new() };
    let mut suspended = Vec::new();
    let must = |world: &mut World<'_>| {
        for (a, b) in ordered(&rules.must) {
            let edge = RefusedEdge::Must(a.clone(), b.clone());
            world.unite(&Node::Record(a), &Node::Record(b), edge);
        }
    };
    for (kind, rule) in rules.identifiers.iter().enumerate() {
        let mut carriers: BTreeMap<String, Vec<(RecordId, i64)>> = BTreeMap::new();
        for (rid, record) in &folded {
            for (value, last) in links(rules, rule, rid, record) {
                carriers.entry(value).or_default().push(((*rid).clone(), last));
            }
        }
        for (value, by) in &carriers {
            if rule.max_fanout.is_some_and(|m| by.len() > m.get() as usize) {
                suspended.push((rule.name.clone(), value.clone(), by.len()));
            }
        }
        carriers.retain(|_, by| rule.max_fanout.is_none_or(|m| by.len() <= m.get() as usize));
        // A later type's node appears with its level: nothing can be joined to it before.
        for value in carriers.keys() {
            world.clusters.push(Cluster::from([Node::Value(kind, value.clone())]));
        }
        let mut isolated: BTreeMap<String, Reason> = BTreeMap::new();
        if rule.on_conflict == OnConflict::Isolate {
            for (value, by) in &carriers {
                let rids: Vec<RecordId> = by.iter().map(|c| c.0.clone()).collect();
                if let Some(why) = world.isolation(&Node::Value(kind, value.clone()), &rids) {
                    isolated.insert(value.clone(), why);
                }
            }
        }
        let mut level: Vec<(i64, i64, RecordId, String)> = Vec::new();
        for (value, by) in carriers {
            for (rid, last) in by {
                let newest = if rule.order == LinkOrder::NewestFirst { -last } else { 0 };
                level.push((newest, folded[&rid].first_seen, rid, value.clone()));
            }
        }
        level.sort();
        for (_, _, rid, value) in level {
            let edge = RefusedEdge::Link {
                record: rid.clone(),
                identifier: rule.name.clone(),
                value: value.clone(),
            };
            match isolated.get(&value) {
                Some(reason) => world.refused.push(Refused { edge, reason: reason.clone() }),
                None => world.unite(&Node::Record(rid), &Node::Value(kind, value), edge),
            }
        }
        if kind == 0 {
            must(&mut world);
        }
    }
    if rules.identifiers.is_empty() {
        must(&mut world);
    }
    let profiles = world.clusters.iter().filter_map(|cluster| profile(rules, cluster, &folded));
    let mut profiles: Vec<(i64, ResolvedProfile)> = profiles.collect();
    profiles.sort_by(|a, b| (a.0, &a.1.anchor).cmp(&(b.0, &b.1.anchor)));
    let profiles = profiles.into_iter().map(|(_, profile)| profile).collect();
    Resolution { profiles, refused: world.refused, suspended }
}

fn profile(
    rules: &IdentityRules,
    cluster: &Cluster,
    folded: &BTreeMap<&RecordId, Folded>,
) -> Option<(i64, ResolvedProfile)> {
    let mut records = Vec::new();
    let mut identifiers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for node in cluster {
        match node {
            Node::Record(rid) => records.push(rid.clone()),
            Node::Value(kind, value) => {
                identifiers.entry(rules.identifiers[*kind].name.clone()).or_default().push(value.clone());
            }
        }
    }
    let anchor = records.iter().map(|rid| (folded[rid].first_seen, rid.clone())).min()?;
    Some((anchor.0, ResolvedProfile { anchor: anchor.1, records, identifiers }))
}
