use std::collections::HashMap;

use model::{ColumnType, Span};

use super::{
    fields::{Fields, duplicate, unsupported},
    merge::Document,
    sql_expr,
};
use crate::{
    Aggregation, Dimension, DimensionKind, Entity, EntityType, Grain, IdentityRules, Measure, SemanticModel,
    TrackingPlan, names,
    report::Report,
    sql,
    yaml::{Node, NodeValue},
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

/// A model with the places its problems are shown at.
#[derive(Debug)]
pub(super) struct LoadedModel {
    pub(super) model: SemanticModel,
    pub(super) places: Places,
    /// Measures that want a metric of their own: index and label.
    pub(super) wanted: Vec<(usize, Option<String>)>,
}

/// Where the parts of a model were declared; empty for automatic ones.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub(super) model: Option<Span>,
    pub(super) agg_time: Option<Span>,
    pub(super) label: Option<Span>,
    pub(super) entities: Vec<Span>,
    pub(super) dimensions: Vec<Span>,
    pub(super) measures: Vec<Span>,
    /// Labels of the elements.
    pub(super) labels: Vec<(String, Span)>,
}

pub(super) fn read(
    document: &Document<'_>,
    plan: &TrackingPlan,
    identity: &IdentityRules,
    report: &mut Report,
) -> Vec<LoadedModel> {
    let mut models = Vec::new();
    let mut seen: HashMap<String, Span> = HashMap::new();
    for node in document.items("semantic_models", report) {
        let Some(mut loaded) = read_model(node, identity, report) else { continue };
        let span = loaded.places.model.clone().unwrap_or_else(|| node.span.clone());
        if let Some(first) = seen.get(&loaded.model.name) {
            duplicate("model", &loaded.model.name, first, &span, report);
            continue;
        }
        seen.insert(loaded.model.name.clone(), span);
        infer_types(&mut loaded.model, plan);
        models.push(loaded);
    }
    models
}

fn read_model(node: &Node, identity: &IdentityRules, report: &mut Report) -> Option<LoadedModel> {
    let mut fields = Fields::open(node, "a semantic model", &KEYS, &[], report)?;
    let name = element_name(&mut fields, report);
    let relation = fields.required("model", report).and_then(|r| relation(r, report));
    let mut places = Places { label: fields.get("label").map(|n| n.span.clone()), ..Places::default() };
    let label = fields.text("label", report);
    let description = fields.text("description", report);
    let mut agg_time = None;
    if let Some(node) = fields.get("defaults")
        && let Some(mut defaults) = Fields::open(node, "defaults", &["agg_time_dimension"], &[], report)
        && let Some((text, span)) = defaults.word("agg_time_dimension", report)
    {
        agg_time = Some(text.to_lowercase());
        places.agg_time = Some(span.clone());
    }
    let entities = read_entities(&mut fields, &mut places, identity, report);
    let dimensions = read_dimensions(&mut fields, &mut places, report);
    let (measures, wanted) = read_measures(&mut fields, &mut places, report);
    let declared = fields.word("primary_entity", report).map(|(t, s)| (t.to_lowercase(), s));
    let primary = entities.iter().find(|e| e.entity_type == EntityType::Primary);
    if let (Some(entity), Some((_, span))) = (primary, &declared) {
        let message =
            format!("primary_entity is set although the entity '{}' is primary; remove one", entity.name);
        report.error("bad_model", span, message);
    }
    let primary_entity = primary.map(|e| e.name.clone()).or(declared.map(|(name, _)| name));
    let enabled = enabled(&mut fields, report);
    let (name, span) = name?;
    places.model = Some(span);
    let model = SemanticModel {
        name,
        relation: relation?,
        label,
        description,
        primary_entity,
        default_agg_time_dimension: agg_time,
        entities,
        dimensions,
        measures,
        automatic: false,
    };
    enabled.then_some(LoadedModel { model, places, wanted })
}

/// `config`; false only for `enabled: false`.
pub(super) fn enabled(fields: &mut Fields<'_>, report: &mut Report) -> bool {
    let Some(node) = fields.get("config") else { return true };
    let keys = ["meta", "enabled", "group", "tags"];
    Fields::open(node, "config", &keys, &[], report)
        .is_none_or(|mut config| config.boolean("enabled", true, report))
}

/// `name`, lower-cased and checked (N1, V1, V2).
pub(super) fn element_name(fields: &mut Fields<'_>, report: &mut Report) -> Option<(String, Span)> {
    let (text, span) = fields.required("name", report)?;
    let name = text.to_lowercase();
    if let Some((code, message)) = names::fault(&name) {
        report.error(code, span, message.replacen(&format!("'{name}'"), &format!("'{text}'"), 1));
    }
    Some((name, span.clone()))
}

/// `ref('x')`, `source('a','x')`, `schema.table` or `table`.
fn relation((text, span): (&str, &Span), report: &mut Report) -> Option<(String, String)> {
    let call = |name: &str| text.trim().strip_prefix(name)?.trim().strip_prefix('(')?.strip_suffix(')');
    let unquoted = |t: &str| {
        let t = t.trim();
        t.strip_prefix('\'')
            .and_then(|t| t.strip_suffix('\''))
            .or(t.strip_prefix('"').and_then(|t| t.strip_suffix('"')))
            .map(str::to_owned)
    };
    let parts: Option<Vec<String>> = match (call("ref"), call("source")) {
        (Some(inner), _) => unquoted(inner).map(|t| vec![t]),
        (_, Some(inner)) => inner.split(',').map(unquoted).collect(),
        _ => Some(text.split('.').map(|t| t.trim().trim_matches('"').to_owned()).collect()),
    };
    let fits = |p: &String| !p.is_empty() && !p.contains(['(', ')', '\'', '"', ' ', ';']);
    match parts.filter(|p| p.iter().all(fits)).as_deref() {
        Some([table]) => Some(("warehouse".to_owned(), table.clone())),
        Some([schema, table]) => Some((schema.clone(), table.clone())),
        _ => {
            let message = format!(
                "'{text}' is not a relation; write warehouse.order_completed, ref('x') or source('a', 'x')"
            );
            report.error("bad_relation", span, message);
            None
        }
    }
}

fn read_entities(
    fields: &mut Fields<'_>,
    places: &mut Places,
    identity: &IdentityRules,
    report: &mut Report,
) -> Vec<Entity> {
    let keys = ["name", "type", "expr", "identifier", "role", "entity", "description", "label", "config"];
    let types = [
        ("primary", EntityType::Primary),
        ("unique", EntityType::Unique),
        ("foreign", EntityType::Foreign),
        ("natural", EntityType::Natural),
    ];
    let mut found = Vec::new();
    for node in fields.list("entities", report) {
        let Some(mut fields) = Fields::open(node, "an entity", &keys, &[], report) else { continue };
        let name = element_name(&mut fields, report);
        fields.required_node("type", report);
        let entity_type = fields.choice("type", &types, report);
        if entity_type == Some(EntityType::Natural) {
            unsupported("an entity of type natural", fields.place_of("type"), report);
        }
        label(&mut fields, places, report);
        fields.word("description", report);
        let identifier = fields.word("identifier", report);
        let (Some((name, span)), Some(entity_type)) = (name, entity_type) else { continue };
        // The profile's key stands in every event table under this name.
        let column = if name == "profile" { "profile_id" } else { &name };
        let expr = sql_expr::read(fields.get("expr"), column, report);
        if let Some((id, id_span)) = identifier {
            if name != "profile" {
                report.error("bad_entity", id_span, "'identifier' belongs to the entity 'profile'");
            } else if fields.get("expr").is_none() {
                report.error(
                    "bad_entity",
                    id_span,
                    "'identifier' needs 'expr': the column that holds its value",
                );
            }
            if !identity.identifiers.iter().any(|t| t.name == id) {
                let close = names::closest(id, identity.identifiers.iter().map(|t| t.name.as_str()));
                report.suggest("unknown_identifier", id_span, format!("unknown identifier '{id}'"), close);
            }
        }
        places.entities.push(span);
        found.push(Entity { name, entity_type, expr, identifier: identifier.map(|(t, _)| t.to_owned()) });
    }
    found
}

fn label(fields: &mut Fields<'_>, places: &mut Places, report: &mut Report) -> Option<String> {
    let (text, span) = fields.word("label", report)?;
    places.labels.push((text.to_owned(), span.clone()));
    Some(text.to_owned())
}

fn read_dimensions(fields: &mut Fields<'_>, places: &mut Places, report: &mut Report) -> Vec<Dimension> {
    let keys = ["name", "type", "expr", "is_partition", "description", "label", "config", "type_params"];
    let mut found = Vec::new();
    for node in fields.list("dimensions", report) {
        let Some(mut fields) = Fields::open(node, "a dimension", &keys, &[], report) else { continue };
        let name = element_name(&mut fields, report);
        fields.required_node("type", report);
        let is_time = fields.choice("type", &[("categorical", false), ("time", true)], report);
        if fields.boolean("is_partition", false, report) {
            unsupported("'is_partition' of a dimension", fields.place_of("is_partition"), report);
        }
        label(&mut fields, places, report);
        let description = fields.text("description", report);
        let grain = granularity(&mut fields, report);
        let (Some((name, span)), Some(is_time)) = (name, is_time) else { continue };
        if is_time
            && grain.is_none()
            && fields.get("type_params").and_then(|n| n.get("time_granularity")).is_none()
        {
            report.error(
                "missing_granularity",
                &span,
                format!("time dimension '{name}' needs a time_granularity"),
            );
        }
        let expr = sql_expr::read(fields.get("expr"), &name, report);
        let kind = if is_time {
            DimensionKind::Time(grain.unwrap_or(Grain::Day))
        } else {
            DimensionKind::Categorical
        };
        places.dimensions.push(span);
        found.push(Dimension { name, expr, kind, column_type: None, description });
    }
    found
}

fn granularity(fields: &mut Fields<'_>, report: &mut Report) -> Option<Grain> {
    let node = fields.get("type_params")?;
    let mut params = Fields::open(
        node,
        "type_params of a dimension",
        &["time_granularity"],
        &["validity_params"],
        report,
    )?;
    grain(params.word("time_granularity", report)?, report)
}

/// Reads a grain, with a close one to try instead.
pub(super) fn grain((text, span): (&str, &Span), report: &mut Report) -> Option<Grain> {
    let found = Grain::parse(text);
    if found.is_none() {
        let close = names::closest(text, Grain::ALL.map(Grain::as_str));
        report.suggest("unknown_grain", span, format!("'{text}' is not a grain"), close);
    }
    found
}

/// dbt's aggregations; `None` for one that is not offered.
const AGGREGATIONS: [(&str, Option<Aggregation>); 9] = [
    ("sum", Some(Aggregation::Sum)),
    ("min", Some(Aggregation::Min)),
    ("max", Some(Aggregation::Max)),
    ("average", Some(Aggregation::Average)),
    ("count", Some(Aggregation::Count)),
    ("count_distinct", Some(Aggregation::CountDistinct)),
    ("sum_boolean", Some(Aggregation::SumBoolean)),
    ("median", Some(Aggregation::Median)),
    ("percentile", None),
];

fn read_measures(
    fields: &mut Fields<'_>,
    places: &mut Places,
    report: &mut Report,
) -> (Vec<Measure>, Vec<(usize, Option<String>)>) {
    let keys = [
        "name",
        "agg",
        "expr",
        "agg_time_dimension",
        "create_metric",
        "create_metric_display_name",
        "description",
        "label",
        "config",
    ];
    let later = ["agg_params", "non_additive_dimension"];
    let (mut found, mut wanted) = (Vec::new(), Vec::new());
    for node in fields.list("measures", report) {
        let Some(mut fields) = Fields::open(node, "a measure", &keys, &later, report) else { continue };
        let name = element_name(&mut fields, report);
        fields.required_node("agg", report);
        let agg = fields.choice("agg", &AGGREGATIONS, report);
        if agg == Some(None) {
            unsupported("the aggregation 'percentile'", fields.place_of("agg"), report);
        }
        fields.word("description", report);
        label(&mut fields, places, report);
        let agg_time_dimension = fields.text("agg_time_dimension", report).map(|t| t.to_lowercase());
        let title = fields.text("create_metric_display_name", report);
        let create = fields.boolean("create_metric", false, report);
        let Some((name, span)) = name else { continue };
        let Some(Some(agg)) = agg else { continue };
        if agg == Aggregation::Count && fields.get("expr").is_none() {
            let message = format!("measure '{name}': count needs an expr; use expr: 1 to count rows");
            report.error("bad_measure", &span, message);
        }
        let expr = sql_expr::read(fields.get("expr"), &name, report);
        if sql::has_distinct(&expr) {
            let span = fields.get("expr").map_or(&span, |n| &n.span);
            report.error(
                "bad_measure",
                span,
                format!("measure '{name}': distinct inside expr; use agg: count_distinct"),
            );
        }
        if create {
            wanted.push((found.len(), title));
        }
        places.measures.push(span);
        found.push(Measure { name, agg, expr, agg_time_dimension, column_type: None });
    }
    (found, wanted)
}

/// Fills in the types that the tracking plan gives away.
fn infer_types(model: &mut SemanticModel, plan: &TrackingPlan) {
    let (schema, table) = &model.relation;
    let event =
        plan.events.iter().find(|e| matches!(schema.as_str(), "warehouse" | "events") && e.table == *table);
    let column = |name: &str| match event {
        None => None,
        Some(event) => match event.properties.iter().find(|p| p.column == name) {
            Some(property) => Some(property.column_type),
            None if name == "timestamp" => Some(ColumnType::Timestamp),
            None if matches!(name, "id" | "profile_id") => Some(ColumnType::String),
            None => None,
        },
    };
    let type_of = |expr: &str| sql::parse_expr(expr).ok().and_then(|e| sql::infer(&e, &column));
    for dimension in &mut model.dimensions {
        dimension.column_type = type_of(&dimension.expr);
    }
    for measure in &mut model.measures {
        measure.column_type = sql::result_type(measure.agg, type_of(&measure.expr));
    }
}

/// Filters as dbt writes them: one text, or a list of texts that must all hold.
pub(super) fn filters(node: Option<&Node>, report: &mut Report) -> Vec<(String, Span)> {
    let Some(node) = node.filter(|n| !n.is_null() && !n.is_bad()) else { return Vec::new() };
    let mut found = Vec::new();
    for item in node.one_or_many() {
        match (&item.value, item.text()) {
            (_, Some(text)) => found.push((text.to_owned(), item.span.clone())),
            (NodeValue::Bad, _) => {}
            _ => report.error("bad_filter", &item.span, "a filter is a text or a list of texts"),
        }
    }
    found
}
