//! The 2026 spec: models that say themselves which columns are entities and dimensions. The same list
//! holds the time spines of both specs, and models that say nothing to us.

use super::{Reader, model::ENTITY_TYPES};
use crate::{
    EntityType, Relation,
    load::{
        declared::{At, Dimension, Entity, Model, Texts},
        fields::Fields,
        sql_expr,
    },
    yaml::{Node, NodeValue},
};

/// What the semantic layer reads of a model.
const OURS: [&str; 5] =
    ["semantic_model", "agg_time_dimension", "primary_entity", "derived_semantics", "metrics"];
/// dbt's other properties of a model. They say nothing to a semantic layer.
const KEYS: [&str; 27] = [
    "name",
    "description",
    "columns",
    "time_spine",
    "semantic_model",
    "agg_time_dimension",
    "primary_entity",
    "derived_semantics",
    "metrics",
    "config",
    "docs",
    "access",
    "alias",
    "constraints",
    "contract",
    "data_tests",
    "deprecation_date",
    "group",
    "identifier",
    "latest_version",
    "meta",
    "packages",
    "patch_path",
    "quoting",
    "tags",
    "tests",
    "versions",
];
const COLUMN_KEYS: [&str; 14] = [
    "name",
    "description",
    "granularity",
    "entity",
    "dimension",
    "data_type",
    "config",
    "constraints",
    "data_tests",
    "meta",
    "policy_tags",
    "quote",
    "tags",
    "tests",
];
const ENTITY_KEYS: [&str; 5] = ["type", "name", "description", "label", "config"];
const DIMENSION_KEYS: [&str; 7] =
    ["type", "name", "is_partition", "validity_params", "description", "label", "config"];

impl Reader<'_> {
    /// One item of `models`.
    pub(in crate::load) fn model(&mut self, node: &Node) {
        let Some(mut fields) = self.open(node, "a model", &KEYS) else { return };
        let Some((table, span)) = fields.required("name", self.report) else { return };
        let table = At::new(table.to_owned(), span);
        self.time_spine_model(&fields, &table);
        if !OURS.iter().any(|key| fields.get(key).is_some()) {
            for column in fields.list("columns", self.report) {
                self.open(column, "a column", &COLUMN_KEYS);
            }
            return;
        }
        let Some(model) = fields.get("semantic_model") else {
            let message =
                format!("model '{}' needs semantic_model: {{enabled: true}} for its metrics", table.value);
            self.report.error("missing_key", &table.span, message);
            return;
        };
        let Some((name, meta)) = self.switch(model, &table) else { return };
        let description = fields.text("description", self.report);
        let primary_entity = fields.at("primary_entity", self.report);
        let agg_time = fields.at("agg_time_dimension", self.report);
        let (mut entities, mut dimensions) = (Vec::new(), Vec::new());
        for column in fields.list("columns", self.report) {
            self.column(column, &mut entities, &mut dimensions);
        }
        if let Some(node) = fields.get("derived_semantics") {
            self.derived_semantics(node, &mut entities, &mut dimensions);
        }
        let model = name.clone();
        self.out.models.push(Model {
            name,
            relation: Relation::table("warehouse", table.value),
            texts: Texts { label: None, description, meta },
            primary_entity,
            agg_time,
            entities,
            dimensions,
            measures: Vec::new(),
            automatic: false,
        });
        for node in fields.list("metrics", self.report) {
            self.latest_metric(node, Some(&model));
        }
    }

    /// `semantic_model` of a model; `None` where it is switched off.
    fn switch(&mut self, node: &Node, table: &At<String>) -> Option<(At<String>, Option<String>)> {
        if let Some(enabled) = node.as_bool() {
            self.judge_name(&table.value, &table.span);
            return enabled.then(|| (table.clone(), None));
        }
        let mut fields = self.open(node, "semantic_model", &["enabled", "name", "group", "config"])?;
        fields.required_node("enabled", self.report);
        let enabled = fields.boolean("enabled", false, self.report);
        let name = fields.at("name", self.report).unwrap_or_else(|| table.clone());
        let (texts, switched_on) = self.texts(&mut fields);
        if !enabled || !switched_on {
            return None;
        }
        self.judge_name(&name.value, &name.span);
        Some((name, texts.meta))
    }

    fn column(&mut self, node: &Node, entities: &mut Vec<Entity>, dimensions: &mut Vec<Dimension>) {
        let Some(mut fields) = self.open(node, "a column", &COLUMN_KEYS) else { return };
        let Some((column, span)) = fields.required("name", self.report) else { return };
        let column = At::new(column.to_owned(), span);
        if let Some(node) = fields.get("entity") {
            entities.extend(self.column_entity(node, &column));
        }
        if let Some(node) = fields.get("dimension") {
            dimensions.extend(self.column_dimension(node, &column, &mut fields));
        }
    }

    /// A type, or a mapping with one.
    fn typed<'a>(
        &mut self,
        node: &'a Node,
        what: &'static str,
        keys: &[&'static str],
    ) -> Option<(Option<Fields<'a>>, &'a Node)> {
        if matches!(&node.value, NodeValue::Scalar { .. }) {
            return Some((None, node));
        }
        let mut fields = self.open(node, what, keys)?;
        let kind = fields.required_node("type", self.report)?;
        Some((Some(fields), kind))
    }

    fn column_entity(&mut self, node: &Node, column: &At<String>) -> Option<Entity> {
        let (mut fields, kind) = self.typed(node, "an entity", &ENTITY_KEYS)?;
        let entity_type = self.entity_type(kind)?;
        let (name, texts) = self.named(fields.as_mut(), column);
        Some(Entity {
            name,
            entity_type,
            expr: Some(column.value.clone()),
            identifier: None,
            role: None,
            texts,
        })
    }

    fn entity_type(&mut self, node: &Node) -> Option<EntityType> {
        self.one_of(node, "type", &ENTITY_TYPES)
    }

    /// The name of a column's element (= the column's), and its texts.
    fn named(&mut self, fields: Option<&mut Fields<'_>>, column: &At<String>) -> (At<String>, Texts) {
        let (name, texts) = match fields {
            None => (None, Texts::default()),
            Some(fields) => (fields.at("name", self.report), self.texts(fields).0),
        };
        let name = name.unwrap_or_else(|| column.clone());
        self.judge_name(&name.value, &name.span);
        (name, texts)
    }

    fn column_dimension(
        &mut self,
        node: &Node,
        column: &At<String>,
        outer: &mut Fields<'_>,
    ) -> Option<Dimension> {
        let (mut fields, kind) = self.typed(node, "a dimension", &DIMENSION_KEYS)?;
        let is_time = self.one_of(kind, "type", &[("categorical", false), ("time", true)])?;
        let (name, texts) = self.named(fields.as_mut(), column);
        let (mut is_partition, mut validity) = (false, None);
        if let Some(fields) = &mut fields {
            is_partition = fields.boolean("is_partition", false, self.report);
            validity = self.validity(fields);
        }
        let granularity = outer.at("granularity", self.report);
        let kind = self.dimension_kind(&name, is_time, granularity.as_ref(), "a granularity")?;
        let (expr, column_type) = (Some(column.value.clone()), None);
        Some(Dimension { name, kind, expr, is_partition, validity, column_type, texts })
    }

    fn derived_semantics(
        &mut self,
        node: &Node,
        entities: &mut Vec<Entity>,
        dimensions: &mut Vec<Dimension>,
    ) {
        let Some(mut fields) = self.open(node, "derived_semantics", &["dimensions", "entities"]) else {
            return;
        };
        for node in fields.list("entities", self.report) {
            let keys = ["name", "type", "expr", "description", "label", "config"];
            let Some(mut fields) = self.open(node, "a derived entity", &keys) else { continue };
            let name = self.name(&mut fields);
            let kind = fields.required_node("type", self.report);
            let entity_type = kind.and_then(|kind| self.entity_type(kind));
            let expr = self.derived_expr(&mut fields);
            let (texts, _) = self.texts(&mut fields);
            let (Some(name), Some(entity_type)) = (name, entity_type) else { continue };
            entities.push(Entity { name, entity_type, expr, identifier: None, role: None, texts });
        }
        for node in fields.list("dimensions", self.report) {
            dimensions.extend(self.derived_dimension(node));
        }
    }

    fn derived_dimension(&mut self, node: &Node) -> Option<Dimension> {
        let keys = [
            "name",
            "type",
            "expr",
            "granularity",
            "is_partition",
            "validity_params",
            "description",
            "label",
            "config",
        ];
        let mut fields = self.open(node, "a derived dimension", &keys)?;
        let name = self.name(&mut fields);
        let kind = fields.required_node("type", self.report);
        let is_time = kind.and_then(|k| self.one_of(k, "type", &[("categorical", false), ("time", true)]));
        let expr = self.derived_expr(&mut fields);
        let is_partition = fields.boolean("is_partition", false, self.report);
        let validity = self.validity(&mut fields);
        let (texts, _) = self.texts(&mut fields);
        let granularity = fields.at("granularity", self.report);
        let name = name?;
        let kind = self.dimension_kind(&name, is_time?, granularity.as_ref(), "a granularity")?;
        Some(Dimension { name, kind, expr, is_partition, validity, column_type: None, texts })
    }

    fn derived_expr(&mut self, fields: &mut Fields<'_>) -> Option<String> {
        let node = fields.required_node("expr", self.report);
        sql_expr::read_optional(node, self.report)
    }

    /// A word of a closed set that stands by itself.
    pub(super) fn one_of<T: Copy>(
        &mut self,
        node: &Node,
        key: &str,
        choices: &[(&'static str, T)],
    ) -> Option<T> {
        super::super::fields::choose(node, key, choices, self.report)
    }
}
