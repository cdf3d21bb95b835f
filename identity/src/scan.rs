//! Steps F3 to F6 over dense numbers (`identity.md` §4): the caller numbers records by
//! (first_seen, rid) and values by (type, text), so that orders are orders of numbers.

use crate::rules::TypeRule;

/// A closed set of records, values and pairs to be clustered.
#[derive(Debug, Default)]
pub(crate) struct Task {
    pub(crate) records: u32,
    /// Type of each value.
    pub(crate) values: Vec<u16>,
    /// Active links.
    pub(crate) links: Vec<TaskLink>,
    /// Pairs (record, record) in directive order.
    pub(crate) must: Vec<(u32, u32)>,
    pub(crate) never: Vec<(u32, u32)>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct TaskLink {
    pub(crate) record: u32,
    pub(crate) value: u32,
    pub(crate) last_seen: i64,
}

/// The clusters, and what was refused on the way.
#[derive(Debug)]
pub(crate) struct Solution {
    /// Cluster of each record.
    pub(crate) records: Vec<u32>,
    /// Cluster of each value.
    pub(crate) values: Vec<u32>,
    /// In scan order.
    pub(crate) refused: Vec<Refusal>,
    /// Unions made, in scan order.
    pub(crate) joins: Vec<Edge>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edge {
    Link { record: u32, value: u32 },
    Must(u32, u32),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) edge: Edge,
    pub(crate) why: Why,
}

/// Why a union is not allowed, with witnesses of both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Why {
    /// Records of a `never` pair.
    Never {
        left: u32,
        right: u32,
    },
    /// Values of a limited type.
    Limit {
        kind: u16,
        left: Vec<u32>,
        right: Vec<u32>,
    },
    IsolatedByNever {
        left: u32,
        right: u32,
    },
    IsolatedByLimit {
        kind: u16,
        values: Vec<u32>,
    },
}

pub(crate) fn scan(task: &Task, types: &[TypeRule]) -> Solution {
    let mut scan = Scan::new(task, types);
    let mut links = task.links.clone();
    links.sort_unstable_by_key(|link| {
        let kind = task.values[link.value as usize];
        let newest = if types[usize::from(kind)].newest_first {
            std::cmp::Reverse(link.last_seen)
        } else {
            std::cmp::Reverse(0)
        };
        (kind, newest, link.record, link.value)
    });
    let mut rest = links.as_slice();
    for (kind, rule) in types.iter().enumerate() {
        let count = rest.iter().take_while(|l| usize::from(task.values[l.value as usize]) == kind).count();
        let (level, after) = rest.split_at(count);
        rest = after;
        scan.level(rule, level);
        if kind == 0 {
            scan.must();
        }
    }
    if types.is_empty() {
        scan.must();
    }
    scan.finish()
}

#[derive(Debug)]
struct Scan<'a> {
    task: &'a Task,
    types: &'a [TypeRule],
    parent: Vec<u32>,
    /// At each root: its values of limited types, sorted.
    limited: Vec<Vec<u32>>,
    /// At each root: whether it holds a record of a `never` pair.
    guarded: Vec<bool>,
    refused: Vec<Refusal>,
    joins: Vec<Edge>,
}

impl<'a> Scan<'a> {
    fn new(task: &'a Task, types: &'a [TypeRule]) -> Self {
        let nodes = task.records + task.values.len() as u32;
        let mut limited = vec![Vec::new(); nodes as usize];
        for (value, kind) in task.values.iter().enumerate() {
            if types[usize::from(*kind)].limit.is_some() {
                limited[task.records as usize + value].push(value as u32);
            }
        }
        let mut guarded = vec![false; nodes as usize];
        for (a, b) in &task.never {
            guarded[*a as usize] = true;
            guarded[*b as usize] = true;
        }
        let parent = (0..nodes).collect();
        Self { task, types, parent, limited, guarded, refused: Vec::new(), joins: Vec::new() }
    }

    fn node(&self, value: u32) -> u32 {
        self.task.records + value
    }

    fn root(&mut self, mut node: u32) -> u32 {
        while self.parent[node as usize] != node {
            let up = self.parent[node as usize];
            self.parent[node as usize] = self.parent[up as usize];
            node = up;
        }
        node
    }

    fn level(&mut self, rule: &TypeRule, links: &[TaskLink]) {
        let isolated = if rule.isolate { self.isolated(links) } else { Vec::new() };
        for link in links {
            let edge = Edge::Link { record: link.record, value: link.value };
            match isolated.binary_search_by_key(&link.value, |(value, _)| *value) {
                Ok(place) => self.refused.push(Refusal { edge, why: isolated[place].1.clone() }),
                Err(_) => self.unite(link.record, self.node(link.value), edge),
            }
        }
    }

    fn must(&mut self) {
        for (a, b) in &self.task.must {
            self.unite(*a, *b, Edge::Must(*a, *b));
        }
    }

    /// F5.
    fn unite(&mut self, left: u32, right: u32, edge: Edge) {
        let (left, right) = (self.root(left), self.root(right));
        if left == right {
            return;
        }
        if let Some(why) = self.forbidden(left, right) {
            self.refused.push(Refusal { edge, why });
            return;
        }
        let (keep, gone) = if self.limited[left as usize].len() < self.limited[right as usize].len() {
            (right, left)
        } else {
            (left, right)
        };
        self.parent[gone as usize] = keep;
        let mut values = std::mem::take(&mut self.limited[gone as usize]);
        let kept = &mut self.limited[keep as usize];
        kept.append(&mut values);
        kept.sort_unstable();
        self.guarded[keep as usize] |= self.guarded[gone as usize];
        self.joins.push(edge);
    }

    fn forbidden(&mut self, left: u32, right: u32) -> Option<Why> {
        if self.guarded[left as usize] && self.guarded[right as usize] {
            for i in 0..self.task.never.len() {
                let (a, b) = self.task.never[i];
                let (at_a, at_b) = (self.root(a), self.root(b));
                if (at_a, at_b) == (left, right) {
                    return Some(Why::Never { left: a, right: b });
                }
                if (at_a, at_b) == (right, left) {
                    return Some(Why::Never { left: b, right: a });
                }
            }
        }
        let kind = self.broken_limit(&[left, right])?;
        let of = |root: u32| self.values_of(root, kind);
        Some(Why::Limit { kind, left: of(left), right: of(right) })
    }

    /// The highest-priority type of which these clusters together hold too many values.
    fn broken_limit(&self, roots: &[u32]) -> Option<u16> {
        let held: usize = roots.iter().map(|root| self.limited[*root as usize].len()).sum();
        if held < 2 {
            return None;
        }
        let broken = |kind: usize, rule: &TypeRule| {
            let (_, limit) = rule.limit?;
            let count: usize = roots.iter().map(|root| self.values_of(*root, kind as u16).len()).sum();
            (count > limit as usize).then_some(kind as u16)
        };
        self.types.iter().enumerate().find_map(|(kind, rule)| broken(kind, rule))
    }

    fn values_of(&self, root: u32, kind: u16) -> Vec<u32> {
        let of_kind = |value: &&u32| self.task.values[**value as usize] == kind;
        self.limited[root as usize].iter().filter(of_kind).copied().collect()
    }

    /// F4: the values of a level whose carriers may not meet, by value.
    fn isolated(&mut self, links: &[TaskLink]) -> Vec<(u32, Why)> {
        let mut carriers: Vec<(u32, u32)> = links.iter().map(|link| (link.value, link.record)).collect();
        carriers.sort_unstable();
        let mut isolated = Vec::new();
        for group in carriers.chunk_by(|a, b| a.0 == b.0) {
            let mut roots: Vec<u32> = group.iter().map(|(_, record)| self.root(*record)).collect();
            roots.sort_unstable();
            roots.dedup();
            if roots.len() < 2 {
                continue;
            }
            let value = group[0].0;
            roots.push(self.node(value));
            if let Some(why) = self.may_not_meet(&roots) {
                isolated.push((value, why));
            }
        }
        isolated
    }

    fn may_not_meet(&mut self, roots: &[u32]) -> Option<Why> {
        for i in 0..self.task.never.len() {
            let (left, right) = self.task.never[i];
            if roots.contains(&self.root(left)) && roots.contains(&self.root(right)) {
                return Some(Why::IsolatedByNever { left, right });
            }
        }
        let kind = self.broken_limit(roots)?;
        let mut values: Vec<u32> = roots.iter().flat_map(|root| self.values_of(*root, kind)).collect();
        values.sort_unstable();
        Some(Why::IsolatedByLimit { kind, values })
    }

    fn finish(mut self) -> Solution {
        let roots: Vec<u32> = (0..self.parent.len() as u32).map(|node| self.root(node)).collect();
        let (records, values) = roots.split_at(self.task.records as usize);
        Solution {
            records: records.to_vec(),
            values: values.to_vec(),
            refused: self.refused,
            joins: self.joins,
        }
    }
}
