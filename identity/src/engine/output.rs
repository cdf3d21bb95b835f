use std::cmp::Reverse;

use model::RecordId;

use super::Identity;
use crate::{
    Reason, Refused, RefusedEdge, Resolution, ResolvedProfile,
    links::links_of,
    scan::{Edge, Refusal, Why},
};

/// Place of an edge in the scan: level, newest first where the level asks for it, then record and
/// value, or the pair.
type ScanKey = (usize, Reverse<i64>, i64, RecordId, String);

impl Identity {
    /// The whole output, in the form in which [`crate::resolve`] gives it.
    pub fn resolution(&self) -> Resolution {
        let mut profiles: Vec<(i64, ResolvedProfile)> = self
            .groups
            .iter()
            .map(|group| {
                let anchor = self.records.get(group.anchor);
                let members = self.members(anchor.group);
                let mut records: Vec<RecordId> =
                    members.iter().map(|record| self.records.get(*record).rid.clone()).collect();
                records.sort_unstable();
                let identifiers = self.identifier_texts(anchor.group, &members);
                (anchor.first_seen, ResolvedProfile { anchor: anchor.rid.clone(), records, identifiers })
            })
            .collect();
        profiles.sort_unstable_by(|a, b| (a.0, &a.1.anchor).cmp(&(b.0, &b.1.anchor)));
        Resolution {
            profiles: profiles.into_iter().map(|(_, profile)| profile).collect(),
            refused: self.refused(),
            suspended: self.suspended(),
        }
    }

    fn suspended(&self) -> Vec<(String, String, usize)> {
        let values = self.values.iter().filter(|(value, _)| !self.is_active(*value));
        let mut suspended: Vec<(u16, &str, usize)> =
            values.map(|(_, node)| (node.kind, &*node.text, node.carriers().len())).collect();
        suspended.sort_unstable();
        let name = |kind: u16| self.rules.types[usize::from(kind)].name.clone();
        suspended.into_iter().map(|(kind, text, carriers)| (name(kind), text.to_owned(), carriers)).collect()
    }

    fn refused(&self) -> Vec<Refused> {
        let all = self.groups.conflicts().flat_map(|conflict| &conflict.refused);
        let mut refused: Vec<&Refusal> = all.collect();
        refused.sort_by_cached_key(|refusal| self.scan_key(&refusal.edge));
        refused.into_iter().map(|refusal| self.refused_texts(refusal)).collect()
    }

    fn scan_key(&self, edge: &Edge) -> ScanKey {
        match edge {
            Edge::Must(a, b) => {
                let (a, b) = (self.records.get(*a), self.records.get(*b));
                // Between the level of the first type and the others; by the pair alone.
                (1, Reverse(0), 0, a.rid.clone(), b.rid.to_string())
            }
            Edge::Link { record, value } => {
                let (slot, node) = (self.records.get(*record), self.values.node(*value));
                let newest = if self.rules.types[usize::from(node.kind)].newest_first {
                    let links = links_of(&self.rules, &slot.rid, &self.folded_of(*record));
                    let link = links.iter().find(|l| l.kind == node.kind && l.value == *node.text);
                    link.map_or(0, |link| link.last)
                } else {
                    0
                };
                let level = if node.kind == 0 { 0 } else { usize::from(node.kind) + 1 };
                (level, Reverse(newest), slot.first_seen, slot.rid.clone(), node.text.to_string())
            }
        }
    }

    fn refused_texts(&self, refusal: &Refusal) -> Refused {
        let rid = |record: u32| self.records.get(record).rid.clone();
        let name = |kind: u16| self.rules.types[usize::from(kind)].name.clone();
        let texts = |values: &[u32]| values.iter().map(|v| self.values.node(*v).text.to_string()).collect();
        let edge = match refusal.edge {
            Edge::Must(a, b) => RefusedEdge::Must(rid(a), rid(b)),
            Edge::Link { record, value } => {
                let node = self.values.node(value);
                let (identifier, value) = (name(node.kind), node.text.to_string());
                RefusedEdge::Link { record: rid(record), identifier, value }
            }
        };
        let reason = match &refusal.why {
            Why::Never { left, right } => Reason::Never { left: rid(*left), right: rid(*right) },
            Why::Limit { kind, left, right } => {
                Reason::Limit { identifier: name(*kind), left: texts(left), right: texts(right) }
            }
            Why::IsolatedByNever { left, right } => {
                Reason::IsolatedByNever { left: rid(*left), right: rid(*right) }
            }
            Why::IsolatedByLimit { kind, values } => {
                Reason::IsolatedByLimit { identifier: name(*kind), values: texts(values) }
            }
        };
        Refused { edge, reason }
    }
}
