use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

/// A value node and the records that carry it, blocked links left out.
#[derive(Debug)]
pub(super) struct ValueNode {
    pub(super) kind: u16,
    pub(super) text: Box<str>,
    carriers: Carriers,
}

/// Most values have one carrier: that one needs no allocation.
#[derive(Debug)]
enum Carriers {
    None,
    One(u32),
    Many(Vec<u32>),
}

impl ValueNode {
    pub(super) fn carriers(&self) -> &[u32] {
        match &self.carriers {
            Carriers::None => &[],
            Carriers::One(record) => std::slice::from_ref(record),
            Carriers::Many(records) => records,
        }
    }
}

/// Every value that a live record carries, by dense number.
#[derive(Debug, Default)]
pub(super) struct Values {
    nodes: Vec<ValueNode>,
    numbers: HashTable<u32>,
    free: Vec<u32>,
    hasher: DefaultHashBuilder,
}

impl Values {
    pub(super) fn node(&self, value: u32) -> &ValueNode {
        &self.nodes[value as usize]
    }

    pub(super) fn find(&self, kind: u16, text: &str) -> Option<u32> {
        let is_it = |number: &u32| {
            let node = self.node(*number);
            node.kind == kind && *node.text == *text
        };
        self.numbers.find(self.hasher.hash_one((kind, text)), is_it).copied()
    }

    /// The number of a value, which is new or not.
    pub(super) fn intern(&mut self, kind: u16, text: &str) -> u32 {
        if let Some(known) = self.find(kind, text) {
            return known;
        }
        let node = ValueNode { kind, text: text.into(), carriers: Carriers::None };
        let number = match self.free.pop() {
            Some(number) => {
                self.nodes[number as usize] = node;
                number
            }
            None => {
                self.nodes.push(node);
                self.nodes.len() as u32 - 1
            }
        };
        let hash = self.hasher.hash_one((kind, text));
        let (nodes, hasher) = (&self.nodes, &self.hasher);
        self.numbers.insert_unique(hash, number, |n| {
            let node = &nodes[*n as usize];
            hasher.hash_one((node.kind, &*node.text))
        });
        number
    }

    pub(super) fn add_carrier(&mut self, value: u32, record: u32) {
        let carriers = &mut self.nodes[value as usize].carriers;
        match carriers {
            Carriers::None => *carriers = Carriers::One(record),
            Carriers::One(first) => *carriers = Carriers::Many(vec![*first, record]),
            Carriers::Many(records) => records.push(record),
        }
    }

    pub(super) fn remove_carrier(&mut self, value: u32, record: u32) {
        let carriers = &mut self.nodes[value as usize].carriers;
        match carriers {
            Carriers::None => {}
            Carriers::One(_) => *carriers = Carriers::None,
            Carriers::Many(records) => {
                records.retain(|r| *r != record);
                if let [last] = records[..] {
                    *carriers = Carriers::One(last);
                }
            }
        }
    }

    /// Forgets a value that nobody carries; its number is used again.
    pub(super) fn release(&mut self, value: u32) {
        if !self.node(value).carriers().is_empty() {
            return;
        }
        let node = self.node(value);
        let hash = self.hasher.hash_one((node.kind, &*node.text));
        if let Ok(entry) = self.numbers.find_entry(hash, |n| *n == value) {
            entry.remove();
            self.nodes[value as usize].text = Box::default();
            self.free.push(value);
        }
    }

    /// All values with carriers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &ValueNode)> {
        let numbered = self.nodes.iter().enumerate().map(|(number, node)| (number as u32, node));
        numbered.filter(|(_, node)| !node.carriers().is_empty())
    }
}
