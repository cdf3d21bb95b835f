//! dbt's spellings of the semantic layer: files of both specs, and the manifests dbt writes of them
//! (`semantic-layer.md` 1.1 to 1.3). Our own files use the same keys.

mod aggregate;
mod latest;
mod latest_metric;
mod manifest;
mod metric;
mod model;
mod parts;
mod saved_query;
mod spine;

use ::model::Span;

use super::{
    declared::{At, Declared, Texts},
    fields::{Fields, Keys},
};
use crate::{
    IdentityRules, names,
    report::Report,
    yaml::{self, Node},
};

/// Reads nodes into declarations.
pub(super) struct Reader<'r> {
    pub(super) keys: Keys,
    pub(super) identity: &'r IdentityRules,
    pub(super) report: &'r mut Report,
    pub(super) out: Declared,
}

/// `config` of any element.
pub(super) struct Config {
    pub(super) enabled: bool,
    pub(super) meta: Option<String>,
}

impl<'r> Reader<'r> {
    pub(super) fn new(identity: &'r IdentityRules, report: &'r mut Report) -> Self {
        Self { keys: Keys::Strict, identity, report, out: Declared::default() }
    }

    /// The members of a mapping.
    pub(super) fn open<'a>(
        &mut self,
        node: &'a Node,
        what: &'static str,
        known: &[&'static str],
    ) -> Option<Fields<'a>> {
        Fields::read(node, what, (known, &[]), self.keys, self.report)
    }

    /// `name`, checked as it will be after lower-casing (N1, V1, V2).
    pub(super) fn name(&mut self, fields: &mut Fields<'_>) -> Option<At<String>> {
        let (text, span) = fields.required("name", self.report)?;
        self.judge_name(text, span);
        Some(At::new(text.to_owned(), span))
    }

    pub(super) fn judge_name(&mut self, text: &str, span: &Span) {
        let name = text.to_lowercase();
        if let Some((code, message)) = names::fault(&name) {
            let shown = message.replacen(&format!("'{name}'"), &format!("'{text}'"), 1);
            self.report.error(code, span, shown);
        }
    }

    /// `label`, `description` and `config.meta`, and whether the element is enabled.
    pub(super) fn texts(&mut self, fields: &mut Fields<'_>) -> (Texts, bool) {
        let label = fields.at("label", self.report);
        let description = fields.text("description", self.report);
        let config = self.config(fields);
        (Texts { label, description, meta: config.meta }, config.enabled)
    }

    fn config(&mut self, fields: &Fields<'_>) -> Config {
        let mut config = Config { enabled: true, meta: None };
        let Some(node) = fields.get("config") else { return config };
        let keys = ["meta", "enabled", "group", "tags"];
        if let Some(mut fields) = self.open(node, "config", &keys) {
            config.enabled = fields.boolean("enabled", true, self.report);
            config.meta = fields.get("meta").and_then(|meta| self.meta(meta));
        }
        config
    }

    /// Metadata of any shape, as JSON; an empty mapping says nothing.
    fn meta(&mut self, node: &Node) -> Option<String> {
        if node.members().is_empty() {
            if !matches!(&node.value, yaml::NodeValue::Map(_)) {
                self.report.error(
                    "bad_value",
                    &node.span,
                    format!("'meta' must be a mapping, not {}", node.kind()),
                );
            }
            return None;
        }
        Some(yaml::to_json(node))
    }
}
