use std::collections::{HashMap, HashSet};

use model::Span;

use crate::report::Report;

/// A value with its place.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) value: NodeValue,
}

/// What a node holds. Scalars keep the text they were written with.
#[derive(Debug, Clone)]
pub(crate) enum NodeValue {
    /// Nothing was written.
    Null,
    /// Something was wrong with it and has been reported: readers pass over it in silence.
    Bad,
    /// `plain`: written without quotes, so it may be a number or a boolean.
    Scalar { text: String, plain: bool },
    /// A list.
    List(Vec<Node>),
    /// A mapping, keys unique and in file order.
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) span: Span,
}

/// From so many keys on, one that is there twice is looked up instead of searched.
const MANY: usize = 16;

/// Members of a mapping while it is read: keys that come again are reported and passed over.
#[derive(Debug, Default)]
pub(super) struct Members {
    list: Vec<(Key, Node)>,
    places: HashMap<String, usize>,
}

impl Members {
    pub(super) fn push(&mut self, key: Key, value: Node, report: &mut Report) {
        let first = if self.list.len() < MANY {
            self.list.iter().position(|(k, _)| k.text == key.text)
        } else {
            if self.places.is_empty() {
                self.places = self.list.iter().enumerate().map(|(i, (k, _))| (k.text.clone(), i)).collect();
            }
            self.places.get(&key.text).copied()
        };
        if let Some(first) = first {
            let message = format!("key '{}' is already set at {}", key.text, self.list[first].0.span);
            report.error("duplicate_key", &key.span, message);
            return;
        }
        if !self.places.is_empty() {
            self.places.insert(key.text.clone(), self.list.len());
        }
        self.list.push((key, value));
    }

    pub(super) fn finish(self) -> Vec<(Key, Node)> {
        self.list
    }

    /// The same with YAML's merge key: `<<: *defaults` adds what is not written here.
    pub(super) fn merged(mut self) -> Vec<(Key, Node)> {
        let is_merge = |(key, value): &(Key, Node)| {
            let parts = value.one_or_many();
            key.text == "<<" && parts.iter().all(|part| matches!(part.value, NodeValue::Map(_)))
        };
        let Some(at) = self.list.iter().position(is_merge) else { return self.list };
        let (_, merge) = self.list.remove(at);
        let mut known: HashSet<String> = self.list.iter().map(|(key, _)| key.text.clone()).collect();
        for (key, value) in merge.one_or_many().iter().flat_map(Node::members) {
            if known.insert(key.text.clone()) {
                self.list.push((key.clone(), value.clone()));
            }
        }
        self.list
    }
}

impl Node {
    /// The text of a scalar of any type.
    pub(crate) fn text(&self) -> Option<&str> {
        if let NodeValue::Scalar { text, .. } = &self.value { Some(text) } else { None }
    }

    /// `true` or `false`, written without quotes.
    pub(crate) fn as_bool(&self) -> Option<bool> {
        match self.plain()? {
            "true" | "True" | "TRUE" => Some(true),
            "false" | "False" | "FALSE" => Some(false),
            _ => None,
        }
    }

    /// The text of a decimal number, written without quotes.
    pub(crate) fn as_number(&self) -> Option<&str> {
        self.plain().filter(|text| is_number(text))
    }

    /// A whole number that is not negative.
    pub(crate) fn as_whole(&self) -> Option<u64> {
        self.plain()?.parse().ok()
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self.value, NodeValue::Null)
    }

    pub(crate) fn is_bad(&self) -> bool {
        matches!(self.value, NodeValue::Bad)
    }

    /// The items of a list, or the node itself as the only item.
    pub(crate) fn one_or_many(&self) -> &[Node] {
        if let NodeValue::List(items) = &self.value { items } else { std::slice::from_ref(self) }
    }

    /// Members of a mapping; empty for anything else.
    pub(crate) fn members(&self) -> &[(Key, Node)] {
        if let NodeValue::Map(members) = &self.value { members } else { &[] }
    }

    /// Member of a mapping.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.members().iter().find(|(k, _)| k.text == key).map(|(_, v)| v)
    }

    /// Kind of the node, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            NodeValue::Null => "nothing",
            NodeValue::Bad | NodeValue::Scalar { .. } => "a single value",
            NodeValue::List(_) => "a list",
            NodeValue::Map(_) => "a mapping",
        }
    }

    fn plain(&self) -> Option<&str> {
        if let NodeValue::Scalar { text, plain: true } = &self.value { Some(text) } else { None }
    }
}

/// `-12`, `0.50`, `1e9`: what both YAML and JSON call a number.
pub(super) fn is_number(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = text.split_once(['e', 'E']).map_or((text, None), |(m, e)| (m, Some(e)));
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    let mantissa_fits = match mantissa.split_once('.') {
        None => digits(mantissa),
        Some((whole, fraction)) => digits(whole) && digits(fraction),
    };
    // An exponent of more than four digits is a slip, and would be a denial of service.
    mantissa_fits
        && exponent.is_none_or(|e| {
            let e = e.strip_prefix(['-', '+']).unwrap_or(e);
            digits(e) && e.len() <= 4
        })
}
