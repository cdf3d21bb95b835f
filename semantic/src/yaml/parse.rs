use std::{collections::HashMap, sync::Arc};

use model::Span;
use saphyr_parser::{Event, Marker, Parser, ScalarStyle};

use super::{Key, Node, NodeValue, node::Members};
use crate::report::Report;

/// Deeper nesting is a mistake, and would need stack that a text can grow without bound.
pub(super) const MAX_DEPTH: usize = 64;
/// Most nodes that aliases may add to one file.
const MAX_ALIASED: usize = 10_000;

/// Reads one file. `None` if it is not YAML; anything else that is wrong is reported and passed over.
pub(crate) fn parse(file: &Arc<str>, text: &str, report: &mut Report) -> Option<Node> {
    let mut builder =
        Builder { file, report, open: Vec::new(), anchors: HashMap::new(), aliased: 0, roots: Vec::new() };
    for item in Parser::new_from_str(text) {
        match item {
            Ok((event, span)) => {
                if !builder.event(event, span.start) {
                    return None;
                }
            }
            Err(error) => {
                let span = builder.place(error.marker());
                let info = error.info().to_owned();
                builder.report.error("bad_yaml", &span, format!("not valid YAML: {info}"));
                return None;
            }
        }
    }
    let mut roots = builder.roots;
    if let Some(second) = roots.get(1) {
        let span = second.span.clone();
        report.error("bad_yaml", &span, "a file holds one document; remove the '---' before this line");
    }
    if roots.is_empty() { None } else { Some(roots.swap_remove(0)) }
}

/// Builds nodes from the parser's events.
struct Builder<'a> {
    file: &'a Arc<str>,
    report: &'a mut Report,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    aliased: usize,
    roots: Vec<Node>,
}

/// A collection whose end has not been seen.
struct Open {
    span: Span,
    items: Items,
    anchor: usize,
}

enum Items {
    List(Vec<Node>),
    /// The key whose value comes next.
    Map(Members, Option<Key>),
}

impl Builder<'_> {
    fn place(&self, at: &Marker) -> Span {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Span {
            file: self.file.clone(),
            line: number(at.line().max(1)),
            column: number(at.col()).saturating_add(1),
        }
    }

    /// False when reading must stop.
    fn event(&mut self, event: Event<'_>, at: Marker) -> bool {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                let node = self.scalar(&text, plain, &at);
                self.keep(anchor, &node);
                self.put(node)
            }
            Event::SequenceStart(anchor, _) => self.open(Items::List(Vec::new()), anchor, &at),
            Event::MappingStart(anchor, _) => self.open(Items::Map(Members::default(), None), anchor, &at),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                None => true,
                Some(Open { span, items, anchor }) => {
                    let value = match items {
                        Items::List(items) => NodeValue::List(items),
                        Items::Map(members, _) => NodeValue::Map(members.merged()),
                    };
                    let node = Node { span, value };
                    self.keep(anchor, &node);
                    self.put(node)
                }
            },
            Event::Alias(id) => self.alias(id, &at),
            _ => true,
        }
    }

    fn scalar(&mut self, text: &str, plain: bool, at: &Marker) -> Node {
        let span = self.place(at);
        if plain && matches!(text, "" | "~" | "null" | "Null" | "NULL") {
            return Node { span, value: NodeValue::Null };
        }
        let value = NodeValue::Scalar { text: text.to_owned(), plain };
        Node { span, value }
    }

    fn open(&mut self, items: Items, anchor: usize, at: &Marker) -> bool {
        let span = self.place(at);
        if self.open.len() >= MAX_DEPTH {
            self.report.error("too_deep", &span, format!("nested deeper than {MAX_DEPTH} levels"));
            return false;
        }
        self.open.push(Open { span, items, anchor });
        true
    }

    fn alias(&mut self, id: usize, at: &Marker) -> bool {
        let span = self.place(at);
        let node = match self.anchors.get(&id) {
            Some(node) => node.clone(),
            None => Node { span: span.clone(), value: NodeValue::Bad },
        };
        self.aliased += size(&node);
        if self.aliased > MAX_ALIASED || self.open.len() + depth(&node) > MAX_DEPTH {
            self.report.error("too_deep", &span, "aliases repeat too much");
            return false;
        }
        self.put(node)
    }

    fn keep(&mut self, anchor: usize, node: &Node) {
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
    }

    fn put(&mut self, node: Node) -> bool {
        let Some(open) = self.open.last_mut() else {
            self.roots.push(node);
            return true;
        };
        match &mut open.items {
            Items::List(items) => items.push(node),
            Items::Map(members, key) => match key.take() {
                Some(key) => members.push(key, node, self.report),
                None => {
                    let text = match &node.value {
                        NodeValue::Scalar { text, .. } => text.clone(),
                        NodeValue::Null => "null".to_owned(),
                        _ => {
                            self.report.error("bad_yaml", &node.span, "a key must be a single value");
                            String::new()
                        }
                    };
                    *key = Some(Key { text, span: node.span });
                }
            },
        }
        true
    }
}

fn size(node: &Node) -> usize {
    match &node.value {
        NodeValue::List(items) => 1 + items.iter().map(size).sum::<usize>(),
        NodeValue::Map(members) => 1 + members.iter().map(|(_, v)| size(v)).sum::<usize>(),
        _ => 1,
    }
}

fn depth(node: &Node) -> usize {
    match &node.value {
        NodeValue::List(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        NodeValue::Map(members) => 1 + members.iter().map(|(_, v)| depth(v)).max().unwrap_or(0),
        _ => 0,
    }
}
