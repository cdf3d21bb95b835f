//! Which form each file is in, by what it holds, and the blocks of all files together.

use std::collections::HashMap;

use model::Span;

use super::fields::{self, unsupported};
use crate::{
    names,
    report::Report,
    yaml::{Node, NodeValue},
};

/// Keys of a definitions file that this version reads.
const KNOWN: [&str; 12] = [
    "version",
    "tracking_plan",
    "identity",
    "profile",
    "semantic_models",
    "metrics",
    "saved_queries",
    "models",
    "time_spine",
    "metric_views",
    "audiences",
    "subscriptions",
];
/// Keys of the format that it does not offer.
const LATER: [&str; 4] = ["sources", "imports", "computed_traits", "access"];
/// Blocks that are one thing: two files cannot both say them.
const ONCE: [&str; 2] = ["identity", "time_spine"];
/// Keys that only our own format has. (`sources` is dbt's too.)
const OURS: [&str; 10] = [
    "tracking_plan",
    "identity",
    "profile",
    "time_spine",
    "metric_views",
    "audiences",
    "subscriptions",
    "imports",
    "computed_traits",
    "access",
];
/// What dbt reads beside its semantic layer.
const OF_DBT: [&str; 13] = [
    "version",
    "semantic_models",
    "metrics",
    "saved_queries",
    "models",
    "analyses",
    "data_tests",
    "exposures",
    "groups",
    "macros",
    "seeds",
    "snapshots",
    "sources",
];
const OF_DBT_TOO: [&str; 3] = ["functions", "tests", "unit_tests"];

/// The form of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Ours.
    Native,
    /// A YAML file of a dbt project.
    Dbt,
    /// What dbt writes of a project.
    Manifest,
    /// Apache Ossie.
    Ossie,
}

impl Form {
    /// What a file is, by what it holds (`semantic-layer.md` 1).
    pub(super) fn of(root: &Node) -> Self {
        let has = |key: &str| root.get(key).is_some();
        let version = root.get("version").and_then(Node::text);
        if has("semantic_models") && has("metrics") && has("project_configuration") {
            Self::Manifest
        } else if root.get("semantic_model").is_some_and(|n| matches!(n.value, NodeValue::List(_))) {
            Self::Ossie
        } else if version == Some("2") {
            Self::Dbt
        } else if has("version") || OURS.iter().any(|key| has(key)) || !OF_DBT.iter().any(|key| has(key)) {
            Self::Native
        } else {
            Self::Dbt
        }
    }

    /// Whether `${VAR}` reads the environment in this file. dbt has its own way, and writes `${` for
    /// other things; a file of ours that a folder adds needs no `version`.
    pub(super) fn has_variables(self, root: &Node) -> bool {
        match self {
            Self::Native => true,
            Self::Dbt => root.get("version").is_none() && root.get("models").is_none(),
            Self::Manifest | Self::Ossie => false,
        }
    }
}

/// The top-level blocks of all files together.
#[derive(Debug, Default)]
pub(super) struct Document<'a> {
    blocks: HashMap<&'static str, Vec<&'a Node>>,
    pub(super) manifests: Vec<&'a Node>,
    pub(super) ossie: Vec<&'a Node>,
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

pub(super) fn merge<'a>(roots: &'a [(Form, Node)], report: &mut Report) -> Document<'a> {
    let mut document = Document::default();
    let mut once: HashMap<&'static str, &'a Span> = HashMap::new();
    for (form, node) in roots {
        match form {
            Form::Manifest => document.manifests.push(node),
            Form::Ossie => document.ossie.push(node),
            Form::Native | Form::Dbt => {
                let NodeValue::Map(members) = &node.value else {
                    if !node.is_null() {
                        let message = "a definitions file is a mapping with keys such as 'version'";
                        report.error("bad_yaml", &node.span, message);
                    }
                    continue;
                };
                for (key, value) in members {
                    let Some(known) = known(*form, &key.text, &key.span, report) else { continue };
                    if ONCE.contains(&known)
                        && let Some(first) = once.insert(known, &key.span)
                    {
                        fields::duplicate("block", known, first, &key.span, report);
                    }
                    if !value.is_null() && known != "version" {
                        document.blocks.entry(known).or_default().push(value);
                    }
                }
            }
        }
    }
    check_versions(roots, report);
    document
}

/// The key, if it is one that is read; anything else is reported, or is dbt's own business.
fn known(form: Form, key: &str, span: &Span, report: &mut Report) -> Option<&'static str> {
    let of_dbt = || OF_DBT.iter().chain(&OF_DBT_TOO).copied();
    if form == Form::Dbt && of_dbt().any(|k| k == key) && !KNOWN.contains(&key) {
        return None;
    }
    if LATER.contains(&key) {
        unsupported(&format!("'{key}'"), span, report);
        return None;
    }
    let found = KNOWN.into_iter().find(|k| *k == key);
    if found.is_none() {
        let close = match form {
            Form::Dbt => names::closest(key, of_dbt()),
            _ => names::closest(key, KNOWN),
        };
        report.suggest("unknown_key", span, format!("unknown key '{key}'"), close);
    }
    found
}

/// Our own files say `version: 1`, at least one of them; dbt's files have their own versions.
fn check_versions(roots: &[(Form, Node)], report: &mut Report) {
    let native: Vec<&Node> =
        roots.iter().filter(|(form, _)| *form == Form::Native).map(|(_, node)| node).collect();
    let mut said = false;
    for node in native.iter().filter_map(|node| node.get("version")).filter(|node| !node.is_null()) {
        said = true;
        if node.as_whole() != Some(1) && !node.is_bad() {
            let shown = node.text().unwrap_or("this");
            let message = format!("version {shown} is not known; this version reads 'version: 1'");
            report.error("bad_version", &node.span, message);
        }
    }
    // A file that is no YAML at all has been reported; what it would have said is not missed.
    if let (false, Some(node)) = (said, native.first()) {
        let start = Span { file: node.span.file.clone(), line: 1, column: 1 };
        report.error("missing_key", &start, "the definitions need 'version: 1'");
    }
}
