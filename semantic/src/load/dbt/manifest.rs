//! `semantic_manifest.json`, of both generations and mixed. Programs write it, so unknown keys are newer
//! ones and no warnings are given about style.

use super::{
    Reader,
    parts::{parse_relation, split_name},
};
use crate::{
    Relation,
    load::fields::{Fields, Keys},
    yaml::Node,
};

impl Reader<'_> {
    /// A whole manifest.
    pub(in crate::load) fn manifest(&mut self, root: &Node) {
        let before = std::mem::replace(&mut self.keys, Keys::Lenient);
        if let Some(mut fields) = self.open(root, "a semantic manifest", &[]) {
            for node in fields.list("semantic_models", self.report) {
                self.semantic_model(node);
            }
            for node in fields.list("metrics", self.report) {
                self.metric(node);
            }
            for node in fields.list("saved_queries", self.report) {
                self.saved_query(node);
            }
            if let Some(node) = fields.get("project_configuration") {
                self.project(node);
            }
        }
        self.keys = before;
    }

    fn project(&mut self, node: &Node) {
        let Some(mut fields) = self.open(node, "project_configuration", &[]) else { return };
        let spines = fields.list("time_spines", self.report);
        for node in spines {
            self.manifest_spine(node);
        }
        // What dbt wrote before it had `time_spines`; newer manifests hold both.
        if spines.is_empty() {
            for node in fields.list("time_spine_table_configurations", self.report) {
                self.old_spine(node);
            }
        }
    }

    /// `node_relation`: the name dbt made of it, which may be quoted, else the path of its parts.
    pub(super) fn node_relation(&mut self, fields: &mut Fields<'_>) -> Option<Relation> {
        let node = fields.required_node("node_relation", self.report)?;
        let mut parts = self.open(node, "node_relation", &[])?;
        if let Some((text, span)) = parts.word("relation_name", self.report).filter(|(t, _)| !t.is_empty()) {
            // Not `relation`: a table may well be called source(x) in quotes.
            let found = split_name(text).and_then(named);
            if found.is_none() {
                self.report.error("bad_relation", span, format!("'{text}' is not a relation"));
            }
            return found;
        }
        let mut part =
            |key| parts.word(key, self.report).map(|(t, _)| t.to_owned()).filter(|t| !t.is_empty());
        let (database, schema, alias) = (part("database"), part("schema_name"), part("alias"));
        match (database, schema, alias) {
            (database, Some(schema), Some(name)) => Some(Relation::Table { database, schema, name }),
            (None, None, Some(name)) => parse_relation(&name),
            _ => {
                let message = "node_relation needs relation_name, or schema_name and alias";
                self.report.error("bad_relation", &node.span, message);
                None
            }
        }
    }
}

/// A table from the parts of its name.
fn named(parts: Vec<String>) -> Option<Relation> {
    match <[String; 3]>::try_from(parts) {
        Ok([database, schema, name]) => Some(Relation::Table { database: Some(database), schema, name }),
        Err(parts) => match <[String; 2]>::try_from(parts) {
            Ok([schema, name]) => Some(Relation::Table { database: None, schema, name }),
            Err(mut parts) if parts.len() == 1 => Some(Relation::table("warehouse", parts.pop()?)),
            Err(_) => None,
        },
    }
}
