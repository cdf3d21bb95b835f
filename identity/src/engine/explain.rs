use std::collections::BTreeSet;

use hashbrown::{HashMap, HashSet};
use model::RecordId;

use super::{Identity, NONE};
use crate::{links::links_of, scan::Edge};

/// Why two records are one profile: the path of joining links from one to the other.
pub type Explanation = Vec<Step>;

/// One node or directive on the path of an [`Explanation`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A record.
    Record(RecordId),
    /// A value that the records before and after it share.
    Value {
        /// The type.
        identifier: String,
        /// The value.
        value: String,
    },
    /// A directive joins the records before and after it.
    Must,
}

/// Something that two records in different profiles share and that did not join them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// A directive that was refused.
    Must(RecordId, RecordId),
    /// A value carried by more records than its type allows.
    Suspended {
        /// The type.
        identifier: String,
        /// The value.
        value: String,
    },
    /// A value that links nothing, at least for one of its carriers.
    Blocked {
        /// The type.
        identifier: String,
        /// The value.
        value: String,
    },
    /// A refused link.
    Rejected {
        /// The record.
        record: RecordId,
        /// The type.
        identifier: String,
        /// The value.
        value: String,
    },
}

/// A node of the graph of joining links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Node {
    Record(u32),
    Value(u32),
}

impl Identity {
    /// Why two records are in one profile (IDR-8); `None` when they are not.
    pub fn explain(&self, a: &str, b: &str) -> Option<Explanation> {
        let (a, b) = (self.records.find(a)?, self.records.find(b)?);
        let group = self.records.get(a).group;
        if self.records.get(b).group != group {
            return None;
        }
        let mut component: Vec<u32> =
            self.component(group).into_iter().flat_map(|group| self.members(group)).collect();
        let carried = component.iter().flat_map(|record| self.records.get(*record).links.iter().copied());
        let active: HashSet<u32> = carried.filter(|value| self.is_active(*value)).collect();
        let mut values: Vec<u32> = active.into_iter().collect();
        let solution = self.scan_of(&mut component, &mut values);
        let mut edges: HashMap<Node, Vec<(Node, bool)>> = HashMap::new();
        for join in &solution.joins {
            let (from, to, must) = match *join {
                Edge::Link { record, value } => {
                    (Node::Record(component[record as usize]), Node::Value(values[value as usize]), false)
                }
                Edge::Must(a, b) => {
                    (Node::Record(component[a as usize]), Node::Record(component[b as usize]), true)
                }
            };
            edges.entry(from).or_default().push((to, must));
            edges.entry(to).or_default().push((from, must));
        }
        self.path(&edges, Node::Record(a), Node::Record(b))
    }

    /// Walks the tree of joins backwards from `b`, so that the path reads from `a`.
    fn path(&self, edges: &HashMap<Node, Vec<(Node, bool)>>, a: Node, b: Node) -> Option<Explanation> {
        let mut towards: HashMap<Node, (Node, bool)> = HashMap::new();
        let mut queue = vec![b];
        while let Some(node) = queue.pop() {
            for (next, must) in edges.get(&node).into_iter().flatten() {
                if *next != b && !towards.contains_key(next) {
                    towards.insert(*next, (node, *must));
                    queue.push(*next);
                }
            }
        }
        let mut steps = vec![self.step(a)];
        let mut at = a;
        while at != b {
            let (next, must) = *towards.get(&at)?;
            if must {
                steps.push(Step::Must);
            }
            steps.push(self.step(next));
            at = next;
        }
        Some(steps)
    }

    fn step(&self, node: Node) -> Step {
        match node {
            Node::Record(record) => Step::Record(self.records.get(record).rid.clone()),
            Node::Value(value) => {
                let node = self.values.node(value);
                let identifier = self.rules.types[usize::from(node.kind)].name.clone();
                Step::Value { identifier, value: node.text.to_string() }
            }
        }
    }

    /// What the profiles of two records share without being one: refused directives first, then
    /// values by type and text. Empty when nothing is shared; `None` when the records are unknown or
    /// in one profile.
    pub fn why_not(&self, a: &str, b: &str) -> Option<Vec<Obstacle>> {
        let (a, b) = (self.records.find(a)?, self.records.find(b)?);
        let (left, right) = (self.records.get(a).group, self.records.get(b).group);
        if left == right {
            return None;
        }
        let mut obstacles = self.refused_pairs(left, right);
        let (ours, theirs) = (self.carried(left), self.carried(right));
        let texts: BTreeSet<(u16, &str)> = ours.keys().map(|(kind, text)| (*kind, text.as_str())).collect();
        for (kind, text) in texts {
            let key = (kind, text.to_owned());
            if let (Some(our_block), Some(their_block)) = (ours.get(&key), theirs.get(&key)) {
                let is_blocked = *our_block || *their_block;
                obstacles.extend(self.obstacles_of(kind, text, is_blocked, [left, right]));
            }
        }
        Some(obstacles)
    }

    fn component(&self, group: u32) -> Vec<u32> {
        match self.groups.get(group).conflict {
            NONE => vec![group],
            conflict => self.groups.conflict(conflict).groups.clone(),
        }
    }

    fn refused_pairs(&self, left: u32, right: u32) -> Vec<Obstacle> {
        let conflict = self.groups.get(left).conflict;
        if conflict == NONE {
            return Vec::new();
        }
        let group = |record: u32| self.records.get(record).group;
        let rid = |record: u32| self.records.get(record).rid.clone();
        let pair = |edge: Edge| match edge {
            Edge::Must(a, b) if [(left, right), (right, left)].contains(&(group(a), group(b))) => {
                Some(Obstacle::Must(rid(a), rid(b)))
            }
            Edge::Must(..) | Edge::Link { .. } => None,
        };
        self.groups.conflict(conflict).refused.iter().filter_map(|refusal| pair(refusal.edge)).collect()
    }

    /// Every value that a profile's records carry, and whether it is blocked for one of them.
    fn carried(&self, group: u32) -> HashMap<(u16, String), bool> {
        let mut carried = HashMap::new();
        for record in self.members(group) {
            let rid = &self.records.get(record).rid;
            for link in links_of(&self.rules, rid, &self.folded_of(record)) {
                *carried.entry((link.kind, link.value.into_owned())).or_default() |= link.blocked;
            }
        }
        carried
    }

    fn obstacles_of(&self, kind: u16, text: &str, is_blocked: bool, sides: [u32; 2]) -> Vec<Obstacle> {
        let identifier = self.rules.types[usize::from(kind)].name.clone();
        let mut obstacles = Vec::new();
        if is_blocked {
            obstacles.push(Obstacle::Blocked { identifier: identifier.clone(), value: text.to_owned() });
        }
        let Some(value) = self.values.find(kind, text) else { return obstacles };
        if !self.is_active(value) {
            obstacles.push(Obstacle::Suspended { identifier, value: text.to_owned() });
            return obstacles;
        }
        let conflict = self.groups.get(sides[0]).conflict;
        if conflict == NONE {
            return obstacles;
        }
        for refusal in &self.groups.conflict(conflict).refused {
            if let Edge::Link { record, value: refused } = refusal.edge
                && refused == value
                && sides.contains(&self.records.get(record).group)
            {
                let (record, value) = (self.records.get(record).rid.clone(), text.to_owned());
                obstacles.push(Obstacle::Rejected { record, identifier: identifier.clone(), value });
            }
        }
        obstacles
    }
}
