//! Our catalog as Apache Ossie (`semantic-layer.md` 1.4). What Ossie can say, it says; everything else
//! travels in extensions of vendor ETALON, so that reading the export gives an equal catalog.

mod native;
mod sql_text;

use std::collections::{HashMap, HashSet};

use crate::{
    Catalog, DimensionKind, EntityType, Metric, MetricInput, MetricKind, Relation, SemanticModel, hash,
    yaml::{
        self, Node, NodeValue,
        write::{list, map, plain, text},
    },
};

/// The vendor our extensions are signed with.
pub(crate) const VENDOR: &str = "ETALON";
/// The version of Ossie that is written.
const VERSION: &str = "0.1.1";

/// How an export is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OssieFormat {
    /// For people.
    Yaml,
    /// For programs.
    Json,
}

/// The semantic models, metrics, saved queries, metric views and time spines of a catalog as Ossie.
/// Automatic models are left out: they come from the tracking plan. Audiences are not part of it.
pub fn export_ossie(catalog: &Catalog, name: &str, format: OssieFormat) -> String {
    let root = map([
        ("version", Some(text(VERSION))),
        ("semantic_model", Some(list([semantic_model(catalog, name)]))),
    ]);
    match format {
        OssieFormat::Yaml => yaml::write::to_yaml(&root),
        OssieFormat::Json => yaml::to_json(&root) + "\n",
    }
}

/// What an element of Ossie says, without our extension: an edit by another tool changes it.
pub(crate) fn fingerprint(node: &Node) -> String {
    let mut node = node.clone();
    canonical(&mut node);
    format!("{:016x}", hash::of_text(&yaml::to_json(&node)))
}

fn canonical(node: &mut Node) {
    match &mut node.value {
        NodeValue::Map(members) => {
            members.retain(|(key, value)| key.text != "custom_extensions" && !value.is_null());
            members.sort_by(|a, b| a.0.text.cmp(&b.0.text));
            members.iter_mut().for_each(|(_, value)| canonical(value));
        }
        NodeValue::List(items) => items.iter_mut().for_each(canonical),
        _ => {}
    }
}

/// An element with its definition in our own format.
fn extended(mut element: Node, definition: Node) -> Node {
    let data = map([("hash", Some(text(fingerprint(&element)))), ("definition", Some(definition))]);
    if let NodeValue::Map(members) = &mut element.value
        && let NodeValue::Map(more) = map([("custom_extensions", Some(extension(&data)))]).value
    {
        members.extend(more);
    }
    element
}

fn extension(data: &Node) -> Node {
    list([map([("vendor_name", Some(text(VENDOR))), ("data", Some(text(yaml::to_json(data))))])])
}

fn semantic_model(catalog: &Catalog, name: &str) -> Node {
    let models: Vec<&SemanticModel> = catalog.semantic_models.iter().filter(|m| !m.automatic).collect();
    let automatic: HashSet<&str> =
        catalog.semantic_models.iter().filter(|m| m.automatic).map(|m| m.name.as_str()).collect();
    let made = |metric: &&Metric| match metric.name.as_str() {
        "profile_count" | "audience_gain" => {
            matches!(&metric.kind, MetricKind::Simple(s) if automatic.contains(s.model.as_str()))
        }
        "audience_size" => {
            matches!(&metric.kind, MetricKind::Cumulative { input, .. } if input.name == "audience_gain")
        }
        _ => false,
    };
    let metrics: Vec<&Metric> = catalog.metrics.iter().filter(|metric| !made(metric)).collect();
    let expressions = Expressions::new(&metrics, &models);
    let (mut told, mut hidden) = (Vec::new(), Vec::new());
    for metric in &metrics {
        match expressions.of(metric).filter(|_| !metric.private) {
            Some(sql) => {
                let element = map([
                    ("name", Some(text(&metric.name))),
                    ("description", metric.description.as_ref().map(text)),
                    ("expression", Some(expression(&sql))),
                ]);
                told.push(extended(element, native::metric(metric)));
            }
            None => hidden.push(native::metric(metric)),
        }
    }
    let data = map([
        ("metrics", Some(list(hidden))),
        ("order", Some(list(metrics.iter().map(|m| text(&m.name))))),
        ("time_spines", Some(list(catalog.time_spines.iter().map(native::spine)))),
        ("saved_queries", Some(list(catalog.saved_queries.iter().map(native::saved_query)))),
        ("metric_views", Some(list(catalog.metric_views.iter().map(native::metric_view)))),
    ]);
    map([
        ("name", Some(text(name))),
        ("datasets", Some(list(models.iter().map(|model| dataset(model))))),
        ("relationships", Some(list(relationships(&models)))),
        ("metrics", Some(list(told))),
        ("custom_extensions", Some(extension(&data))),
    ])
}

fn expression(sql: &str) -> Node {
    let dialect = map([("dialect", Some(text("ANSI_SQL"))), ("expression", Some(text(sql)))]);
    map([("dialects", Some(list([dialect])))])
}

/// The column of an expression that is one.
fn column(expr: &str) -> Option<&str> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let starts = expr.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    (starts && expr.bytes().all(fits)).then_some(expr)
}

fn dataset(model: &SemanticModel) -> Node {
    let key = |kind: EntityType| {
        let keys = model.entities.iter().filter(move |e| e.entity_type == kind && e.identifier.is_none());
        keys.filter_map(|e| column(&e.expr))
    };
    let fields = model.dimensions.iter().map(|dimension| {
        let is_time = matches!(dimension.kind, DimensionKind::Time(_));
        map([
            ("name", Some(text(&dimension.name))),
            ("expression", Some(expression(&dimension.expr))),
            ("dimension", Some(map([("is_time", Some(plain(is_time)))]))),
            ("label", dimension.label.as_ref().map(text)),
            ("description", dimension.description.as_ref().map(text)),
        ])
    });
    let unique: Vec<Node> = key(EntityType::Unique).map(|column| list([text(column)])).collect();
    let element = map([
        ("name", Some(text(&model.name))),
        ("source", Some(text(source(&model.relation)))),
        ("primary_key", key(EntityType::Primary).next().map(|column| list([text(column)]))),
        ("unique_keys", (!unique.is_empty()).then(|| list(unique))),
        ("description", model.description.as_ref().map(text)),
        ("fields", Some(list(fields))),
    ]);
    extended(element, native::model(model))
}

/// A table's name, quoted where a part needs it, or the query.
fn source(relation: &Relation) -> String {
    let part = |name: &str| match column(name) {
        Some(name) => name.to_owned(),
        None => format!("\"{name}\""),
    };
    match relation {
        Relation::Query(text) => text.clone(),
        Relation::Table { database: Some(database), schema, name } => {
            format!("{}.{}.{}", part(database), part(schema), part(name))
        }
        Relation::Table { database: None, schema, name } => format!("{}.{}", part(schema), part(name)),
    }
}

/// Each foreign key that leads to one row of another model, where both are columns.
fn relationships(models: &[&SemanticModel]) -> Vec<Node> {
    let mut keys: HashMap<&str, Vec<(&str, &str)>> = HashMap::new();
    for model in models {
        for entity in &model.entities {
            if matches!(entity.entity_type, EntityType::Primary | EntityType::Unique)
                && let Some(column) = column(&entity.expr)
            {
                keys.entry(&entity.name).or_default().push((&model.name, column));
            }
        }
    }
    let mut found = Vec::new();
    for model in models {
        let foreign = model.entities.iter().filter(|e| e.entity_type == EntityType::Foreign);
        for entity in foreign.filter(|e| e.identifier.is_none()) {
            let Some(from) = column(&entity.expr) else { continue };
            for (to, key) in keys.get(entity.name.as_str()).into_iter().flatten() {
                if *to == model.name {
                    continue;
                }
                let element = map([
                    ("name", Some(text(format!("{}_{}_{to}", model.name, entity.name)))),
                    ("from", Some(text(&model.name))),
                    ("to", Some(text(*to))),
                    ("from_columns", Some(list([text(from)]))),
                    ("to_columns", Some(list([text(*key)]))),
                ]);
                found.push(extended(element, map([("entity", Some(text(&entity.name)))])));
            }
        }
    }
    found
}

/// Metrics as aggregates, where Ossie can say them.
struct Expressions<'a> {
    by_name: HashMap<&'a str, &'a Metric>,
    models: HashSet<&'a str>,
}

impl<'a> Expressions<'a> {
    fn new(metrics: &[&'a Metric], models: &[&'a SemanticModel]) -> Self {
        Self {
            by_name: metrics.iter().map(|m| (m.name.as_str(), *m)).collect(),
            models: models.iter().map(|m| m.name.as_str()).collect(),
        }
    }

    /// `None` for what has no such form: filters, windows, offsets, values for missing ones.
    fn of(&self, metric: &Metric) -> Option<String> {
        if !metric.filters.is_empty() {
            return None;
        }
        match &metric.kind {
            MetricKind::Simple(simple) if self.models.contains(simple.model.as_str()) => {
                sql_text::aggregate(simple)
            }
            MetricKind::Ratio { numerator, denominator } => {
                Some(format!("{} / NULLIF({}, 0)", self.input(numerator)?, self.input(denominator)?))
            }
            MetricKind::Derived { expr, inputs } => {
                let inputs: HashMap<&str, String> = inputs
                    .iter()
                    .map(|input| Some((input.output_name(), self.input(input)?)))
                    .collect::<Option<_>>()?;
                sql_text::derived(expr, &inputs)
            }
            _ => None,
        }
    }

    /// Only simple metrics: deeper ones would have to be written in full.
    fn input(&self, input: &MetricInput) -> Option<String> {
        let plain =
            input.filters.is_empty() && input.offset_window.is_none() && input.offset_to_grain.is_none();
        let metric = self.by_name.get(input.name.as_str()).filter(|_| plain)?;
        matches!(metric.kind, MetricKind::Simple(_)).then(|| self.of(metric))?
    }
}
