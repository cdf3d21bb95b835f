use hashbrown::HashMap;
use model::{Encoder, Event, EventType, json::Json};
use semantic::{Audience, CallKind, CallSelector, EventNames, Expr};

use crate::{
    bits::Bits,
    filter::{self, Predicate},
    leaf::{self, Count, Golden, Leaf, LeafHash},
};

/// The source of calls that audiences emit themselves; `"*"` leaves them out.
const EMITTED: &str = "etalon";

/// All audiences as one program: every distinct leaf and filter once.
#[derive(Debug, Default)]
pub(crate) struct Program {
    leaves: Vec<Leaf>,
    hashes: Vec<LeafHash>,
    known: HashMap<LeafHash, u32>,
    /// Leaves over the golden record.
    golden: Vec<u32>,
    calls: [Calls; 3],
    filters: Vec<Predicate>,
    known_filters: HashMap<Vec<u8>, u32>,
    /// Audiences that ask a leaf.
    askers: Vec<Bits>,
    /// Truth of every leaf without state.
    absent: Bits,
}

/// Which leaves count calls of one kind.
#[derive(Debug, Default)]
struct Calls {
    named: HashMap<String, Vec<Counter>>,
    any: Vec<Counter>,
}

#[derive(Debug, Clone, Copy)]
struct Counter {
    leaf: u32,
    filter: Option<u32>,
}

/// A condition over leaf numbers.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Leaf(u32),
}

impl Node {
    /// The truth, given those of the leaves.
    pub(crate) fn holds(&self, truths: &Bits) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(truths)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(truths)),
            Self::Not(part) => !part.holds(truths),
            Self::Leaf(leaf) => truths.has(*leaf),
        }
    }

    /// The leaves below, each once.
    pub(crate) fn leaves(&self) -> Bits {
        let mut found = Bits::default();
        self.collect(&mut found);
        found
    }

    fn collect(&self, found: &mut Bits) {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.collect(found)),
            Self::Not(part) => part.collect(found),
            Self::Leaf(leaf) => _ = found.set(*leaf, true),
        }
    }
}

impl Program {
    /// Adds an audience under its number and gives its condition over leaf numbers.
    pub(crate) fn add(&mut self, audience: &Audience, number: u32) -> Node {
        let node = self.compile(&audience.condition);
        for leaf in node.leaves().iter() {
            self.askers[leaf as usize].set(number, true);
        }
        node
    }

    fn compile(&mut self, expr: &Expr) -> Node {
        match expr {
            Expr::All(parts) => Node::All(parts.iter().map(|part| self.compile(part)).collect()),
            Expr::Any(parts) => Node::Any(parts.iter().map(|part| self.compile(part)).collect()),
            Expr::Not(part) => Node::Not(Box::new(self.compile(part))),
            Expr::Leaf(leaf) => Node::Leaf(self.leaf(leaf)),
        }
    }

    fn leaf(&mut self, definition: &semantic::Leaf) -> u32 {
        let hash = leaf::hash(definition);
        if let Some(known) = self.known.get(&hash) {
            return *known;
        }
        let number = u32::try_from(self.leaves.len()).expect("leaves are numbered in 32 bits");
        let leaf = match definition {
            semantic::Leaf::Count { selector, window, count } => {
                self.select(selector, number);
                Leaf::Count(Count::compile(*window, count))
            }
            semantic::Leaf::Trait { path, comparisons } => {
                self.golden.push(number);
                Leaf::Golden(Golden::compile(path, comparisons))
            }
            semantic::Leaf::Everyone => Leaf::Everyone,
        };
        self.absent.set(number, leaf.at(&[], 0).holds);
        self.leaves.push(leaf);
        self.hashes.push(hash);
        self.askers.push(Bits::default());
        self.known.insert(hash, number);
        number
    }

    /// Has calls that the selector takes reach the leaf.
    fn select(&mut self, selector: &CallSelector, leaf: u32) {
        let filter = selector.filter.as_ref().map(|filter| self.filter(filter));
        let calls = &mut self.calls[kind_index(selector.kind)];
        let counter = Counter { leaf, filter };
        match &selector.names {
            EventNames::Any => calls.any.push(counter),
            EventNames::OneOf(names) => {
                let mut names: Vec<&String> = names.iter().collect();
                names.sort();
                names.dedup();
                for name in names {
                    calls.named.entry_ref(name.as_str()).or_default().push(counter);
                }
            }
        }
    }

    fn filter(&mut self, definition: &semantic::Filter) -> u32 {
        let mut form = Encoder::default();
        filter::encode(definition, &mut form);
        let filters = &mut self.filters;
        *self.known_filters.entry(form.finish()).or_insert_with(|| {
            filters.push(Predicate::compile(definition));
            u32::try_from(filters.len() - 1).expect("filters are numbered in 32 bits")
        })
    }

    /// The leaves that count this call, in `found`. `memo` is room for the truths of the filters.
    pub(crate) fn counted_by(
        &self,
        event: &Event<'_>,
        body: &Json<'_>,
        memo: &mut Vec<Option<bool>>,
        found: &mut Vec<u32>,
    ) {
        found.clear();
        let calls = match event.event_type {
            EventType::Track => &self.calls[kind_index(CallKind::Track)],
            EventType::Page => &self.calls[kind_index(CallKind::Page)],
            EventType::Screen => &self.calls[kind_index(CallKind::Screen)],
            EventType::Identify | EventType::Group | EventType::Alias | EventType::Merge => return,
        };
        let named = event.name.and_then(|name| calls.named.get(name)).map_or(&[][..], Vec::as_slice);
        let any = if event.source == EMITTED { &[][..] } else { calls.any.as_slice() };
        if named.is_empty() && any.is_empty() {
            return;
        }
        memo.clear();
        memo.resize(self.filters.len(), None);
        for counter in named.iter().chain(any) {
            let holds = counter.filter.is_none_or(|filter| {
                let filter = filter as usize;
                *memo[filter].get_or_insert_with(|| self.filters[filter].holds(event, body))
            });
            if holds {
                found.push(counter.leaf);
            }
        }
    }

    pub(crate) fn get(&self, leaf: u32) -> &Leaf {
        &self.leaves[leaf as usize]
    }

    pub(crate) fn hashes(&self) -> &[LeafHash] {
        &self.hashes
    }

    /// Leaves over the golden record.
    pub(crate) fn golden(&self) -> &[u32] {
        &self.golden
    }

    /// Audiences that ask a leaf.
    pub(crate) fn askers(&self, leaf: u32) -> &Bits {
        &self.askers[leaf as usize]
    }

    /// Truth of every leaf without state.
    pub(crate) fn absent(&self) -> &Bits {
        &self.absent
    }
}

fn kind_index(kind: CallKind) -> usize {
    match kind {
        CallKind::Track => 0,
        CallKind::Page => 1,
        CallKind::Screen => 2,
    }
}
