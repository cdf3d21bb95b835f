//! Nodes that no file holds: built by a program, written as YAML or JSON.

use std::{
    fmt::Write as _,
    sync::{Arc, LazyLock},
};

use model::Span;

use super::{Key, Node, NodeValue, json::quote};

static NOWHERE: LazyLock<Span> = LazyLock::new(|| Span { file: Arc::from(""), line: 0, column: 0 });

/// A text.
pub(crate) fn text(value: impl Into<String>) -> Node {
    Node { span: NOWHERE.clone(), value: NodeValue::Scalar { text: value.into(), plain: false } }
}

/// A number or a boolean.
pub(crate) fn plain(value: impl ToString) -> Node {
    Node { span: NOWHERE.clone(), value: NodeValue::Scalar { text: value.to_string(), plain: true } }
}

/// A list.
pub(crate) fn list(items: impl IntoIterator<Item = Node>) -> Node {
    Node { span: NOWHERE.clone(), value: NodeValue::List(items.into_iter().collect()) }
}

/// A mapping; members without a value are left out.
pub(crate) fn map<'a>(members: impl IntoIterator<Item = (&'a str, Option<Node>)>) -> Node {
    let key = |text: &str| Key { text: text.to_owned(), span: NOWHERE.clone() };
    let members = members.into_iter().filter_map(|(k, v)| Some((key(k), v?)));
    Node { span: NOWHERE.clone(), value: NodeValue::Map(members.collect()) }
}

/// A node as a YAML document.
pub(crate) fn to_yaml(node: &Node) -> String {
    let mut out = String::new();
    block(node, 0, &mut out);
    out
}

fn block(node: &Node, depth: usize, out: &mut String) {
    match &node.value {
        NodeValue::Map(members) if !members.is_empty() => {
            for (i, (key, value)) in members.iter().enumerate() {
                if i > 0 {
                    indent(depth, out);
                }
                scalar(&key.text, out);
                out.push(':');
                below(value, depth + 1, out);
            }
        }
        NodeValue::List(items) if !items.is_empty() => {
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    indent(depth, out);
                }
                out.push_str("- ");
                block(item, depth + 1, out);
            }
        }
        NodeValue::Map(_) => out.push_str("{}\n"),
        NodeValue::List(_) => out.push_str("[]\n"),
        NodeValue::Null | NodeValue::Bad => out.push_str("null\n"),
        NodeValue::Scalar { text, plain: true } => {
            let _ = writeln!(out, "{text}");
        }
        NodeValue::Scalar { text, plain: false } => {
            scalar(text, out);
            out.push('\n');
        }
    }
}

/// The value of a key: on its line if it is short, else below it.
fn below(node: &Node, depth: usize, out: &mut String) {
    let deep = match &node.value {
        NodeValue::Map(members) => !members.is_empty(),
        NodeValue::List(items) => !items.is_empty(),
        _ => false,
    };
    if deep {
        out.push('\n');
        indent(depth, out);
    } else {
        out.push(' ');
    }
    block(node, depth, out);
}

fn indent(depth: usize, out: &mut String) {
    out.extend(std::iter::repeat_n("  ", depth));
}

/// A text without quotes where no reader could take it for something else.
fn scalar(value: &str, out: &mut String) {
    let bare = value.starts_with(|c: char| c.is_ascii_lowercase())
        && value.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && !matches!(value, "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n");
    if bare { out.push_str(value) } else { quote(value, out) }
}
