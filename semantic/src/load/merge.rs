use std::{collections::HashMap, sync::Arc};

use model::Span;

use super::fields::{self, unsupported};
use crate::{
    names,
    report::Report,
    yaml::{Node, NodeValue},
};

/// Keys of a definitions file that this version reads.
const KNOWN: [&str; 9] = [
    "version",
    "tracking_plan",
    "identity",
    "profile",
    "semantic_models",
    "metrics",
    "time_spine",
    "audiences",
    "subscriptions",
];
/// Keys of the format that it does not offer.
const LATER: [&str; 6] = ["sources", "imports", "saved_queries", "metric_views", "computed_traits", "access"];
/// Blocks that are one thing: two files cannot both say them.
const ONCE: [&str; 2] = ["identity", "time_spine"];

/// The top-level blocks of all files together.
#[derive(Debug, Default)]
pub(super) struct Document<'a> {
    blocks: HashMap<&'static str, Vec<&'a Node>>,
}

impl<'a> Document<'a> {
    /// All blocks of this name, in the order of the files.
    pub(super) fn all(&self, key: &str) -> &[&'a Node] {
        self.blocks.get(key).map_or(&[], Vec::as_slice)
    }

    /// The block of this name; after merging there is one where only one is allowed.
    pub(super) fn last(&self, key: &str) -> Option<&'a Node> {
        self.all(key).last().copied()
    }

    /// The items of all lists of this name.
    pub(super) fn items(&self, key: &'static str, report: &mut Report) -> Vec<&'a Node> {
        let mut items = Vec::new();
        for node in self.all(key) {
            match &node.value {
                NodeValue::List(list) => items.extend(list),
                NodeValue::Bad => {}
                _ => report.error(
                    "bad_value",
                    &node.span,
                    format!("{key} must be a list, not {}", node.kind()),
                ),
            }
        }
        items
    }
}

pub(super) fn merge<'a>(nodes: &'a [Node], first: Option<&Arc<str>>, report: &mut Report) -> Document<'a> {
    let mut document = Document::default();
    let mut once: HashMap<&str, &Span> = HashMap::new();
    for node in nodes {
        let NodeValue::Map(members) = &node.value else {
            if !node.is_null() {
                report.error(
                    "bad_yaml",
                    &node.span,
                    "a definitions file is a mapping with keys such as 'version'",
                );
            }
            continue;
        };
        for (key, value) in members {
            if LATER.contains(&key.text.as_str()) {
                unsupported(&format!("'{}'", key.text), &key.span, report);
                continue;
            }
            let Some(known) = KNOWN.into_iter().find(|k| *k == key.text) else {
                let close = names::closest(&key.text, KNOWN);
                report.suggest("unknown_key", &key.span, format!("unknown key '{}'", key.text), close);
                continue;
            };
            if ONCE.contains(&known)
                && let Some(first) = once.insert(known, &key.span)
            {
                fields::duplicate("block", known, first, &key.span, report);
            }
            if !value.is_null() {
                document.blocks.entry(known).or_default().push(value);
            }
        }
    }
    check_version(&document, nodes, first, report);
    document
}

fn check_version(document: &Document<'_>, nodes: &[Node], first: Option<&Arc<str>>, report: &mut Report) {
    let versions = document.all("version");
    for node in versions {
        if node.as_whole() != Some(1) && !node.is_bad() {
            let shown = node.text().unwrap_or("this");
            report.error(
                "bad_version",
                &node.span,
                format!("version {shown} is not known; this version reads 'version: 1'"),
            );
        }
    }
    // A file that is no YAML at all has been reported; what it would have said is not missed.
    if let (true, Some(file), false) = (versions.is_empty(), first, nodes.is_empty()) {
        let start = Span { file: file.clone(), line: 1, column: 1 };
        report.error("missing_key", &start, "the definitions need 'version: 1'");
    }
}
