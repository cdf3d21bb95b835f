//! Apache Ossie into declarations (`semantic-layer.md` 1.4). An element with our own extension is read
//! from it, as long as no other tool has changed the element since.

mod expression;
mod keys;

use std::collections::HashMap;

use super::{
    dbt::Reader,
    declared::{At, Declared, Dimension, Entity, Metric, Model, Texts},
    fields::{Fields, Keys},
};
use crate::{
    DimensionKind, EntityType, Grain, Relation, ossie,
    yaml::{self, Node},
};

const MODEL_KEYS: [&str; 7] =
    ["name", "description", "ai_context", "datasets", "relationships", "metrics", "custom_extensions"];
const DATASET_KEYS: [&str; 8] = [
    "name",
    "source",
    "primary_key",
    "unique_keys",
    "description",
    "ai_context",
    "fields",
    "custom_extensions",
];
const FIELD_KEYS: [&str; 7] =
    ["name", "expression", "dimension", "label", "description", "ai_context", "custom_extensions"];
const METRIC_KEYS: [&str; 5] = ["name", "expression", "description", "ai_context", "custom_extensions"];

/// A dataset, while its keys are not known yet.
pub(super) struct Dataset {
    /// Our extension has defined its model already.
    pub(super) exported: bool,
    pub(super) name: At<String>,
    pub(super) relation: Relation,
    pub(super) description: Option<String>,
    pub(super) primary_key: Vec<String>,
    pub(super) unique_keys: Vec<Vec<String>>,
    pub(super) fields: Vec<Field>,
}

/// A field: a name for an expression over the columns of its dataset.
pub(super) struct Field {
    pub(super) name: At<String>,
    pub(super) expr: String,
    is_time: bool,
    texts: Texts,
}

/// What our extension of an element says.
enum Ours {
    /// There is none, or it is out of date.
    Nothing,
    Definition(Node),
}

impl Reader<'_> {
    /// A whole Ossie document.
    pub(super) fn ossie(&mut self, root: &Node) {
        let Some(mut fields) = self.open(root, "an Ossie document", &["version", "semantic_model"]) else {
            return;
        };
        let before = self.keys;
        match fields.required("version", self.report) {
            Some(("0.1.0" | "0.1.1", _)) | None => {}
            Some(("0.2.0.dev0", span)) => {
                let message = "Ossie 0.2.0.dev0 is not final: what 0.1.1 does not have is passed over";
                self.report.warn("ossie_version", span, message, None);
                self.keys = Keys::Lenient;
            }
            Some((other, span)) => {
                let message = format!("Ossie {other} is not known; 0.1.0 and 0.1.1 are read");
                self.report.error("bad_version", span, message);
            }
        }
        for node in fields.list("semantic_model", self.report) {
            self.ossie_model(node);
        }
        self.keys = before;
    }

    fn ossie_model(&mut self, node: &Node) {
        let Some(mut fields) = self.open(node, "an Ossie semantic model", &MODEL_KEYS) else { return };
        fields.required("name", self.report);
        fields.required_node("datasets", self.report);
        let items = fields.list("datasets", self.report);
        let datasets: Vec<Dataset> = items.iter().filter_map(|node| self.dataset(node)).collect();
        let relationships = self.relationships(&mut fields);
        let entities = keys::entities(&datasets, &relationships, self.report);
        for (dataset, entities) in datasets.iter().zip(entities) {
            if dataset.exported {
                self.more_entities(dataset, entities);
            } else {
                self.model_of(dataset, entities);
            }
        }
        for node in fields.list("metrics", self.report) {
            self.ossie_metric(node, &datasets);
        }
        if let Some(node) = self.extension(&fields) {
            self.model_extension(&node);
        }
    }

    /// Our extension's data.
    fn extension(&mut self, fields: &Fields<'_>) -> Option<Node> {
        let list = fields.get("custom_extensions").map_or(&[][..], Node::one_or_many);
        let ours = list.iter().find(|e| e.get("vendor_name").and_then(Node::text) == Some(ossie::VENDOR))?;
        yaml::parse_embedded(ours.get("data")?, self.report)
    }

    /// The definition in our extension, unless the element was changed since it was written.
    fn ours(&mut self, node: &Node, fields: &Fields<'_>, owner: &str) -> Ours {
        let Some(data) = self.extension(fields) else { return Ours::Nothing };
        let Some(definition) = data.get("definition") else { return Ours::Nothing };
        if data.get("hash").and_then(Node::text) != Some(ossie::fingerprint(node).as_str()) {
            let message =
                format!("{owner} was changed after it was exported: its ETALON extension is ignored");
            self.report.warn("stale_extension", &node.span, message, None);
            return Ours::Nothing;
        }
        Ours::Definition(definition.clone())
    }

    fn dataset(&mut self, node: &Node) -> Option<Dataset> {
        let mut fields = self.open(node, "a dataset", &DATASET_KEYS)?;
        let name = self.name(&mut fields)?;
        let relation = fields.required("source", self.report).and_then(|(t, s)| self.source(t, s))?;
        let owner = format!("dataset '{}'", name.value);
        let ours = self.ours(node, &fields, &owner);
        let exported = matches!(ours, Ours::Definition(_));
        if let Ours::Definition(definition) = ours {
            let relation = Some(relation.clone());
            self.leniently(|reader| reader.semantic_model_over(&definition, relation));
        }
        let description = fields.text("description", self.report);
        let texts = |list: Vec<(String, ::model::Span)>| list.into_iter().map(|(text, _)| text).collect();
        let primary_key = texts(fields.texts("primary_key", self.report));
        let mut unique_keys = Vec::new();
        for key in fields.list("unique_keys", self.report) {
            unique_keys.push(key.one_or_many().iter().filter_map(Node::text).map(str::to_owned).collect());
        }
        let items = fields.list("fields", self.report);
        let fields = items.iter().filter_map(|node| self.field(node)).collect();
        Some(Dataset { exported, name, relation, description, primary_key, unique_keys, fields })
    }

    /// A table or a query.
    fn source(&mut self, text: &str, span: &::model::Span) -> Option<Relation> {
        let start = text.trim_start().trim_start_matches('(').trim_start().to_lowercase();
        if start.starts_with("select ") || start.starts_with("select\n") || start.starts_with("with ") {
            return Some(Relation::Query(text.trim().to_owned()));
        }
        self.relation(text, span)
    }

    fn field(&mut self, node: &Node) -> Option<Field> {
        let mut fields = self.open(node, "a field", &FIELD_KEYS)?;
        let name = self.name(&mut fields);
        let owner = format!("field '{}'", name.as_ref().map_or("?", |n| n.value.as_str()));
        let expr = self.expression(&mut fields, &owner);
        let mut is_time = false;
        if let Some(node) = fields.get("dimension")
            && let Some(mut dimension) = self.open(node, "dimension", &["is_time"])
        {
            is_time = dimension.boolean("is_time", false, self.report);
        }
        let (label, description) = (fields.at("label", self.report), fields.text("description", self.report));
        let texts = Texts { label, description, meta: None };
        Some(Field { name: name?, expr: expr?.value, is_time, texts })
    }

    /// The expression in standard SQL, which every source reads; else it is refused.
    fn expression(&mut self, fields: &mut Fields<'_>, owner: &str) -> Option<At<String>> {
        let node = fields.required_node("expression", self.report)?;
        let mut expression = self.open(node, "an expression", &["dialects"])?;
        let mut dialects: Vec<(String, At<String>)> = Vec::new();
        for node in expression.list("dialects", self.report) {
            let Some(mut fields) = self.open(node, "a dialect", &["dialect", "expression"]) else { continue };
            let dialect = fields.required("dialect", self.report).map(|(text, _)| text.to_uppercase());
            let text = fields.required("expression", self.report).map(|(t, s)| At::new(t.to_owned(), s));
            dialects.extend(dialect.zip(text));
        }
        let found = dialects.iter().find(|(dialect, _)| dialect == "ANSI_SQL");
        let Some((_, text)) = found else {
            let names: Vec<&str> = dialects.iter().map(|(name, _)| name.as_str()).collect();
            let message = format!("{owner} has no expression in ANSI_SQL, only in {}", names.join(", "));
            self.report.error("bad_dialect", &node.span, message);
            return None;
        };
        if let Err(fault) = crate::sql::parse_expr(&text.value) {
            let message = format!("{owner}: '{}' is not a SQL expression: {}", text.value, fault.message);
            self.report.error("bad_expr", &text.span, message);
            return None;
        }
        Some(text.clone())
    }

    /// Relationships; ours say which entity they were made of.
    fn relationships(&mut self, outer: &mut Fields<'_>) -> Vec<keys::Relationship> {
        let known = ["name", "from", "to", "from_columns", "to_columns", "ai_context", "custom_extensions"];
        let mut found = Vec::new();
        for node in outer.list("relationships", self.report) {
            let Some(mut fields) = self.open(node, "a relationship", &known) else { continue };
            let mut at =
                |key: &str| fields.required(key, self.report).map(|(t, s)| At::new(t.to_lowercase(), s));
            let (name, from, to) = (at("name"), at("from"), at("to"));
            let mut columns = |key: &str| -> Vec<String> {
                fields.required_node(key, self.report);
                fields.texts(key, self.report).into_iter().map(|(text, _)| text).collect()
            };
            let (from_columns, to_columns) = (columns("from_columns"), columns("to_columns"));
            let (Some(name), Some(from), Some(to)) = (name, from, to) else { continue };
            let owner = format!("relationship '{}'", name.value);
            let entity = match self.ours(node, &fields, &owner) {
                Ours::Definition(data) => data.get("entity").and_then(Node::text).map(str::to_owned),
                Ours::Nothing => None,
            };
            found.push(keys::Relationship { name, from, to, from_columns, to_columns, entity });
        }
        found
    }

    /// What another tool has added to a model of ours.
    fn more_entities(&mut self, dataset: &Dataset, keys: keys::Entities) {
        let name = dataset.name.value.to_lowercase();
        let model = self.out.models.iter_mut().rev().find(|m| m.name.value.to_lowercase() == name);
        let Some(model) = model else { return };
        for mut entity in keys.entities {
            let known = |e: &Entity| e.name.value == entity.name.value;
            if model.entities.iter().any(known) {
                continue;
            }
            let is_primary = |e: &Entity| e.entity_type == EntityType::Primary;
            if is_primary(&entity)
                && (model.primary_entity.is_some() || model.entities.iter().any(is_primary))
            {
                entity.entity_type = EntityType::Unique;
            }
            model.entities.push(entity);
        }
    }

    fn model_of(&mut self, dataset: &Dataset, keys: keys::Entities) {
        let is_key = |field: &Field| {
            keys.entities
                .iter()
                .any(|e| e.name.value == field.name.value && e.expr.as_deref() == Some(field.expr.as_str()))
        };
        // A key that is a field as well is asked for as the entity it is.
        let fields = dataset.fields.iter().filter(|field| !is_key(field));
        let dimensions: Vec<Dimension> = fields
            .map(|field| Dimension {
                name: field.name.clone(),
                kind: if field.is_time {
                    DimensionKind::Time(Grain::Day)
                } else {
                    DimensionKind::Categorical
                },
                expr: Some(field.expr.clone()),
                is_partition: false,
                validity: None,
                column_type: None,
                texts: field.texts.clone(),
            })
            .collect();
        let mut times = dataset.fields.iter().filter(|field| field.is_time);
        let agg_time = times.next().map(|field| field.name.clone());
        if let (Some(first), Some(_)) = (&agg_time, times.next()) {
            let (name, first) = (&dataset.name.value, &first.value);
            let message = format!("dataset '{name}' has several time fields; its metrics go by '{first}'");
            self.report.warn("several_times", &dataset.name.span, message, None);
        }
        self.out.models.push(Model {
            name: dataset.name.clone(),
            relation: dataset.relation.clone(),
            texts: Texts { label: None, description: dataset.description.clone(), meta: None },
            primary_entity: keys.primary.filter(|_| !dimensions.is_empty()),
            agg_time,
            entities: keys.entities,
            dimensions,
            measures: Vec::new(),
            automatic: false,
        });
    }

    fn ossie_metric(&mut self, node: &Node, datasets: &[Dataset]) {
        let Some(mut fields) = self.open(node, "a metric", &METRIC_KEYS) else { return };
        let name = self.name(&mut fields);
        let owner = format!("metric '{}'", name.as_ref().map_or("?", |n| n.value.as_str()));
        if let Ours::Definition(definition) = self.ours(node, &fields, &owner) {
            self.leniently(|reader| reader.metric(&definition));
            return;
        }
        let description = fields.text("description", self.report);
        let expr = self.expression(&mut fields, &owner);
        let Some(name) = name else { return };
        let read = expr.and_then(|expr| match expression::read(&name, &expr, datasets) {
            Ok(kinds) => Some(kinds),
            Err(message) => {
                self.report.error("bad_metric", &expr.span, format!("{owner}: {message}"));
                None
            }
        });
        let Some(read) = read else {
            self.out.refused.metrics.insert(name.value.to_lowercase());
            return;
        };
        let texts = Texts { label: None, description, meta: None };
        self.out.metrics.extend(read.inputs);
        self.out.metrics.push(Metric {
            name,
            texts,
            kind: read.kind,
            filters: Vec::new(),
            time_granularity: None,
            private: false,
            made: false,
        });
    }

    /// What belongs to no element: metrics that Ossie cannot say, saved queries, views, calendars.
    fn model_extension(&mut self, data: &Node) {
        let items = |key: &str| data.get(key).map_or(&[][..], Node::one_or_many);
        self.leniently(|reader| {
            items("metrics").iter().for_each(|node| reader.metric(node));
            items("saved_queries").iter().for_each(|node| reader.saved_query(node));
            for node in items("time_spines") {
                match node.get("node_relation") {
                    Some(_) => reader.manifest_spine(node),
                    None => reader.generated_spine(node),
                }
            }
            data.get("metric_views").into_iter().for_each(|node| reader.metric_views(node));
        });
        let order: HashMap<&str, usize> =
            items("order").iter().enumerate().filter_map(|(i, node)| Some((node.text()?, i))).collect();
        let Declared { metrics, .. } = &mut self.out;
        metrics.sort_by_key(|m| order.get(m.name.value.as_str()).copied().unwrap_or(usize::MAX));
    }

    fn leniently(&mut self, read: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.keys, Keys::Lenient);
        read(self);
        self.keys = before;
    }
}
