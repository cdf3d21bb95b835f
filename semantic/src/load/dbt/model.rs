//! Semantic models of the legacy spec; manifests of both generations hold them too.

use super::{Reader, aggregate::Spec};
use crate::{
    DimensionKind, EntityType, Relation, Validity,
    load::{
        declared::{At, Dimension, Entity, Measure, Model},
        fields::{Fields, Keys},
        sql_expr,
    },
    names,
    yaml::Node,
};

const KEYS: [&str; 10] = [
    "name",
    "model",
    "description",
    "label",
    "defaults",
    "primary_entity",
    "entities",
    "dimensions",
    "measures",
    "config",
];
const ENTITY_KEYS: [&str; 9] =
    ["name", "type", "expr", "identifier", "role", "entity", "description", "label", "config"];
const DIMENSION_KEYS: [&str; 8] =
    ["name", "type", "expr", "is_partition", "description", "label", "config", "type_params"];
const MEASURE_KEYS: [&str; 11] = [
    "name",
    "agg",
    "expr",
    "agg_params",
    "agg_time_dimension",
    "create_metric",
    "create_metric_display_name",
    "non_additive_dimension",
    "description",
    "label",
    "config",
];

pub(super) const ENTITY_TYPES: [(&str, EntityType); 4] = [
    ("primary", EntityType::Primary),
    ("unique", EntityType::Unique),
    ("foreign", EntityType::Foreign),
    ("natural", EntityType::Natural),
];

impl Reader<'_> {
    /// One item of `semantic_models`.
    pub(in crate::load) fn semantic_model(&mut self, node: &Node) {
        self.semantic_model_over(node, None);
    }

    /// A semantic model whose table may be known from elsewhere.
    pub(in crate::load) fn semantic_model_over(&mut self, node: &Node, relation: Option<Relation>) {
        let Some(mut fields) = self.open(node, "a semantic model", &KEYS) else { return };
        let name = self.name(&mut fields);
        let relation = match (relation, self.keys) {
            (Some(known), _) => Some(known),
            (None, Keys::Strict) => {
                fields.required("model", self.report).and_then(|(text, span)| self.relation(text, span))
            }
            (None, Keys::Lenient) => self.node_relation(&mut fields),
        };
        let (texts, enabled) = self.texts(&mut fields);
        let agg_time = self.default_time(&mut fields);
        let primary_entity = fields.at("primary_entity", self.report);
        let entities = self.entities(&mut fields);
        let dimensions = self.dimensions(&mut fields);
        let measures = self.measures(&mut fields);
        if !enabled {
            return;
        }
        let Some(name) = name else { return };
        let Some(relation) = relation else {
            self.out.refused.models.insert(name.value.to_lowercase());
            self.out.refused.measures.extend(measures.into_iter().map(|m| m.name.value.to_lowercase()));
            return;
        };
        self.out.models.push(Model {
            name,
            relation,
            texts,
            primary_entity,
            agg_time,
            entities,
            dimensions,
            measures,
            automatic: false,
        });
    }

    fn default_time(&mut self, fields: &mut Fields<'_>) -> Option<At<String>> {
        let mut defaults = self.open(fields.get("defaults")?, "defaults", &["agg_time_dimension"])?;
        defaults.at("agg_time_dimension", self.report)
    }

    fn entities(&mut self, fields: &mut Fields<'_>) -> Vec<Entity> {
        let mut found = Vec::new();
        for node in fields.list("entities", self.report) {
            let Some(mut fields) = self.open(node, "an entity", &ENTITY_KEYS) else { continue };
            let name = self.name(&mut fields);
            fields.required_node("type", self.report);
            let entity_type = fields.choice("type", &ENTITY_TYPES, self.report);
            let (texts, _) = self.texts(&mut fields);
            let role = fields.text("role", self.report);
            fields.word("entity", self.report);
            let expr = sql_expr::read_optional(fields.get("expr"), self.report);
            let identifier = self.identifier(&mut fields, name.as_ref());
            let (Some(name), Some(entity_type)) = (name, entity_type) else { continue };
            found.push(Entity { name, entity_type, expr, identifier, role, texts });
        }
        found
    }

    /// Ours: the entity `profile` may be matched through `identity_map`.
    fn identifier(&mut self, fields: &mut Fields<'_>, name: Option<&At<String>>) -> Option<String> {
        let (id, span) = fields.word("identifier", self.report)?;
        if name.is_some_and(|n| !n.value.eq_ignore_ascii_case("profile")) {
            self.report.error("bad_entity", span, "'identifier' belongs to the entity 'profile'");
        } else if fields.get("expr").is_none() {
            let message = "'identifier' needs 'expr': the column that holds its value";
            self.report.error("bad_entity", span, message);
        }
        let known = &self.identity.identifiers;
        if !known.iter().any(|t| t.name == id) {
            let close = names::closest(id, known.iter().map(|t| t.name.as_str()));
            self.report.suggest("unknown_identifier", span, format!("unknown identifier '{id}'"), close);
        }
        Some(id.to_owned())
    }

    fn dimensions(&mut self, fields: &mut Fields<'_>) -> Vec<Dimension> {
        let mut found = Vec::new();
        for node in fields.list("dimensions", self.report) {
            let Some(mut fields) = self.open(node, "a dimension", &DIMENSION_KEYS) else { continue };
            let name = self.name(&mut fields);
            fields.required_node("type", self.report);
            let is_time = fields.choice("type", &[("categorical", false), ("time", true)], self.report);
            let is_partition = fields.boolean("is_partition", false, self.report);
            let (texts, _) = self.texts(&mut fields);
            let expr = sql_expr::read_optional(fields.get("expr"), self.report);
            let (mut granularity, mut validity) = (None, None);
            if let Some(node) = fields.get("type_params")
                && let Some(mut params) =
                    self.open(node, "type_params of a dimension", &["time_granularity", "validity_params"])
            {
                granularity = params.at("time_granularity", self.report);
                validity = self.validity(&mut params);
            }
            let (Some(name), Some(is_time)) = (name, is_time) else { continue };
            let Some(kind) = self.dimension_kind(&name, is_time, granularity.as_ref(), "a time_granularity")
            else {
                continue;
            };
            let column_type = None;
            found.push(Dimension { name, kind, expr, is_partition, validity, column_type, texts });
        }
        found
    }

    /// V8.
    pub(super) fn dimension_kind(
        &mut self,
        name: &At<String>,
        is_time: bool,
        granularity: Option<&At<String>>,
        key: &str,
    ) -> Option<DimensionKind> {
        match (is_time, granularity) {
            (false, _) => Some(DimensionKind::Categorical),
            (true, Some(text)) => {
                let grain = self.grain(&text.value, &text.span).unwrap_or(crate::Grain::Day);
                Some(DimensionKind::Time(grain))
            }
            (true, None) => {
                let message = format!("time dimension '{}' needs {key}", name.value);
                self.report.error("missing_granularity", &name.span, message);
                // Day stands in, so that what names the dimension is not reported too.
                Some(DimensionKind::Time(crate::Grain::Day))
            }
        }
    }

    /// `validity_params` of a dimension.
    pub(super) fn validity(&mut self, fields: &mut Fields<'_>) -> Option<Validity> {
        let node = fields.get("validity_params")?;
        let mut params = self.open(node, "validity_params", &["is_start", "is_end"])?;
        let start = params.boolean("is_start", false, self.report);
        let end = params.boolean("is_end", false, self.report);
        match (start, end) {
            (true, true) => {
                let message = "a dimension is the start or the end of a validity window, not both";
                self.report.error("bad_model", &node.span, message);
                None
            }
            (true, false) => Some(Validity::Start),
            (false, true) => Some(Validity::End),
            (false, false) => None,
        }
    }

    fn measures(&mut self, fields: &mut Fields<'_>) -> Vec<Measure> {
        let mut found = Vec::new();
        for node in fields.list("measures", self.report) {
            let Some(mut fields) = self.open(node, "a measure", &MEASURE_KEYS) else { continue };
            let name = self.name(&mut fields);
            let owner = format!("measure '{}'", name.as_ref().map_or("?", |n| n.value.as_str()));
            let aggregate = self.aggregate(&mut fields, &owner, Spec::Legacy, None);
            let (texts, _) = self.texts(&mut fields);
            let metric_label = fields.text("create_metric_display_name", self.report);
            let create_metric = fields.boolean("create_metric", false, self.report);
            let Some(name) = name else { continue };
            let Some(aggregate) = aggregate else {
                self.out.refused.measures.insert(name.value.to_lowercase());
                if create_metric {
                    self.out.refused.metrics.insert(name.value.to_lowercase());
                }
                continue;
            };
            found.push(Measure { name, aggregate, create_metric, metric_label, texts });
        }
        found
    }
}
